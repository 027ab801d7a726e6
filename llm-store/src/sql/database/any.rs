//! Any task as one type. There are hundreds of them, and all that is around a task (a transaction, its
//! repetitions, its time) would be in the binary once for each and each kind of database.

use std::any::Any;

use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;

use super::{Session, Task};
use crate::sql::fault::Failure;

/// What a task has answered with.
type Answer = Box<dyn Any + Send>;

/// A task of any type.
pub(super) struct AnyTask<'t>(Box<dyn Doing + 't>);

impl<'t> AnyTask<'t> {
    pub(super) fn new(task: impl Task + 't) -> Self {
        Self(Box::new(task))
    }
}

/// What was answered, as the task's own type.
pub(super) fn answer<T: Task>(answer: Answer) -> Result<T::Out, StoreError> {
    let answer = answer.downcast::<T::Out>().map(|answer| *answer);
    // Each answer comes from the task that was put in.
    answer.map_err(|_| StoreError::Corrupt("another task's answer".into()))
}

trait Doing: Send + Sync {
    fn run<'a>(&'a self, session: &'a mut Session<'_>) -> BoxFuture<'a, Result<Answer, Failure>>;
}

impl<T: Task> Doing for T {
    fn run<'a>(&'a self, session: &'a mut Session<'_>) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let answer = Task::run(self, session).await?;
            Ok(Box::new(answer) as Answer)
        })
    }
}

impl Task for AnyTask<'_> {
    type Out = Answer;

    async fn run(&self, session: &mut Session<'_>) -> Result<Answer, Failure> {
        self.0.run(session).await
    }
}
