//! What a key gives: levels of limits, and the accounts that pay.
//!
//! A call passes every level of its grant or none: each may limit models, calls in flight, requests,
//! tokens and money. Money is counted by accounts, one for each limit of a level; everything else
//! is counted where calls come in, level by level. What a level has counted belongs to the level and
//! the span of its limit, so that another plan changes what is allowed and never what was used.

use std::sync::Arc;

use jiff::Timestamp;

use super::{KeyId, Principal, Scope, TenantId};
use crate::Str;
use crate::ledger::{AccountId, Owner};
use crate::money::{Credits, Money, Unit};
use crate::quota::{Limit, Plan, Quantity, Window, Zone};

/// What a key gives whoever shows it. Made once for each key, not for each call.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Who that is.
    pub principal: Arc<Principal>,
    /// What was sold.
    pub plan: Arc<Plan>,
    /// The accounts that pay, all of them for every call.
    pub payers: Vec<Payer>,
    /// The accounts that pay in credits; none where no limit is in credits, and then calls cost none.
    pub credits: Vec<Payer<Credits>>,
    /// In order and each owner once: whoever locks them all locks them in this order.
    levels: Vec<Level>,
}

/// One owner on the way from a key to its tenant, and what holds for all of its calls together.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// What it is.
    pub owner: Owner,
    /// Its id, within the tenant.
    pub name: Str,
    /// All of them hold at once; of two of one span, the lower.
    pub limits: Vec<Limit>,
    /// How many calls may run at once.
    pub in_flight_max: Option<u32>,
    /// Which models may be used.
    pub models: Scope,
    /// Whether an account counts all that is spent, limited or not.
    pub counted: bool,
}

/// An account that pays for a key's calls; where it counts a window, one account after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Payer<U: Unit = Money> {
    /// Whose account.
    pub owner: Owner,
    /// The owner's name in the ledger: [`account_name`].
    pub name: Str,
    /// The rule that limits it, without its amount (`$/month`); empty for a balance.
    pub rule: Str,
    /// The time it counts; `None` for a balance.
    pub window: Option<Window>,
    /// What may be spent; `None` is without limit, declared so.
    pub limit: Option<U>,
}

impl<U: Unit> Payer<U> {
    /// A balance that is declared to be without limit: it only counts.
    pub fn unlimited(owner: Owner, name: impl Into<Str>) -> Self {
        Self { owner, name: name.into(), rule: Str::default(), window: None, limit: None }
    }

    fn of(owner: Owner, name: Str, limit: &Limit, amount: U, zone: &Zone) -> Self {
        // Without the amount: who may spend more from now on has spent what they have.
        let rule = Str::from(limit.span());
        Self { owner, name, rule, window: limit.window(zone), limit: Some(amount) }
    }

    /// The account at an instant.
    pub fn account(&self, now: Timestamp) -> AccountId {
        let window = self.window.as_ref().map(|w| w.window_at(now));
        AccountId { owner: self.owner, name: self.name.clone(), rule: self.rule.clone(), window }
    }
}

impl Payer {
    /// What a limit on money makes of an owner; `None` for limits on anything else.
    pub fn limited(owner: Owner, name: impl Into<Str>, limit: &Limit, zone: &Zone) -> Option<Self> {
        let Quantity::Money(amount) = limit.quantity else { return None };
        Some(Self::of(owner, name.into(), limit, amount, zone))
    }
}

impl Payer<Credits> {
    /// What a limit in credits makes of an owner; `None` for limits on anything else.
    pub fn credited(
        owner: Owner,
        name: impl Into<Str>,
        limit: &Limit,
        zone: &Zone,
    ) -> Option<Self> {
        let Quantity::Credits(amount) = limit.quantity else { return None };
        Some(Self::of(owner, name.into(), limit, amount, zone))
    }
}

/// An owner's name in the ledger, where ids of all tenants meet: a key, a tenant and whoever runs
/// the gateway go by their own; all others by `tenant/id`, since two tenants may each have a team
/// of the same id. A slash in a tenant's name is written `%2F`, so that no two read the same.
pub fn account_name(owner: Owner, tenant: &TenantId, id: &Str) -> Str {
    match owner {
        Owner::Key | Owner::Tenant | Owner::Operator => id.clone(),
        Owner::User | Owner::Feature | Owner::Team | Owner::Org => {
            let tenant = tenant.0.replace('%', "%25").replace('/', "%2F");
            Str::from(format!("{tenant}/{id}"))
        }
    }
}

impl Level {
    /// An owner without any limit.
    pub fn new(owner: Owner, name: impl Into<Str>) -> Self {
        Self {
            owner,
            name: name.into(),
            limits: Vec::new(),
            in_flight_max: None,
            models: Scope::all(),
            counted: false,
        }
    }

    /// With more limits.
    #[must_use]
    pub fn limits(mut self, limits: impl IntoIterator<Item = Limit>) -> Self {
        limits.into_iter().for_each(|limit| self.limit(limit));
        self
    }

    /// With so many calls at once.
    #[must_use]
    pub fn in_flight(mut self, most: u32) -> Self {
        self.in_flight_max = Some(self.in_flight_max.map_or(most, |known| known.min(most)));
        self
    }

    /// With these models only.
    #[must_use]
    pub fn models(mut self, models: Scope) -> Self {
        self.models = models;
        self
    }

    /// With an account that counts all it spends.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Two limits of one span count the same, and the lower one holds.
    fn limit(&mut self, limit: Limit) {
        match self.limits.iter_mut().find(|known| known.counts_as(&limit)) {
            Some(known) => *known = known.lower(limit),
            None => self.limits.push(limit),
        }
    }

    /// Said twice of one owner, both hold.
    fn join(&mut self, other: Self) {
        other.limits.into_iter().for_each(|limit| self.limit(limit));
        self.in_flight_max = [self.in_flight_max, other.in_flight_max].into_iter().flatten().min();
        self.models = self.models.meet(&other.models);
        self.counted |= other.counted;
    }

    fn payers(&self, tenant: &TenantId, zone: &Zone) -> impl Iterator<Item = Payer> {
        let name = account_name(self.owner, tenant, &self.name);
        let all = self.counted.then(|| Payer::unlimited(self.owner, name.clone()));
        let limited = move |limit| Payer::limited(self.owner, name.clone(), limit, zone);
        all.into_iter().chain(self.limits.iter().filter_map(limited))
    }

    fn credits(&self, tenant: &TenantId, zone: &Zone) -> impl Iterator<Item = Payer<Credits>> {
        let name = account_name(self.owner, tenant, &self.name);
        let limited = move |limit| Payer::credited(self.owner, name.clone(), limit, zone);
        self.limits.iter().filter_map(limited)
    }
}

impl Grant {
    /// What a key of that plan gives: its own account counts all it spends, and each limit on
    /// money has an account beside it.
    pub fn new(principal: Principal, plan: Arc<Plan>, limits: Vec<Limit>, zone: &Zone) -> Self {
        let key = Level::new(Owner::Key, principal.key.0.clone()).limits(limits);
        Self::compose(principal, plan, Owner::Key, [key], zone)
    }

    /// The same with levels above the key, in any order. The plan's limits are counted with whom it
    /// was sold to: all keys of a user who has a plan share what it allows. Where the key has no
    /// such owner they are the key's, since nobody may lose a limit by having no team.
    ///
    /// Every owner that the key has is a level, so that rules for all of a kind find it. The key
    /// has an account in any case; others where they are counted or have a limit on money.
    pub fn compose(
        principal: Principal,
        plan: Arc<Plan>,
        sold_to: Owner,
        levels: impl IntoIterator<Item = Level>,
        zone: &Zone,
    ) -> Self {
        let mut path = own_levels(&principal);
        let mut add = |level: Level| {
            let mut known = path.iter_mut();
            match known.find(|l| l.owner == level.owner && l.name == level.name) {
                Some(known) => known.join(level),
                None => path.push(level),
            }
        };
        levels.into_iter().for_each(&mut add);
        let buyer = principal.id(sold_to).map(|id| (sold_to, id));
        let (owner, id) = buyer.unwrap_or((Owner::Key, &principal.key.0));
        add(Level::new(owner, id.clone()).limits(plan.limits.iter().copied()));
        path.sort_by(|a, b| (a.owner, &a.name).cmp(&(b.owner, &b.name)));
        let payers = path.iter().flat_map(|level| level.payers(&principal.tenant, zone)).collect();
        let credits =
            path.iter().flat_map(|level| level.credits(&principal.tenant, zone)).collect();
        Self { principal: Arc::new(principal), plan, payers, credits, levels: path }
    }

    /// The same with one more level, whose limits hold beside all others.
    #[must_use]
    pub fn with(&self, level: Level, zone: &Zone) -> Self {
        let (mut grant, tenant) = (self.clone(), &self.principal.tenant);
        grant.payers.extend(level.payers(tenant, zone));
        grant.credits.extend(level.credits(tenant, zone));
        grant.levels.push(level);
        grant.levels.sort_by(|a, b| (a.owner, &a.name).cmp(&(b.owner, &b.name)));
        grant
    }

    /// Whoever embeds the gateway in a program of theirs and pays for it themselves: every model,
    /// no limit, one account that counts.
    pub fn embedded() -> Self {
        let principal = Principal {
            key: KeyId::from("embedded"),
            tenant: TenantId::from("embedded"),
            user: None,
            team: None,
            org: None,
            scope: Scope::all(),
        };
        let plan = Plan { models: Scope::all(), ..Plan::default() };
        Self::new(principal, Arc::new(plan), Vec::new(), &Zone::UTC)
    }

    /// Whose limits hold, from the key upwards; each owner once.
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Whether a model may be used: the key's scope, the plan's and those of all levels must have
    /// it.
    pub fn allows(&self, model: &str) -> bool {
        self.principal.scope.allows(model)
            && self.plan.models.allows(model)
            && self.levels.iter().all(|level| level.models.allows(model))
    }
}

/// The owners that a key has.
fn own_levels(principal: &Principal) -> Vec<Level> {
    let owners = [Owner::Key, Owner::User, Owner::Team, Owner::Org, Owner::Tenant];
    let level = |owner| Some(Level::new(owner, principal.id(owner)?.clone()));
    let mut levels: Vec<Level> = owners.into_iter().filter_map(level).collect();
    levels.iter_mut().filter(|l| l.owner == Owner::Key).for_each(|key| key.counted = true);
    levels
}
