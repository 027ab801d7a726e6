//! Durable state behind the store traits of `llm-core`.
//!
//! What will live here: `memory` (for library users and the simulator), `sqlite/` (the default),
//! `postgres/`, `redis/` (shared windows and caches, never money) and `lease` (exact budgets
//! without store I/O on the hot path).

pub mod idempotency;
pub mod journal;
pub mod keys;
#[cfg(feature = "redis")]
pub mod redis;
pub mod seal;
