//! Durable state behind the store traits of `llm-core`.
//!
//! What will live here: `memory` (for library users and the simulator), `sqlite/` (the default),
//! `postgres/` and `redis/` (shared windows and caches, never money). `lease` is the ledger of a
//! process: exact budgets without store I/O on the hot path.

pub mod journal;
pub mod lease;
#[cfg(feature = "redis")]
pub mod redis;
