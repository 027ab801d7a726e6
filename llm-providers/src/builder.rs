//! From a description to a gateway.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::catalog::Override;
use llm_core::money::Credits;
use llm_core::principal::Grant;
use llm_core::quota::Zone;
use llm_core::seam::{Clock, Entropy};
use llm_core::store::{CacheStore, CallLog, Counters, Ledger, Slots};
use llm_core::wallet::tariff::{Tariff, Tariffs};
use parking_lot::Mutex;
use prometheus::Registry;

use crate::gateway::{Gateway, Stages};
use crate::ledger::MemoryLedger;
use crate::log::LogQueue;
use crate::metrics::Metrics;
use crate::metrics::quota::Watched;
use crate::model::Policy;
use crate::settings::{ModelSettings, Problem, Problems, Settings, VendorSettings, Workshop};
use crate::stage::admit::fair::Bounds;
use crate::stage::admit::{Admission, AdmissionBounds, AdmitStage, Lines, OwnerRules};
use crate::stage::cache::alike::Embedder;
use crate::stage::cache::{CacheStage, Shelf};
use crate::stage::gate::GateStage;
use crate::stage::inspect::{ContentRules, InspectStage};
use crate::stage::record::{Desk, RecordStage};
use crate::stage::reserve::{ReserveStage, Spending};
use crate::stage::route::{Hedges, RouteStage};
use crate::stage::send::Upstream;

/// Describes a gateway. What is not said is as small as it can be: accounts in memory, no limits,
/// no cache, no log.
#[derive(Default)]
pub struct GatewayBuilder {
    settings: Settings,
    clock: Option<Arc<dyn Clock>>,
    entropy: Option<Arc<dyn Entropy>>,
    ledger: Option<Arc<dyn Ledger>>,
    credits: Option<Arc<dyn Ledger<Credits>>>,
    spending: Option<Arc<dyn Spending>>,
    log: Option<Arc<dyn CallLog>>,
    registry: Option<Registry>,
    embedded: Option<Arc<Grant>>,
    bounds: Option<AdmissionBounds>,
    counters: Option<(Arc<dyn Counters>, NonZeroU32)>,
    slots: Option<Arc<dyn Slots>>,
    cache_bytes: Option<u64>,
    cache_store: Option<Arc<dyn CacheStore>>,
    embedder: Option<Arc<dyn Embedder>>,
}

/// Answers kept in memory, of models whose policy keeps any: some ten thousand conversations' turns.
const CACHE_BYTES: u64 = 64 << 20;

impl GatewayBuilder {
    /// Adds somebody who can be asked.
    #[must_use]
    pub fn vendor(mut self, vendor: VendorSettings) -> Self {
        self.settings.vendors.push(vendor);
        self
    }

    /// Adds a name that callers may ask for, and who answers: tiers of `vendor/model`, the first
    /// choice first.
    #[must_use]
    pub fn model<T, I>(self, name: impl Into<Str>, tiers: T) -> Self
    where
        T: IntoIterator<Item = I>,
        I: IntoIterator<Item: Into<Str>>,
    {
        self.model_with(name, tiers, Policy::default())
    }

    /// The same, served otherwise than usual.
    #[must_use]
    pub fn model_with<T, I>(mut self, name: impl Into<Str>, tiers: T, policy: Policy) -> Self
    where
        T: IntoIterator<Item = I>,
        I: IntoIterator<Item: Into<Str>>,
    {
        let tier = |tier: I| tier.into_iter().map(|t| (t.into(), 1)).collect();
        let tiers = tiers.into_iter().map(tier).collect();
        self.settings.models.push(ModelSettings { name: name.into(), tiers, policy });
        self
    }

    /// Lays a price or an ability over the built-in table.
    #[must_use]
    pub fn price(mut self, entry: Override) -> Self {
        self.settings.overrides.push(entry);
        self
    }

    /// How much the gateway takes on at once, and how much may wait.
    #[must_use]
    pub fn bounds(mut self, bounds: AdmissionBounds) -> Self {
        self.bounds = Some(bounds);
        self
    }

    /// Limits by kind of owner, beside those that a key was sold.
    #[must_use]
    pub fn rules(mut self, rules: OwnerRules) -> Self {
        self.settings.rules = rules;
        self
    }

    /// What may be said to any model.
    #[must_use]
    pub fn content(mut self, rules: ContentRules) -> Self {
        self.settings.content = rules;
        self
    }

    /// Whose quotas metrics show. Where any of them has accounts, the gateway must be built within a
    /// runtime.
    #[must_use]
    pub fn watched(mut self, watched: Watched) -> Self {
        self.settings.watched = watched;
        self
    }

    /// Everything that may change later, at once; adds to what was said before.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings.vendors.extend(settings.vendors);
        self.settings.models.extend(settings.models);
        self.settings.overrides.extend(settings.overrides);
        self.settings.credits = settings.credits;
        self.settings.rules = settings.rules;
        self.settings.content = settings.content;
        self.settings.watched = settings.watched;
        self
    }

    /// Who keeps the accounts.
    #[must_use]
    pub fn ledger(mut self, ledger: Arc<dyn Ledger>) -> Self {
        self.ledger = Some(ledger);
        self
    }

    /// Who keeps the accounts in credits. Unless said: memory.
    #[must_use]
    pub fn credits(mut self, ledger: Arc<dyn Ledger<Credits>>) -> Self {
        self.credits = Some(ledger);
        self
    }

    /// Who hears of it when somebody's calls have spent something.
    #[must_use]
    pub fn spending(mut self, listener: Arc<dyn Spending>) -> Self {
        self.spending = Some(listener);
        self
    }

    /// What a model costs in credits, by its name or a pattern of names, for callers with limits in
    /// credits. Said again, it is another one beside it.
    #[must_use]
    pub fn tariff(mut self, model: impl Into<Str>, tariff: Tariff) -> Self {
        let known = self.settings.credits.iter().map(|(name, t)| (name.clone(), t.clone()));
        self.settings.credits = Tariffs::new(known.chain([(model.into(), tariff)]));
        self
    }

    /// Where records of calls go. The gateway must then be built within a runtime.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn CallLog>) -> Self {
        self.log = Some(log);
        self
    }

    /// Where metrics are registered. The registry is the `prometheus` crate's, which is part of this
    /// crate's public face here, so that a program's own metrics stand on the same page.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Where replicas count together, and how many of them there are. While the store does not
    /// answer, each of them lets in its part of every limit. The gateway must then be built within a
    /// runtime.
    #[must_use]
    pub fn counters(mut self, store: Arc<dyn Counters>, replicas: NonZeroU32) -> Self {
        self.counters = Some((store, replicas));
        self
    }

    /// Where replicas that count together have the places of running calls: a cap of calls in flight
    /// then holds for all of them together. Without it, or without [`Self::counters`], it is each
    /// process's own.
    #[must_use]
    pub fn slots(mut self, store: Arc<dyn Slots>) -> Self {
        self.slots = Some(store);
        self
    }

    /// Who pays for calls that are made on nobody's behalf. Unless said: an account without limit
    /// that only counts.
    #[must_use]
    pub fn embedded(mut self, grant: Arc<Grant>) -> Self {
        self.embedded = Some(grant);
        self
    }

    /// How many bytes of answers are kept in memory, for models whose policy keeps any.
    #[must_use]
    pub fn cache_bytes(mut self, limit: u64) -> Self {
        self.cache_bytes = Some(limit);
        self
    }

    /// Where answers are kept besides, for other replicas and other days.
    #[must_use]
    pub fn cache_store(mut self, store: Arc<dyn CacheStore>) -> Self {
        self.cache_store = Some(store);
        self
    }

    /// Who says which questions are similar, for models whose policy answers those.
    #[must_use]
    pub fn embedder(mut self, embedder: Arc<dyn Embedder>) -> Self {
        self.embedder = Some(embedder);
        self
    }

    /// Time and randomness of one's own, for tests that want to repeat themselves.
    #[must_use]
    pub fn seams(mut self, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        self.clock = Some(clock);
        self.entropy = Some(entropy);
        self
    }

    /// Checks everything and builds. All problems are named, not the first.
    ///
    /// ```
    /// let problems = llm_providers::Gateway::builder()
    ///     .model("smart", [["nobody/gpt-4o-mini"], ["no target at all"]])
    ///     .build()
    ///     .unwrap_err();
    /// assert_eq!(problems[0].to_string(), "models.smart.tiers.0.0: there is no provider \"nobody\"");
    /// assert_eq!(problems.len(), 3);
    /// ```
    pub fn build(self) -> Result<Gateway, Problems> {
        if self.counters.is_some() && tokio::runtime::Handle::try_current().is_err() {
            let text = "what turns out otherwise is told in the background: build within a runtime";
            return Err(vec![Problem::new("counters", text)].into());
        }
        let unregistered = |e: prometheus::Error| vec![Problem::new("registry", e.to_string())];
        let metrics = Arc::new(Metrics::new().map_err(unregistered)?);
        let clock = self.clock.unwrap_or_else(crate::seam::clock);
        let bytes = self.cache_bytes.unwrap_or(CACHE_BYTES);
        let workshop = Workshop {
            shelf: Arc::new(Shelf::new(bytes, self.cache_store, Arc::clone(&clock))),
            embeds: self.embedder.is_some(),
            clock,
            entropy: self.entropy.unwrap_or_else(crate::seam::entropy),
            ledger: self.ledger.unwrap_or_else(|| Arc::new(MemoryLedger::default())),
            embedded: self.embedded.unwrap_or_else(|| Arc::new(Grant::embedded())),
            keys: Mutex::default(),
            health: Mutex::default(),
            metrics,
        };
        let snapshot = workshop.snapshot(self.settings)?;
        // Last: a registry that was tried in vain can be used again.
        workshop.metrics.register(&self.registry.unwrap_or_default()).map_err(unregistered)?;
        let bounds = self.bounds.unwrap_or_else(usual_bounds);
        let log = self.log.map(|log| {
            let (dropped, clock) = (workshop.metrics.log_dropped.clone(), &workshop.clock);
            LogQueue::start(log, dropped, Arc::clone(clock))
        });
        let mut admission = Admission::new(bounds, Arc::clone(&workshop.clock));
        if let Some((store, replicas)) = self.counters {
            admission = admission.sharing(store, replicas);
            if let Some(slots) = self.slots {
                let draw = || u128::from(workshop.entropy.next_u64());
                admission = admission.placing(slots, draw() << 64 | draw());
            }
        }
        let admission = Arc::new(admission);
        let (let_in, noted) = (Arc::clone(&admission), log.clone());
        Ok(Gateway::assemble(workshop, snapshot, let_in, noted, |w, current| Stages {
            record: RecordStage::new(
                current,
                Desk { log, metrics: Arc::clone(&w.metrics), clock: Arc::clone(&w.clock) },
            ),
            admit: AdmitStage::new(admission),
            reserve: ReserveStage {
                ledger: Arc::clone(&w.ledger),
                credits: self
                    .credits
                    .unwrap_or_else(|| Arc::new(MemoryLedger::<Credits>::default())),
                spending: self.spending,
                clock: Arc::clone(&w.clock),
                metrics: Arc::clone(&w.metrics),
            },
            inspect: InspectStage,
            cache: CacheStage::new(Arc::clone(&w.shelf), self.embedder, Arc::clone(&w.clock)),
            route: RouteStage {
                clock: Arc::clone(&w.clock),
                entropy: Arc::clone(&w.entropy),
                metrics: Arc::clone(&w.metrics),
                hedges: Hedges::default(),
            },
            gate: GateStage::new(Arc::clone(&w.clock), Arc::clone(&w.entropy)),
            send: Upstream::new(Arc::clone(&w.clock)),
        }))
    }
}

fn usual_bounds() -> AdmissionBounds {
    AdmissionBounds {
        queue: Bounds::default(),
        wait_max: Duration::from_secs(30),
        lines: Lines::default(),
        zone: Zone::UTC,
    }
}

impl std::fmt::Debug for GatewayBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
