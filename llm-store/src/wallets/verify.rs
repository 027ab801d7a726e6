//! Recomputing every wallet from its journal.

use std::collections::BTreeMap;

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::ledger::rules::Violation;
use llm_core::money::{Credits, Unit};
use llm_core::store::StoreError;
use llm_core::wallet::{Cause, Entry, Wallet};

use super::chain::{follow, genesis};
use super::line::{COLUMNS, columns_of, hold_of, instant};
use super::months::other_hour;
use super::open::{Access, Open};
use super::{NotDone, WalletId, Wallets};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::digest;

/// Wallets of one list, and lines of one question: neither takes long.
const NAMES_MAX: i64 = 500;
const LINES_MAX: i64 = 2_000;

/// What a recomputation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletAudit {
    /// Wallets looked at.
    pub wallets: u64,
    /// Holds that have not ended.
    pub holds_open: u64,
    /// Entries added up.
    pub entries: u64,
    /// Wallets that break a law; empty when all is well.
    pub problems: Vec<(WalletId, Problem)>,
}

/// What is wrong with a wallet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An entry was changed, dropped or moved.
    #[error("the journal was changed at entry {0}")]
    Chain(i64),
    /// The last entries are gone.
    #[error("the journal ends before its wallet")]
    Head,
    /// A law is broken, or a sum is not the journal's.
    #[error(transparent)]
    Law(Violation),
    /// What is kept of a hold is not what the journal says.
    #[error("what is kept of hold {0:?} is not what the journal says")]
    Hold(HoldId),
    /// What an hour comes to, counted since 1970, is not what the journal says.
    #[error("what is kept of hour {0} is not what the journal says")]
    Hour(i64),
    /// It cannot be read.
    #[error("{0}")]
    Odd(Str),
}

impl Wallets {
    /// Recomputes every wallet: chain, balances, holds, hours. Each at an instant of its own.
    pub async fn verify(&self) -> Result<WalletAudit, NotDone> {
        let mut audit = WalletAudit::default();
        let mut after = 0;
        loop {
            let names = self.database.report(Names { after }).await?;
            let Some((last, _)) = names.last() else { return Ok(audit) };
            after = *last;
            for (_, name) in names {
                let told = self.database.report(Recompute { name: name.clone() }).await?;
                audit.wallets += 1;
                match told {
                    Ok((entries, open)) => {
                        audit.entries += entries;
                        audit.holds_open += open;
                    }
                    Err(problem) => audit.problems.push((name, problem)),
                }
            }
        }
    }
}

struct Names {
    after: i64,
}

impl Task for Names {
    type Out = Vec<(i64, WalletId)>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let text = "SELECT id, tenant, kind, name FROM wallet WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = session.all(text, &[self.after.into(), NAMES_MAX.into()]).await?;
        let mut names = Vec::with_capacity(rows.len());
        for row in rows {
            let name = WalletId::of_columns(row.text(1)?, &row.text(2)?, row.text(3)?)?;
            names.push((row.int(0)?, name));
        }
        Ok(names)
    }
}

struct Recompute {
    name: WalletId,
}

impl Task for Recompute {
    type Out = Result<(u64, u64), Problem>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        match recompute(session, &self.name).await {
            Ok(told) => Ok(told),
            Err(Failure::Denied(StoreError::Violation(law))) => Ok(Err(Problem::Law(law))),
            Err(Failure::Denied(StoreError::Corrupt(what))) => Ok(Err(Problem::Odd(what))),
            Err(other) => Err(other),
        }
    }
}

async fn recompute(
    session: &mut Session<'_>,
    name: &WalletId,
) -> Result<Result<(u64, u64), Problem>, Failure> {
    let Some(id) = Open::find(session, name).await? else { return Ok(Ok((0, 0))) };
    // The chain first: it says where, and a wallet whose journal was changed may not load at all.
    let (entries, head) = match journal(session, id, name).await? {
        Ok(journal) => journal,
        Err(problem) => return Ok(Err(problem)),
    };
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let Some(open) = Open::load(session, name, Access::Look).await? else { return Ok(Ok((0, 0))) };
    if (u64::try_from(open.seq), open.head) != (Ok(count(entries.len())), head) {
        return Ok(Err(Problem::Head));
    }
    open.wallet.check(&entries)?;
    if let Some(hold) = other_hold(session, id, &entries).await? {
        return Ok(Err(Problem::Hold(hold)));
    }
    if let Some(hour) = other_hour(session, id, &entries).await? {
        return Ok(Err(Problem::Hour(hour)));
    }
    Ok(Ok((count(entries.len()), count(open.wallet.open_holds().count()))))
}

type Journal = (Vec<Entry>, [u8; 32]);

/// A wallet's entries and the last one's hash, or where the chain breaks.
async fn journal(
    session: &mut Session<'_>,
    id: i64,
    name: &WalletId,
) -> Result<Result<Journal, Problem>, Failure> {
    let text = format!(
        "SELECT seq, hash, {COLUMNS} FROM wallet_entry WHERE wallet = $1 AND seq > $2 \
         ORDER BY seq LIMIT $3"
    );
    let (mut seq, mut head, mut entries) = (0, genesis(name), Vec::new());
    loop {
        let args = [id.into(), seq.into(), LINES_MAX.into()];
        let rows = session.all(text.clone(), &args).await?;
        if rows.is_empty() {
            return Ok(Ok((entries, head)));
        }
        for row in rows {
            let columns = columns_of(&row, 2)?;
            seq += 1;
            head = follow(&head, seq, &columns);
            if row.int(0)? != seq || digest(&row.bytes(1)?)? != head {
                return Ok(Err(Problem::Chain(seq)));
            }
            entries.push(Entry::try_from(&columns)?);
        }
    }
}

const ENDED: &str = "SELECT id, amount, ended_at, charged, released, lapsed, refunded \
     FROM wallet_hold WHERE wallet = $1 AND ended_at IS NOT NULL";

/// A hold that has ended otherwise than the journal says.
async fn other_hold(
    session: &mut Session<'_>,
    wallet: i64,
    entries: &[Entry],
) -> Result<Option<HoldId>, Failure> {
    let told = Wallet::replay(entries)?;
    let mut ended = BTreeMap::new();
    for entry in entries {
        if let Cause::Settle(hold) | Cause::Release(hold) = entry.cause {
            ended.insert(hold, told.charge(hold));
        }
    }
    for row in session.all(ENDED, &[wallet.into()]).await? {
        let hold = hold_of(&row.bytes(0)?)?;
        let Some(charge) = ended.remove(&hold).flatten() else { return Ok(Some(hold)) };
        let amount = charge.charged.saturating_add(charge.released);
        let same = instant(row.int(2)?)? == charge.at
            && [amount, charge.charged, charge.released, charge.lapsed, charge.refunded]
                == [
                    Credits::from_pieces(row.int(1)?),
                    Credits::from_pieces(row.int(3)?),
                    Credits::from_pieces(row.int(4)?),
                    Credits::from_pieces(row.int(5)?),
                    Credits::from_pieces(row.int(6)?),
                ];
        if !same {
            return Ok(Some(hold));
        }
    }
    Ok(ended.into_keys().next())
}
