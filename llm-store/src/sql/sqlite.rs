//! The ledger in one file.
//!
//! The actors are the *writer* (one task with one connection, which commits what waits in groups)
//! and the *readers* (connections that see the last commit and never wait for the writer). Callers
//! hand their step to the writer and are answered when it is committed, or know that nothing
//! happened. Another process may use the same file: they take turns.
//!
//! Deliberately absent: a cache of balances, and retries; an error of the disk is the caller's to
//! know, and the connection that saw it is closed and opened anew.

pub(crate) mod copy;
mod place;
mod reads;
mod scrub;
mod steps;
mod turns;
mod way;
mod whole;
mod writer;

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::Timestamp;
use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::vault::{Estate, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{Audit, NotReserved, StoreError, Stored};
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::NotOpened;
use super::database::{Session, Task};
use super::fault::{Failure, unavailable, understand};
use crate::grant::{check_asks, check_fold, refused};
use crate::journal::Durability;
use writer::{Asked, Job, Work};

pub use writer::GROUP_MAX;

/// A step that takes longer than this has an answer that nobody waits for.
const DEADLINE: Duration = Duration::from_secs(5);
/// Steps that wait for the writer: a few groups. Whoever comes then waits to be let in.
const WAITING_MAX: usize = 4 * GROUP_MAX;

/// Which file, and what it promises.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file. It is made when there is none, for its owner only; its folder must exist.
    pub path: PathBuf,
    /// When a step counts as written.
    pub durability: Durability,
    /// How large the file may grow. `None` is as large as the disk.
    pub bytes_max: Option<u64>,
    /// How long to wait for another process that writes to the same file.
    pub patience: Duration,
}

impl Settings {
    /// The usual ones for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        // Nearly as long as anybody waits for a step.
        let (durability, patience) = (Durability::Power, Duration::from_secs(4));
        Self { path: path.into(), durability, bytes_max: None, patience }
    }
}

/// Accounts in a file. Cheap to clone; the file is closed with the last of them.
pub struct SqliteVault<U: Unit = Money> {
    shared: Arc<Shared>,
    unit: PhantomData<fn() -> U>,
}

struct Shared {
    jobs: mpsc::Sender<Box<dyn Job>>,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    place: place::Place,
}

impl<U: Unit> SqliteVault<U> {
    /// Opens the file, and brings its schema up to date; of several processes that do, one does it.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, NotOpened> {
        let place = place::Place::new(settings, Arc::clone(&clock))?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| NotOpened::Runtime)?;
        let connection = place.prepare(&*clock).await?;
        let readers = place.readers().await.map_err(|error| understand(&error))?;
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        runtime.spawn(writer::write(place.clone(), connection, waiting));
        let shared = Arc::new(Shared { jobs, readers, clock, place });
        Ok(Self { shared, unit: PhantomData })
    }

    /// The accounts of another unit, in the same file and through the same writer.
    pub fn of<V: Unit>(&self) -> SqliteVault<V> {
        SqliteVault { shared: Arc::clone(&self.shared), unit: PhantomData }
    }

    /// Has the writer do it, and waits for the commit.
    async fn ask<W: Work + 'static>(&self, work: W) -> Result<W::Out, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Asked::new(work, reply));
        let gone = || unavailable("the writer has ended");
        let asked = async {
            self.shared.jobs.send(job).await.map_err(|_| gone())?;
            answer.await.map_err(|_| gone())?
        };
        self.within(asked).await
    }

    async fn within<T>(
        &self,
        step: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::select! {
            done = step => done,
            () = self.shared.clock.sleep(DEADLINE) => Err(unavailable("the file takes too long")),
        }
    }

    /// A question of the ledger's: there are few of them.
    async fn giving<T>(&self, read: impl Future<Output = T>) -> T {
        way::giving(&*self.shared.clock, read).await
    }

    /// What all statements of a question see is one commit.
    async fn look(&self) -> Result<Transaction<'static, Sqlite>, Failure> {
        Ok(self.shared.readers.begin().await?)
    }

    /// Something that is not the ledger's, in a transaction that writes.
    pub(super) async fn write<T: Task + 'static>(&self, task: T) -> Result<T::Out, StoreError> {
        self.ask(InFile { task, now: self.now() }).await
    }

    /// Takes what was deleted from the disk as well.
    pub(super) async fn scrub(&self) -> Result<(), StoreError> {
        scrub::scrub(&self.shared.place, &*self.shared.clock).await
    }

    /// Something that is not the ledger's, and only reads; within so long.
    pub(super) async fn read<T: Task>(
        &self,
        task: T,
        within: Duration,
    ) -> Result<T::Out, StoreError> {
        let read = async {
            // Waited for without offering the processor: it is others of us who have it.
            let mut link = self.shared.readers.acquire().await?;
            let asked = async {
                let mut seen = link.begin().await?;
                task.run(&mut Session::sqlite(&mut seen, self.now())).await
            };
            way::giving(&*self.shared.clock, asked).await
        };
        tokio::select! {
            done = read => done.map_err(Failure::understood),
            () = self.shared.clock.sleep(within) => Err(unavailable("the file takes too long")),
        }
    }

    /// The calendar's instant, as columns have it.
    fn now(&self) -> i64 {
        Timestamp::try_from(self.shared.clock.wall()).unwrap_or(Timestamp::MAX).as_microsecond()
    }
}

/// A task as a step of the writer.
struct InFile<T> {
    task: T,
    now: i64,
}

impl<T: Task> Work for InFile<T> {
    type Out = T::Out;

    async fn run(&self, connection: &mut SqliteConnection) -> Result<T::Out, Failure> {
        self.task.run(&mut Session::sqlite(connection, self.now)).await
    }
}

impl<U: Unit> Vault<U> for SqliteVault<U> {
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate<U>>)> {
        let work = steps::Enter { replica: replica.into(), now: self.now(), unit: PhantomData };
        Box::pin(self.ask(work))
    }

    fn beat<'a>(&'a self, who: &'a Tenure, lives: Duration) -> Stored<'a, ()> {
        let work = steps::Beat::<U> { who: who.clone(), now: self.now(), lives, unit: PhantomData };
        Box::pin(self.ask(work))
    }

    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk<U>],
    ) -> BoxFuture<'a, Result<Vec<U>, NotReserved<U>>> {
        Box::pin(async move {
            check_asks(asks)?;
            let granted = self.ask(steps::Lease { who: who.clone(), asks: asks.to_vec() }).await?;
            granted.map_err(|(at, why)| refused(asks, at, why))
        })
    }

    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold<U>) -> Stored<'a, ()> {
        Box::pin(async move {
            check_fold(batch)?;
            let step = |careful| {
                let (who, batch) = (who.clone(), batch.clone());
                self.ask(steps::Carry { who, batch, careful, now: self.now() })
            };
            match step(false).await {
                // Perhaps it was carried here before, all or a part of it: then it does not add up.
                Err(StoreError::Conflict(_) | StoreError::Corrupt(_)) => step(true).await,
                done => done,
            }
        })
    }

    fn silent(&self, since: Duration) -> Stored<'_, Vec<Estate<U>>> {
        Box::pin(self.within(async move {
            let read = async {
                let mut seen = self.look().await?;
                reads::silent(&mut seen, self.now(), since).await
            };
            self.giving(read).await.map_err(Failure::understood)
        }))
    }

    fn bury<'a>(&'a self, who: &'a Tenure, used: bool) -> Stored<'a, ()> {
        let work = steps::Bury::<U> { who: who.clone(), used, now: self.now(), unit: PhantomData };
        Box::pin(self.ask(work))
    }

    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement<U>>> {
        Box::pin(self.within(async move {
            let read = async { reads::ended(&mut *self.look().await?, hold).await };
            self.giving(read).await.map_err(Failure::understood)
        }))
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>> {
        Box::pin(self.within(async move {
            let read = async { reads::balance(&mut *self.look().await?, account).await };
            self.giving(read).await.map_err(Failure::understood)
        }))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()> {
        Box::pin(self.ask(steps::SetLimit { account: account.clone(), limit }))
    }

    fn verify(&self) -> Stored<'_, Audit> {
        Box::pin(async move {
            let steps = AtomicU64::new(0);
            let read = async { reads::audit::<U>(&mut *self.look().await?, &steps).await };
            self.giving(read).await.map_err(Failure::understood)
        })
    }
}

impl<U: Unit> Clone for SqliteVault<U> {
    fn clone(&self) -> Self {
        self.of()
    }
}

impl<U: Unit> fmt::Debug for SqliteVault<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = WAITING_MAX - self.shared.jobs.capacity();
        f.debug_struct("SqliteVault")
            .field("unit", &U::NAME)
            .field("waiting", &waiting)
            .finish_non_exhaustive()
    }
}
