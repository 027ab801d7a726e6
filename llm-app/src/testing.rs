//! What the tests of features stand on.

use std::sync::Arc;

use llm_providers::seam::SystemClock;
use llm_store::sql::Database;
use llm_store::sql::sqlite::{Settings, SqliteVault};
use tempfile::TempDir;

/// A database in a file of its own, which goes with the folder.
pub(crate) async fn database() -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("app.db"));
    let vault: SqliteVault = SqliteVault::open(&settings, Arc::new(SystemClock)).await.unwrap();
    (vault.into(), folder)
}
