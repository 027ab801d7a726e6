//! A transaction of the directory, and what is done in it.

use std::sync::Arc;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::KeyId;
use llm_core::store::StoreError;
use parking_lot::Mutex;

use super::NotDone;
use super::plan::Plans;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

/// What is done at a desk. It may be done again when nobody knows whether it was: so a thing that
/// was made before, and is the same, is made.
pub(super) trait Op: Send + Sync {
    /// What comes out.
    type Out: Send + 'static;

    /// Does it.
    fn run(&self, desk: &mut Desk<'_, '_>) -> impl Future<Output = Result<Self::Out, Stop>> + Send;
}

/// Why an op went no further.
pub(super) enum Stop {
    /// A rule is against it: all that was written before is undone.
    No(NotDone),
    /// The database is.
    Failed(Failure),
}

impl<T: Into<NotDone>> From<T> for Stop {
    fn from(why: T) -> Self {
        Self::No(why.into())
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Where a rule's reason waits while the transaction is undone, which knows of stores alone.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Option<NotDone>>>);

impl Said {
    pub(super) fn take(&self) -> Option<NotDone> {
        self.0.lock().take()
    }

    fn settle<T>(&self, done: Result<T, Stop>) -> Result<T, Failure> {
        // A transaction that is done anew has another reason, or none.
        *self.0.lock() = None;
        done.map_err(|stop| match stop {
            Stop::Failed(failure) => failure,
            Stop::No(NotDone::Store(why)) => why.into(),
            Stop::No(why) => {
                *self.0.lock() = Some(why);
                StoreError::Conflict(Str::from_static("a rule is against it")).into()
            }
        })
    }
}

/// A change, as a task of the database.
pub(super) struct Change<O> {
    pub(super) op: O,
    pub(super) configured: Arc<Plans>,
    pub(super) said: Said,
}

impl<O: Op> Task for Change<O> {
    /// With the lines whose keys are not what they were; `None` is too many to name.
    type Out = (O::Out, Option<Vec<KeyId>>);

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let opened = lock(session).await?;
        let mut desk = Desk::new(session, opened, &self.configured)?;
        let done = self.op.run(&mut desk).await;
        let out = self.said.settle(done)?;
        let lines = desk.close(opened).await?;
        Ok((out, lines))
    }
}

/// A question, as a task of the database.
pub(super) struct Asking<O> {
    pub(super) op: O,
    pub(super) configured: Arc<Plans>,
    pub(super) said: Said,
}

impl<O: Op> Task for Asking<O> {
    type Out = O::Out;

    async fn run(&self, session: &mut Session<'_>) -> Result<O::Out, Failure> {
        let mut desk = Desk::new(session, 0, &self.configured)?;
        let done = self.op.run(&mut desk).await;
        self.said.settle(done)
    }
}

/// From here on nobody else changes the directory, until the commit.
async fn lock(session: &mut Session<'_>) -> Result<i64, Failure> {
    let text = format!("SELECT seq FROM directory_head WHERE id = 1{}", session.locking());
    let head = session.one(text, &[]).await?.ok_or_else(|| odd("directory_head"))?;
    head.int(0)
}

/// A transaction, its instant and the plans there are.
pub(super) struct Desk<'s, 'c> {
    pub(super) session: &'s mut Session<'c>,
    pub(super) now: Timestamp,
    pub(super) configured: Arc<Plans>,
    /// The last number that was given out.
    pub(super) seq: i64,
}

impl<'s, 'c> Desk<'s, 'c> {
    fn new(
        session: &'s mut Session<'c>,
        seq: i64,
        configured: &Arc<Plans>,
    ) -> Result<Self, Failure> {
        let now = Timestamp::from_microsecond(session.now()).map_err(|_| odd("now"))?;
        Ok(Self { session, now, configured: Arc::clone(configured), seq })
    }

    /// The instant, as columns have it.
    pub(super) fn at(&self) -> i64 {
        self.now.as_microsecond()
    }
}
