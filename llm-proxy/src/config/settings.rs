//! From a configuration to what the gateway takes.

use std::sync::Arc;

use llm_core::Str;
use llm_core::catalog::{Catalog, Override};
use llm_core::money::Price;
use llm_core::seam::Transport;
use llm_providers::metrics::quota::Watched;
use llm_providers::provider::{Kind, ProviderSettings};
use llm_providers::settings::{Problem, Problems, Settings, VendorSettings};
use llm_providers::stage::admit::fair::Bounds;
use llm_providers::stage::admit::{AdmissionBounds, Lines};

use super::{Config, Priced, Provider, SIMULATED};

/// What the built-in provider is reached at: a host that only exists in process.
const SIMULATED_AT: &str = "http://openai.sim/v1";
/// It lets everyone in who shows any key, as its siblings outside the process do.
const SIMULATED_KEY: &str = "sk-simulated";

/// Who makes the way to a provider.
pub(crate) type Ways<'a> = &'a dyn Fn(&Provider) -> Result<Arc<dyn Transport>, String>;

impl Config {
    /// What the gateway takes; how a provider is reached is the caller's to say.
    pub(crate) fn settings(&self, ways: Ways<'_>) -> Result<Settings, Problems> {
        let mut problems = Vec::new();
        let mut vendors = Vec::with_capacity(self.providers.len());
        for (name, provider) in &self.providers {
            let made = ways(provider).map_err(|text| {
                Problems::from(vec![Problem::new(format!("providers.{name}"), text)])
            });
            match made.and_then(|way| self.vendor(provider, way)) {
                Ok(vendor) => vendors.push(vendor),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(Settings {
            vendors,
            models: self.models.values().cloned().collect(),
            overrides: self.overrides(),
            credits: self.credits.models.clone(),
            rules: self.limits.clone(),
            content: self.content.clone(),
            watched: Watched::default(),
        })
    }

    /// Whose quotas metrics show: those whose names stand in the configuration. Not a part of the
    /// settings above, since only what runs can watch.
    pub(crate) fn watched(&self) -> Watched {
        let zone = &self.server.time_zone.1;
        let grants = self.keys.iter().map(|key| Arc::new(key.grant(zone)));
        Watched { grants: grants.collect(), plans: self.plans.values().cloned().collect() }
    }

    /// How much the gateway takes on at once.
    pub(crate) fn bounds(&self) -> AdmissionBounds {
        AdmissionBounds {
            queue: Bounds {
                slots: self.server.calls_max,
                waiting_max: self.server.waiting_max,
                ..Bounds::default()
            },
            wait_max: self.server.wait_max,
            lines: Lines::default(),
            zone: self.server.time_zone.1.clone(),
        }
    }

    fn vendor(
        &self,
        provider: &Provider,
        way: Arc<dyn Transport>,
    ) -> Result<VendorSettings, Problems> {
        let mut said = provider.settings.clone();
        if provider.is_simulated() {
            said = ProviderSettings { kind: Str::from_static("openai"), ..said };
            said = said.at(SIMULATED_AT);
            if said.keys.is_empty() && said.named.is_empty() {
                said = said.key(SIMULATED_KEY);
            }
        }
        let mut vendor = said.build_over(way)?;
        vendor.kind = self.table(provider);
        Ok(vendor)
    }

    /// The name under which a provider's prices are looked up: its kind, unless others of its kind
    /// have other prices.
    fn table(&self, provider: &Provider) -> Str {
        let kind = table_kind(provider);
        let own = self
            .prices
            .keys()
            .filter_map(|t| t.split_once('/'))
            .any(|(of, _)| self.providers.get(of).is_some_and(|p| table_kind(p) == kind));
        // No kind and no provider has a slash in its name.
        if own { Str::from(format!("{}/", provider.settings.name)) } else { kind }
    }

    /// Prices over the built-in table. A provider with a table of its own begins with what the
    /// table says of its kind.
    fn overrides(&self) -> Vec<Override> {
        let mut all = Vec::new();
        for provider in self.providers.values() {
            let (kind, table) = (table_kind(provider), self.table(provider));
            if table != kind {
                let known = Catalog::builtin().entries().filter(|e| e.provider == kind);
                let mut known: Vec<_> = known.collect();
                // First those without a price: laid over a variant of theirs, they would take its.
                known.sort_by_key(|e| e.price.is_some());
                all.extend(known.into_iter().map(|entry| Override {
                    provider: table.clone(),
                    model: entry.model.clone(),
                    price: entry.price.clone(),
                    capability: Some(entry.capability),
                }));
            }
            if provider.is_simulated() {
                all.push(priced(&table, "*", Price::FREE));
            }
        }
        for (target, said) in &self.prices {
            let Some((of, model)) = target.split_once('/') else { continue };
            if let (Some(provider), Some(price)) = (self.providers.get(of), said.price()) {
                all.push(priced(&self.table(provider), model, price));
            }
        }
        all
    }

    /// What a target costs, as far as it is known.
    pub(crate) fn price(&self, target: &str) -> Option<Price> {
        let (of, model) = target.split_once('/')?;
        let provider = self.providers.get(of)?;
        let table = Catalog::builtin().clone().override_with(self.overrides());
        table.lookup(&self.table(provider), model).and_then(|e| e.price.clone())
    }

    /// Which provider and model a name leads to without an entry of its own.
    pub(crate) fn direct<'n>(&self, name: &'n str) -> Option<(&Provider, &'n str)> {
        let (of, model) = name.split_once('/').filter(|(_, model)| !model.is_empty())?;
        self.providers.get(of).map(|provider| (provider, model))
    }
}

fn priced(provider: &Str, model: &str, price: Price) -> Override {
    let model = Str::from(model);
    Override { provider: provider.clone(), model, price: Some(price), capability: None }
}

/// The kind under which the built-in table knows a provider's models.
fn table_kind(provider: &Provider) -> Str {
    if provider.is_simulated() {
        return Str::from_static(SIMULATED);
    }
    let own = Kind::parse(&provider.kind).map(|kind| Str::from_static(kind.name()));
    own.unwrap_or_else(|| provider.kind.clone())
}

impl Priced {
    /// The price; `None` when it is said to be another's, and that has none.
    pub(crate) fn price(&self) -> Option<Price> {
        match &self.same_as {
            None => Some(self.listed.price()),
            Some(other) => {
                let (kind, model) = other.split_once('/')?;
                Catalog::builtin().lookup(kind, model)?.price.clone()
            }
        }
    }
}
