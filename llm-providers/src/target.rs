//! Vendors and targets as they are used: a description, the way there, and what is known of how
//! they are doing.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Method, Uri};
use llm_core::Str;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::catalog::Catalog;
use llm_core::dialect::UpstreamDialect;
use llm_core::money::Price;
use llm_core::provider::{Provider, TargetId};
use llm_core::seam::{Clock, Transport};
use parking_lot::Mutex;

use crate::metrics::{Metrics, ModelMetrics, TargetMetrics};
use crate::stage::gate::room::{Capacity, Room};
use crate::stage::gate::{Health, Keys};

/// A vendor as configured: description, keys, the way there.
pub struct Vendor {
    /// Its name in configuration.
    pub name: Str,
    /// The kind under which the catalogue knows its models.
    pub kind: Str,
    /// What it is.
    pub provider: Arc<dyn Provider>,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// Its keys.
    pub keys: Arc<Keys>,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Attempts at one of its targets beyond the first, within one call.
    pub retries: u8,
    /// Whether its description changes words: then nothing is relayed as it came.
    pub adjusts: bool,
    /// How much each of its targets can take.
    pub capacity: Capacity,
    /// What is known of its models.
    pub catalog: Arc<Catalog>,
    /// Counters.
    pub metrics: VendorMetrics,
    /// What all targets together can take that no configuration names.
    pub(crate) unlisted_room: Option<Arc<Room>>,
    /// Targets that no configuration names.
    pub(crate) unlisted: Mutex<HashMap<Str, Arc<Target>>>,
}

/// Counters of a vendor's models that no configuration names: one series for all.
#[derive(Clone, Debug)]
pub struct VendorMetrics {
    pub(crate) unlisted: ModelMetrics,
    pub(crate) target: TargetMetrics,
}

impl VendorMetrics {
    /// Resolves the handles.
    pub fn new(metrics: &Metrics, vendor: &str) -> Self {
        Self { unlisted: metrics.model("other"), target: metrics.target(vendor, "other") }
    }
}

/// How long a vendor may take, once there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To say that a stream will come.
    pub head: Duration,
    /// To begin it, counted from the question; models that think first are given as long as for
    /// everything, once they have said that a stream will come.
    pub first_token: Duration,
    /// Between two signs of life of a stream.
    pub idle: Duration,
    /// For everything.
    pub total: Duration,
}

impl Timeouts {
    /// Nobody waits for more than a day, and an instant further away may not exist.
    pub(crate) const MAX: Duration = Duration::from_hours(24);

    pub(crate) fn bounded(self) -> Self {
        Self {
            head: self.head.min(Self::MAX),
            first_token: self.first_token.min(Self::MAX),
            idle: self.idle.min(Self::MAX),
            total: self.total.min(Self::MAX),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            first_token: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(10),
        }
    }
}

/// One way to get one model.
pub struct Target {
    /// Its name: `vendor/model`.
    pub id: TargetId,
    /// The vendor.
    pub vendor: Arc<Vendor>,
    /// The vendor's own name of the model.
    pub model: Str,
    /// What the model takes.
    pub capability: Capability,
    /// What it costs; `None` is unknown, and then nobody may use it.
    pub price: Option<Price>,
    /// How it is doing, and what room it has.
    pub lasting: Lasting,
    /// Counters.
    pub metrics: TargetMetrics,
    /// How its vendor is asked for a conversation, whole and as a stream: found once. Nothing of it
    /// depends on the call.
    chat: [OnceLock<Option<Way>>; 2],
}

/// How a vendor is asked for something.
#[derive(Clone)]
pub(crate) struct Way {
    /// In whose words.
    pub(crate) dialect: &'static dyn UpstreamDialect,
    /// By which method.
    pub(crate) method: Method,
    /// At which address; `None` where a name cannot stand in one.
    pub(crate) uri: Option<Uri>,
}

/// What of a target outlasts configurations.
#[derive(Clone, Debug, Default)]
pub struct Lasting {
    /// How it is doing.
    pub health: Arc<Health>,
    /// How much more it can take; `None` is without limit.
    pub room: Option<Arc<Room>>,
}

impl Lasting {
    /// What is known of a target, under the capacity that it has from now on.
    pub(crate) fn keep(known: Option<Self>, capacity: Capacity, clock: &Arc<dyn Clock>) -> Self {
        let Self { health, room } = known.unwrap_or_default();
        if capacity == Capacity::default() {
            return Self { health, room: None };
        }
        let same = room.filter(|room| room.capacity == capacity);
        let room = same.unwrap_or_else(|| Arc::new(Room::new(capacity, clock)));
        Self { health, room: Some(room) }
    }
}

impl Target {
    /// How it is asked; `None` when its vendor has no such operation.
    pub(crate) fn way(&self, operation: Operation, stream: bool) -> Option<Cow<'_, Way>> {
        if operation == Operation::Chat {
            let way = self.chat[usize::from(stream)].get_or_init(|| self.find(operation, stream));
            return way.as_ref().map(Cow::Borrowed);
        }
        self.find(operation, stream).map(Cow::Owned)
    }

    fn find(&self, operation: Operation, stream: bool) -> Option<Way> {
        let provider = &self.vendor.provider;
        let dialect = provider.dialect(operation, &self.model)?;
        let endpoint = dialect.endpoint(operation, &self.model, stream);
        let method = endpoint.map_or(Method::POST, |endpoint| endpoint.method);
        Some(Way { dialect, method, uri: provider.uri(operation, &self.model, stream) })
    }

    /// How it is doing.
    pub fn health(&self) -> &Health {
        &self.lasting.health
    }

    /// Its name in metrics: configured targets by their own, all others by one.
    pub(crate) fn label(&self) -> &str {
        self.metrics.name()
    }
}

impl Vendor {
    /// A target of a model that a configuration names.
    pub fn listed(self: &Arc<Self>, model: &str, metrics: &Metrics, lasting: Lasting) -> Target {
        let handles = metrics.target(&self.name, model);
        self.describe(model, handles, lasting)
    }

    /// The target of a model that only a caller names.
    pub(crate) fn target(self: &Arc<Self>, model: &str) -> Arc<Target> {
        let mut known = self.unlisted.lock();
        if let Some(target) = known.get(model) {
            return Arc::clone(target);
        }
        let handles = self.metrics.target.clone();
        // Nobody said what such a model can take; so all of them together take what one would.
        let lasting = Lasting { room: self.unlisted_room.clone(), ..Lasting::default() };
        let target = Arc::new(self.describe(model, handles, lasting));
        if known.len() >= UNLISTED_MAX {
            let any = known.keys().next().cloned();
            any.and_then(|name| known.remove(&name));
        }
        known.insert(target.model.clone(), Arc::clone(&target));
        target
    }

    fn describe(self: &Arc<Self>, model: &str, metrics: TargetMetrics, lasting: Lasting) -> Target {
        let entry = self.catalog.lookup(&self.kind, model);
        Target {
            id: TargetId(Str::from(format!("{}/{model}", self.name))),
            vendor: Arc::clone(self),
            model: model.into(),
            capability: self.provider.capability(model),
            price: entry.and_then(|e| e.price.clone()),
            lasting,
            metrics,
            chat: Default::default(),
        }
    }
}

/// A caller who makes names up costs us this many entries and no more.
const UNLISTED_MAX: usize = 1_024;

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.id).finish()
    }
}
