//! A real proxy is killed while it works, started again, and audited: whatever happens at whichever
//! instant, no account is over its limit, what was finished is in the ledger once, and what the
//! upstream was asked is in it too.
//!
//! The upstream lives in the test, so that it outlasts the proxy and its records can be held against
//! the ledger's rows, which are read beside the proxy. `KILL_CYCLES` asks for more cycles than a
//! usual run makes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod cycle;
#[cfg(test)]
mod proxy;
#[cfg(test)]
#[path = "../../../llm-store/tests/vault/server.rs"]
mod server;
