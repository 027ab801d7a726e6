//! The file: how it is made, opened and brought up to date.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_core::seam::Clock;
use llm_core::store::StoreError;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::turns::Turns;
use super::{Settings, whole};
use crate::journal::Durability;
use crate::sql::NotOpened;
use crate::sql::fault::{is_locked, not_migrated, unavailable, understand};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers are for people and audits; what is asked for calls is asked of the writer.
const READERS_MAX: u32 = 4;
/// The size of a page, of which a quota counts how many there are.
const PAGE_BYTES: u64 = 4_096;
/// How long a reader waits for somebody who puts the file in order.
const READ_PATIENCE: Duration = Duration::from_secs(1);
/// How long a file is waited for that somebody else has locked: one who is just making it, since
/// changing its journal's mode does not wait for others as everything else does, or one who ends and
/// writes the journal back.
const LOCKED_MAX: Duration = Duration::from_secs(10);
/// How often one is tried that cannot be used for any other reason.
const TRIES_MAX: u32 = 20;
const TRY_AFTER: Duration = Duration::from_millis(50);
/// How long SQLite itself waits for the lock of a file. It looks ever more seldom, ten times a second
/// in the end, and hardly ever at the right moment where somebody else writes without a pause: so it
/// is asked to begin anew, for as long as the file is waited for.
const LOOK: Duration = Duration::from_millis(30);

/// Where the file is, and how its connections are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    options: SqliteConnectOptions,
    /// How often somebody who writes asks for the lock.
    pub(super) looks: u128,
    /// Whoever else writes there.
    pub(super) turns: Turns,
}

impl Place {
    /// Makes the file if need be.
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        keep_private(&settings.path)?;
        let turns = Turns::beside(&settings.path, settings.patience, clock)?;
        let synchronous = match settings.durability {
            Durability::Process => SqliteSynchronous::Normal,
            Durability::Power => SqliteSynchronous::Full,
        };
        let mut options = SqliteConnectOptions::new()
            .filename(&settings.path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .foreign_keys(true)
            // Who was erased is not to be found in pages that nobody uses any more.
            .pragma("secure_delete", "on")
            .busy_timeout(settings.patience.min(LOOK))
            .disable_statement_logging();
        if let Some(bytes) = settings.bytes_max {
            options = options.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string());
        }
        let looks = (settings.patience.as_millis() / LOOK.as_millis()).max(1);
        Ok(Self { path: settings.path.clone(), options, looks, turns })
    }

    /// The writer's connection.
    pub(super) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        SqliteConnection::connect_with(&self.options).await
    }

    /// The readers' connections.
    pub(super) async fn readers(&self) -> Result<SqlitePool, sqlx::Error> {
        let options = self.options.clone().read_only(true).busy_timeout(READ_PATIENCE);
        // A machine that is busy beside it may take its time for the first one.
        let patience = Duration::from_secs(5);
        let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).acquire_timeout(patience);
        pool.connect_with(options).await
    }

    /// Brings the file's schema up to date.
    pub(super) async fn prepare(&self, clock: &dyn Clock) -> Result<SqliteConnection, NotOpened> {
        let (mut end, mut tried) = (clock.sleep(LOCKED_MAX), 0);
        loop {
            tried += 1;
            let (why, locked) = match self.migrated().await {
                Ok(connection) => return Ok(connection),
                Err(NotNow::Locked(why)) => (why, true),
                Err(NotNow::Broken(NotOpened::Store(why @ StoreError::Unavailable(_))))
                    if tried < TRIES_MAX =>
                {
                    (why, false)
                }
                Err(NotNow::Broken(why)) => return Err(why),
            };
            // A moment is nothing to be told of where two processes take turns.
            if locked && tried == TRIES_MAX {
                let file = self.path.display();
                tracing::warn!(%file, error = %why, "the store is not to be had yet: waiting for it");
            }
            tokio::select! {
                () = &mut end => return Err(why.into()),
                () = clock.sleep(TRY_AFTER) => {}
            }
        }
    }

    async fn migrated(&self) -> Result<SqliteConnection, NotNow> {
        let mut connection = self.connect().await?;
        // Somebody who serves may have much to write.
        let _turn = self.turns.take().await.ok_or_else(|| NotNow::Locked(not_ours()))?;
        // All steps in one transaction that locks the file first: whoever comes second finds it
        // done. The migrator's own transactions become savepoints of it.
        let mut steps = connection.begin_with("BEGIN IMMEDIATE").await?;
        let known = MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default();
        let laid_out = whole::lay_out(&mut steps).await?;
        let run = MIGRATIONS.run_direct(None, &mut *steps, laid_out).await;
        run.map_err(|error| NotNow::Broken(not_migrated(error, known)))?;
        steps.commit().await?;
        Ok(connection)
    }
}

/// It was somebody else's turn for all the time that anybody waits.
pub(super) fn not_ours() -> StoreError {
    unavailable("the file is locked by somebody else")
}

/// Why a file is not ready.
enum NotNow {
    /// Somebody else has it.
    Locked(StoreError),
    Broken(NotOpened),
}

impl From<sqlx::Error> for NotNow {
    fn from(error: sqlx::Error) -> Self {
        let why = understand(&error);
        if is_locked(&error) { Self::Locked(why) } else { Self::Broken(why.into()) }
    }
}

/// For its owner only, before anything is in it: what SQLite puts beside it is made the same way.
pub(super) fn keep_private(path: &Path) -> Result<File, StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(0o600);
        let file = options.open(path).map_err(|_| unavailable("the file cannot be opened"))?;
        let private = std::fs::Permissions::from_mode(0o600);
        file.set_permissions(private).map_err(|_| unavailable("the file is not ours"))?;
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path).map_err(|_| unavailable("the file cannot be opened"))
}
