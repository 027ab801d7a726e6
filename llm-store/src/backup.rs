//! Copies of everything that is durable, taken while calls run, and the way back.
//!
//! A backup is a folder: the database at one instant, and the journals of this machine. They belong
//! together. An end that a caller was told is in the journal first and in the database later, so
//! the journals are copied *before* the database: what ended before the copy began is in one of the
//! two, and what moved from the one to the other in between is in both, which is nothing but said
//! twice: holds are folded by their ids. The other order would lose what moved in between.
//!
//! What a restored process finds is what a crash leaves. It takes up its own leases, folds ends that
//! are in the journal and not in the database, and skips those that are. A hold that was open in
//! the journal's copy is charged by its watermark; if its end was folded before the database was
//! copied, that end stands, and the charge is not made. So nothing is billed twice, and what is
//! lost is what came after the backup.
//!
//! Journals of *after* the backup are of no use with it: they say that ends are folded which the
//! restored database never saw. They are put aside beside the restored ones, and so is the database;
//! nothing is deleted. The machine keeps its replica's name, or its leases wait to be buried.
//!
//! A database in use is not replaced. Deliberately absent: what was configured, and the secrets that
//! sealed keys are opened with.

mod folder;
mod journals;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::io;
use std::path::{Path, PathBuf};

use llm_core::store::StoreError;

use crate::sql::NotOpened;
use crate::verify::Report;

/// A journal of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalPlace {
    /// What it is called in a backup: letters, digits and hyphens.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// What was put where it was before, or aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What the restored database says of itself.
    pub report: Report,
    /// What was there before, under its new names.
    pub kept: Vec<PathBuf>,
}

/// Why nothing was copied or replaced.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It is there already, and would be overwritten.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// There is no backup.
    #[error("{0} is no backup")]
    Missing(PathBuf),
    /// A process uses what would be replaced.
    #[error("{0} is in use: stop the process first")]
    InUse(String),
    /// What was copied breaks the ledger's laws.
    #[error("the copy has {} problems", .0.problems.len())]
    Unsound(Box<Report>),
    /// A name that is no name of a folder.
    #[error("{0:?} is no name of a journal")]
    Name(String),
    /// Another program is needed and did not do it.
    #[error("{0}")]
    Program(String),
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The database is not one of ours, or not of this version.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::NotOpened(error.into())
    }
}

/// Names the file of an error.
fn at(path: &Path) -> impl FnOnce(io::Error) -> Trouble + use<'_> {
    |error| Trouble::File { path: path.to_owned(), error }
}

/// Refuses what is not sound.
fn sound(report: Report) -> Result<Report, Trouble> {
    if report.ok { Ok(report) } else { Err(Trouble::Unsound(Box::new(report))) }
}
