//! One owner's meters, and what becomes of them when its rules change.
//!
//! A count belongs to the owner and to what is counted, and not to the rule that asked for it: a
//! rule that comes with another number, or comes back after a while, finds what it had counted.
//! While a rule does not hold, nothing is counted for it.

use std::sync::Arc;

use llm_core::quota::{Limit, Verdict, Zone};
use llm_core::seam::Clock;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{Meter, Now, Rule};

/// All meters of one owner.
#[derive(Debug, Default)]
pub struct MeterSet(pub(super) Mutex<Meters>);

/// A meter with the rule it was made from and a number that no other meter of its set ever had:
/// calls that run while the rules change find their own meter again.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) rule: Rule,
    pub(super) number: u32,
    pub(super) meter: Meter,
}

#[derive(Debug, Default)]
pub(super) struct Meters {
    /// Those that hold; no two windows of one span.
    pub(super) list: SmallVec<[Numbered; 4]>,
    /// Those whose rule is gone and whose count is not.
    idle: Vec<Numbered>,
    /// The rules as they were said last, for which `list` was made.
    said: SmallVec<[Rule; 4]>,
    next: u32,
}

/// Meters without a rule that an owner keeps, the latest: somebody who is moved to and fro among
/// more plans than this has forgotten the first one as well.
const IDLE_MAX: usize = 8;

impl MeterSet {
    /// Makes the meters those of `rules`. Of two windows of one span the lower one holds. Answers
    /// whether every rule could be made.
    pub fn fit(
        &self,
        owner: &'static str,
        rules: impl Iterator<Item = Rule> + Clone,
        zone: &Zone,
        clock: &Arc<dyn Clock>,
    ) -> bool {
        let rules = rules.filter(Rule::is_counted);
        let mut meters = self.0.lock();
        if meters.said.iter().copied().eq(rules.clone()) {
            return true;
        }
        meters.change(owner, rules.collect(), zone, clock)
    }

    /// Whether it remembers anything that a new set would not know.
    pub fn counts(&self, now: Now) -> bool {
        let meters = self.0.lock();
        meters.list.iter().chain(&meters.idle).any(|m| m.meter.counts(now))
    }

    /// The windows that hold.
    pub fn windows(&self) -> SmallVec<[Limit; 4]> {
        self.0.lock().list.iter().filter_map(|m| m.rule.limit()).collect()
    }

    /// What a window that is used up says to every call: of several, the one that lasts longest.
    pub fn spent(&self, now: Now) -> Option<Verdict> {
        let meters = self.0.lock();
        let spent = meters.list.iter().filter_map(|m| m.meter.spent(now));
        spent.max_by_key(|verdict| verdict.resets_at)
    }

    /// The rules that hold, each with what is counted of it. Changes nothing.
    pub fn look(&self, now: Now) -> Vec<(Rule, Verdict)> {
        let meters = self.0.lock();
        let seen = |m: &Numbered| Some((m.rule, m.meter.look(now)?));
        meters.list.iter().filter_map(seen).collect()
    }
}

impl Meters {
    fn change(
        &mut self,
        owner: &'static str,
        rules: SmallVec<[Rule; 4]>,
        zone: &Zone,
        clock: &Arc<dyn Clock>,
    ) -> bool {
        let mut old = std::mem::take(&mut self.idle);
        old.extend(self.list.drain(..));
        let mut all = true;
        for rule in lowest(&rules) {
            let same = |m: &Numbered| m.rule == rule || m.rule.counts_as(&rule);
            if let Some(i) = old.iter().position(same) {
                let mut known = old.remove(i);
                rule.resize(owner, &mut known.meter);
                self.list.push(Numbered { rule, ..known });
            } else if let Some(meter) = rule.meter(owner, zone, clock) {
                let number = self.next;
                self.next = number.wrapping_add(1);
                self.list.push(Numbered { rule, number, meter });
            } else {
                all = false;
            }
        }
        let now = Now::of(&**clock);
        old.retain(|m| m.meter.counts(now));
        old.drain(..old.len().saturating_sub(IDLE_MAX));
        self.idle = old;
        // What could not be made is tried again by the next call, and refused again.
        self.said = if all { rules } else { SmallVec::new() };
        all
    }

    pub(super) fn find(&mut self, number: u32) -> Option<&mut Meter> {
        let mut known = self.list.iter_mut().chain(&mut self.idle);
        known.find(|m| m.number == number).map(|m| &mut m.meter)
    }
}

/// Each span once, with the lowest number.
fn lowest(rules: &[Rule]) -> SmallVec<[Rule; 4]> {
    let mut out: SmallVec<[Rule; 4]> = SmallVec::new();
    for rule in rules {
        match out.iter_mut().find(|known| known.counts_as(rule)) {
            Some(known) => *known = known.lower(*rule),
            None => out.push(*rule),
        }
    }
    out
}
