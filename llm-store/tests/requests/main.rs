//! The request log and its reports, over a file and over a real Postgres of this machine, which is
//! started as the vaults' tests start theirs; and backups of either.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod backup;
mod calls;
mod cost;
mod model;
mod month;
mod places;
#[cfg(feature = "postgres")]
#[path = "../vault/server.rs"]
mod server;
mod upgraded;
mod upkeep;
mod verified;
