//! One database of either kind, for everything that is not the hot ledger: who is who, the request
//! log, jobs, wallets.
//!
//! The actors are the *database* (a file with its writer, or a pool of connections), a *task* (what
//! happens in one transaction, and may be done again when it is not known whether it was done) and
//! the *session* that the task speaks to. A task has one text for both kinds: `$1` works in both,
//! numbers are whole and 64 bits wide, and instants are microseconds since 1970. What the two do
//! differently (locks, arrays) is no matter of a task: SQLite has one writer, and Postgres is asked
//! for row locks by a clause that [`Session::locking`] gives.
//!
//! Deliberately absent: a query builder, and types of columns beyond the three there are.

mod any;
mod session;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use llm_core::money::Unit;
use llm_core::store::vault::Vault;
use llm_core::store::{Audit, StoreError};

use super::fault::Failure;
#[cfg(feature = "postgres")]
use super::postgres::PostgresVault;
#[cfg(feature = "sqlite")]
use super::sqlite::SqliteVault;

use any::AnyTask;
pub use session::{Arg, Record, Session, Text};

/// What somebody may wait for.
const READ_DEADLINE: Duration = Duration::from_secs(1);
/// What a report may take, before whoever wants it is told to ask for less.
const REPORT_DEADLINE: Duration = Duration::from_secs(30);

/// What happens in one transaction.
pub trait Task: Send + Sync {
    /// What it answers with.
    type Out: Send + 'static;

    /// Does it.
    fn run(
        &self,
        session: &mut Session<'_>,
    ) -> impl Future<Output = Result<Self::Out, Failure>> + Send;
}

/// A database. Cheap to clone: all share its connections.
#[derive(Clone)]
pub struct Database(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteVault),
    #[cfg(feature = "postgres")]
    Postgres(PostgresVault),
}

impl Database {
    /// Does a task that writes. It happens whole or not at all; an error that is
    /// [`StoreError::Unavailable`] says that nobody knows.
    pub async fn write<T: Task + 'static>(&self, task: T) -> Result<T::Out, StoreError> {
        let task = AnyTask::new(task);
        let done = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(vault) => vault.write(task).await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(vault) => vault.write(task).await,
        };
        any::answer::<T>(done?)
    }

    /// Does a task that only reads, and sees one instant of everything. It never waits for whoever
    /// writes.
    pub async fn read<T: Task>(&self, task: T) -> Result<T::Out, StoreError> {
        self.read_within(task, READ_DEADLINE).await
    }

    /// The same for reports, that may take longer than what a call would wait for.
    pub async fn report<T: Task>(&self, task: T) -> Result<T::Out, StoreError> {
        self.read_within(task, REPORT_DEADLINE).await
    }

    /// Takes what was deleted from the disk as well, as far as the database lets us: a file forgets
    /// at once, a server when it cleans up. What is sealed cannot be read in either case once its
    /// key is gone. Whether it was done.
    pub async fn scrub(&self) -> Result<bool, StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(vault) => vault.scrub().await.map(|()| true),
            #[cfg(feature = "postgres")]
            Kind::Postgres(_) => Ok(false),
        }
    }

    /// What its accounts of a unit say, recomputed.
    pub(crate) async fn audit<U: Unit>(&self) -> Result<Audit, StoreError> {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(vault) => vault.of::<U>().verify().await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(vault) => vault.of::<U>().verify().await,
        }
    }

    async fn read_within<T: Task>(&self, task: T, within: Duration) -> Result<T::Out, StoreError> {
        let task = AnyTask::new(task);
        let done = match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(vault) => vault.read(task, within).await,
            #[cfg(feature = "postgres")]
            Kind::Postgres(vault) => vault.read(task, within).await,
        };
        any::answer::<T>(done?)
    }
}

#[cfg(feature = "sqlite")]
impl From<SqliteVault> for Database {
    /// The file in which these accounts are.
    fn from(vault: SqliteVault) -> Self {
        Self(Kind::Sqlite(vault))
    }
}

#[cfg(feature = "postgres")]
impl From<PostgresVault> for Database {
    /// The database in which these accounts are.
    fn from(vault: PostgresVault) -> Self {
        Self(Kind::Postgres(vault))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(vault) => f.debug_tuple("Database").field(vault).finish(),
            #[cfg(feature = "postgres")]
            Kind::Postgres(vault) => f.debug_tuple("Database").field(vault).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
