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

use llm_core::Str;
use llm_core::idempotency::{Fate, Owners};
use llm_core::ledger::{HoldId, Settlement};
use llm_core::money::{Credits, Money, Unit};
use llm_core::seam::Clock;
use llm_core::store::vault::{Tenure, Vault};
use llm_core::store::{Audit, Ledger, StoreError, Stored};
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
/// Bytes of the journal of credits.
const CREDITS_JOURNAL_BYTES: u64 = 16 << 20;
/// Bytes of a replica's name, which is drawn once and kept in its folder.
const NAME_BYTES: usize = 8;
/// The journals' folders: money, and credits.
const JOURNAL: &str = "journal";
const CREDITS_JOURNAL: &str = "journal-credits";

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
    /// Nobody could be told of what happens.
    #[error("{0}")]
    Webhook(String),
    /// Credits cannot be kept.
    #[error("credits: {0}")]
    Credits(String),
    /// There is no certificate to be shown.
    #[error("server.tls: {0}")]
    Tls(#[from] super::listen::tls::NotShown),
    /// Tokens cannot be checked.
    #[error(transparent)]
    Tokens(#[from] super::token::NotKeys),
    /// Nobody could be told of calls.
    #[error("{0}")]
    Telemetry(String),
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
    Memory(Arc<MemoryLedger>, Arc<MemoryLedger<Credits>>),
    Leased(Leased),
}

struct Leased {
    ledger: LeasedLedger,
    credits: LeasedLedger<Credits>,
    vaults: Vaults,
    workers: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    interrupted: Vec<Interrupted>,
    replica: String,
}

/// Opens it.
pub(crate) async fn open(given: &config::Store, clock: Arc<dyn Clock>) -> Result<Store, NotOpened> {
    let kind = match vault(given, Arc::clone(&clock)).await? {
        None => Kind::Memory(Arc::default(), Arc::default()),
        Some(vaults) => Kind::Leased(leased(given, vaults, Arc::clone(&clock)).await?),
    };
    Ok(Store { kind, clock })
}

/// Opens the database alone, beside whoever serves from it; `None` where nothing outlasts a
/// process.
pub(crate) async fn database(
    given: &config::Store,
    clock: Arc<dyn Clock>,
) -> Result<Option<Database>, NotOpened> {
    Ok(vault(given, clock).await?.map(|vaults| vaults.database))
}

/// Accounts in money and in credits, and the database that they are in.
struct Vaults {
    money: Arc<dyn Vault>,
    credits: Arc<dyn Vault<Credits>>,
    database: Database,
}

async fn vault(given: &config::Store, clock: Arc<dyn Clock>) -> Result<Option<Vaults>, NotOpened> {
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
            let (money, credits) = (Arc::new(vault.clone()), Arc::new(vault.of::<Credits>()));
            Vaults { money, credits, database: vault.into() }
        }
        StorePlace::Postgres(url) => {
            let settings = postgres::Settings::new(url.secret.expose().clone());
            let opened = PostgresVault::<Money>::open(&settings, Arc::clone(&clock)).await;
            let place = || "postgres".to_owned();
            let vault = opened.map_err(|why| NotOpened::Store { place: place(), why })?;
            let (money, credits) = (Arc::new(vault.clone()), Arc::new(vault.of::<Credits>()));
            Vaults { money, credits, database: vault.into() }
        }
    }))
}

/// The journals of this machine, under the names that they have in a backup.
pub(crate) fn journal_places(data: &Path) -> Vec<JournalPlace> {
    [JOURNAL, CREDITS_JOURNAL]
        .map(|name| JournalPlace { name: name.to_owned(), folder: data.join(name) })
        .into()
}

/// Where this machine's name towards the store is written.
pub(crate) fn replica_path(data: &Path) -> PathBuf {
    data.join("replica")
}

async fn leased(
    given: &config::Store,
    vaults: Vaults,
    clock: Arc<dyn Clock>,
) -> Result<Leased, NotOpened> {
    make(&given.data)?;
    let replica = replica(&given.data)?;
    let usual = journal::Settings { durability: durability(given), ..journal::Settings::default() };
    let money = open_ledger(
        given.data.join(JOURNAL),
        usual,
        (&replica, Arc::clone(&vaults.money)),
        Arc::clone(&clock),
    );
    let Started { ledger, worker, interrupted } = money.await?;
    // Fewer calls pay in credits, and each writes as much.
    let fewer = journal::Settings {
        bytes_max: CREDITS_JOURNAL_BYTES,
        segment_bytes: CREDITS_JOURNAL_BYTES / 4,
        spare_bytes: CREDITS_JOURNAL_BYTES / 16,
        ..usual
    };
    let place = given.data.join(CREDITS_JOURNAL);
    let credits = open_ledger(place, fewer, (&replica, Arc::clone(&vaults.credits)), clock).await?;
    let workers = vec![tokio::spawn(worker.run()), tokio::spawn(credits.worker.run())];
    let workers = parking_lot::Mutex::new(workers);
    Ok(Leased { ledger, credits: credits.ledger, vaults, workers, interrupted, replica })
}

/// The ledger of a unit, over its own journal.
async fn open_ledger<U: Unit>(
    place: PathBuf,
    settings: journal::Settings,
    (replica, vault): (&str, Arc<dyn Vault<U>>),
    clock: Arc<dyn Clock>,
) -> Result<Started<U>, NotOpened> {
    let (journal, replay) = Journal::at(place, settings).map_err(NotOpened::Ledger)?;
    if replay.torn_bytes > 0 {
        tracing::warn!(bytes = replay.torn_bytes, "a crash had left half a line in the journal");
    }
    let ground = Ground { replica: replica.to_owned(), journal: Arc::new(journal), vault, clock };
    let opened = LeasedLedger::open(ground, lease::Settings::default()).await;
    let started = opened.map_err(NotOpened::Ledger)?;
    for one in &started.interrupted {
        let Interrupted { settlement, sent, .. } = one;
        tracing::warn!(
            hold = %settlement.hold, charged = ?settlement.tenant, sent = sent.is_some(),
            "the last process ended in the middle of this call"
        );
    }
    Ok(started)
}

impl Store {
    /// Who keeps the accounts.
    pub(crate) fn ledger(&self) -> Arc<dyn Ledger> {
        match &self.kind {
            Kind::Memory(ledger, _) => Arc::clone(ledger) as Arc<dyn Ledger>,
            Kind::Leased(leased) => Arc::new(leased.ledger.clone()),
        }
    }

    /// Who keeps the accounts in credits.
    pub(crate) fn credits(&self) -> Arc<dyn Ledger<Credits>> {
        match &self.kind {
            Kind::Memory(_, credits) => Arc::clone(credits) as Arc<dyn Ledger<Credits>>,
            Kind::Leased(leased) => Arc::new(leased.credits.clone()),
        }
    }

    /// Who this process is to its owners of holds, and who knows what became of a hold.
    pub(crate) fn owners(&self) -> (Tenure, Arc<dyn Owners>) {
        match &self.kind {
            Kind::Memory(money, credits) => {
                let who = Tenure { replica: Str::from_static("memory"), epoch: 1 };
                let (money, credits) = (Arc::clone(money), Arc::clone(credits));
                (who.clone(), Arc::new(Both { money, credits, credits_who: who }))
            }
            Kind::Leased(leased) => {
                let (money, credits) = (leased.ledger.clone(), leased.credits.clone());
                let (who, credits_who) = (money.tenure().clone(), credits.tenure().clone());
                let both = Both { money: Arc::new(money), credits: Arc::new(credits), credits_who };
                (who, Arc::new(both))
            }
        }
    }

    /// Time.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The database that everything else is in; `None` where nothing outlasts the process.
    pub(crate) fn database(&self) -> Option<&Database> {
        match &self.kind {
            Kind::Memory(..) => None,
            Kind::Leased(leased) => Some(&leased.vaults.database),
        }
    }

    /// How the ledger is doing; `None` where nothing outlasts the process.
    pub(crate) fn state(&self) -> Option<LedgerState> {
        match &self.kind {
            Kind::Memory(..) => None,
            Kind::Leased(leased) => Some(leased.ledger.state()),
        }
    }

    /// Bytes of the journals, and ends of holds that the database has not yet.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        match &self.kind {
            Kind::Memory(..) => (0, 0),
            Kind::Leased(leased) => {
                let (money, credits) = (leased.ledger.state(), leased.credits.state());
                (money.journal_bytes + credits.journal_bytes, money.unfolded + credits.unfolded)
            }
        }
    }

    /// Calls that the last process left in the middle, and what was made of them.
    pub(crate) fn interrupted(&self) -> &[Interrupted] {
        match &self.kind {
            Kind::Memory(..) => &[],
            Kind::Leased(leased) => &leased.interrupted,
        }
    }

    /// How a hold of an earlier process ended, if that is carried to the store.
    pub(crate) async fn ended(&self, hold: HoldId) -> Result<Option<Settlement>, StoreError> {
        match &self.kind {
            Kind::Memory(..) => Ok(None),
            Kind::Leased(leased) => leased.vaults.money.ended(hold).await,
        }
    }

    /// This machine's name towards the store; empty where nothing outlasts the process.
    pub(crate) fn replica(&self) -> &str {
        match &self.kind {
            Kind::Memory(..) => "",
            Kind::Leased(leased) => &leased.replica,
        }
    }

    /// Recomputes what is stored.
    pub(crate) async fn verify(&self) -> Result<Audit, StoreError> {
        match &self.kind {
            Kind::Memory(money, credits) => {
                Ok(together(money.verify().await?, credits.verify().await?))
            }
            Kind::Leased(leased) => {
                let Vaults { money, credits, .. } = &leased.vaults;
                Ok(together(money.verify().await?, credits.verify().await?))
            }
        }
    }

    /// Carries what has ended to the store, for as long as that may take.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let Kind::Leased(leased) = &self.kind else { return Ok(()) };
        let closed = tokio::select! {
            closed = closing(leased) => closed,
            () = self.clock.sleep(CLOSE_MAX) => {
                let text = "not everything was carried there in time; the journal has the rest";
                Err(StoreError::Unavailable(text.into()))
            }
        };
        leased.workers.lock().drain(..).for_each(|worker| worker.abort());
        closed
    }
}

async fn closing(leased: &Leased) -> Result<(), StoreError> {
    let (money, credits) = tokio::join!(leased.ledger.shutdown(), leased.credits.shutdown());
    money.and(credits)
}

/// Two audits as one.
fn together(money: Audit, credits: Audit) -> Audit {
    Audit {
        accounts: money.accounts + credits.accounts,
        holds_open: money.holds_open + credits.holds_open,
        entries: money.entries + credits.entries,
        problems: money.problems.into_iter().chain(credits.problems).collect(),
    }
}

/// What a call's two holds say together: it is paid when either is.
#[derive(Debug)]
struct Both<M, C> {
    money: Arc<M>,
    credits: Arc<C>,
    /// This process, to the ledger of credits: it counts its epochs by itself.
    credits_who: Tenure,
}

impl<M: Owners, C: Owners> Owners for Both<M, C> {
    fn fate<'a>(&'a self, owner: &'a Tenure, hold: HoldId) -> Stored<'a, Fate> {
        Box::pin(async move {
            let money = self.money.fate(owner, hold).await?;
            match money {
                Fate::NeverHeld | Fate::Voided => {}
                Fate::Alive | Fate::Unresolved | Fate::Paid | Fate::Lost => return Ok(money),
            }
            if owner.replica != self.credits_who.replica {
                // Free of money; its credits are another machine's to know.
                return Ok(Fate::Unresolved);
            }
            match self.credits.fate(&self.credits_who, hold).await? {
                Fate::NeverHeld | Fate::Voided => Ok(money),
                other @ (Fate::Alive | Fate::Unresolved | Fate::Paid | Fate::Lost) => Ok(other),
            }
        })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Memory(..) => f.write_str("Store(memory)"),
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
