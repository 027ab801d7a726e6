//! What outlasts a process: the ledger, opened over the store that was chosen.
//!
//! The ledger works in memory out of leased credit and writes its journal on this machine; a worker
//! carries what has ended to the store. That is the same for a file and for a server.

mod berth;

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
use llm_store::directory::NotDone;
use llm_store::journal::{self, Durability, Journal};
use llm_store::lease::{self, Ground, Interrupted, LeasedLedger, LedgerState, Started};
use llm_store::redis::NotRedis;
use llm_store::sql::postgres::{self, PostgresVault};
use llm_store::sql::sqlite::{self, SqliteVault};
use llm_store::sql::{self, Database};
use tokio::task::JoinHandle;

use crate::config::{self, StorePlace};
use berth::{Folder, Taken};

pub(crate) use berth::{journal_places, replica_paths};

/// What the worker may take to carry everything away when the process ends. What it does not
/// manage is in the journal, for the next start.
const CLOSE_MAX: Duration = Duration::from_secs(10);

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
    Directory(#[from] NotDone),
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
    /// Whoever was erased could be there again.
    #[error("who was erased: {0}")]
    Erased(StoreError),
}

impl NotOpened {
    /// Whether what is wrong may pass: a store that somebody else has locked just now.
    fn may_pass(&self) -> bool {
        match self {
            Self::Ledger(StoreError::Unavailable(_))
            | Self::Directory(NotDone::Store(StoreError::Unavailable(_))) => true,
            Self::Ledger(_)
            | Self::Erased(_)
            | Self::Directory(_)
            | Self::Problems(_)
            | Self::Folder { .. }
            | Self::Store { .. }
            | Self::Redis(_)
            | Self::Webhook(_)
            | Self::Credits(_)
            | Self::Tls(_)
            | Self::Tokens(_)
            | Self::Telemetry(_) => false,
        }
    }
}

/// A step of a start, waiting for a store that is not to be had yet: a predecessor that still serves
/// or ends has much to write. One that took all the time there is is tried once more: what kept it may
/// be over.
pub(super) async fn patiently<T>(
    clock: &dyn Clock,
    mut step: impl AsyncFnMut() -> Result<T, NotOpened>,
) -> Result<T, NotOpened> {
    let until = clock.now() + berth::WAIT_MAX;
    let mut tried = 0;
    loop {
        tried += 1;
        match step().await {
            Err(error) if error.may_pass() && (clock.now() < until || tried == 1) => {
                if tried == 1 {
                    tracing::warn!(%error, "the store is not to be had yet: waiting for it");
                }
                clock.sleep(berth::LOOK_EVERY).await;
            }
            done => return done,
        }
    }
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

/// Opens it. `shared` is that a predecessor may still be in its folder.
pub(crate) async fn open(
    given: &config::Store,
    shared: bool,
    clock: Arc<dyn Clock>,
) -> Result<Store, NotOpened> {
    let kind = match vault(given, Arc::clone(&clock)).await? {
        None => Kind::Memory(Arc::default(), Arc::default()),
        Some(vaults) => Kind::Leased(leased(given, shared, vaults, Arc::clone(&clock)).await?),
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

async fn leased(
    given: &config::Store,
    shared: bool,
    vaults: Vaults,
    clock: Arc<dyn Clock>,
) -> Result<Leased, NotOpened> {
    make(&given.data)?;
    let usual = journal::Settings { durability: durability(given), ..journal::Settings::default() };
    let folder = Folder { data: &given.data, shared, usual };
    let (own, left) = berth::take(folder, &*clock).await?;
    let replica = own.replica.clone();
    let Begun { money, credits } = begun(own, &vaults, &clock).await?;
    let mut interrupted = money.interrupted;
    let mut workers = vec![tokio::spawn(money.worker.run()), tokio::spawn(credits.worker.run())];
    let (ledger, own_credits) = (money.ledger, credits.ledger);
    for one in left {
        // What it has left is known here, and is carried to the store behind the calls.
        let Begun { money, credits } = begun(one, &vaults, &clock).await?;
        interrupted.extend(money.interrupted);
        workers.push(tokio::spawn(money.worker.run()));
        workers.push(tokio::spawn(credits.worker.run()));
        workers.push(tokio::spawn(async move {
            if let Err(error) = both(money.ledger.shutdown(), credits.ledger.shutdown()).await {
                tracing::warn!(%error, "what another process has left is carried on later");
            }
        }));
    }
    let workers = parking_lot::Mutex::new(workers);
    Ok(Leased { ledger, credits: own_credits, vaults, workers, interrupted, replica })
}

/// The ledgers of a berth.
struct Begun {
    money: Started<Money>,
    credits: Started<Credits>,
}

async fn begun(own: Taken, vaults: &Vaults, clock: &Arc<dyn Clock>) -> Result<Begun, NotOpened> {
    let Taken { replica, money, credits, .. } = own;
    let money = open_ledger(&replica, money, &vaults.money, clock).await?;
    let credits = open_ledger(&replica, credits, &vaults.credits, clock).await?;
    Ok(Begun { money, credits })
}

/// The ledger of a unit, over its own journal.
async fn open_ledger<U: Unit>(
    replica: &str,
    journal: Arc<Journal<U>>,
    vault: &Arc<dyn Vault<U>>,
    clock: &Arc<dyn Clock>,
) -> Result<Started<U>, NotOpened> {
    let open = async || {
        let ground = Ground {
            replica: replica.to_owned(),
            journal: Arc::clone(&journal),
            vault: Arc::clone(vault),
            clock: Arc::clone(clock),
        };
        let opened = LeasedLedger::open(ground, lease::Settings::default()).await;
        opened.map_err(NotOpened::Ledger)
    };
    let started = patiently(&**clock, open).await?;
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
            Kind::Leased(leased) => {
                let (money, credits) = (leased.ledger.state(), leased.credits.state());
                let degraded = money.degraded || credits.degraded;
                Some(LedgerState { degraded, broken: money.broken || credits.broken, ..money })
            }
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
            closed = both(leased.ledger.shutdown(), leased.credits.shutdown()) => closed,
            () = self.clock.sleep(CLOSE_MAX) => {
                let text = "not everything was carried there in time; the journal has the rest";
                Err(StoreError::Unavailable(text.into()))
            }
        };
        leased.workers.lock().drain(..).for_each(|worker| worker.abort());
        closed
    }
}

/// Of two that go on side by side, the first that failed.
async fn both(
    one: impl Future<Output = Result<(), StoreError>>,
    other: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let (one, other) = tokio::join!(one, other);
    one.and(other)
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
