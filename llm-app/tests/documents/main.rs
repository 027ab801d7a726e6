//! Documents and analyses over real databases, against a provider that the tests answer for.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

#[path = "../../../llm-store/tests/vault/server.rs"]
mod server;

mod analysis;
mod documents;
mod model;
mod place;
