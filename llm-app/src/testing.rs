//! What the tests of features stand on.

use std::sync::Arc;

use llm_core::secret::Secret;
use llm_providers::seam::SystemClock;
use llm_store::seal::{Chest, FRESH_BYTES, Fresh, Keyring, SealKey, Sealer};
use llm_store::sql::Database;
use llm_store::sql::sqlite::{Settings, SqliteVault};
use tempfile::TempDir;

/// A Postgres of this machine.
#[path = "../../llm-store/tests/vault/server.rs"]
pub(crate) mod server;

/// A database in a file of its own, which goes with the folder.
pub(crate) async fn database() -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("app.db"));
    let vault: SqliteVault = SqliteVault::open(&settings, Arc::new(SystemClock)).await.unwrap();
    (vault.into(), folder)
}

/// Randomness of the system, for a seal.
pub(crate) fn fresh() -> Fresh {
    let mut random = [0; FRESH_BYTES];
    getrandom::fill(&mut random).unwrap();
    Fresh::new(random)
}

/// What the store seals with.
pub(crate) fn chest() -> Chest {
    let keyring = Keyring::new(SealKey::new(Secret::new([7; 32])));
    Chest::new(Sealer::new(Arc::new(keyring)), fresh)
}
