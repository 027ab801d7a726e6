//! Documents and analyses over real databases, against a provider that the tests answer for.

#[path = "../../../llm-store/tests/vault/server.rs"]
mod server;

mod analysis;
mod documents;
mod model;
mod place;
