//! Counts of this process, by subject and span.
//!
//! Bounded, and full is full: to forget a subject would be to let it in anew, and whoever can make
//! subjects up could have others forgotten. What counts nothing any more makes room.

use std::collections::HashMap;
use std::fmt;

use http::StatusCode;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::quota::{Counter, Limit, Quantity, Verdict, Zone};
use parking_lot::Mutex;

use super::super::admin::refusal::Refusal;

/// Subjects that are counted at once, all applications together: some hundred bytes each.
const COUNTERS_MAX: usize = 100_000;
/// So often, in questions that found no room, everything is looked through for what counts no more.
const SWEEP_EVERY: u32 = 256;

/// What is counted for applications.
pub(crate) struct Checks {
    zone: Zone,
    most: usize,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Counters {
    by: HashMap<(Str, Str), Counter>,
    full: u32,
}

impl Checks {
    /// Calendar windows are those of a zone.
    pub(crate) fn new(zone: Zone) -> Self {
        Self { zone, most: COUNTERS_MAX, counters: Mutex::default() }
    }

    /// Counts if it fits into this replica's part of a limit; or looks.
    pub(super) fn ask(
        &self,
        subject: &Str,
        limit: &Limit,
        cost: u64,
        peek: bool,
        replicas: u64,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        let most = (amount(limit) / replicas.max(1)).max(u64::from(amount(limit) > 0));
        let mut counters = self.counters.lock();
        let counter = self.counter(&mut counters, subject, limit, now).ok_or_else(full)?;
        counter.resize(Str::default(), most);
        Ok(if peek { counter.ask(cost, now) } else { counter.take(cost, now) })
    }

    /// Counts what somebody else has allowed; without room it is not noted.
    pub(super) fn note(&self, subject: &Str, limit: &Limit, cost: u64, now: Timestamp) {
        let mut counters = self.counters.lock();
        if let Some(counter) = self.counter(&mut counters, subject, limit, now) {
            counter.resize(Str::default(), u64::MAX);
            counter.take(cost, now);
        }
    }

    fn counter<'c>(
        &self,
        counters: &'c mut Counters,
        subject: &Str,
        limit: &Limit,
        now: Timestamp,
    ) -> Option<&'c mut Counter> {
        // By its span: another number is the same count.
        let name = (subject.clone(), Str::from(limit.span()));
        if !counters.by.contains_key(&name) {
            let window = limit.window(&self.zone)?;
            if counters.by.len() >= self.most && !counters.sweep(now) {
                return None;
            }
            counters.by.insert(name.clone(), Counter::new(Str::default(), 0, window));
        }
        counters.by.get_mut(&name)
    }
}

impl Counters {
    /// Makes room, if there is any to be made; not each time, since it looks at everything.
    fn sweep(&mut self, now: Timestamp) -> bool {
        let turn = self.full.is_multiple_of(SWEEP_EVERY);
        self.full = self.full.wrapping_add(1);
        if !turn {
            return false;
        }
        let before = self.by.len();
        self.by.retain(|_, counter| counter.ask(0, now).used > 0);
        self.full = if self.by.len() < before { 0 } else { self.full };
        self.by.len() < before
    }
}

/// How many a limit is of.
fn amount(limit: &Limit) -> u64 {
    match limit.quantity {
        Quantity::Requests(count) | Quantity::Tokens(count) => count,
        // Refused before: an amount of money is not counted here, and nothing fits into none.
        Quantity::Money(_) | Quantity::Credits(_) => 0,
    }
}

fn full() -> Refusal {
    let text = "too many subjects are counted at once";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").field("zone", &self.zone).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn a_full_house_forgets_nobody_who_counts() {
        let checks = Checks { most: 2, ..Checks::new(Zone::UTC) };
        let limit: Limit = "1/minute".parse().unwrap();
        let ask = |subject: &'static str, now| {
            checks.ask(&subject.into(), &limit, 1, false, 1, at(now)).map(|v| v.allowed).ok()
        };
        assert_eq!((ask("a", 0), ask("b", 0)), (Some(true), Some(true)));
        assert_eq!(ask("c", 1), None, "there is no room, and nobody makes any");
        assert_eq!(ask("a", 1), Some(false));
        // What counts no more makes room, at the latest when it is looked for again.
        let found = (0..300).find_map(|_| ask("c", 120));
        assert_eq!(found, Some(true));
    }

    #[test]
    fn looking_counts_nothing_and_a_replica_lets_in_its_part() {
        let checks = Checks::new(Zone::UTC);
        let limit: Limit = "6/hour".parse().unwrap();
        let subject = Str::from_static("login:1");
        let ask = |cost, peek, replicas| {
            checks.ask(&subject, &limit, cost, peek, replicas, at(0)).unwrap()
        };
        assert_eq!(ask(6, true, 1).remaining, 6);
        assert!(ask(4, false, 1).allowed && !ask(3, true, 1).allowed);
        assert_eq!(ask(0, true, 1).used, 4);
        assert!(!ask(1, false, 2).allowed, "of two replicas each lets in three");
        checks.note(&subject, &limit, 9, at(1));
        assert_eq!(ask(0, true, 1).used, 13, "what others allowed counts");
    }
}
