//! Paying for jobs that have ended, exactly once.
//!
//! That something is owed is written in the transaction in which a job ends, so that neither can be
//! without the other. Somebody carries it to the ledger afterwards, as often as it takes; the ledger
//! knows holds by their id and settles each once.

use std::fmt;

use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::principal::TenantId;
use llm_core::store::{StoreError, Stored};

use super::job::JobId;
use super::rows::{blob, job_id, number, payment};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// Debts that are carried at once.
pub const OWED_MAX: usize = 64;
/// After which time somebody else carries it, in microseconds; twice as long after each try.
const AGAIN_FIRST: i64 = 30_000_000;
/// And the longest such time: a ledger that is back is not kept waiting.
const AGAIN_MAX: i64 = 600_000_000;

/// What is owed for a job that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The job.
    pub job: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// The hold that pays.
    pub hold: HoldId,
    /// Of which unit.
    pub unit: Str,
    /// How many pieces; the rest of the hold goes back. Nothing is a hold that is voided.
    pub charge: i64,
}

/// The ledger's side of it.
pub trait Settle: Send + Sync + fmt::Debug {
    /// Settles a hold. It may be asked for more than once, and happens once.
    fn settle<'a>(&'a self, owed: &'a Owed) -> Stored<'a, ()>;
}

/// What came of carrying debts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// How many are settled.
    pub settled: usize,
    /// How many are not, and will be tried again.
    pub left: usize,
    /// Why, of the last one.
    pub why: Option<StoreError>,
}

/// Debts, for a while nobody else's to carry.
pub(super) struct Collect {
    pub(super) max: usize,
}

const DUE: &str = "SELECT id, tenant, unit, hold, charge, tries FROM job WHERE owes <= $1 \
     ORDER BY owes, id LIMIT $2";
const LATER: &str = "UPDATE job SET owes = $2, tries = tries + 1 WHERE id = $1";

impl Task for Collect {
    type Out = Vec<Owed>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Vec<Owed>, Failure> {
        let (now, text) = (session.now(), format!("{DUE}{}", session.taking()));
        let rows = session.all(text, &[now.into(), number(self.max.min(OWED_MAX)).into()]).await?;
        let mut owed = Vec::with_capacity(rows.len());
        for row in &rows {
            let job = job_id(row, 0)?;
            let tries = u32::try_from(row.int(5)?).unwrap_or(u32::MAX).min(16);
            let wait = (AGAIN_FIRST << tries).min(AGAIN_MAX);
            let id = job.0.to_be_bytes();
            session.run(LATER, &[blob(&id), now.saturating_add(wait).into()]).await?;
            let pays = payment(row, 2)?.ok_or_else(|| odd("hold"))?;
            let charge = row.maybe_int(4)?.ok_or_else(|| odd("charge"))?;
            let tenant = TenantId(row.text(1)?.into());
            owed.push(Owed { job, tenant, hold: pays.hold, unit: pays.unit, charge });
        }
        Ok(owed)
    }
}

/// A hold is settled.
pub(super) struct Paid(pub(super) JobId);

const PAID: &str = "UPDATE job SET owes = NULL, settled = 1 WHERE id = $1 AND owes IS NOT NULL";

impl Task for Paid {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.run(PAID, &[blob(&self.0.0.to_be_bytes())]).await.map(drop)
    }
}
