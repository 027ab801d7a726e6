//! The directory: one suite over a file and a real Postgres, races of two replicas, the law of
//! permission over what nobody has thought of, and what a process remembers of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../vault/clocks.rs"]
mod clocks;
mod known;
mod law;
mod people;
mod place;
mod plans;
mod provider;
mod race;
#[cfg(feature = "postgres")]
#[path = "../vault/server.rs"]
mod server;
mod suite;
mod trail;
