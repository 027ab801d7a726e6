//! Who asks, and so who pays.

use std::sync::Arc;

use jiff::Timestamp;

use crate::Str;
use crate::ledger::{AccountId, Owner};
use crate::money::Money;
use crate::quota::{Limit, Plan, Quantity, Window, Zone};

/// What a key gives whoever shows it. Made once for each key, not for each call.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Who that is.
    pub principal: Arc<Principal>,
    /// What was sold.
    pub plan: Arc<Plan>,
    /// Limits of the key itself, beside those of the plan.
    pub limits: Vec<Limit>,
    /// The accounts that pay, all of them for every call.
    pub payers: Vec<Payer>,
}

/// An account that pays for a key's calls; where it counts a window, one account after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Payer {
    /// Whose account.
    pub owner: Owner,
    /// The owner's id.
    pub name: Str,
    /// The rule that limits it, without its amount (`$/month`); empty for a balance.
    pub rule: Str,
    /// The time it counts; `None` for a balance.
    pub window: Option<Window>,
    /// What may be spent; `None` is without limit, declared so.
    pub limit: Option<Money>,
}

impl Payer {
    /// A balance that is declared to be without limit: it only counts.
    pub fn unlimited(owner: Owner, name: impl Into<Str>) -> Self {
        Self { owner, name: name.into(), rule: Str::default(), window: None, limit: None }
    }

    /// What a limit on money makes of an owner; `None` for limits on anything else.
    pub fn limited(owner: Owner, name: impl Into<Str>, limit: &Limit, zone: &Zone) -> Option<Self> {
        let Quantity::Money(amount) = limit.quantity else { return None };
        // Without the amount: who may spend more from now on has spent what they have.
        let (name, rule) = (name.into(), Str::from(limit.span()));
        Some(Self { owner, name, rule, window: limit.window(zone), limit: Some(amount) })
    }

    /// The account at an instant.
    pub fn account(&self, now: Timestamp) -> AccountId {
        let window = self.window.as_ref().map(|w| w.window_at(now));
        AccountId { owner: self.owner, name: self.name.clone(), rule: self.rule.clone(), window }
    }
}

impl Grant {
    /// What a key of that plan gives: its own account counts all it spends, and each limit on
    /// money has an account beside it.
    pub fn new(principal: Principal, plan: Arc<Plan>, limits: Vec<Limit>, zone: &Zone) -> Self {
        let key = principal.key.0.clone();
        let limited = |limit| Payer::limited(Owner::Key, key.clone(), limit, zone);
        let mut payers = vec![Payer::unlimited(Owner::Key, key.clone())];
        for payer in plan.limits.iter().chain(&limits).filter_map(limited) {
            // Two limits of one span are one account, and the lower one holds.
            match payers.iter_mut().find(|p| p.rule == payer.rule) {
                Some(known) => known.limit = known.limit.min(payer.limit),
                None => payers.push(payer),
            }
        }
        Self { principal: Arc::new(principal), plan, limits, payers }
    }

    /// Whoever embeds the gateway in a program of theirs and pays for it themselves: every model,
    /// no limit, one account that counts.
    pub fn embedded() -> Self {
        let principal = Principal {
            key: KeyId::from("embedded"),
            tenant: TenantId::from("embedded"),
            user: None,
            team: None,
            scope: Scope::all(),
        };
        let plan = Plan { models: Scope::all(), ..Plan::default() };
        Self::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC)
    }

    /// Whether a model may be used: both the key's scope and the plan's must have it.
    pub fn allows(&self, model: &str) -> bool {
        self.principal.scope.allows(model) && self.plan.models.allows(model)
    }
}

/// The authenticated caller. Everything here was decided by us, nothing by the request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The virtual key's public id (never the key).
    pub key: KeyId,
    /// Whose data this is: the first component of every cache key and of every query.
    pub tenant: TenantId,
    /// The person or service the key belongs to.
    pub user: Option<UserId>,
    /// The team, when keys are grouped.
    pub team: Option<TeamId>,
    /// Which models the key may use.
    pub scope: Scope,
}

/// What a key may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Names and `prefix*` patterns; empty means none.
    pub models: Vec<Str>,
}

impl Scope {
    /// Everything that is configured.
    pub fn all() -> Self {
        Self { models: vec![Str::from_static("*")] }
    }

    /// Whether a model may be used. Checked at each attempt, so that no alias and no fallback
    /// tier leads to a model the key may not use.
    pub fn allows(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => *pattern == model,
        })
    }
}

/// Who waits when not all can be served; earlier ones first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person waits and nothing else will do.
    Critical,
    /// Interactive work.
    #[default]
    Default,
    /// Work that may wait.
    Batch,
    /// Work that may be refused at any time.
    Sheddable,
}

impl Priority {
    /// Reads the word of the `x-gw-priority` header.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "critical" => Some(Self::Critical),
            "default" => Some(Self::Default),
            "batch" => Some(Self::Batch),
            "sheddable" => Some(Self::Sheddable),
            _ => None,
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Str);

        impl From<&'static str> for $name {
            fn from(name: &'static str) -> Self {
                Self(Str::from_static(name))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// A virtual key's public id.
    KeyId;
    /// Whose data it is.
    TenantId;
    /// A person or service.
    UserId;
    /// A group of keys.
    TeamId;
    /// A purpose with a plan, a priority and a price tag: chat, boost, analysis …
    FeatureId;
}
