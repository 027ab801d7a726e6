//! What an error of the database means for whoever asked.
//!
//! Its own words are never told: they quote values and statements. A code is.

use llm_core::Str;
use llm_core::ledger::rules::Violation;
use llm_core::store::StoreError;
use sqlx::error::{DatabaseError, Error};
use sqlx::migrate::MigrateError;

use super::NotOpened;

/// Why a step did not happen.
#[derive(Debug)]
pub enum Failure {
    /// This step may not happen; those beside it may.
    Denied(StoreError),
    /// The database did not do it, for this step or any other.
    Broken(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Denied(error)
    }
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Denied(violation.into())
    }
}

impl Failure {
    pub(crate) fn understood(self) -> StoreError {
        match self {
            Self::Denied(error) => error,
            Self::Broken(error) => understand(&error),
        }
    }
}

pub(super) fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(Str::from_static(why))
}

pub(crate) fn understand(error: &Error) -> StoreError {
    match error {
        Error::Database(error) => of_database(&**error),
        Error::PoolTimedOut => unavailable("no connection in time"),
        Error::Io(_) | Error::Tls(_) => unavailable("the connection is gone"),
        Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::TypeNotFound { .. }
        | Error::RowNotFound => StoreError::Corrupt(Str::from_static("rows of another shape")),
        // The enum is open; whatever else there is, it did not do it.
        _ => unavailable("the database does not do it"),
    }
}

fn of_database(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    #[cfg(feature = "sqlite")]
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        return of_sqlite(code.parse().unwrap_or_default());
    }
    of_postgres(&code)
}

/// Whether somebody else has the file just now: what is there in a moment is waited for.
#[cfg(feature = "sqlite")]
pub(super) fn is_locked(error: &Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse().ok());
    code.is_some_and(|code: i32| matches!(code & 0xff, 5 | 6))
}

/// By SQLite's result codes, whose low byte is the class.
#[cfg(feature = "sqlite")]
fn of_sqlite(code: i32) -> StoreError {
    let coded = |what: &str| Str::from(format!("sqlite: {what} ({code})"));
    match code & 0xff {
        5 | 6 => StoreError::Unavailable(coded("the file is locked by somebody else")),
        10 => StoreError::Unavailable(coded("the file cannot be read or written")),
        13 => StoreError::Full(coded("the disk or the file is full")),
        8 | 3 | 23 => StoreError::Unavailable(coded("the file may not be written")),
        14 => StoreError::Unavailable(coded("the file cannot be opened")),
        11 => StoreError::Corrupt(coded("the file is damaged")),
        26 => StoreError::Corrupt(coded("the file is no database")),
        // A law of the tables, which our arithmetic should never come to.
        19 => StoreError::Corrupt(coded("a law of the tables is broken")),
        1 => StoreError::Corrupt(coded("tables of another shape")),
        _ => StoreError::Unavailable(coded("the file cannot be used")),
    }
}

/// By SQLSTATE, whose first two letters are the class.
fn of_postgres(code: &str) -> StoreError {
    let coded = |what: &str| Str::from(format!("postgres: {what} ({code})"));
    match code.get(..2).unwrap_or_default() {
        _ if code == "53100" => StoreError::Full(coded("the disk is full")),
        "22" | "54" => Violation::Range.into(),
        "23" => StoreError::Corrupt(coded("a law of the tables is broken")),
        "42" => StoreError::Corrupt(coded("tables of another shape")),
        "XX" => StoreError::Corrupt(coded("the files are damaged")),
        _ => StoreError::Unavailable(coded("it does not do it")),
    }
}

/// Why a schema was not brought up to date.
pub(super) fn not_migrated(error: MigrateError, known: i64) -> NotOpened {
    match error {
        MigrateError::VersionMissing(found) => NotOpened::Newer { found, known },
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => {
            NotOpened::Altered { version }
        }
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            understand(&error).into()
        }
        // The enum is open, and what else there is are steps that we do not take.
        _ => unavailable("the schema cannot be read").into(),
    }
}
