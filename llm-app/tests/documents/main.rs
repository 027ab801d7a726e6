//! Documents and analyses over real databases, against a provider that the tests answer for.

#[path = "../../../llm-store/tests/vault/server.rs"]
#[expect(dead_code, reason = "other tests stop and pause their server")]
mod server;

mod analysis;
mod documents;
mod model;
mod place;
