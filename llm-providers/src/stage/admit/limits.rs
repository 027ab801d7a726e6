//! Who has which limits: the meters and places of every owner that counts something.
//!
//! An owner enters with its first call and stays as long as a window of it counts, so that nobody
//! gets a fresh window by being forgotten. When there are too many that count, new owners are
//! turned away: the count of somebody else is not ours to drop.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use foldhash::fast::RandomState;
use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::principal::{Level, TenantId};
use llm_core::quota::Zone;
use llm_core::seam::Clock;
use parking_lot::RwLock;

use super::flight::Flight;
use super::glance::Lately;
use super::meter::{MeterSet, Now, Rule};

/// Whose limits. Ordered from the narrowest to the widest, which is the order of their locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnerKind {
    /// A level of a grant.
    Level(Owner),
    /// A model, whoever asks for it.
    Model,
}

impl OwnerKind {
    /// The word for it in rules.
    pub fn name(self) -> &'static str {
        match self {
            Self::Level(Owner::Key) => "key",
            Self::Level(Owner::User) => "user",
            Self::Level(Owner::Feature) => "feature",
            Self::Level(Owner::Team) => "team",
            Self::Level(Owner::Org) => "org",
            Self::Level(Owner::Tenant) => "tenant",
            Self::Level(Owner::Operator) => "operator",
            Self::Model => "model",
        }
    }
}

/// An owner. The tenant is part of it: two tenants may each have a team `a`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId {
    /// What it is.
    pub kind: OwnerKind,
    /// Whose it is; empty for what belongs to all tenants.
    pub tenant: TenantId,
    /// Its id.
    pub name: Str,
}

impl OwnerId {
    /// The owner of a level.
    pub fn level(tenant: &TenantId, level: &Level) -> Self {
        let shared = level.owner == Owner::Operator;
        let tenant = if shared { TenantId::default() } else { tenant.clone() };
        Self { kind: OwnerKind::Level(level.owner), tenant, name: level.name.clone() }
    }

    /// A model, by the name that callers send.
    pub fn model(name: &Str) -> Self {
        Self { kind: OwnerKind::Model, tenant: TenantId::default(), name: name.clone() }
    }
}

/// Limits of an owner, as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// All of them hold at once.
    pub rules: Vec<Rule>,
    /// How many of its calls may run at once.
    pub in_flight_max: Option<u32>,
}

/// What is counted of an owner.
#[derive(Debug)]
pub struct Tally {
    /// Requests and tokens.
    pub meters: Arc<MeterSet>,
    /// Running calls.
    pub flight: Arc<Flight>,
    /// When one of its calls was last refused the whole way.
    pub(super) refused: Lately,
}

/// Every owner that counts something.
#[derive(Debug)]
pub struct Limits {
    shards: [RwLock<Shard>; SHARDS],
    hasher: RandomState,
    owners_max: usize,
    zone: Zone,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Shard {
    owners: HashMap<OwnerId, Arc<Tally>>,
    swept: Option<Instant>,
}

/// Why an owner cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncounted {
    /// There are too many others that count something.
    Full,
    /// A rule has numbers that no clock can count.
    Rule,
}

/// Owners at once. At a few kilobytes each (a rolling window has 129 slices) this is the memory
/// that limits may cost.
pub const OWNERS_MAX: usize = 1 << 17;
/// Calls of different owners rarely meet at one lock.
const SHARDS: usize = 32;
/// A full shard is searched for idle owners this often and not for each newcomer.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Limits {
    /// Nobody yet. The time zone is that of calendar windows.
    pub fn new(zone: Zone, clock: Arc<dyn Clock>) -> Self {
        Self::with_room(OWNERS_MAX, zone, clock)
    }

    fn with_room(owners_max: usize, zone: Zone, clock: Arc<dyn Clock>) -> Self {
        let shards = std::array::from_fn(|_| RwLock::default());
        Self { shards, hasher: RandomState::default(), owners_max, zone, clock }
    }

    /// What is counted of an owner, with `rules` as they are now.
    pub fn tally(
        &self,
        owner: OwnerId,
        rules: impl Iterator<Item = Rule> + Clone,
        in_flight_max: Option<u32>,
        now: Now,
    ) -> Result<Arc<Tally>, Uncounted> {
        let kind = owner.kind.name();
        let shard = &self.shards[self.shard_of(&owner)];
        let known = shard.read().owners.get(&owner).cloned();
        let tally = match known {
            Some(tally) => tally,
            None => self.enter(shard, owner, now)?,
        };
        tally.flight.set_max(in_flight_max.unwrap_or(u32::MAX));
        // A rule whose numbers no clock can count is refused when configuration is read; should
        // one come here all the same, the owner is closed and not without limits.
        if tally.meters.fit(kind, rules, &self.zone, &self.clock) {
            Ok(tally)
        } else {
            Err(Uncounted::Rule)
        }
    }

    /// What is counted of an owner, if anything is: for who looks on.
    pub fn find(&self, owner: &OwnerId) -> Option<Arc<Tally>> {
        self.shards[self.shard_of(owner)].read().owners.get(owner).cloned()
    }

    fn enter(
        &self,
        shard: &RwLock<Shard>,
        owner: OwnerId,
        now: Now,
    ) -> Result<Arc<Tally>, Uncounted> {
        let mut shard = shard.write();
        // Somebody else may have been faster.
        if let Some(tally) = shard.owners.get(&owner) {
            return Ok(Arc::clone(tally));
        }
        let room = (self.owners_max / SHARDS).max(1);
        if shard.owners.len() >= room {
            shard.sweep(now);
            if shard.owners.len() >= room {
                return Err(Uncounted::Full);
            }
        }
        let flight = Arc::new(Flight::new(u32::MAX));
        let tally = Arc::new(Tally { meters: Arc::default(), flight, refused: Lately::default() });
        shard.owners.insert(owner, Arc::clone(&tally));
        Ok(tally)
    }

    /// How many owners are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().owners.len()).sum()
    }

    /// Whether nobody is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard_of(&self, owner: &OwnerId) -> usize {
        // The lower bits choose the bucket inside the map; the upper ones are free.
        (self.hasher.hash_one(owner) >> 32) as usize % SHARDS
    }
}

impl Shard {
    /// Forgets who neither runs nor counts. Under the write lock nobody can take a reference
    /// between the question and the removal.
    fn sweep(&mut self, now: Now) {
        let soon = |at: Instant| now.instant.saturating_duration_since(at) < SWEEP_EVERY;
        if self.swept.is_some_and(soon) {
            return;
        }
        self.swept = Some(now.instant);
        self.owners.retain(|_, tally| tally.is_used(now));
    }
}

impl Tally {
    fn is_used(self: &Arc<Self>, now: Now) -> bool {
        // Bookings and places keep what they need without the tally, so each is asked.
        Arc::strong_count(self) > 1
            || Arc::strong_count(&self.meters) > 1
            || Arc::strong_count(&self.flight) > 1
            || self.meters.counts(now)
    }
}

#[cfg(test)]
mod tests;
