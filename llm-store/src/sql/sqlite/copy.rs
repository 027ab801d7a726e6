//! The file as a whole: copied while others write, looked through, and taken from everybody.

use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use llm_core::money::{Credits, Money};
use llm_core::store::{Audit, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row as _, SqliteConnection, query, query_as};

use super::place::{MIGRATIONS, keep_private};
use super::reads;
use crate::sql::NotOpened;
use crate::sql::fault::{unavailable, understand};

/// How long a copy waits for a writer that holds the whole file.
const PATIENCE: Duration = Duration::from_secs(5);

/// Copies what is committed at one instant into a file that is made for it, for its owner only.
/// Whoever writes meanwhile goes on.
pub(crate) async fn copy(from: &Path, to: &Path) -> Result<(), NotOpened> {
    let to_name = to.to_str().ok_or(NotOpened::Address)?;
    keep_private(to)?;
    let options = SqliteConnectOptions::new().filename(from).busy_timeout(PATIENCE);
    let link = options.disable_statement_logging().connect().await;
    let mut link = link.map_err(|error| understand(&error))?;
    let done = query("VACUUM INTO $1").bind(to_name).execute(&mut link).await;
    let closed = link.close().await;
    done.map_err(|error| understand(&error))?;
    Ok(closed.map_err(|error| understand(&error))?)
}

/// What is in a file that nobody writes: that it is whole, that its schema is known, and what its
/// accounts say, in money and in credits. The file is not touched.
pub(crate) async fn inspect(path: &Path) -> Result<[Audit; 2], NotOpened> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let link = options.disable_statement_logging().connect().await;
    let mut link = link.map_err(|error| understand(&error))?;
    let looked = look(&mut link).await;
    let closed = link.close().await;
    let audits = looked?;
    closed.map_err(|error| understand(&error))?;
    Ok(audits)
}

async fn look(link: &mut SqliteConnection) -> Result<[Audit; 2], NotOpened> {
    let damaged = |why: &str| NotOpened::from(StoreError::Corrupt(why.to_owned().into()));
    let told = query("PRAGMA integrity_check(1)").fetch_all(&mut *link).await;
    let told = told.map_err(|error| understand(&error))?;
    if !told.iter().all(|row| row.try_get::<String, _>(0).is_ok_and(|word| word == "ok")) {
        return Err(damaged("the file is damaged"));
    }
    let strays = query("PRAGMA foreign_key_check").fetch_optional(&mut *link).await;
    if strays.map_err(|error| understand(&error))?.is_some() {
        return Err(damaged("rows are without what they belong to"));
    }
    let steps = query_as("SELECT version, checksum, success FROM _sqlx_migrations");
    let steps: Vec<(i64, Vec<u8>, bool)> =
        steps.fetch_all(&mut *link).await.map_err(|error| understand(&error))?;
    if steps.is_empty() {
        return Err(damaged("the file has no schema"));
    }
    let last = MIGRATIONS.iter().map(|step| step.version).max().unwrap_or_default();
    for (version, checksum, success) in steps {
        match MIGRATIONS.iter().find(|step| step.version == version) {
            None => return Err(NotOpened::Newer { found: version, known: last }),
            Some(step) if !success || *step.checksum != *checksum => {
                return Err(NotOpened::Altered { version });
            }
            Some(_) => {}
        }
    }
    let counted = AtomicU64::new(0);
    let money = reads::audit::<Money>(link, &counted).await;
    let credits = reads::audit::<Credits>(link, &counted).await;
    let understood = crate::sql::fault::Failure::understood;
    Ok([money.map_err(understood)?, credits.map_err(understood)?])
}

/// A file that is ours alone: as long as this lives, nobody else reads or writes it, and everything
/// that belongs to it is in the one file.
pub(crate) struct Seized(SqliteConnection);

impl Seized {
    /// Takes it, unless somebody has it open.
    pub(crate) async fn take(path: &Path) -> Result<Self, NotOpened> {
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::ZERO);
        let link = options.disable_statement_logging().connect().await;
        let mut link = link.map_err(|error| understand(&error))?;
        // Leaving the write-ahead log is for the only one there is, and empties it into the file.
        let left = query("PRAGMA journal_mode = DELETE").fetch_one(&mut link).await;
        let left = left.map_err(|error| understand(&error))?;
        if left.try_get::<String, _>(0).map_err(|error| understand(&error))? != "delete" {
            return Err(unavailable("the file is in use").into());
        }
        let begun = query("BEGIN EXCLUSIVE").execute(&mut link).await;
        begun.map_err(|error| understand(&error))?;
        Ok(Self(link))
    }

    /// Gives it back as it was.
    pub(crate) async fn release(mut self) -> Result<(), NotOpened> {
        let ended = query("ROLLBACK").execute(&mut self.0).await;
        ended.map_err(|error| understand(&error))?;
        Ok(self.0.close().await.map_err(|error| understand(&error))?)
    }
}
