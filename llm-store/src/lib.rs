//! Durable state behind the store traits of `llm-core`.
//!
//! [`lease`] is the ledger of a process: exact budgets without store I/O on the hot path. It stands
//! on a [`journal`], which a process writes before it sends, and on a vault ([`memory`], `sql` and its
//! two databases), which journals are folded into; `redis` is what replicas share and may lose.

pub mod crash;
mod grant;
pub mod idempotency;
pub mod journal;
pub mod keys;
pub mod lease;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
pub mod seal;
#[cfg(feature = "sql")]
pub mod sql;
