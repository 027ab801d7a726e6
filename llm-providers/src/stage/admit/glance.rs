//! What a call has against it whatever it says: looked at before its body is read.
//!
//! In a crowd nearly everybody is refused, so that what a refusal costs is what the crowd costs. A
//! window of requests or tokens that is used up, an owner with all the calls it may have and a queue
//! that is full refuse every call, and the head of a request says whose it is. Nothing is counted here
//! and nobody waits: whoever passes is asked everything again by [`Admission::enter`].
//!
//! The first of a second goes the whole way all the same: so there is a record of a flood, and not one
//! of each drop. While nobody is refused anywhere, a look costs a look at one number.
//!
//! Deliberately absent: windows that replicas share, which others count as well, rules of models, which
//! only bodies name, and money.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use llm_core::error::Error;
use llm_core::principal::{Grant, Priority};
use llm_core::quota::Verdict;
use smallvec::SmallVec;

use super::limits::{OwnerId, OwnerKind, Tally};
use super::meter::{Now, OWNERS_PER_CALL};
use super::{Admission, OwnerRules, Said, too_many, too_much};

/// How long after a refusal others are looked for, in seconds.
const PRESSED_SECONDS: i64 = 1;

/// The second in which something was last.
#[derive(Debug)]
pub(super) struct Lately(AtomicI64);

impl Default for Lately {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Lately {
    pub(super) fn note(&self, now: Now) {
        self.0.store(now.wall.as_second(), Ordering::Relaxed);
    }

    fn is_lately(&self, now: Now) -> bool {
        let since = now.wall.as_second().saturating_sub(self.0.load(Ordering::Relaxed));
        since <= PRESSED_SECONDS
    }

    /// Whether this is the first one of its second.
    fn is_first(&self, now: Now) -> bool {
        let second = now.wall.as_second();
        self.0.swap(second, Ordering::Relaxed) != second
    }
}

impl Admission {
    /// Refuses a call that would be refused whatever it says.
    pub fn glance(
        &self,
        grant: &Grant,
        rules: &OwnerRules,
        priority: Priority,
    ) -> Result<(), Error> {
        let now = Now::of(&*self.clock);
        if !self.pressed.is_lately(now) {
            return Ok(());
        }
        let owners = match &self.shared {
            None => self.owners_refuse(grant, rules, now),
            Some(_) => None,
        };
        let refused = owners.or_else(|| self.queue_refuses(grant, priority, now));
        refused.map_or(Ok(()), |error| {
            self.pressed.note(now);
            Err(error)
        })
    }

    /// Places first and then windows, as for calls that come in.
    fn owners_refuse(&self, grant: &Grant, rules: &OwnerRules, now: Now) -> Option<Error> {
        let mut counted = SmallVec::<[(OwnerKind, Arc<Tally>); OWNERS_PER_CALL]>::new();
        for level in grant.levels() {
            let said = Said::new(&level.limits, level.in_flight_max, rules.of(level.owner));
            if !said.counts() {
                continue;
            }
            let id = OwnerId::level(&grant.principal.tenant, level);
            let kind = id.kind;
            // Whoever cannot be counted is told so by the whole way.
            let tally = self.limits.tally(id, said.rules(), said.cap, now).ok()?;
            counted.push((kind, tally));
        }
        let full = counted.iter().find(|(_, tally)| tally.flight.held() >= tally.flight.max());
        if let Some((kind, tally)) = full {
            let (held, max) = (tally.flight.held(), tally.flight.max());
            let error = || too_many(*kind, u64::from(held), max);
            return (!tally.refused.is_first(now)).then(error);
        }
        let spent = |(_, tally): &(_, Arc<Tally>)| -> Option<(Verdict, Arc<Tally>)> {
            Some((tally.meters.spent(now)?, Arc::clone(tally)))
        };
        // The one that lasts longest is what the caller has to wait for.
        let longest = counted.iter().filter_map(spent).max_by_key(|(verdict, _)| verdict.resets_at);
        let (verdict, tally) = longest?;
        (!tally.refused.is_first(now)).then(|| too_much(verdict, now))
    }

    fn queue_refuses(&self, grant: &Grant, priority: Priority, now: Now) -> Option<Error> {
        let line = self.lines.of(&grant.principal);
        let error = self.fair.refuses(priority, line, now.instant)?;
        (!self.crowded.is_first(now)).then_some(error)
    }
}
