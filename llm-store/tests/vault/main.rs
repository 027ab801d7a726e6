//! Vaults: that those on a disk do what the one in memory does, whoever asks how often, and that
//! they say so when they cannot.

mod clocks;
mod memory;
mod model;
#[cfg(feature = "postgres")]
mod postgres;
mod race;
#[cfg(feature = "postgres")]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;
mod suite;
