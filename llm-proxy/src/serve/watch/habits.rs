//! What is usual of a key. Pure: told of calls in their order, it says which are unlike the others.
//!
//! Counted in slices of five minutes. Spend is compared with a moving average of the slices before,
//! once there is an hour of them; errors with the calls of their own slice. Told once a slice.

use std::collections::HashMap;

use llm_core::Str;

/// Seconds of a slice.
const SLICE: i64 = 300;
/// Slices before which nothing is usual.
const LEARNED: u32 = 12;
/// Of how many slices the average is, about: half a day, so that a morning is no spike.
const MEMORY: i64 = 144;
/// So many times the usual is a spike.
const SPIKE: i64 = 10;
/// What nobody is woken for, in nano-dollars: ten cents.
const SPEND_MIN: i64 = 100_000_000;
/// Calls of a slice from which errors are told.
const CALLS_MIN: i64 = 20;
/// Keys that are watched at once; those that rested longest make room.
const KEYS_MAX: usize = 10_000;

/// What is unlike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Many times the usual spend.
    Spend,
    /// Most calls fail.
    Errors,
}

/// Something unlike a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anomaly {
    pub(super) kind: Kind,
    pub(super) key: Str,
    /// How much, of this slice.
    pub(super) seen: i64,
    /// The usual spend, or the calls among which there were so many errors.
    pub(super) usual: i64,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) second: i64,
    pub(super) charged: i64,
    pub(super) failed: bool,
}

/// What is usual of all keys.
#[derive(Debug, Default)]
pub(super) struct Habits(HashMap<Str, Habit>);

#[derive(Clone, Copy, Debug, Default)]
struct Habit {
    slice: i64,
    learned: u32,
    /// The average, times [`MEMORY`], so that what is small is not rounded away.
    usual: i64,
    spent: i64,
    calls: i64,
    failed: i64,
    told: [bool; 2],
}

impl Habits {
    /// A call of a key.
    pub(super) fn note(&mut self, key: &Str, call: Call) -> [Option<Anomaly>; 2] {
        let slice = call.second.div_euclid(SLICE);
        if !self.0.contains_key(key) {
            if self.0.len() >= KEYS_MAX {
                self.make_room();
            }
            self.0.insert(key.clone(), Habit { slice, ..Habit::default() });
        }
        let Some(habit) = self.0.get_mut(key) else { return [None, None] };
        habit.advance(slice);
        habit.spent = habit.spent.saturating_add(call.charged);
        habit.calls += 1;
        habit.failed += i64::from(call.failed);
        let of = |kind, (seen, usual)| Anomaly { kind, key: key.clone(), seen, usual };
        [
            habit.spike().map(|told| of(Kind::Spend, told)),
            habit.burst().map(|told| of(Kind::Errors, told)),
        ]
    }

    /// Forgets the half that has rested longest.
    fn make_room(&mut self) {
        let mut slices: Vec<i64> = self.0.values().map(|habit| habit.slice).collect();
        slices.sort_unstable();
        let middle = slices.get(slices.len() / 2).copied().unwrap_or_default();
        self.0.retain(|_, habit| habit.slice > middle);
    }
}

impl Habit {
    /// Learns from the slices that have passed. A record that comes late counts with the present.
    fn advance(&mut self, slice: i64) {
        let passed = slice.saturating_sub(self.slice);
        if passed <= 0 {
            return;
        }
        self.learn(self.spent);
        // Then nothing was spent; beyond some days, nothing is usual any more.
        for _ in 1..passed.min(8 * MEMORY) {
            self.learn(0);
        }
        let Self { learned, usual, .. } = *self;
        *self = Self { slice, learned, usual, ..Self::default() };
    }

    fn learn(&mut self, spent: i64) {
        self.learned = self.learned.saturating_add(1);
        // While little is known, the average is of what is known.
        let of = i64::from(self.learned).min(MEMORY);
        let average = self.usual / MEMORY;
        let step = spent.saturating_sub(average).saturating_mul(MEMORY) / of;
        self.usual = self.usual.saturating_add(step).max(0);
    }

    fn spike(&mut self) -> Option<(i64, i64)> {
        let usual = self.usual / MEMORY;
        let much = self.spent > SPEND_MIN.max(usual.saturating_mul(SPIKE));
        self.once(0, self.learned >= LEARNED && much).then_some((self.spent, usual))
    }

    fn burst(&mut self) -> Option<(i64, i64)> {
        let most = self.calls >= CALLS_MIN && 2 * self.failed > self.calls;
        self.once(1, most).then_some((self.failed, self.calls))
    }

    fn once(&mut self, which: usize, now: bool) -> bool {
        let Some(told) = self.told.get_mut(which) else { return false };
        now && !std::mem::replace(told, *told || now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENT: i64 = 10_000_000;

    fn call(second: i64, charged: i64, failed: bool) -> Call {
        Call { second, charged, failed }
    }

    /// Two cents in each five minutes of some hours.
    fn quiet(habits: &mut Habits, key: &Str, hours: i64) -> i64 {
        for slice in 0..12 * hours {
            let found = habits.note(key, call(slice * SLICE, 2 * CENT, false));
            assert_eq!(found, [None, None]);
        }
        12 * hours * SLICE
    }

    #[test]
    fn a_spike_is_told_once_and_is_many_times_the_usual() {
        let (mut habits, key) = (Habits::default(), Str::from_static("key-1"));
        let now = quiet(&mut habits, &key, 3);
        // Nine times the usual: a busy day.
        for _ in 0..9 {
            assert_eq!(habits.note(&key, call(now, 2 * CENT, false)), [None, None]);
        }
        let [spike, none] = habits.note(&key, call(now, 5 * CENT, false));
        let spike = spike.unwrap();
        assert_eq!((spike.kind, spike.seen, none), (Kind::Spend, 23 * CENT, None));
        assert!((CENT..=2 * CENT).contains(&spike.usual), "{spike:?}");
        assert_eq!(habits.note(&key, call(now, 50 * CENT, false)), [None, None], "once");
        let later = habits.note(&key, call(now + SLICE, 200 * CENT, false));
        assert!(later[0].is_some(), "and again in the next five minutes");
    }

    #[test]
    fn nobody_is_woken_for_a_new_key_nor_for_cents() {
        let (mut habits, key) = (Habits::default(), Str::from_static("key-1"));
        assert_eq!(habits.note(&key, call(0, 900 * CENT, false)), [None, None], "nothing is usual");
        let (mut habits, now) = (Habits::default(), 13 * SLICE);
        for slice in 0..13 {
            habits.note(&key, call(slice * SLICE, 1, false));
        }
        assert_eq!(habits.note(&key, call(now, 9 * CENT, false)), [None, None]);
        assert!(habits.note(&key, call(now, 2 * CENT, false))[0].is_some());
    }

    #[test]
    fn a_burst_is_most_of_some_calls() {
        let (mut habits, key) = (Habits::default(), Str::from_static("key-1"));
        for n in 0..40 {
            let found = habits.note(&key, call(0, 0, n % 2 == 1));
            assert_eq!(found, [None, None], "every other one");
        }
        let found = (0..3).find_map(|_| habits.note(&key, call(1, 0, true))[1].clone());
        assert_eq!(found.map(|one| (one.kind, one.seen, one.usual)), Some((Kind::Errors, 21, 41)));
        let few = Str::from_static("key-2");
        assert!((0..19).all(|_| habits.note(&few, call(0, 0, true)) == [None, None]));
    }

    #[test]
    fn there_is_room_for_those_who_call() {
        let mut habits = Habits::default();
        for n in 0..3 * KEYS_MAX {
            let second = i64::try_from(n).unwrap() * SLICE;
            habits.note(&Str::from(format!("key-{n}")), call(second, 0, false));
            assert!(habits.0.len() <= KEYS_MAX);
        }
        assert!(habits.0.contains_key(&Str::from(format!("key-{}", 3 * KEYS_MAX - 1))));
    }
}
