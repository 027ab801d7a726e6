//! A wallet while it is worked on: loaded and locked, brought up to now, and then changed.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::{Credits, Unit};
use llm_core::wallet::{Bucket, BucketId, Entry, State, Step, Wallet};

use super::chain::genesis;
use super::line::{bucket_of, hold_of, instant, maybe_instant, source_of};
use super::plan::{self, Enrolled};
use super::{Ask, Keep, WalletId, funds};
use crate::sql::database::{Arg, Session};
use crate::sql::fault::Failure;
use crate::sql::row::{digest, odd};

const WALLET: &str = "SELECT id, made, seq, head, watched, plan, monthly, periods, since, turn, \
     zone FROM wallet WHERE tenant = $1 AND kind = $2 AND name = $3";
const MAKE: &str = "INSERT INTO wallet (tenant, kind, name, head) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (tenant, kind, name) DO NOTHING";
const BUCKETS: &str = "SELECT id, source, rest, held, expires_at FROM wallet_bucket \
     WHERE wallet = $1 AND (rest > 0 OR held > 0)";
/// An open hold's parts are what it wrote when it was made. The holds first: they are few, and there
/// may be a million lines, which a file would walk through for the sake of their order.
const HOLDS: &str = "SELECT h.id, h.price, h.expires_at, h.job, e.bucket, e.held, e.at \
     FROM wallet_hold h CROSS JOIN wallet_entry e WHERE e.wallet = h.wallet AND e.hold = h.id \
     AND e.kind = 'reserve' AND h.wallet = $1 AND h.ended_at IS NULL ORDER BY e.seq";

/// How a wallet is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It is only looked at.
    Look,
    /// It is changed, if there is one.
    Change,
    /// It is changed, and made if there is none.
    Make,
}

/// A wallet that is worked on.
pub(super) struct Open {
    pub(super) name: WalletId,
    pub(super) id: i64,
    pub(super) seq: i64,
    pub(super) head: [u8; 32],
    pub(super) now: Timestamp,
    pub(super) wallet: Wallet,
    /// Who ends the holds that were open when it was loaded.
    pub(super) kept: Vec<Kept>,
    pub(super) enrolled: Enrolled,
    /// Whether it has thresholds of its own.
    pub(super) watched: bool,
    /// What was unspent when it was loaded.
    pub(super) before: Credits,
    /// What has happened since.
    pub(super) entries: Vec<Entry>,
    /// The terms of the hold that was made.
    pub(super) asked: Option<Ask>,
}

/// An open hold's terms, as they were stored.
pub(super) struct Kept {
    pub(super) hold: HoldId,
    pub(super) since: Timestamp,
    pub(super) price: Option<Str>,
    pub(super) keep: Keep,
}

impl Open {
    /// The row of a wallet, for whoever only reads what belongs to it.
    pub(super) async fn find(
        session: &mut Session<'_>,
        name: &WalletId,
    ) -> Result<Option<i64>, Failure> {
        let called = name.name();
        let key = [(*name.tenant.0).into(), name.kind().into(), (*called).into()];
        session.one(WALLET, &key).await?.map(|row| row.int(0)).transpose()
    }

    /// Loads it; `None` when there is none.
    pub(super) async fn load(
        session: &mut Session<'_>,
        name: &WalletId,
        access: Access,
    ) -> Result<Option<Self>, Failure> {
        let text = match access {
            Access::Look => WALLET.to_owned(),
            Access::Change | Access::Make => format!("{WALLET}{}", session.locking()),
        };
        let called = name.name();
        let key = [(*name.tenant.0).into(), name.kind().into(), (*called).into()];
        let mut row = session.one(text.clone(), &key).await?;
        if row.is_none() && access == Access::Make {
            let head = genesis(name);
            let [tenant, kind, called] = key;
            session.run(MAKE, &[tenant, kind, called, Arg::from(&head[..])]).await?;
            row = session.one(text, &key).await?;
        }
        let Some(row) = row else { return Ok(None) };
        let id = row.int(0)?;
        let made = u64::try_from(row.int(1)?).map_err(|_| odd("made"))?;
        let enrolled = plan::enrolled_of(&row, 5)?;
        let now = instant(session.now())?;
        let (holds, kept) = holds(session, id).await?;
        let buckets = buckets(session, id).await?;
        let wallet = Wallet::restore(State { buckets, made, holds })?;
        Ok(Some(Self {
            name: name.clone(),
            id,
            seq: row.int(2)?,
            head: digest(&row.bytes(3)?)?,
            now,
            before: funds(&wallet),
            wallet,
            kept,
            enrolled,
            watched: row.int(4)? != 0,
            entries: Vec::new(),
            asked: None,
        }))
    }

    /// Does what was due: whatever was abandoned comes back, and then the month is granted.
    pub(super) async fn touch(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let over = |kept: &&Kept| matches!(kept.keep, Keep::Until(end) if end <= self.now);
        let abandoned: Vec<_> = self.kept.iter().filter(over).map(|kept| kept.hold).collect();
        for hold in abandoned {
            match self.wallet.release(hold, self.now) {
                Ok(step) => drop(self.took(step)),
                // It is open, and can be given back.
                Err(_) => return Err(odd("hold").into()),
            }
        }
        self.kept.retain(|kept| self.wallet.hold(kept.hold).is_some());
        plan::grant_due(self, session).await
    }

    /// Keeps what a step did, and says whether it had been done before.
    pub(super) fn took<R>(&mut self, step: Step<R>) -> (R, bool) {
        let again = step.entries.is_empty();
        self.entries.extend(step.entries);
        (step.receipt, again)
    }
}

type Holds = Vec<(HoldId, Vec<(BucketId, Credits)>)>;

async fn holds(session: &mut Session<'_>, id: i64) -> Result<(Holds, Vec<Kept>), Failure> {
    let (mut holds, mut kept) = (Holds::new(), Vec::<Kept>::new());
    for row in session.all(HOLDS, &[id.into()]).await? {
        let hold = hold_of(&row.bytes(0)?)?;
        if kept.last().is_none_or(|last| last.hold != hold) {
            let keep = match (maybe_instant(row.maybe_int(2)?)?, row.maybe_text(3)?) {
                (Some(end), None) => Keep::Until(end),
                (None, Some(job)) => Keep::Job(Str::from(job)),
                (None, None) | (Some(_), Some(_)) => return Err(odd("hold").into()),
            };
            let (since, price) = (instant(row.int(6)?)?, row.maybe_text(1)?.map(Str::from));
            kept.push(Kept { hold, since, price, keep });
            holds.push((hold, Vec::new()));
        }
        if let (Some(bucket), Some((_, parts))) = (row.maybe_int(4)?, holds.last_mut()) {
            parts.push((bucket_of(bucket)?, Credits::from_pieces(row.int(5)?)));
        }
    }
    Ok((holds, kept))
}

async fn buckets(session: &mut Session<'_>, id: i64) -> Result<Vec<Bucket>, Failure> {
    let mut buckets = Vec::new();
    for row in session.all(BUCKETS, &[id.into()]).await? {
        buckets.push(Bucket {
            id: bucket_of(row.int(0)?)?,
            source: source_of(&row.text(1)?)?,
            left: Credits::from_pieces(row.int(2)?),
            held: Credits::from_pieces(row.int(3)?),
            expires_at: maybe_instant(row.maybe_int(4)?)?,
        });
    }
    Ok(buckets)
}
