//! The ledger in SQL: what leases are taken from and journals are folded into.
//!
//! The actors are the *rows* (an account with what one owner has leased of it), the *plan* (what a
//! batch changes, computed in memory and without I/O), the *chain* (hashes that make the entries
//! tell when one was changed) and two stores that load rows and write changes: [`sqlite`], one file
//! with one writer, and [`postgres`], which replicas share. Both do what
//! [`MemoryVault`](crate::memory::MemoryVault) does.
//!
//! The chain is one for each account, and not one for the whole store: a fold locks its accounts
//! anyway, and one head for all would have every replica wait for every other. A broken chain also
//! says whose it is. What an account's own chain cannot tell, that it is gone with all its entries,
//! the holds tell: each knows how many entries it wrote.
//!
//! Deliberately absent: floats, time zones (instants are microseconds since 1970, windows are
//! named), and every question of a report.

pub(crate) mod chain;
pub(crate) mod database;
pub(crate) mod fault;
pub(crate) mod lines;
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
mod read;
pub(crate) mod row;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use llm_core::store::StoreError;

pub use database::{Arg, Database, Record, Session, Task, Text};
pub use fault::Failure;

/// Why a store was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// A later version of this program has been here: to go on would be to misread what it wrote.
    #[error("the store's schema is {found} and this program knows {known}: use a newer program")]
    Newer {
        /// The schema's version.
        found: i64,
        /// The last one that is known.
        known: i64,
    },
    /// The schema is not the one that its version stands for.
    #[error("the store's schema {version} was changed by hand")]
    Altered {
        /// Which step differs.
        version: i64,
    },
    /// An address of another kind of store, or none.
    #[error("not an address of this store")]
    Address,
    /// No tokio runtime runs here.
    #[error("outside a tokio runtime")]
    Runtime,
    /// It cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}
