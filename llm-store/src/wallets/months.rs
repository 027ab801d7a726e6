//! What the months of a wallet come to.
//!
//! The database adds the lines of each hour up as they are written, by a trigger of its own
//! (`wallet_hour`), and a month is the sum of its hours. Where it begins or ends in the middle of one,
//! as some time zones have it, that hour is added up from its lines.

use std::collections::BTreeMap;

use jiff::Timestamp;
use llm_core::money::{Credits, Unit};
use llm_core::quota::WindowId;
use llm_core::wallet::{Cause, Entry};

use super::line;
use super::open::Open;
use super::{NotDone, WalletId, Wallets};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Months of one answer: what anybody compares.
pub const MONTHS_MAX: usize = 36;
/// In microseconds. The same as in the trigger.
const HOUR: i64 = 3_600_000_000;

const HOURS: &str = "SELECT CAST(coalesce(sum(granted), 0) AS BIGINT), \
     CAST(coalesce(sum(spent), 0) AS BIGINT), CAST(coalesce(sum(refunded), 0) AS BIGINT), \
     CAST(coalesce(sum(ended), 0) AS BIGINT) FROM wallet_hour \
     WHERE wallet = $1 AND hour >= $2 AND hour < $3";
/// All of it stands in the index of kinds, and kinds that no sum has are passed over.
const LINES: &str = "SELECT kind || '', CAST(sum(rest) AS BIGINT), CAST(sum(spent) AS BIGINT) \
     FROM wallet_entry WHERE wallet = $1 AND kind || '' IN ('grant', 'settle', 'refund', 'expire') \
     AND at >= $2 AND at < $3 GROUP BY kind || ''";
const KEPT: &str =
    "SELECT hour, granted, spent, refunded, ended FROM wallet_hour WHERE wallet = $1 ORDER BY hour";

/// What a month came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month {
    /// Which one.
    pub period: WindowId,
    /// What was put in.
    pub granted: Credits,
    /// What was spent.
    pub spent: Credits,
    /// What of that came back.
    pub refunded: Credits,
    /// What ended unspent.
    pub ended: Credits,
}

impl Wallets {
    /// The months that a span has, the first one first; no more than [`MONTHS_MAX`].
    pub async fn months(
        &self,
        of: &WalletId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Month>, NotDone> {
        of.checked()?;
        let mut periods = Vec::new();
        let mut at = from;
        while at < to && periods.len() < MONTHS_MAX {
            let period = self.terms.months.window_at(at);
            periods.push(period);
            at = period.end;
        }
        Ok(self.database.report(Months { name: of.clone(), periods }).await?)
    }
}

/// Granted, spent, refunded, ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums([i64; 4]);

impl Sums {
    fn add(&mut self, Self(more): Self) {
        self.0.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    /// What lines of a kind come to.
    fn of(kind: &str, rest: i64, spent: i64) -> Option<Self> {
        Some(Self(match kind {
            line::GRANT => [rest, 0, 0, 0],
            line::SETTLE => [0, spent, 0, 0],
            line::REFUND => [0, 0, spent.saturating_neg(), 0],
            line::EXPIRE => [0, 0, 0, rest.saturating_neg()],
            _ => return None,
        }))
    }
}

struct Months {
    name: WalletId,
    periods: Vec<WindowId>,
}

impl Task for Months {
    type Out = Vec<Month>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Month>, Failure> {
        let Some(id) = Open::find(session, &self.name).await? else { return Ok(Vec::new()) };
        let mut months = Vec::with_capacity(self.periods.len());
        for period in &self.periods {
            let Sums(sums) = between(session, id, *period).await?;
            let [granted, spent, refunded, ended] = sums.map(Credits);
            months.push(Month { period: *period, granted, spent, refunded, ended });
        }
        Ok(months)
    }
}

async fn between(
    session: &mut Session<'_>,
    wallet: i64,
    period: WindowId,
) -> Result<Sums, Failure> {
    let (start, end) = (period.start.as_microsecond(), period.end.as_microsecond());
    // Hours that lie in it whole: none, where it is shorter than that.
    let first = start.saturating_add(HOUR - 1).div_euclid(HOUR);
    let last = end.div_euclid(HOUR).max(first);
    let mut sums = Sums::default();
    if let Some(row) = session.one(HOURS, &[wallet.into(), first.into(), last.into()]).await? {
        sums.add(Sums([row.int(0)?, row.int(1)?, row.int(2)?, row.int(3)?]));
    }
    let (whole_from, whole_to) = (first.saturating_mul(HOUR), last.saturating_mul(HOUR));
    for (from, to) in [(start, whole_from.min(end)), (whole_to, end)] {
        if from < to {
            for row in session.all(LINES, &[wallet.into(), from.into(), to.into()]).await? {
                let lines = Sums::of(&row.text(0)?, row.int(1)?, row.int(2)?);
                sums.add(lines.ok_or_else(|| odd("kind"))?);
            }
        }
    }
    Ok(sums)
}

/// An hour whose sums are not those of these entries, which are all that a wallet has.
pub(super) async fn other_hour(
    session: &mut Session<'_>,
    wallet: i64,
    entries: &[Entry],
) -> Result<Option<i64>, Failure> {
    let mut told = BTreeMap::<i64, Sums>::new();
    for entry in entries {
        let (rest, spent) = (entry.left.pieces(), entry.spent.pieces());
        let kind = match entry.cause {
            Cause::Grant { .. } => line::GRANT,
            Cause::Settle(_) => line::SETTLE,
            Cause::Refund { .. } => line::REFUND,
            Cause::Expire { .. } => line::EXPIRE,
            Cause::Reserve(_) | Cause::Release(_) => continue,
        };
        let sums = Sums::of(kind, rest, spent).unwrap_or_default();
        told.entry(entry.at.as_microsecond() / HOUR).or_default().add(sums);
    }
    for row in session.all(KEPT, &[wallet.into()]).await? {
        let hour = row.int(0)?;
        let kept = Sums([row.int(1)?, row.int(2)?, row.int(3)?, row.int(4)?]);
        if told.remove(&hour) != Some(kept) {
            return Ok(Some(hour));
        }
    }
    Ok(told.into_keys().next())
}
