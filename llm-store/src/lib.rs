//! Durable state behind the store traits of `llm-core`.
//!
//! [`lease`] is the ledger of a process: exact budgets without store I/O on the hot path. It stands
//! on a [`journal`], which a process writes before it sends, and on a vault ([`memory`], `sql` and its
//! two databases), which journals are folded into; `redis` is what replicas share and may lose.

#[cfg(feature = "sql")]
pub mod audit;
#[cfg(feature = "sql")]
pub mod backup;
pub mod crash;
#[cfg(feature = "sql")]
pub mod deposits;
#[cfg(feature = "sql")]
pub mod directory;
mod ebb;
mod grant;
pub mod idempotency;
#[cfg(feature = "sql")]
pub mod jobs;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod memory;
mod plant;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sql")]
pub mod requests;
pub mod seal;
#[cfg(feature = "sql")]
pub mod sql;
#[cfg(feature = "sql")]
pub mod verify;
#[cfg(feature = "sql")]
pub mod wallets;
#[cfg(feature = "sql")]
pub mod webhooks;
