//! Everything that a running proxy has, in the order in which it is opened and closed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use llm_core::seam::Clock;
use llm_core::store::StoreError;
use llm_providers::Gateway;
use llm_providers::seam::SystemClock;
use llm_store::directory::{Bounds, KnownKeys};
use prometheus::Registry;

use crate::config::Config;

use super::checks::Checks;
use super::first::{Made, Secrets};
use super::keys::{self, AdminKey, Keys};
use super::office::Office;
use super::reload::Board;
use super::shared::{self, Shared};
use super::store::{self, NotOpened, Store};
use super::token::Tokens;
use super::vendors::Vendors;
use super::watch::Watch;
use super::web::Web;

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
        let secrets = Secrets::open(config)?;
        let fixed: Vec<_> = keys::fixed(&secrets.peppers, config).collect();
        let board = Board::new(config, Arc::clone(&clock))?;
        let settings = board.settings(config).map_err(NotOpened::Problems)?;
        let store = store::open(&config.store, Arc::clone(&clock)).await?;
        let shared = shared::open(config, Arc::clone(&clock)).await?;
        let registry = Registry::new();
        let watch = Watch::new(&registry);
        let Secrets { peppers, admin, made } = secrets;
        let office = match store.database() {
            Some(database) => Some(Office::open(config, database, peppers.clone()).await?),
            None => None,
        };
        let mut gateway = Gateway::builder();
        if let Some(office) = &office {
            gateway = gateway.log(watch.over(Arc::new(office.requests.clone())));
        }
        if let Some(shared) = &shared {
            gateway = shared.lend(gateway);
        }
        let gateway = gateway
            .settings(settings)
            .bounds(config.bounds())
            .cache_bytes(config.server.cache_max)
            .ledger(store.ledger())
            .registry(registry.clone())
            .build()
            .map_err(NotOpened::Problems)?;
        let started = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let known = office.as_ref().map(|office| known(office, shared.as_ref(), &clock));
        let tokens = tokens(config, office.as_ref(), known.as_ref(), &clock)?;
        let keys = Keys::new(peppers, fixed, known).believing(tokens);
        board.open(&registry)?;
        let vendors = Vendors::open(config, office.as_ref())?;
        // Last: a key that was made and not shown, since something else went wrong, is lost.
        let first = match &office {
            Some(office) if config.keys.is_empty() => office.first_key().await?,
            Some(_) | None => None,
        };
        let house = Self {
            gateway,
            keys,
            admin,
            office,
            made: Made { admin: made, first },
            clock,
            bytes_max: config.server.body_max,
            started: started.as_secs(),
            registry,
            store,
            shared,
            checks: Checks::new(config.server.time_zone.1.clone()),
            watch,
            board,
            vendors,
            web,
            drain_max: config.server.drain,
            draining: AtomicBool::new(false),
        };
        house.vendors.refresh(&house).await?;
        Ok(house)
    }

    /// New calls are better sent elsewhere: said by readiness, so that whoever balances load knows
    /// before the door closes.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether it is on its way out.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Carries everything to the store that has ended. Nothing asks it any more.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}

/// Keys of the store, as they are remembered here and told to other replicas.
fn known(office: &Office, shared: Option<&Shared>, clock: &Arc<dyn Clock>) -> Arc<KnownKeys> {
    let known = KnownKeys::of(&office.directory, Arc::clone(clock), Bounds::default());
    if let Some(shared) = shared {
        shared.tell(&office.directory, &known);
    }
    let watched = Arc::clone(&known);
    // It ends with the runtime: what it reads is of no use to anybody then.
    tokio::spawn(async move { watched.watch().await });
    known
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
