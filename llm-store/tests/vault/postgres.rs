//! The vault in a Postgres.

use std::sync::Arc;

use llm_core::money::Money;
use llm_core::seam::BoxFuture;
use llm_store::sql::postgres::{PostgresVault, Settings};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::clocks::HandClock;
use crate::model::{self, script};
use crate::server::Server;
use crate::suite::{Place, Shared};
use crate::{leased, race, suite};

mod faults;
mod lossy;

struct InDatabase {
    clock: Arc<HandClock>,
    url: String,
}

impl InDatabase {
    async fn vault(&self) -> PostgresVault {
        let settings = Settings::new(self.url.clone());
        PostgresVault::<Money>::open(&settings, self.clock.clone()).await.unwrap()
    }
}

impl Place for InDatabase {
    fn open(&self) -> BoxFuture<'_, Shared> {
        Box::pin(async { Arc::new(self.vault().await) as Shared })
    }

    fn lasts(&self) -> bool {
        true
    }

    /// It is the server's.
    fn clock(&self) -> Option<&HandClock> {
        None
    }
}

async fn place(server: &Server) -> InDatabase {
    InDatabase { clock: Arc::new(HandClock::new()), url: server.database().await }
}

#[tokio::test]
async fn does_what_vaults_do() {
    let Some(server) = Server::shared() else { return };
    suite::all(async || Box::new(place(&server).await) as Box<dyn Place>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_of_it_are_a_ledger() {
    let Some(server) = Server::shared() else { return };
    leased::over(async || Box::new(place(&server).await) as Box<dyn Place>).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn never_passes_a_limit() {
    let Some(server) = Server::shared() else { return };
    race::run(&place(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owners_end_is_one_instant() {
    let Some(server) = Server::shared() else { return };
    race::burials(&place(&server).await).await;
}

#[test]
fn answers_as_the_one_in_memory() {
    let Some(server) = Server::shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() };
    let run = TestRunner::new(config).run(&script(), |script| {
        runtime.block_on(async {
            let place = place(&server).await;
            model::run(&place, place.clock.clone(), script).await;
        });
        Ok(())
    });
    run.unwrap();
}
