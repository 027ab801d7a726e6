//! The vault in memory.

use std::sync::Arc;

use llm_core::seam::BoxFuture;
use llm_store::memory::MemoryVault;

use crate::clocks::HandClock;
use crate::suite::{Place, Shared};
use crate::{leased, race, suite};

struct InMemory {
    clock: Arc<HandClock>,
}

impl Place for InMemory {
    fn open(&self) -> BoxFuture<'_, Shared> {
        Box::pin(async { Arc::new(MemoryVault::new(self.clock.clone())) as Shared })
    }

    fn lasts(&self) -> bool {
        false
    }

    fn clock(&self) -> Option<&HandClock> {
        Some(&self.clock)
    }
}

fn place() -> InMemory {
    InMemory { clock: Arc::new(HandClock::new()) }
}

#[tokio::test]
async fn does_what_vaults_do() {
    suite::all(async || Box::new(place()) as Box<dyn Place>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_it_are_a_ledger() {
    leased::over(async || Box::new(place()) as Box<dyn Place>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_passes_a_limit() {
    race::run(&place()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_end_is_one_instant() {
    race::burials(&place()).await;
}
