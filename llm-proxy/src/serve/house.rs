//! Everything that a running proxy has, in the order in which it is opened and closed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use llm_core::Str;
use llm_core::quota::Zone;
use llm_core::seam::Clock;
use llm_core::store::{CallLog, StoreError};
use llm_providers::Gateway;
use llm_providers::builder::GatewayBuilder;
use llm_providers::edge::once::Once;
use llm_providers::seam::SystemClock;
use llm_store::directory::{Bounds, KnownKeys};
use llm_store::keys::Peppers;
use llm_store::webhooks::{BUDGET_REACHED, Outbox, Webhooks};
use prometheus::Registry;

use crate::config::Config;

use super::apps::Served;
use super::checks::Checks;
use super::credits::Purse;
use super::depot::Depot;
use super::first::{Made, Secrets};
use super::idempotency;
use super::keys::{self, AdminKey, Keys};
use super::office::Office;
use super::passthrough::Passages;
use super::reload::Board;
use super::seal;
use super::shared::{self, Shared};
use super::store::{self, NotOpened, Store};
use super::telemetry::Telemetry;
use super::token::Tokens;
use super::upkeep;
use super::vendors::Vendors;
use super::watch::Watch;
use super::web::Web;
use super::webhooks::{self, Budgets};

/// A running proxy.
pub(crate) struct House {
    /// The pipeline.
    pub(crate) gateway: Gateway,
    /// Who may ask.
    pub(crate) keys: Keys,
    /// Who may ask about everything.
    pub(crate) admin: AdminKey,
    /// What operators work with; `None` where nothing outlasts the process.
    pub(crate) office: Option<Office>,
    /// Keys that this start has made: shown once.
    pub(crate) made: Made,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Bytes of a request's body.
    pub(crate) bytes_max: u64,
    /// When it began, in seconds since 1970.
    pub(crate) started: u64,
    /// What is counted.
    pub(crate) registry: Registry,
    /// What outlasts it.
    pub(crate) store: Store,
    /// What callers leave with us; `None` where nothing outlasts the process.
    pub(crate) depot: Option<Depot>,
    /// The features of applications; `None` where nothing outlasts the process.
    pub(crate) apps: Option<Served>,
    /// APIs that calls are passed through to.
    pub(crate) passages: Passages,
    /// What it has in common with other replicas.
    pub(crate) shared: Option<Shared>,
    /// What applications have counted.
    pub(crate) checks: Checks,
    /// Who looks out for what is unlike a key.
    pub(crate) watch: Arc<Watch>,
    /// The configuration that is served.
    pub(crate) board: Board,
    /// Providers' keys beside those of the configuration.
    pub(crate) vendors: Vendors,
    /// Requests that are sent again.
    pub(crate) once: Once,
    /// Wallets; `None` where nothing outlasts the process.
    pub(crate) purse: Option<Purse>,
    /// What others are told; `None` where nothing outlasts the process.
    pub(crate) webhooks: Option<Webhooks>,
    /// The names of who is told.
    pub(crate) hooks: Vec<Str>,
    /// Who is told of calls.
    pub(crate) telemetry: Telemetry,
    /// What holds for every request.
    pub(crate) web: Web,
    /// What calls under way may take when the process ends.
    pub(crate) drain_max: Duration,
    draining: AtomicBool,
}

impl House {
    /// Opens everything, or says what stands in the way.
    pub(crate) async fn open(config: &Config) -> Result<Self, NotOpened> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let web = Web::open(&config.server, &clock)?;
        let Secrets { peppers, admin, made } = Secrets::open(config)?;
        let fixed: Vec<_> = keys::fixed(&peppers, config).collect();
        let board = Board::new(config, Arc::clone(&clock))?;
        let settings = board.settings(config).map_err(NotOpened::Problems)?;
        let shares = config.server.edge.reuse_port;
        let store = store::open(&config.store, shares, Arc::clone(&clock)).await?;
        let shared = shared::open(config, Arc::clone(&clock)).await?;
        let registry = Registry::new();
        let watch = Watch::new(&registry);
        let telemetry = Telemetry::open(config, &registry, &clock).map_err(NotOpened::Telemetry)?;
        let office = office(config, &store, &peppers, &clock).await?;
        let outbox = webhooks::outbox(config)?;
        let purse = purse(config, &store, office.as_ref(), &outbox)?;
        let budgets = outbox.wants(BUDGET_REACHED).then(Budgets::new);
        let log = office.as_ref().map(|of| watch.over(Arc::new(of.requests.clone())));
        let gateway = lent(budgets.as_ref(), telemetry.over(log), shared.as_ref());
        let gateway = built(gateway.settings(settings), config, &store, &registry)?;
        let started = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let known = known(office.as_ref(), shared.as_ref(), &clock);
        let tokens = tokens(config, office.as_ref(), known.as_ref(), &clock)?;
        let keys = Keys::new(peppers, fixed, known).believing(tokens);
        board.open(&registry)?;
        let vendors = Vendors::open(config, office.as_ref())?;
        let told = webhooks::open(config, &store, &outbox, budgets, gateway.entropy())?;
        let once = idempotency::open(config, &store, Arc::clone(&clock))?;
        let chest = seal::chest(config)?;
        let wallets = purse.as_ref().map(|purse| &purse.wallets);
        let apps = Served::open(config, &store, &gateway, &clock, &chest, wallets);
        let left = apps.as_ref().map(Served::deposits);
        let depot = Depot::of(&store, config, &clock, &gateway, left, Some(chest), outbox);
        let passages = Passages::new(config, &registry)?;
        let house = Self {
            gateway,
            keys,
            admin,
            // Last: a key that was made and not shown, since something else went wrong, is lost.
            made: Made { admin: made, first: first(config, office.as_ref()).await? },
            office,
            clock,
            bytes_max: config.server.body_max,
            started: started.as_secs(),
            registry,
            store,
            depot,
            apps,
            passages,
            shared,
            checks: Checks::new(config.server.time_zone.1.clone()),
            watch,
            board,
            vendors,
            once,
            purse,
            webhooks: told,
            hooks: config.webhooks.keys().cloned().collect(),
            telemetry,
            web,
            drain_max: config.server.drain,
            draining: AtomicBool::new(false),
        };
        // Like all that is asked of the store at a start: one that is slow just now is waited for.
        Box::pin(store::patiently(&*house.clock, async || house.settle().await)).await?;
        Ok(house)
    }

    /// What has to be so before anybody asks.
    async fn settle(&self) -> Result<(), NotOpened> {
        self.vendors.refresh(self).await?;
        if let Some(apps) = &self.apps {
            // Nothing that a copy has brought back of those who were erased can be read.
            apps.now().privacy.shred().await.map_err(NotOpened::Erased)?;
        }
        Ok(())
    }

    /// New calls are better sent elsewhere: said by readiness, so that whoever balances load knows
    /// before the door closes.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The operator's time zone.
    pub(crate) fn zone(&self) -> Zone {
        self.office.as_ref().map_or(Zone::UTC, |office| office.zone.clone())
    }

    /// Whether it is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Begins what goes on behind the calls.
    pub(crate) fn begin(self: &Arc<Self>) {
        if let Some(depot) = &self.depot {
            depot.begin(self);
        }
        if let Some(apps) = &self.apps {
            apps.begin();
        }
        if self.office.is_some() {
            tokio::spawn(upkeep::begin(Arc::downgrade(self)));
        }
    }

    /// Carries everything to the store that has ended. Nothing asks it any more.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        if let Some(apps) = &self.apps {
            apps.close().await;
        }
        if let Some(depot) = &self.depot {
            depot.close().await;
        }
        self.store.close().await
    }
}

/// Who is who, where it is written down.
async fn office(
    config: &Config,
    store: &Store,
    peppers: &Peppers,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Office>, NotOpened> {
    let Some(database) = store.database() else { return Ok(None) };
    let open = async || Ok(Office::open(config, database, peppers.clone()).await?);
    store::patiently(&**clock, open).await.map(Some)
}

/// The gateway, over what it counts in and pays from.
fn built(
    gateway: GatewayBuilder,
    config: &Config,
    store: &Store,
    registry: &Registry,
) -> Result<Gateway, NotOpened> {
    let gateway = gateway
        .bounds(config.bounds())
        .cache_bytes(config.server.cache_max)
        .ledger(store.ledger())
        .credits(store.credits())
        .registry(registry.clone());
    gateway.build().map_err(NotOpened::Problems)
}

/// A gateway in the making, with what it is lent by those who are there.
fn lent(
    budgets: Option<&Arc<Budgets>>,
    log: Option<Arc<dyn CallLog>>,
    shared: Option<&Shared>,
) -> GatewayBuilder {
    let mut gateway = Gateway::builder();
    if let Some(budgets) = budgets {
        gateway = gateway.spending(Arc::clone(budgets) as _);
    }
    if let Some(log) = log {
        gateway = gateway.log(log);
    }
    match shared {
        Some(shared) => shared.lend(gateway),
        None => gateway,
    }
}

/// The key that a first start makes, where nobody has named one.
async fn first(
    config: &Config,
    office: Option<&Office>,
) -> Result<Option<llm_store::keys::VirtualKey>, NotOpened> {
    match office {
        Some(office) if config.keys.is_empty() => Ok(office.first_key().await?),
        Some(_) | None => Ok(None),
    }
}

/// What this process remembers of keys, kept up to date.
fn known(
    office: Option<&Office>,
    shared: Option<&Shared>,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<KnownKeys>> {
    let directory = &office?.directory;
    let known = KnownKeys::of(directory, Arc::clone(clock), Bounds::default());
    if let Some(shared) = shared {
        shared.tell(directory, &known);
    }
    let watching = Arc::clone(&known);
    // It ends with the runtime: what it reads is of no use to anybody then.
    tokio::spawn(async move { watching.watch().await });
    Some(known)
}

fn purse(
    config: &Config,
    store: &Store,
    office: Option<&Office>,
    outbox: &Outbox,
) -> Result<Option<Purse>, NotOpened> {
    let (Some(database), Some(office)) = (store.database(), office) else { return Ok(None) };
    Purse::open(config, database, &office.directory, outbox.clone()).map(Some)
}

/// Whoever shows a token of an issuer that is believed; who that is, the directory says.
fn tokens(
    config: &Config,
    office: Option<&Office>,
    known: Option<&Arc<KnownKeys>>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Tokens>, NotOpened> {
    let (Some(said), Some(office), Some(known)) = (&config.jwt, office, known) else {
        return Ok(None);
    };
    let (directory, peppers) = (office.directory.clone(), office.peppers.clone());
    Ok(Some(Tokens::open(said, directory, peppers, Arc::clone(known), Arc::clone(clock))?))
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("store", &self.store).finish_non_exhaustive()
    }
}
