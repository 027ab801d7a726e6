//! Everything of somebody, gone: what they asked, what came of it, and that they ever asked.
//!
//! A job that somebody has is cancelled first, and goes once it has ended; one that still owes keeps
//! its row until it is settled, since that is all that knows of it, without anything in it.

use super::announce::announce;
use super::part::forget;
use super::rows::{COLUMNS, Row, blob, number};
use super::view::Whose;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::webhooks::Outbox;

/// Jobs of one transaction: each may have a hundred parts of a MiB.
const BATCH_MAX: usize = 16;

/// What was erased of somebody's jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Jobs that are gone.
    pub gone: u64,
    /// Jobs that go once whoever has them has let go, or their hold is settled.
    pub later: u64,
}

/// One batch, behind a job.
pub(super) struct Erase {
    pub(super) whose: Whose,
    pub(super) after: Vec<u8>,
    pub(super) outbox: Outbox,
}

const OF_USER: &str =
    " FROM job WHERE tenant = $1 AND person = $2 AND id > $3 ORDER BY id LIMIT $4";
const DELETE: &str = "DELETE FROM job WHERE id = $1";
const EVENTS: &str = "UPDATE job_event SET note = NULL, step = NULL, step_percent = NULL \
     WHERE job = $1";
const STEPS: &str = "DELETE FROM job_step WHERE job = $1";
const EMPTY: &str = "UPDATE job SET once = NULL, problem = NULL, expires = NULL WHERE id = $1";

impl Task for Erase {
    /// What was erased, and the last job of the batch; `None` is the end.
    type Out = (Erased, Option<Vec<u8>>);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let mut erased = Erased::default();
        let (Some(tenant), Some(user)) = (&self.whose.tenant, &self.whose.user) else {
            return Ok((erased, None));
        };
        let args = [
            (&tenant.0[..]).into(),
            (&user.0[..]).into(),
            blob(&self.after),
            number(BATCH_MAX).into(),
        ];
        let text = format!("SELECT {COLUMNS}{OF_USER}{}", session.locking());
        let rows = session.all(text, &args).await?;
        let mut last = None;
        for record in &rows {
            let mut row = Row::read(record)?;
            let id = row.id.0.to_be_bytes();
            last = Some(id.to_vec());
            let news = row.life.cancel(session.now());
            forget(session, row.id).await?;
            if !news.is_empty() {
                row.save(session, &news).await?;
                announce(session, &self.outbox, &row, &news).await?;
            }
            session.run(STEPS, &[blob(&id)]).await?;
            if row.life.state.is_over() && row.life.owes.is_none() {
                session.run(DELETE, &[blob(&id)]).await?;
                erased.gone += 1;
            } else {
                session.run(EVENTS, &[blob(&id)]).await?;
                session.run(EMPTY, &[blob(&id)]).await?;
                erased.later += 1;
            }
        }
        Ok((erased, last.filter(|_| rows.len() == BATCH_MAX)))
    }
}
