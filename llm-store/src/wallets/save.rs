//! Writing what came of a step: entries with their hashes, and the sums beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use llm_core::ledger::HoldId;
use llm_core::money::Unit;
use llm_core::store::StoreError;
use llm_core::wallet::{BucketId, Cause, Source};

use super::chain::follow;
use super::line::{Columns, bucket_number, hold_bytes, source_word};
use super::open::Open;
use super::{Keep, Terms, alert};
use crate::sql::database::{Arg, Session};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Rows of one statement. A step rarely has more than three; one that gives back thousands of
/// abandoned holds must not take a round trip for each.
const ROWS_MAX: usize = 200;

const HEAD: &str = "UPDATE wallet SET made = $3, seq = $4, head = $5 WHERE id = $1 AND seq = $2";
const ENTRY: &str = "INSERT INTO wallet_entry (wallet, seq, at, kind, bucket, event, hold, source, \
     expires_at, rest, held, spent, hash) VALUES ";
const BUCKET: &str =
    "INSERT INTO wallet_bucket (wallet, id, source, rest, held, expires_at) VALUES ";
const BUCKET_THERE: &str =
    " ON CONFLICT (wallet, id) DO UPDATE SET rest = excluded.rest, held = excluded.held";
const HOLD: &str = "INSERT INTO wallet_hold (wallet, id, amount, price, expires_at, job, \
     ended_at, charged, released, lapsed, refunded) VALUES ";
const HOLD_THERE: &str = " ON CONFLICT (wallet, id) DO UPDATE SET ended_at = excluded.ended_at, \
     charged = excluded.charged, released = excluded.released, lapsed = excluded.lapsed, \
     refunded = excluded.refunded";

impl Open {
    /// Writes it, and tells whoever is to hear of it.
    pub(super) async fn save(
        &mut self,
        session: &mut Session<'_>,
        terms: &Terms,
    ) -> Result<(), Failure> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let was = self.seq;
        self.write_buckets(session).await?;
        self.write_holds(session).await?;
        self.write_entries(session).await?;
        let made = i64::try_from(self.wallet.made()).map_err(|_| odd("made"))?;
        let args =
            [self.id.into(), was.into(), made.into(), self.seq.into(), Arg::from(&self.head[..])];
        if session.run(HEAD, &args).await? != 1 {
            return Err(StoreError::Corrupt("a wallet was not locked".into()).into());
        }
        alert::tell(self, session, terms).await
    }

    async fn write_entries(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut lines = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let columns = Columns::from(entry);
            self.seq = self.seq.checked_add(1).ok_or_else(|| odd("seq"))?;
            self.head = follow(&self.head, self.seq, &columns);
            lines.push((self.seq, columns, self.head));
        }
        let rows = lines.iter().map(|(seq, line, hash)| {
            [
                self.id.into(),
                (*seq).into(),
                line.at.into(),
                line.kind.into(),
                line.bucket.into(),
                line.event.as_deref().into(),
                line.hold.as_ref().map(|bytes| &bytes[..]).into(),
                line.source.into(),
                line.expires_at.into(),
                line.rest.into(),
                line.held.into(),
                line.spent.into(),
                Arg::from(&hash[..]),
            ]
        });
        insert(session, ENTRY, rows, "").await
    }

    /// The buckets that moved, as they are now. One that is gone is empty, and keeps what it was.
    async fn write_buckets(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut moved = BTreeMap::<BucketId, Option<(Source, Option<Timestamp>)>>::new();
        for entry in &self.entries {
            let Some(id) = entry.bucket else { continue };
            let terms = match &entry.cause {
                Cause::Grant { source, expires_at, .. } => Some((*source, *expires_at)),
                Cause::Refund { expires_at, .. } => Some((Source::Refunded, *expires_at)),
                Cause::Reserve(_) | Cause::Settle(_) | Cause::Release(_) | Cause::Expire { .. } => {
                    None
                }
            };
            let known = moved.entry(id).or_default();
            *known = known.or(terms);
        }
        let mut rows = Vec::with_capacity(moved.len());
        for (id, terms) in moved {
            let live = self.wallet.buckets().iter().find(|bucket| bucket.id == id);
            let (rest, held) = live.map_or((0, 0), |b| (b.left.pieces(), b.held.pieces()));
            // Where it was there before, only the amounts are written.
            let terms = terms.or(live.map(|b| (b.source, b.expires_at)));
            let (source, ends) = terms.unwrap_or((Source::Granted, None));
            let ends = ends.map(Timestamp::as_microsecond);
            let id = bucket_number(id);
            rows.push([
                Arg::from(self.id),
                id.into(),
                source_word(source).into(),
                rest.into(),
                held.into(),
                ends.into(),
            ]);
        }
        insert(session, BUCKET, rows.into_iter(), BUCKET_THERE).await
    }

    /// The holds that were made, ended or refunded.
    async fn write_holds(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut moved = BTreeSet::new();
        for entry in &self.entries {
            match &entry.cause {
                Cause::Reserve(id) | Cause::Settle(id) | Cause::Release(id) => moved.insert(*id),
                Cause::Refund { charge, .. } => moved.insert(*charge),
                Cause::Grant { .. } | Cause::Expire { .. } => false,
            };
        }
        let rows: Vec<_> = moved.into_iter().map(|id| (id, hold_bytes(id))).collect();
        let rows = rows.iter().map(|(id, bytes)| self.hold_row(*id, bytes));
        let rows: Vec<_> = rows.collect::<Option<_>>().ok_or_else(|| odd("hold"))?;
        insert(session, HOLD, rows.into_iter(), HOLD_THERE).await
    }

    fn hold_row<'a>(&'a self, id: HoldId, bytes: &'a [u8; 16]) -> Option<[Arg<'a>; 11]> {
        let (wallet, id_bytes) = (Arg::from(self.id), Arg::from(&bytes[..]));
        if let Some(charge) = self.wallet.charge(id) {
            let amount = charge.charged.saturating_add(charge.released).pieces();
            // It was there before: its terms stay, and only its end is written.
            let (price, ends, job) = (Arg::Text(None), Arg::from(0), Arg::Text(None));
            let ended = [
                charge.at.as_microsecond().into(),
                charge.charged.pieces().into(),
                charge.released.pieces().into(),
                charge.lapsed.pieces().into(),
                charge.refunded.pieces().into(),
            ];
            let [at, charged, released, lapsed, refunded] = ended;
            let amount = amount.into();
            return Some([
                wallet, id_bytes, amount, price, ends, job, at, charged, released, lapsed, refunded,
            ]);
        }
        let ask = self.asked.as_ref().filter(|ask| ask.hold == id)?;
        let (ends, job) = terms(&ask.keep);
        let (amount, price) = (ask.amount.pieces().into(), ask.price.as_deref().into());
        let [zero, none] = [Arg::from(0), Arg::Int(None)];
        Some([wallet, id_bytes, amount, price, ends, job, none, zero, zero, zero, zero])
    }
}

/// Who ends a hold, as columns.
pub(super) fn terms(keep: &Keep) -> (Arg<'_>, Arg<'_>) {
    match keep {
        Keep::Until(end) => (end.as_microsecond().into(), Arg::Text(None)),
        Keep::Job(job) => (Arg::Int(None), Arg::from(&**job)),
    }
}

/// Rows in statements of no more than [`ROWS_MAX`].
async fn insert<'a, const N: usize>(
    session: &mut Session<'_>,
    into: &str,
    rows: impl Iterator<Item = [Arg<'a>; N]>,
    there: &str,
) -> Result<(), Failure> {
    let rows: Vec<_> = rows.collect();
    for some in rows.chunks(ROWS_MAX) {
        let mut text = into.to_owned();
        for row in 0..some.len() {
            text.push_str(if row == 0 { "(" } else { ", (" });
            for column in 1..=N {
                // Writing to a string does not fail.
                let _ =
                    write!(text, "{}${}", if column == 1 { "" } else { ", " }, row * N + column);
            }
            text.push(')');
        }
        text.push_str(there);
        session.run(text, some.as_flattened()).await?;
    }
    Ok(())
}
