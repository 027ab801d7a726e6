//! What is sold in credits, and who hears of it: `[credits]`, `[webhooks]` and what plans grant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::money::Credits;
use llm_core::principal::{Priority, Scope};
use llm_core::quota::{Limit, Period, Plan};
use llm_core::wallet::formula::Formula;
use llm_core::wallet::tariff::Tariffs;
use llm_store::requests::Kept;

use super::Config;
use super::reference::Hidden;

/// What credits buy, and how people come by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CreditRules {
    /// What calls cost, by model or pattern of models.
    pub(crate) models: Tariffs,
    /// What the work of applications costs, by a name of theirs.
    pub(crate) jobs: BTreeMap<Str, Formula>,
    /// What plans grant, by their names.
    pub(crate) plans: BTreeMap<Str, Sold>,
    /// What strangers get; `None` is nothing.
    pub(crate) guests: Option<Guests>,
    /// Balances at or below which somebody is to hear of it.
    pub(crate) low: Vec<Credits>,
    /// What payments are signed with that become credits; none is no such payments.
    pub(crate) top_ups: Vec<Hidden>,
}

/// What comes with a plan beside its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sold {
    /// Credits every month.
    pub(crate) monthly: Option<Credits>,
    /// For how long what its people make is kept.
    pub(crate) retention: Option<Duration>,
}

/// What strangers get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guests {
    /// How much.
    pub(crate) grant: Credits,
    /// How many of a network.
    pub(crate) per_network: u32,
    /// How often a device.
    pub(crate) per_device: u32,
    /// In how long.
    pub(crate) every: Period,
}

/// Where events are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Its address, which may hold a secret itself.
    pub(crate) url: Hidden,
    /// What is signed with; the first while others are on their way out.
    pub(crate) secrets: Vec<Hidden>,
    /// Which events it wants.
    pub(crate) events: Vec<Str>,
    /// Whether it may be on this machine or in a private network.
    pub(crate) private: bool,
}

/// What is sold unless somebody says otherwise: `basic`, `pro`, `enterprise`.
struct Usual {
    name: &'static str,
    limits: &'static [&'static str],
    priority: Priority,
    monthly: i64,
    days: u64,
}

const USUAL: [Usual; 3] = [
    Usual {
        name: "basic",
        limits: &["60/minute", "1M tokens/day", "$5/month"],
        priority: Priority::Default,
        monthly: 300,
        days: 7,
    },
    Usual {
        name: "pro",
        limits: &["600/minute", "10M tokens/day", "$50/month"],
        priority: Priority::Default,
        monthly: 3_000,
        days: 30,
    },
    Usual {
        name: "enterprise",
        limits: &["6000/minute", "$1000/month"],
        priority: Priority::Critical,
        monthly: 60_000,
        days: 90,
    },
];
const DAY: Duration = Duration::from_hours(24);

impl Usual {
    fn plan(&self) -> Plan {
        let limits = self.limits.iter().filter_map(|text| text.parse::<Limit>().ok()).collect();
        let (name, priority) = (Str::from_static(self.name), self.priority);
        Plan { name, limits, models: Scope::all(), priority, ..Plan::default() }
    }

    fn sold(&self) -> Sold {
        let days = u32::try_from(self.days).unwrap_or(u32::MAX);
        let monthly = Some(Credits(self.monthly.saturating_mul(1_000_000)));
        Sold { monthly, retention: Some(DAY.saturating_mul(days)) }
    }
}

/// A plan that is there without being written.
pub(crate) fn usual(name: &str) -> Option<Arc<Plan>> {
    USUAL.iter().find(|usual| usual.name == name).map(|usual| Arc::new(usual.plan()))
}

/// The names of all such plans.
pub(crate) fn usual_names<'n>() -> impl Iterator<Item = &'n str> {
    USUAL.iter().map(|usual| usual.name)
}

impl Config {
    /// Every plan that can be sold: those that are written, and the usual ones beside them.
    pub(crate) fn sold_plans(&self) -> Vec<Plan> {
        let written = self.plans.values().map(|plan| Plan::clone(plan));
        let usual = USUAL.iter().filter(|usual| !self.plans.contains_key(usual.name));
        written.chain(usual.map(Usual::plan)).collect()
    }
}

impl Config {
    /// How long lines of the request log are kept: a plan's for as long as all that its people
    /// make, where it says.
    pub(crate) fn requests_kept(&self) -> Kept {
        let names = self.sold_plans().into_iter().map(|plan| plan.name);
        let plans = names.filter_map(|name| {
            let span = self.credits.sold(&name).retention?;
            Some((name, span))
        });
        Kept { usual: self.features.privacy.requests, plans: plans.collect() }
    }
}

impl CreditRules {
    /// What comes with a plan. One that is written brings what it says and no more.
    pub(crate) fn sold(&self, plan: &str) -> Sold {
        if let Some(sold) = self.plans.get(plan) {
            return *sold;
        }
        let usual = USUAL.iter().find(|usual| usual.name == plan);
        usual.map(Usual::sold).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_plans_can_be_read() {
        for usual in &USUAL {
            assert_eq!(usual.plan().limits.len(), usual.limits.len(), "{}", usual.name);
        }
        assert_eq!(CreditRules::default().sold("pro").monthly.unwrap().to_string(), "3000");
        assert_eq!(CreditRules::default().sold("mine"), Sold::default());
    }
}
