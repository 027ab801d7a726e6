//! Durable state behind the store traits of `llm-core`.
//!
//! [`journal`] is what a process writes before it sends; [`memory`], [`sql`] and its two databases
//! are what journals are folded into; [`redis`] is what replicas share and may lose.

mod grant;
pub mod idempotency;
pub mod journal;
pub mod keys;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
pub mod seal;
#[cfg(feature = "sql")]
pub mod sql;
