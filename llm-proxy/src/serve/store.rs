//! What outlasts a process: the ledger, opened over the store that was chosen.
//!
//! The ledger works in memory out of leased credit and writes its journal on this machine; a worker
//! carries what has ended to the store. That is the same for a file and for a server.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use llm_core::money::Money;
use llm_core::seam::Clock;
use llm_core::store::vault::Vault;
use llm_core::store::{Audit, Ledger, StoreError};
use llm_providers::ledger::MemoryLedger;
use llm_providers::settings::Problems;
use llm_store::backup::JournalPlace;
use llm_store::journal::{self, Durability, Journal};
use llm_store::lease::{self, Ground, Interrupted, LeasedLedger, LedgerState, Started};
use llm_store::redis::NotRedis;
use llm_store::sql::postgres::{self, PostgresVault};
use llm_store::sql::sqlite::{self, SqliteVault};
use llm_store::sql::{self, Database};
use tokio::task::JoinHandle;

use crate::config::{self, StorePlace};
use crate::secrets;

/// What the worker may take to carry everything away when the process ends. What it does not
/// manage is in the journal, for the next start.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// Bytes of a replica's name, which is drawn once and kept in its folder.
const NAME_BYTES: usize = 8;
/// The journal's folder.
const JOURNAL: &str = "journal";

/// Why the house was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpened {
    /// The configuration cannot be served.
    #[error("{0}")]
    Problems(Problems),
    /// The folder of this machine cannot be used.
    #[error("{}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store was not opened.
    #[error("{place}: {why}")]
    Store {
        /// Which.
        place: String,
        /// Why.
        why: sql::NotOpened,
    },
    /// What replicas share was not opened: a Redis that does not answer is no such thing.
    #[error("store.redis: {0}")]
    Redis(NotRedis),
    /// Who is who cannot be said.
    #[error("the directory: {0}")]
    Directory(#[from] llm_store::directory::NotDone),
    /// There is no certificate to be shown.
    #[error("server.tls: {0}")]
    Tls(#[from] super::listen::tls::NotShown),
    /// Tokens cannot be checked.
    #[error(transparent)]
    Tokens(#[from] super::token::NotKeys),
    /// The ledger was not opened.
    #[error("the ledger: {0}")]
    Ledger(StoreError),
}

/// What outlasts a process.
pub(crate) struct Store {
    kind: Kind,
    clock: Arc<dyn Clock>,
}

enum Kind {
    Memory(Arc<MemoryLedger>),
    Leased(Leased),
}

struct Leased {
    ledger: LeasedLedger,
    vault: Arc<dyn Vault>,
    database: Database,
    worker: parking_lot::Mutex<Option<JoinHandle<()>>>,
    interrupted: Vec<Interrupted>,
}

/// Opens it.
pub(crate) async fn open(given: &config::Store, clock: Arc<dyn Clock>) -> Result<Store, NotOpened> {
    let kind = match vault(given, Arc::clone(&clock)).await? {
        None => Kind::Memory(Arc::default()),
        Some((vault, database)) => {
            Kind::Leased(leased(given, vault, database, Arc::clone(&clock)).await?)
        }
    };
    Ok(Store { kind, clock })
}

/// Opens the database alone, beside whoever serves from it; `None` where nothing outlasts a
/// process.
pub(crate) async fn database(
    given: &config::Store,
    clock: Arc<dyn Clock>,
) -> Result<Option<Database>, NotOpened> {
    Ok(vault(given, clock).await?.map(|(_, database)| database))
}

/// Accounts, and the database that they are in.
type Opened = (Arc<dyn Vault>, Database);

async fn vault(given: &config::Store, clock: Arc<dyn Clock>) -> Result<Option<Opened>, NotOpened> {
    Ok(Some(match &given.place {
        StorePlace::Memory => return Ok(None),
        StorePlace::Sqlite(path) => {
            if let Some(folder) = path.parent() {
                make(folder)?;
            }
            let mut settings = sqlite::Settings::new(path);
            settings.durability = durability(given);
            let opened = SqliteVault::<Money>::open(&settings, Arc::clone(&clock)).await;
            let place = || path.display().to_string();
            let vault = opened.map_err(|why| NotOpened::Store { place: place(), why })?;
            (Arc::new(vault.clone()), vault.into())
        }
        StorePlace::Postgres(url) => {
            let settings = postgres::Settings::new(url.secret.expose().clone());
            let opened = PostgresVault::<Money>::open(&settings, Arc::clone(&clock)).await;
            let place = || "postgres".to_owned();
            let vault = opened.map_err(|why| NotOpened::Store { place: place(), why })?;
            (Arc::new(vault.clone()), vault.into())
        }
    }))
}

/// The journal of this machine, under the name that it has in a backup.
pub(crate) fn journal_place(data: &Path) -> JournalPlace {
    JournalPlace { name: JOURNAL.to_owned(), folder: data.join(JOURNAL) }
}

/// Where this machine's name towards the store is written.
pub(crate) fn replica_path(data: &Path) -> PathBuf {
    data.join("replica")
}

async fn leased(
    given: &config::Store,
    vault: Arc<dyn Vault>,
    database: Database,
    clock: Arc<dyn Clock>,
) -> Result<Leased, NotOpened> {
    make(&given.data)?;
    let replica = replica(&given.data)?;
    let settings =
        journal::Settings { durability: durability(given), ..journal::Settings::default() };
    let (journal, replay) =
        Journal::at(given.data.join(JOURNAL), settings).map_err(NotOpened::Ledger)?;
    if replay.torn_bytes > 0 {
        tracing::warn!(bytes = replay.torn_bytes, "a crash had left half a line in the journal");
    }
    let ground = Ground { replica, journal: Arc::new(journal), vault: Arc::clone(&vault), clock };
    let opened = LeasedLedger::open(ground, lease::Settings::default()).await;
    let Started { ledger, worker, interrupted } = opened.map_err(NotOpened::Ledger)?;
    for one in &interrupted {
        let Interrupted { settlement, sent, .. } = one;
        tracing::warn!(
            hold = %settlement.hold, charged = %settlement.tenant, sent = sent.is_some(),
            "the last process ended in the middle of this call"
        );
    }
    let worker = parking_lot::Mutex::new(Some(tokio::spawn(worker.run())));
    Ok(Leased { ledger, vault, database, worker, interrupted })
}

impl Store {
    /// Who keeps the accounts.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        match &self.kind {
            Kind::Memory(ledger) => Arc::clone(ledger) as Arc<dyn Ledger>,
            Kind::Leased(leased) => Arc::new(leased.ledger.clone()),
        }
    }

    /// The database that everything else is in; `None` where nothing outlasts the process.
    pub(crate) fn database(&self) -> Option<&Database> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::Leased(leased) => Some(&leased.database),
        }
    }

    /// How the ledger is doing; `None` where nothing outlasts the process.
    pub(crate) fn state(&self) -> Option<LedgerState> {
        match &self.kind {
            Kind::Memory(_) => None,
            Kind::Leased(leased) => Some(leased.ledger.state()),
        }
    }

    /// Calls that the last process left in the middle, and what was made of them.
    pub(crate) fn interrupted(&self) -> &[Interrupted] {
        match &self.kind {
            Kind::Memory(_) => &[],
            Kind::Leased(leased) => &leased.interrupted,
        }
    }

    /// Recomputes what is stored.
    pub(crate) async fn verify(&self) -> Result<Audit, StoreError> {
        match &self.kind {
            Kind::Memory(ledger) => ledger.verify().await,
            Kind::Leased(leased) => leased.vault.verify().await,
        }
    }

    /// Carries what has ended to the store, for as long as that may take.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let Kind::Leased(leased) = &self.kind else { return Ok(()) };
        let closed = tokio::select! {
            closed = leased.ledger.shutdown() => closed,
            () = self.clock.sleep(CLOSE_MAX) => {
                let text = "not everything was carried there in time; the journal has the rest";
                Err(StoreError::Unavailable(text.into()))
            }
        };
        let worker = leased.worker.lock().take();
        if let Some(worker) = worker {
            worker.abort();
        }
        closed
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Memory(_) => f.write_str("Store(memory)"),
            Kind::Leased(leased) => f.debug_tuple("Store").field(&leased.ledger).finish(),
        }
    }
}

/// This machine's name towards the store: drawn at the first start and kept beside the journal,
/// since the two belong together.
fn replica(data: &Path) -> Result<String, NotOpened> {
    let path = replica_path(data);
    let name =
        secrets::kept(&path, secrets::hex::<NAME_BYTES>).map_err(|error| at(&path, error))?;
    Ok(name.trim().to_owned())
}

fn durability(given: &config::Store) -> Durability {
    match given.durability {
        config::Durability::Process => Durability::Process,
        config::Durability::Power => Durability::Power,
    }
}

pub(crate) fn make(folder: &Path) -> Result<(), NotOpened> {
    fs::create_dir_all(folder).map_err(|error| at(folder, error))
}

pub(in crate::serve) fn at(path: &Path, error: io::Error) -> NotOpened {
    NotOpened::Folder { path: path.to_owned(), error }
}
