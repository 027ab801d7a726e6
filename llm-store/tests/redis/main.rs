//! Against a real `redis-server` of this machine: started in a directory of its own on a free
//! port, and killed at the end. Without one these tests are skipped, and say so, unless
//! `LLM_TESTS_STRICT=1`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what is wrong by failing"
)]

mod clocks;
mod counters;
mod outage;
mod recordings;
mod revoked;
mod server;
mod slots;
mod tls;

use std::sync::Arc;

use llm_core::ledger::{AccountId, Owner};
use llm_core::seam::Clock;
use llm_store::redis::{Redis, Settings};

use crate::clocks::PatientClock;
use crate::server::Server;

/// One replica of many, with patience.
async fn replica(server: &Server) -> Redis {
    replica_by(server, PatientClock).await
}

async fn replica_by(server: &Server, clock: impl Clock) -> Redis {
    Redis::connect(&Settings::new(server.url()), Arc::new(clock)).await.unwrap()
}

fn owner(name: &'static str) -> AccountId {
    AccountId::new(Owner::Key, name)
}
