//! Connections, the deadline, and what is tried again.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use llm_core::seam::Clock;
use llm_core::store::StoreError;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Error, PgConnection, Postgres};

use super::Settings;
use crate::sql::NotOpened;
use crate::sql::fault::{Failure, not_migrated, unavailable, understand};

/// How long any operation may take, whatever the server does. Callers wait for a second at the most
/// and are told so; what they wait for goes on beyond it, since a server that is only slow would else
/// be asked the same again and again, and never be heard.
pub const DEADLINE: Duration = Duration::from_secs(3);

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// What a schema's steps may take, and the replica before us that takes them.
const OPEN_DEADLINE: Duration = Duration::from_secs(30);
/// What one step of something long may take.
const STEP_DEADLINE: Duration = Duration::from_secs(30);
/// How often a step is tried that the server took back for the sake of another.
const TRIES_MAX: u32 = 4;

/// The pool, and what it waits for.
#[derive(Debug)]
pub(super) struct Link {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    /// Each connection may have died since it was last used, and be found so only by using it.
    lost_max: u32,
}

/// A step of the ledger, that may be done again when it is not known whether it was done.
pub(super) trait Step: Sync {
    /// What it answers with.
    type Out: Send;

    /// Does it.
    fn run(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::Out, Failure>> + Send;
}

/// What to do about a failure.
enum Advice {
    /// The server took it back: nothing happened.
    Again,
    /// The connection is gone, and whether it happened is unknown. All steps may be repeated.
    Anew,
    /// It stays.
    Tell,
}

fn advice(failure: &Failure) -> Advice {
    let error = match failure {
        Failure::Denied(_) => return Advice::Tell,
        Failure::Broken(error) => error,
    };
    match error {
        Error::Io(_) => Advice::Anew,
        Error::Database(error) => match error.code().as_deref() {
            // Deadlock, serialisation; and a hold that another one of us folded in this instant.
            Some("40P01" | "40001" | "23505") => Advice::Again,
            Some("57P01" | "57P02" | "08006" | "08003" | "25P03") => Advice::Anew,
            _ => Advice::Tell,
        },
        // The enum is open; what else there is does not pass by itself.
        _ => Advice::Tell,
    }
}

impl Link {
    pub(super) async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NotOpened> {
        tokio::runtime::Handle::try_current().map_err(|_| NotOpened::Runtime)?;
        let url = settings.url.expose().as_str();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(NotOpened::Address);
        }
        // Its error would repeat the address, and with it a password.
        let options = PgConnectOptions::from_str(url).map_err(|_| NotOpened::Address)?;
        let options = options.application_name("llm-ledger").disable_statement_logging();
        let connection = tokio::select! {
            done = PgConnection::connect_with(&options) => done.map_err(|error| understand(&error))?,
            () = clock.sleep(DEADLINE) => {
                return Err(unavailable("postgres: no answer in time").into());
            }
        };
        tokio::select! {
            done = migrate(connection) => done?,
            () = clock.sleep(OPEN_DEADLINE) => {
                return Err(unavailable("the schema takes too long").into());
            }
        }
        // A statement that outlives its caller must not keep rows from others; nor must a
        // transaction whose caller was stopped in the middle of it. A commit that a crash of the
        // server may take back would be credit leased twice.
        let options = options.options([
            ("statement_timeout", "2900"),
            ("lock_timeout", "2700"),
            ("idle_in_transaction_session_timeout", "4000"),
            ("synchronous_commit", "on"),
            ("default_transaction_isolation", "read committed"),
            // To compile a statement takes longer than any of ours.
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections_max.max(1))
            .acquire_timeout(DEADLINE)
            // A round trip more on each operation; a dead connection shows when it is used.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { pool, clock, lost_max: settings.connections_max.saturating_add(1) })
    }

    /// Does a step, within the deadline.
    pub(super) async fn run<S: Step>(&self, step: S) -> Result<S::Out, StoreError> {
        self.run_within(step, DEADLINE).await
    }

    /// Does a step that no call waits for, within so long.
    pub(super) async fn run_within<S: Step>(
        &self,
        step: S,
        within: Duration,
    ) -> Result<S::Out, StoreError> {
        tokio::select! {
            done = self.tried(&step) => done,
            () = self.clock.sleep(within) => Err(unavailable("postgres: no answer in time")),
        }
    }

    /// Does something long that no call waits for, as long as it goes on: `steps` is to grow.
    pub(super) async fn walk<S: Step>(
        &self,
        step: S,
        steps: &AtomicU64,
    ) -> Result<S::Out, StoreError> {
        let watch = async {
            let mut seen = None;
            loop {
                let now = steps.load(Ordering::Relaxed);
                if seen.replace(now) == Some(now) {
                    break;
                }
                self.clock.sleep(STEP_DEADLINE).await;
            }
        };
        tokio::select! {
            done = self.tried(&step) => done,
            () = watch => Err(unavailable("postgres: no answer in time")),
        }
    }

    async fn tried<S: Step>(&self, step: &S) -> Result<S::Out, StoreError> {
        let (mut tries, mut lost) = (0, 0);
        loop {
            let failure = match self.once(step).await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            match advice(&failure) {
                Advice::Again if tries < TRIES_MAX => tries += 1,
                Advice::Anew if lost < self.lost_max => lost += 1,
                Advice::Again | Advice::Anew | Advice::Tell => return Err(failure.understood()),
            }
        }
    }

    async fn once<S: Step>(&self, step: &S) -> Result<S::Out, Failure> {
        let mut lent = Lent(Some(self.pool.acquire().await?));
        let Some(connection) = &mut lent.0 else { return Err(Error::PoolClosed.into()) };
        let done = step.run(connection).await;
        let sound = match &done {
            Ok(_) | Err(Failure::Denied(_)) => true,
            Err(failure @ Failure::Broken(Error::Database(_))) => {
                matches!(advice(failure), Advice::Again | Advice::Tell)
            }
            Err(Failure::Broken(_)) => false,
        };
        if sound {
            // Back into the pool.
            drop(lent.0.take());
        }
        done
    }
}

/// A connection on which a step runs. If the step is left in the middle, at the deadline for one,
/// nobody knows what the server will make of it: a transaction that was just being opened would be
/// the next caller's, whose steps would be answered and never committed. So it is closed.
struct Lent(Option<PoolConnection<Postgres>>);

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// One of the replicas that start at once does it; the server's lock is between them.
async fn migrate(mut connection: PgConnection) -> Result<(), NotOpened> {
    let known = MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default();
    let run = MIGRATIONS.run_direct(None, &mut connection, false).await;
    // Closed in any case: what it has locked is free then.
    let closed = connection.close().await;
    run.map_err(|error| not_migrated(error, known))?;
    Ok(closed.map_err(|error| understand(&error))?)
}
