//! Vaults: that those on a disk do what the one in memory does, whoever asks how often, and that
//! they say so when they cannot.
//!
//! Postgres is a real one of this machine: started in a directory of its own on a free port, and
//! killed at the end. Without one its tests are skipped, and say so, unless `LLM_TESTS_STRICT=1`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod clocks;
mod leased;
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

/// The steps of a schema, by the files that say them.
fn steps(kind: &str) -> Vec<i64> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
    let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.split('_').next()?.parse().ok();
    let mut steps: Vec<i64> = names.map(|name| number(name).unwrap()).collect();
    steps.sort_unstable();
    steps
}
