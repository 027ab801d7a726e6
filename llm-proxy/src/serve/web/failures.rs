//! Who has shown too many wrong keys.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::address::Origin;
use crate::config::edge::Rate;

/// Addresses that are remembered: some 5 MB. Beyond it whoever has failed least is forgotten.
const ORIGINS_MAX: usize = 65_536;
/// How many are looked at to find one that can be forgotten.
const LOOKED_AT_MAX: usize = 64;

/// Wrong keys by address, each in a time that begins with the first of them.
#[derive(Debug)]
pub(super) struct Failures {
    rate: Rate,
    known: Mutex<HashMap<Origin, Count>>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    failures: u32,
    end: Instant,
}

impl Failures {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, known: Mutex::default() }
    }

    /// For how long an address is not heard any more.
    pub(super) fn shut_out(&self, origin: Origin, now: Instant) -> Option<Duration> {
        let known = self.known.lock();
        let count = known.get(&origin)?;
        let left = count.end.checked_duration_since(now).filter(|left| !left.is_zero())?;
        (count.failures >= self.rate.most).then_some(left)
    }

    /// One more.
    pub(super) fn add(&self, origin: Origin, now: Instant) {
        let mut known = self.known.lock();
        if known.len() >= ORIGINS_MAX && !known.contains_key(&origin) {
            forget_one(&mut known, now);
        }
        let fresh = Count { failures: 0, end: now + self.rate.period };
        let count = known.entry(origin).or_insert(fresh);
        if count.end <= now {
            *count = fresh;
        }
        count.failures = count.failures.saturating_add(1);
    }
}

/// Makes room. Whoever draws addresses at will must not make us forget one that is shut out.
fn forget_one(known: &mut HashMap<Origin, Count>, now: Instant) {
    let looked = known.iter().take(LOOKED_AT_MAX);
    let least = looked.min_by_key(|(_, count)| if count.end <= now { 0 } else { count.failures });
    if let Some(origin) = least.map(|(origin, _)| *origin) {
        known.remove(&origin);
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::origin;
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn an_address_is_shut_out_until_its_time_is_up() {
        let failures = Failures::new(Rate { most: 3, period: Duration::from_secs(60) });
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|a| origin(a.parse().unwrap()));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for second in 0..3 {
            assert_eq!(failures.shut_out(one, at(second)), None);
            failures.add(one, at(second));
        }
        assert_eq!(failures.shut_out(one, at(10)), Some(Duration::from_secs(50)));
        assert_eq!(failures.shut_out(other, at(10)), None);
        assert_eq!(failures.shut_out(one, at(60)), None);
        failures.add(one, at(61));
        assert_eq!(failures.shut_out(one, at(61)), None, "it counts anew");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn a_crowd_of_addresses_does_not_grow_without_end() {
        let failures = Failures::new(Rate { most: 5, period: Duration::from_secs(60) });
        let now = Instant::now();
        for n in 0..(ORIGINS_MAX as u32 + 5_000) {
            failures.add(origin(std::net::Ipv4Addr::from_bits(n).into()), now);
        }
        assert_eq!(failures.known.lock().len(), ORIGINS_MAX);
    }
}
