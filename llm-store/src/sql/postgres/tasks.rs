//! Tasks as steps of a connection: each in a transaction of its own.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::link::Step;
use super::reads::SNAPSHOT;
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

const NOW: &str = "SELECT vault_now()";

/// A task that writes.
pub(super) struct Writing<T>(pub(super) T);

impl<T: Task> Step for Writing<T> {
    type Out = T::Out;

    async fn run(&self, connection: &mut PgConnection) -> Result<T::Out, Failure> {
        let mut whole = connection.begin().await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut *whole).await?;
        let done = self.0.run(&mut Session::postgres(&mut whole, now)).await;
        match done {
            Ok(out) => {
                whole.commit().await?;
                Ok(out)
            }
            Err(failure) => {
                // The connection is used again where nothing but a refusal came out of it.
                whole.rollback().await?;
                Err(failure)
            }
        }
    }
}

/// A task that reads.
pub(super) struct Reading<T> {
    pub(super) task: T,
    /// How long a statement may take: reports take longer than what calls wait for.
    pub(super) within: Duration,
}

impl<T: Task> Step for Reading<T> {
    type Out = T::Out;

    async fn run(&self, connection: &mut PgConnection) -> Result<T::Out, Failure> {
        let mut seen = connection.begin_with(SNAPSHOT).await?;
        let patience = format!("SET LOCAL statement_timeout = {}", self.within.as_millis());
        sqlx::raw_sql(AssertSqlSafe(patience)).execute(&mut *seen).await?;
        let now = sqlx::query_scalar(NOW).fetch_one(&mut *seen).await?;
        let done = self.task.run(&mut Session::postgres(&mut seen, now)).await;
        seen.rollback().await?;
        done
    }
}
