//! What callers may ask for, resolved: names, and the tiers of targets behind them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use llm_core::Str;
use llm_core::call::{Call, Controls, Operation};
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::provider::TargetId;
use llm_core::wallet::tariff::Tariffs;

use crate::metrics::ModelMetrics;
use crate::metrics::quota::Scopes;
use crate::stage::admit::OwnerRules;
use crate::stage::inspect::Rules;
use crate::target::{Target, Vendor};

/// Everything a call needs to know of the configuration. Built and checked as a whole, swapped as
/// a whole; a call keeps the one it began with.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By the name that callers send.
    pub models: HashMap<Str, Arc<Model>>,
    /// By vendor, for callers who name `vendor/model` themselves.
    pub vendors: HashMap<Str, Arc<Vendor>>,
    /// Every target that a model names.
    pub(crate) targets: BTreeMap<TargetId, Arc<Target>>,
    /// What may be said to any model: a rule for one could be gone around by another's name.
    pub(crate) content: Option<Rules>,
    /// What models cost in credits, for callers who pay in credits.
    pub credits: Tariffs,
    /// Limits by kind of owner, beside those that a key was sold.
    pub rules: OwnerRules,
    /// Whose quotas metrics show.
    pub(crate) scopes: Scopes,
}

/// A name that callers send, and what answers to it.
#[derive(Debug)]
pub struct Model {
    /// The name.
    pub name: Str,
    /// Who answers: the first tier unless nobody in it can.
    pub tiers: Vec<Vec<Choice>>,
    /// How they are chosen and how long we try.
    pub policy: Policy,
    /// Counters of this model.
    pub metrics: ModelMetrics,
}

/// A target of a tier.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The target.
    pub target: Arc<Target>,
    /// Its share, against the others of its tier.
    pub weight: u32,
}

/// How a model is served.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How one is chosen of a tier.
    pub balance: Balance,
    /// Attempts of one call, all targets together.
    pub attempts_max: u8,
    /// A call without a deadline of its own gets this one.
    pub total: Duration,
    /// What may be lost in translation.
    pub losses: LossPolicy,
    /// Ask another target when a filter of the first one stepped in.
    pub refiltered: bool,
    /// Go on elsewhere when a stream breaks.
    pub resume: bool,
    /// Ask a second target when the first one is slower than usual.
    pub hedge: bool,
    /// Who pays for attempts that the caller never saw.
    pub unseen: llm_core::ledger::charge::Payer,
    /// Which answers are kept.
    pub cache: Option<CachePolicy>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            attempts_max: 4,
            total: Duration::from_mins(10),
            losses: LossPolicy::default(),
            refiltered: false,
            resume: false,
            hedge: false,
            unseen: llm_core::ledger::charge::Payer::default(),
            cache: None,
        }
    }
}

/// How one target is chosen of a tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Balance {
    /// By weight, at random.
    Weighted,
    /// The faster of two.
    #[default]
    Latency,
    /// The one with the fewest calls under way.
    LeastBusy,
    /// The one that asks least for this call.
    Cheapest,
}

/// What to do with what a translation cannot say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LossPolicy {
    /// Go on, and say what was lost.
    #[default]
    Allow,
    /// Refuse.
    Refuse,
}

/// Which answers are kept, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachePolicy {
    /// For how long.
    pub ttl: Duration,
    /// For whom.
    pub scope: CacheScope,
    /// What a hit costs.
    pub price: llm_core::money::Money,
    /// Also answer from questions that are so similar, in thousandths of the cosine between their
    /// vectors. Needs an embedder.
    pub alike: Option<u16>,
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(30),
            scope: CacheScope::default(),
            price: llm_core::money::Money(0),
            alike: None,
        }
    }
}

/// Who is answered from a recording: always within one tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CacheScope {
    /// Calls of the same key.
    #[default]
    Key,
    /// Calls of the same user.
    User,
    /// Calls of the same team.
    Team,
    /// All calls of the tenant.
    Global,
}

/// Models that a caller may name behind the one it asks for: each may be asked in its turn.
const FALLBACKS_MAX: usize = 8;
/// Attempts of one call, whatever a caller wishes.
const ATTEMPTS_MAX: u8 = 20;

impl Model {
    /// Whether anybody who answers can do that at all.
    pub fn offers(&self, operation: Operation) -> bool {
        self.tiers.iter().flatten().any(|choice| {
            let Target { vendor, model, .. } = &*choice.target;
            vendor.provider.dialect(operation, model).is_some()
        })
    }

    /// Whether all who answer are asked for that in a dialect.
    pub fn speaks(&self, dialect: DialectId, operation: Operation) -> bool {
        let spoken = |choice: &Choice| {
            let Target { vendor, model, .. } = &*choice.target;
            vendor.provider.dialect(operation, model).is_some_and(|d| d.id() == dialect)
        };
        self.tiers.iter().flatten().all(spoken)
    }
}

impl Snapshot {
    /// What answers to a call: the model it names, and behind it those that it names as its
    /// fallbacks, as far as its key may use them under their own names.
    pub(crate) fn asked(&self, call: &Call) -> Result<Arc<Model>, Error> {
        let model = self.resolve(&call.peek.model.value)?;
        let Controls { fallbacks, retries, .. } = &call.controls;
        if fallbacks.is_empty() && retries.is_none() {
            return Ok(model);
        }
        if fallbacks.len() > FALLBACKS_MAX {
            let text = format!("{FALLBACKS_MAX} fallbacks at the most");
            return Err(Error::new(Kind::BadRequest, text).in_field("fallbacks"));
        }
        let mut tiers = model.tiers.clone();
        for name in fallbacks {
            let other = self.resolve(name).map_err(|error| error.in_field("fallbacks"))?;
            if !call.grant.allows(&other.name) {
                let text = format!("this key may not use {name:?}");
                return Err(Error::new(Kind::Forbidden, text).in_field("fallbacks"));
            }
            tiers.extend(other.tiers.iter().cloned());
        }
        let mut policy = model.policy.clone();
        let more = u8::try_from(fallbacks.len()).unwrap_or(ATTEMPTS_MAX);
        let wanted = retries.map_or(0, |retries| retries.saturating_add(1));
        let most = policy.attempts_max.max(wanted).saturating_add(more).min(ATTEMPTS_MAX);
        policy.attempts_max = policy.attempts_max.max(most);
        let (name, metrics) = (model.name.clone(), model.metrics.clone());
        Ok(Arc::new(Model { name, tiers, policy, metrics }))
    }

    /// What answers to a name: a configured one, or any model of a configured vendor.
    pub fn resolve(&self, name: &str) -> Result<Arc<Model>, Error> {
        if let Some(model) = self.models.get(name) {
            return Ok(Arc::clone(model));
        }
        let unknown = || {
            Error::new(Kind::UnknownModel, format!("there is no model {name:?} here"))
                .in_field("model")
        };
        let (vendor, model) = name.split_once('/').ok_or_else(unknown)?;
        let vendor = self.vendors.get(vendor).ok_or_else(unknown)?;
        if model.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(unknown());
        }
        // By its own name a target is the same one, with all that is known of it.
        let listed = self.targets.get(&TargetId(name.into())).cloned();
        let target = listed.unwrap_or_else(|| vendor.target(model));
        Ok(Arc::new(Model {
            name: name.into(),
            tiers: vec![vec![Choice { target, weight: 1 }]],
            policy: Policy::default(),
            metrics: vendor.metrics.unlisted.clone(),
        }))
    }
}

/// No vendor has longer names; a caller's does not become a key of our maps.
const NAME_BYTES_MAX: usize = 256;
