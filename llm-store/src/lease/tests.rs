//! The ledger over a strict vault in memory, against the book that it must amount to.

mod clock;
mod crowd;
mod every;
mod life;
mod mistakes;
mod model;
mod outage;
mod restart;
mod speed;
mod vault;
mod watched;

use std::sync::Arc;

use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::money::Money;
use llm_core::store::vault::{Tenure, Vault};
use llm_core::store::{Ledger, Line, NotReserved, StoreError};
use llm_core::usage::UsageSource;
use tempfile::TempDir;

use crate::journal::{self, Journal};

use super::*;
use clock::HandClock;
use vault::StrictVault;

/// Lines of a test's journal: no spare, which takes a while to write.
const JOURNAL: journal::Settings = journal::Settings {
    durability: journal::Durability::Process,
    bytes_max: 64 << 20,
    segment_bytes: 16 << 20,
    spare_bytes: 0,
};

fn key(name: &str) -> AccountId {
    AccountId::new(Owner::Key, name.to_owned())
}

fn line(name: &str, limit: impl Into<Option<i64>>) -> Line {
    Line { account: key(name), limit: limit.into().map(Money) }
}

fn pays(hold: u128, tenant: i64) -> Settlement {
    let (tenant, operator) = (Money(tenant), Money(0));
    Settlement { hold: HoldId(hold), tenant, operator, source: UsageSource::Reported }
}

fn ground(dir: &TempDir, vault: &Arc<StrictVault>, clock: Arc<dyn Clock>) -> Ground {
    let (journal, _) = Journal::at(dir.path(), JOURNAL).unwrap();
    let (journal, vault) = (Arc::new(journal), Arc::clone(vault) as Arc<dyn Vault>);
    Ground { replica: "here".to_owned(), journal, vault, clock }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A ledger whose worker runs on the runtime, whose time the test pauses.
async fn running(dir: &TempDir, vault: &Arc<StrictVault>) -> LeasedLedger {
    let started = start(dir, vault).await;
    tokio::spawn(started.worker.run());
    started.ledger
}

async fn start(dir: &TempDir, vault: &Arc<StrictVault>) -> Started {
    let clock = clock::RuntimeClock::new();
    LeasedLedger::open(ground(dir, vault, clock), Settings::default()).await.unwrap()
}

fn is_exhausted<T>(answer: &Result<T, NotReserved>) -> bool {
    matches!(answer, Err(NotReserved::Refused { .. }))
}

fn is_unavailable<T>(answer: &Result<T, NotReserved>) -> bool {
    matches!(answer, Err(NotReserved::Store(StoreError::Unavailable(_))))
}
