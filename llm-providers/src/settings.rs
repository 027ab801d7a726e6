//! What a gateway is told, checked as a whole and turned into what calls live under.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use llm_core::Str;
use llm_core::catalog::{Catalog, Override};
use llm_core::principal::Grant;
use llm_core::provider::{Credential, Provider, TargetId};
use llm_core::seam::{Clock, Entropy, Transport};
use llm_core::secret::Secret;
use llm_core::store::Ledger;
use llm_core::wallet::tariff::Tariffs;
use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::metrics::quota::{Scopes, Watched};
use crate::model::{Choice, Model, Policy, Snapshot};
use crate::stage::admit::OwnerRules;
use crate::stage::admit::limits::Rules as RulesOf;
use crate::stage::cache::Shelf;
use crate::stage::gate::Keys;
use crate::stage::gate::room::Capacity;
use crate::stage::inspect::{ContentRules, Rules};
use crate::target::{Lasting, Target, Timeouts, Vendor, VendorMetrics};

/// Everything that may change while calls run.
#[derive(Debug, Default)]
pub struct Settings {
    /// Who can be asked.
    pub vendors: Vec<VendorSettings>,
    /// What callers may ask for.
    pub models: Vec<ModelSettings>,
    /// Prices and abilities laid over the built-in table.
    pub overrides: Vec<Override>,
    /// What models cost in credits, for callers who pay in credits.
    pub credits: Tariffs,
    /// Limits by kind of owner, beside those that a key was sold.
    pub rules: OwnerRules,
    /// What may be said to any model.
    pub content: ContentRules,
    /// Whose quotas metrics show.
    pub watched: Watched,
}

/// A vendor: its description, the way there, its keys.
pub struct VendorSettings {
    /// Its name, the part before the slash in `vendor/model`.
    pub name: Str,
    /// The kind under which the table of models knows it.
    pub kind: Str,
    /// What it is.
    pub provider: Arc<dyn Provider>,
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// Its keys.
    pub keys: Keys,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Attempts at one of its targets beyond the first, within one call.
    pub retries: u8,
    /// Whether its description changes words.
    pub adjusts: bool,
    /// How much each of its targets can take.
    pub capacity: Capacity,
}

impl VendorSettings {
    /// A vendor with a description of one's own, under the description's name, with the usual
    /// patience and no bound on what it can take. Keys may be none for one that wants none.
    pub fn new<K: Into<String>>(
        provider: Arc<dyn Provider>,
        transport: Arc<dyn Transport>,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        let name = provider.id().0.clone();
        let keys = keys.into_iter().map(|key| Secret::new(key.into()));
        Self {
            keys: pool(&name, keys, [], true),
            kind: name.clone(),
            name,
            provider,
            transport,
            timeouts: Timeouts::default(),
            retries: RETRIES_USUAL,
            adjusts: true,
            capacity: Capacity::default(),
        }
    }
}

/// Attempts beyond the first at one target.
pub(crate) const RETRIES_USUAL: u8 = 2;

/// Keys by the names under which logs and metrics speak of them: those without a name by their
/// place, and those that have one. A vendor that wants none is asked without; of any other, a pool
/// without keys lends none.
pub(crate) fn pool(
    vendor: &Str,
    keys: impl IntoIterator<Item = Secret<String>>,
    named: impl IntoIterator<Item = (Str, Secret<String>)>,
    keyless: bool,
) -> Keys {
    let name = |(n, key)| (Str::from(format!("{vendor}-{}", n + 1)), key);
    let all = keys.into_iter().enumerate().map(name).chain(named);
    let mut keys: Vec<_> =
        all.map(|(id, key)| Arc::new(Credential { id, key: Some(key) })).collect();
    if keys.is_empty() && keyless {
        keys.push(Arc::new(Credential { id: Str::from_static("none"), key: None }));
    }
    Keys::new(keys)
}

/// A name that callers send.
#[derive(Clone, Debug, Default)]
pub struct ModelSettings {
    /// The name.
    pub name: Str,
    /// Tiers of `vendor/model` with their weights, first choice first.
    pub tiers: Vec<Vec<(Str, u32)>>,
    /// How it is served.
    pub policy: Policy,
}

/// Something that cannot work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `models.smart.tiers.1.0`.
    pub place: Str,
    /// What is wrong there, and what would be right.
    pub text: Str,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: impl Into<Str>, text: impl Into<Str>) -> Self {
        Self { place: place.into(), text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// Everything that is wrong with what a gateway was told: an error, so that `?` passes it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl From<Vec<Problem>> for Problems {
    fn from(problems: Vec<Problem>) -> Self {
        Self(problems)
    }
}

impl Deref for Problems {
    type Target = [Problem];

    fn deref(&self) -> &[Problem] {
        &self.0
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.iter().enumerate() {
            let apart = if n == 0 { "" } else { "; " };
            write!(f, "{apart}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// What outlasts every configuration.
pub(crate) struct Workshop {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether somebody says which questions are similar.
    pub(crate) embeds: bool,
    /// Answers that are kept.
    pub(crate) shelf: Arc<Shelf>,
    /// Who pays for calls that are made on nobody's behalf.
    pub(crate) embedded: Arc<Grant>,
    /// The pools of keys there are, by vendor: a key that stays goes on resting.
    pub(crate) keys: Mutex<HashMap<Str, Arc<Keys>>>,
    /// How targets are doing, by name: a configuration that keeps a target keeps this.
    pub(crate) health: Mutex<HashMap<TargetId, Lasting>>,
}

impl Workshop {
    /// Checks settings and resolves them. All problems are named, not the first.
    pub(crate) fn snapshot(&self, settings: Settings) -> Result<Snapshot, Vec<Problem>> {
        let mut problems = Vec::new();
        let catalog = Arc::new(Catalog::builtin().clone().override_with(settings.overrides));
        let mut vendors = HashMap::new();
        for vendor in settings.vendors {
            let name = vendor.name.clone();
            if name.is_empty() || name.contains('/') {
                let text = "a vendor's name is not empty and has no slash";
                problems.push(Problem::new(format!("providers.{name}"), text));
            }
            let built = Arc::new(self.vendor(vendor, &catalog));
            if vendors.insert(name.clone(), built).is_some() {
                let text = "two vendors have this name";
                problems.push(Problem::new(format!("providers.{name}"), text));
            }
        }
        let mut targets = BTreeMap::new();
        let mut models = HashMap::new();
        for model in settings.models {
            let place = format!("models.{}", model.name);
            let built = self.model(model, &vendors, &mut targets, &mut problems);
            if models.insert(built.name.clone(), Arc::new(built)).is_some() {
                problems.push(Problem::new(place, "two models have this name"));
            }
        }
        self.check(&settings.rules, &models, &vendors, &mut problems);
        let content = Rules::read(&settings.content, &self.metrics, &mut problems);
        let scopes = Scopes::new(&settings.watched);
        if scopes.have_money() && tokio::runtime::Handle::try_current().is_err() {
            let text = "balances are read in the background: build within a runtime";
            problems.push(Problem::new("watched", text));
        }
        // What no configuration names any more is forgotten, so that this map cannot grow.
        let kept = targets.iter().map(|(id, t): (_, &Arc<Target>)| (id.clone(), t.lasting.clone()));
        let kept = kept.collect();
        if problems.is_empty() {
            *self.health.lock() = kept;
            let pools = vendors.iter().map(|(name, v)| (name.clone(), Arc::clone(&v.keys)));
            *self.keys.lock() = pools.collect();
            let (rules, credits) = (settings.rules, settings.credits);
            return Ok(Snapshot { models, vendors, targets, credits, rules, content, scopes });
        }
        Err(problems)
    }

    /// Rules that would be accepted and not obeyed.
    fn check(
        &self,
        rules: &OwnerRules,
        models: &HashMap<Str, Arc<Model>>,
        vendors: &HashMap<Str, Arc<Vendor>>,
        problems: &mut Vec<Problem>,
    ) {
        let mut look = |place: String, rules: &RulesOf| {
            for (n, rule) in rules.rules.iter().enumerate() {
                if let Some(text) = rule.problem(&self.clock) {
                    problems.push(Problem::new(format!("rules.{place}.{n}"), text));
                }
            }
        };
        look("key".to_owned(), &rules.key);
        look("user".to_owned(), &rules.user);
        look("team".to_owned(), &rules.team);
        look("org".to_owned(), &rules.org);
        look("tenant".to_owned(), &rules.tenant);
        for (model, rules) in &rules.models {
            look(format!("models.{model}"), rules);
        }
        for model in rules.models.keys() {
            let direct = model.split_once('/').is_some_and(|(v, _)| vendors.contains_key(v));
            if !models.contains_key(model) && !direct {
                let place = format!("rules.models.{model}");
                problems.push(Problem::new(place, "there is no model of that name"));
            }
        }
    }

    fn vendor(&self, vendor: VendorSettings, catalog: &Arc<Catalog>) -> Vendor {
        let unlisted_room = Lasting::keep(None, vendor.capacity, &self.clock).room;
        let keys = Arc::new(vendor.keys);
        if let Some(before) = self.keys.lock().get(&vendor.name) {
            keys.inherit(before);
        }
        Vendor {
            unlisted_room,
            metrics: VendorMetrics::new(&self.metrics, &vendor.name),
            name: vendor.name,
            kind: vendor.kind,
            provider: vendor.provider,
            transport: vendor.transport,
            keys,
            timeouts: vendor.timeouts.bounded(),
            retries: vendor.retries,
            adjusts: vendor.adjusts,
            capacity: vendor.capacity,
            catalog: Arc::clone(catalog),
            unlisted: Mutex::default(),
        }
    }

    fn model(
        &self,
        model: ModelSettings,
        vendors: &HashMap<Str, Arc<Vendor>>,
        targets: &mut BTreeMap<TargetId, Arc<Target>>,
        problems: &mut Vec<Problem>,
    ) -> Model {
        let name = model.name;
        let mut tiers = Vec::with_capacity(model.tiers.len());
        for (t, tier) in model.tiers.into_iter().enumerate() {
            let mut choices = Vec::with_capacity(tier.len());
            for (i, (target, weight)) in tier.into_iter().enumerate() {
                let mut problem = |text: String| {
                    let place = format!("models.{name}.tiers.{t}.{i}");
                    problems.push(Problem::new(place, text));
                };
                let parts = target.split_once('/').filter(|(v, m)| !v.is_empty() && !m.is_empty());
                let Some((vendor, of)) = parts else {
                    problem(format!("{target:?} is no target: write \"vendor/model\""));
                    continue;
                };
                let Some(vendor) = vendors.get(vendor) else {
                    problem(format!("there is no provider {vendor:?}"));
                    continue;
                };
                if weight == 0 {
                    problem("a weight of 0 would never be chosen".to_owned());
                }
                let found = self.target(vendor, of, &target, targets);
                if found.price.is_none() {
                    problem(format!(
                        "no price is known for {target:?}: set one under prices, \"0\" if it is free"
                    ));
                }
                choices.push(Choice { target: found, weight });
            }
            tiers.push(choices);
        }
        if tiers.iter().all(Vec::is_empty) {
            problems.push(Problem::new(format!("models.{name}.tiers"), "nobody answers to this"));
        }
        let alike = model.policy.cache.as_ref().and_then(|c| c.alike);
        let place = || format!("models.{name}.cache.alike");
        if alike.is_some() && !self.embeds {
            problems.push(Problem::new(place(), "there is no embedder to say what is similar"));
        }
        if alike.is_some_and(|n| n == 0 || n > 1_000) {
            problems.push(Problem::new(place(), "thousandths, from 1 to 1000"));
        }
        let metrics = self.metrics.model(&name);
        let policy = Policy { total: model.policy.total.min(Timeouts::MAX), ..model.policy };
        Model { name, tiers, policy, metrics }
    }

    fn target(
        &self,
        vendor: &Arc<Vendor>,
        model: &str,
        name: &Str,
        targets: &mut BTreeMap<TargetId, Arc<Target>>,
    ) -> Arc<Target> {
        let id = TargetId(name.clone());
        if let Some(known) = targets.get(&id) {
            return Arc::clone(known);
        }
        let known = self.health.lock().get(&id).cloned();
        let lasting = Lasting::keep(known, vendor.capacity, &self.clock);
        let target = Arc::new(vendor.listed(model, &self.metrics, lasting));
        targets.insert(id, Arc::clone(&target));
        target
    }
}

impl fmt::Debug for VendorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorSettings").field("name", &self.name).finish_non_exhaustive()
    }
}
