//! Everything that a running proxy has, in the order in which it is opened and closed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use llm_core::seam::Clock;
use llm_core::store::StoreError;
use llm_providers::Gateway;
use llm_providers::seam::SystemClock;
use prometheus::Registry;

use super::given::Given;
use super::keys::{AdminKey, Keys};
use super::store::{self, NotOpened, Store};

/// A running proxy.
pub(crate) struct House {
    /// The pipeline.
    pub(crate) gateway: Gateway,
    /// Who may ask.
    pub(crate) keys: Keys,
    /// Who may ask about everything.
    pub(crate) admin: AdminKey,
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
    draining: AtomicBool,
}

impl House {
    /// Opens everything, or says what stands in the way.
    pub(crate) async fn open(given: Given) -> Result<Self, NotOpened> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = store::open(&given.store, Arc::clone(&clock)).await?;
        let registry = Registry::new();
        let gateway = Gateway::builder()
            .settings(given.settings)
            .ledger(store.ledger())
            .registry(registry.clone())
            .build()
            .map_err(NotOpened::Problems)?;
        let started = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let keys = Keys::new(given.peppers, given.keys, None);
        let admin = given.admin;
        Ok(Self {
            gateway,
            keys,
            admin,
            clock,
            bytes_max: given.bytes_max,
            started: started.as_secs(),
            registry,
            store,
            draining: AtomicBool::new(false),
        })
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

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("store", &self.store).finish_non_exhaustive()
    }
}
