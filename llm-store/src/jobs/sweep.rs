//! What is kept no longer: first the parts of a job, much later the job itself.

use std::time::Duration;

use super::job::JobId;
use super::part::forget;
use super::rows::{COLUMNS, Row, blob, job_id, number};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::micros_of;

/// Jobs of one transaction: each may have a hundred parts of a MiB.
const BATCH_MAX: usize = 16;
/// How long somebody may see that there was a job, and why it failed.
pub const HISTORY: Duration = Duration::from_secs(180 * 24 * 3_600);

/// What was swept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Jobs whose parts are gone now.
    pub expired: usize,
    /// Jobs that are gone altogether.
    pub forgotten: usize,
}

/// One batch of both.
pub(super) struct Sweep;

const EXPIRED: &str = " FROM job WHERE expires <= $1 ORDER BY expires LIMIT $2";
/// Not while something is owed: the row is all that knows of it.
const OLD: &str = "SELECT id FROM job WHERE ended <= $1 AND expires IS NULL AND settled = 1 \
     ORDER BY ended LIMIT $2";
const DELETE: &str = "DELETE FROM job WHERE id = $1";

impl Task for Sweep {
    type Out = Swept;

    async fn run(&self, session: &mut Session<'_>) -> Result<Swept, Failure> {
        let (now, max) = (session.now(), number(BATCH_MAX));
        let text = format!("SELECT {COLUMNS}{EXPIRED}{}", session.taking());
        let expired = session.all(text, &[now.into(), max.into()]).await?;
        for record in &expired {
            let mut row = Row::read(record)?;
            forget(session, row.id).await?;
            let news = row.life.swept();
            row.save(session, &[news]).await?;
        }
        let text = format!("{OLD}{}", session.taking());
        let before = now.saturating_sub(micros_of(HISTORY));
        let old = session.all(text, &[before.into(), max.into()]).await?;
        for record in &old {
            let JobId(id) = job_id(record, 0)?;
            session.run(DELETE, &[blob(&id.to_be_bytes())]).await?;
        }
        Ok(Swept { expired: expired.len(), forgotten: old.len() })
    }
}
