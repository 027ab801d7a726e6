//! Where wallets are: a file, or a database of a server whose clock is ours.

use std::sync::Arc;

use llm_core::seam::Clock;
use llm_store::sql::Database;
#[cfg(feature = "postgres")]
use llm_store::sql::postgres::{self, PostgresVault};
#[cfg(feature = "sqlite")]
use llm_store::sql::sqlite::{self, SqliteVault};
use llm_store::wallets::{Settings, WalletId, Wallets};
use sqlx::{AssertSqlSafe, Connection};

use crate::clock::Calendar;

pub(crate) struct Place {
    pub(crate) clock: Arc<Calendar>,
    kind: Kind,
}

enum Kind {
    #[cfg(feature = "sqlite")]
    File(tempfile::TempDir),
    #[cfg(feature = "postgres")]
    Server { url: String, _server: Arc<crate::server::Server> },
}

impl Place {
    #[cfg(feature = "sqlite")]
    pub(crate) fn in_file() -> Self {
        let kind = Kind::File(tempfile::tempdir().unwrap());
        Self { clock: Arc::new(Calendar::new()), kind }
    }

    #[cfg(feature = "postgres")]
    pub(crate) async fn in_server(server: Arc<crate::server::Server>) -> Self {
        let kind = Kind::Server { url: server.database().await, _server: server };
        let place = Self { clock: Arc::new(Calendar::new()), kind };
        drop(place.database().await);
        let clock = "CREATE TABLE calendar (at bigint); INSERT INTO calendar VALUES (0); \
             CREATE OR REPLACE FUNCTION vault_now() RETURNS bigint LANGUAGE sql VOLATILE \
             AS 'SELECT at FROM calendar'";
        place.raw(clock).await;
        place.set(place.clock.micros()).await;
        place
    }

    /// A handle of its own, as another process would have.
    pub(crate) async fn database(&self) -> Database {
        let clock: Arc<dyn Clock> = self.clock.clone();
        match &self.kind {
            #[cfg(feature = "sqlite")]
            Kind::File(folder) => {
                let durability = llm_store::journal::Durability::Process;
                let path = folder.path().join("wallets.db");
                let patience = std::time::Duration::from_secs(4);
                let usual = sqlite::Settings::new(path);
                let settings = sqlite::Settings { durability, patience, ..usual };
                SqliteVault::open(&settings, clock).await.unwrap().into()
            }
            #[cfg(feature = "postgres")]
            Kind::Server { url, .. } => {
                let settings = postgres::Settings::new(url.clone());
                PostgresVault::open(&settings, clock).await.unwrap().into()
            }
        }
    }

    pub(crate) async fn wallets(&self) -> Wallets {
        Wallets::new(self.database().await, Settings::default()).unwrap()
    }

    /// What nobody should do.
    pub(crate) async fn raw(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        match &self.kind {
            #[cfg(feature = "sqlite")]
            Kind::File(folder) => {
                let path = folder.path().join("wallets.db");
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(path).foreign_keys(false);
                let mut link = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::raw_sql(text).execute(&mut link).await.unwrap();
                link.close().await.unwrap();
            }
            #[cfg(feature = "postgres")]
            Kind::Server { url, .. } => {
                let mut link = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut link).await.unwrap();
                link.close().await.unwrap();
            }
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        match self.kind {
            #[cfg(feature = "sqlite")]
            Kind::File(_) => true,
            #[cfg(feature = "postgres")]
            Kind::Server { .. } => false,
        }
    }

    /// It is this instant now, for everybody.
    pub(crate) async fn set(&self, micros: i64) {
        self.clock.set(micros);
        if !self.is_file() {
            self.raw(&format!("UPDATE calendar SET at = {micros}")).await;
        }
    }

    pub(crate) async fn pass(&self, seconds: i64) {
        self.set(self.clock.micros() + seconds * 1_000_000).await;
    }
}

pub(crate) fn user(name: &str) -> WalletId {
    WalletId::user("t", name.to_owned())
}

/// Every wallet is what its journal says.
pub(crate) async fn sound(wallets: &Wallets) -> llm_store::wallets::WalletAudit {
    let audit = wallets.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::new());
    audit
}
