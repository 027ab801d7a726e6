//! The vault in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use llm_core::seam::BoxFuture;
use llm_store::journal::Durability;
use llm_store::sql::sqlite::{Settings, SqliteVault};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::clocks::HandClock;
use crate::model::{self, script};
use crate::suite::{Place, Shared};
use crate::{leased, race, suite};

mod faults;
mod turns;

struct InFile {
    clock: Arc<HandClock>,
    folder: TempDir,
}

impl InFile {
    fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }
}

impl Place for InFile {
    fn open(&self) -> BoxFuture<'_, Shared> {
        let settings = quick(&self.path());
        Box::pin(async move {
            let vault = SqliteVault::open(&settings, self.clock.clone()).await.unwrap();
            Arc::new(vault) as Shared
        })
    }

    fn lasts(&self) -> bool {
        true
    }

    fn clock(&self) -> Option<&HandClock> {
        Some(&self.clock)
    }
}

fn quick(path: &Path) -> Settings {
    Settings { durability: Durability::Process, ..Settings::new(path) }
}

fn place() -> InFile {
    InFile { clock: Arc::new(HandClock::new()), folder: tempfile::tempdir().unwrap() }
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn answers_as_the_one_in_memory(script in script()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = place();
            model::run(&place, place.clock.clone(), script).await;
        });
    }
}
