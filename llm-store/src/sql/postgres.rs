//! The ledger in a Postgres that replicas share.
//!
//! The actors are the *link* (a pool of connections, one deadline for every operation, and what is
//! tried again) and the *functions* in the database: a lease is one round trip, since it is what a
//! call may wait for. A fold is four (begin, lock and look, write, commit): it comes from a journal,
//! in batches, and its entries are hashed here. Rows are locked in one order, at READ COMMITTED, and
//! looked at once they are locked.
//!
//! A server that has stopped is an error within [`DEADLINE`], and so is one that is gone. Whether a
//! step happened is unknown then; every step may be asked for again. Deliberately absent: a cache,
//! and a queue of what could not be written, which is what the journal is.

mod link;
mod reads;
mod steps;
mod tasks;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use llm_core::ledger::rules::Account;
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::seam::{BoxFuture, Clock};
use llm_core::secret::Secret;
use llm_core::store::vault::{Estate, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{Audit, NotReserved, StoreError, Stored};

use super::NotOpened;
use super::database::Task;
use crate::grant::{check_asks, check_fold, refused};
use link::Link;
use tasks::{Reading, Writing};

pub use link::DEADLINE;

/// Which database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgres://user:password@host:port/database`, with `sslmode` if need be.
    pub url: Secret<String>,
    /// Connections at once: leases, the fold and whoever looks.
    pub connections_max: u32,
}

/// A replica leases and folds one step at a time, and some look on. A server with its usual hundred
/// connections has room for a dozen replicas.
const CONNECTIONS_MAX: u32 = 8;

impl Settings {
    /// The usual ones for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url.into()), connections_max: CONNECTIONS_MAX }
    }
}

/// Accounts in a Postgres. Cheap to clone.
pub struct PostgresVault<U: Unit = Money> {
    link: Arc<Link>,
    unit: PhantomData<fn() -> U>,
}

impl<U: Unit> PostgresVault<U> {
    /// Connects, and brings the schema up to date; of several replicas that do, one does it.
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, NotOpened> {
        let link = Link::open(settings, clock).await?;
        Ok(Self { link: Arc::new(link), unit: PhantomData })
    }

    /// The accounts of another unit, in the same database and through the same connections.
    pub fn of<V: Unit>(&self) -> PostgresVault<V> {
        PostgresVault { link: Arc::clone(&self.link), unit: PhantomData }
    }
}

impl<U: Unit> PostgresVault<U> {
    /// Something that is not the ledger's, in a transaction that writes.
    pub(super) async fn write<T: Task>(&self, task: T) -> Result<T::Out, StoreError> {
        self.link.run(Writing(task)).await
    }

    /// Something that is not the ledger's, and only reads; within so long.
    pub(super) async fn read<T: Task>(
        &self,
        task: T,
        within: Duration,
    ) -> Result<T::Out, StoreError> {
        self.link.run_within(Reading { task, within }, within).await
    }
}

impl<U: Unit> Vault<U> for PostgresVault<U> {
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate<U>>)> {
        Box::pin(self.link.run(steps::Enter { replica, unit: PhantomData }))
    }

    fn beat<'a>(&'a self, who: &'a Tenure, lives: Duration) -> Stored<'a, ()> {
        Box::pin(self.link.run(steps::Beat::<U> { who, lives, unit: PhantomData }))
    }

    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk<U>],
    ) -> BoxFuture<'a, Result<Vec<U>, NotReserved<U>>> {
        Box::pin(async move {
            check_asks(asks)?;
            let leased = self.link.run(steps::Leasing { who, asks, unit: PhantomData }).await?;
            leased.map_err(|(at, why)| refused(asks, at, why))
        })
    }

    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold<U>) -> Stored<'a, ()> {
        Box::pin(async move {
            check_fold(batch)?;
            self.link.run(steps::Carry { who, batch, unit: PhantomData }).await
        })
    }

    fn silent(&self, since: Duration) -> Stored<'_, Vec<Estate<U>>> {
        Box::pin(self.link.run(steps::Silent { since, unit: PhantomData }))
    }

    fn bury<'a>(&'a self, who: &'a Tenure, used: bool) -> Stored<'a, ()> {
        Box::pin(self.link.run(steps::Bury::<U> { who, used, unit: PhantomData }))
    }

    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement<U>>> {
        Box::pin(self.link.run(steps::Ends { hold, unit: PhantomData }))
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>> {
        Box::pin(self.link.run(steps::Balance { account, unit: PhantomData }))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()> {
        Box::pin(self.link.run(steps::SetLimit { account, limit, unit: PhantomData }))
    }

    fn verify(&self) -> Stored<'_, Audit> {
        Box::pin(async move {
            let steps = AtomicU64::new(0);
            let step = steps::Verify::<U> { steps: &steps, unit: PhantomData };
            self.link.walk(step, &steps).await
        })
    }
}

impl<U: Unit> Clone for PostgresVault<U> {
    fn clone(&self) -> Self {
        self.of()
    }
}

impl<U: Unit> fmt::Debug for PostgresVault<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresVault").field("unit", &U::NAME).finish_non_exhaustive()
    }
}
