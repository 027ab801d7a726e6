//! The two databases: each test runs over both.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use llm_core::money::Money;
use llm_core::quota::Zone;
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::{CallLog, CallRecord, StoreError};
use llm_store::journal::Durability;
use llm_store::requests::Requests;
use llm_store::sql::Database;
#[cfg(feature = "postgres")]
use llm_store::sql::postgres::PostgresVault;
use llm_store::sql::sqlite::{Settings, SqliteVault};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

#[cfg(feature = "postgres")]
use crate::server::Server;

/// The machine's clock, as the runtime has it.
#[derive(Debug)]
pub(crate) struct Real(Instant);

impl Real {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now().into_std()))
    }
}

impl Clock for Real {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// Whoever gives the machine much to do, and whoever has a server's short deadlines, take turns.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Logs a batch, again when nobody knows whether it was: that changes nothing.
pub(crate) async fn logged(log: &Requests, batch: &[CallRecord]) {
    for _ in 0..20 {
        match log.append(batch).await {
            Err(StoreError::Unavailable(_)) => {}
            done => return done.unwrap(),
        }
    }
    panic!("the log is not available");
}

/// An empty database.
pub(crate) struct Place {
    pub(crate) database: Database,
    pub(crate) raw: Raw,
}

/// The same without us.
pub(crate) enum Raw {
    Sqlite(TempDir),
    #[cfg(feature = "postgres")]
    Postgres(String),
}

pub(crate) fn quick(path: impl Into<PathBuf>) -> Settings {
    Settings { durability: Durability::Process, ..Settings::new(path) }
}

pub(crate) async fn sqlite() -> (Place, SqliteVault) {
    let folder = tempfile::tempdir().unwrap();
    let settings = quick(folder.path().join("a.db"));
    let vault = SqliteVault::<Money>::open(&settings, Real::new()).await.unwrap();
    (Place { database: vault.clone().into(), raw: Raw::Sqlite(folder) }, vault)
}

/// The same file, opened anew.
pub(crate) async fn reopened(place: &Place) -> SqliteVault {
    match &place.raw {
        Raw::Sqlite(folder) => {
            let settings = quick(folder.path().join("a.db"));
            SqliteVault::<Money>::open(&settings, Real::new()).await.unwrap()
        }
        #[cfg(feature = "postgres")]
        Raw::Postgres(_) => panic!("that is no file"),
    }
}

#[cfg(feature = "postgres")]
pub(crate) async fn postgres(server: &Server) -> (Place, PostgresVault) {
    use llm_store::sql::postgres::Settings;
    let url = server.database().await;
    let settings = Settings::new(url.clone());
    let vault = PostgresVault::<Money>::open(&settings, Real::new()).await.unwrap();
    (Place { database: vault.clone().into(), raw: Raw::Postgres(url) }, vault)
}

impl Place {
    /// The log, whose days are Seoul's.
    pub(crate) fn log(&self) -> Requests {
        Requests::new(self.database.clone(), Zone::get("Asia/Seoul").unwrap())
    }
}

impl Raw {
    pub(crate) fn is_file(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Statements, one after the other.
    pub(crate) async fn run(&self, text: &str) {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(folder) => {
                let url = format!("sqlite:{}", folder.path().join("a.db").display());
                let mut link = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut link).await.unwrap();
                link.close().await.unwrap();
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let mut link = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::raw_sql(text).execute(&mut link).await.unwrap();
                link.close().await.unwrap();
            }
        }
    }

    /// Rows of numbers behind a word, and what the question took.
    pub(crate) async fn ask(&self, text: &str) -> (Vec<(String, i64, i64, i64)>, Duration) {
        let text = AssertSqlSafe(text.to_owned());
        match self {
            Self::Sqlite(folder) => {
                let url = format!("sqlite:{}", folder.path().join("a.db").display());
                let mut link = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let began = tokio::time::Instant::now();
                let rows = sqlx::query_as(text).fetch_all(&mut link).await.unwrap();
                (rows, began.elapsed())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => {
                let mut link = sqlx::PgConnection::connect(url).await.unwrap();
                let began = tokio::time::Instant::now();
                let rows = sqlx::query_as(text).fetch_all(&mut link).await.unwrap();
                (rows, began.elapsed())
            }
        }
    }
}
