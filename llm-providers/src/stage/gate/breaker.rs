//! When to leave a target alone: a pure state machine over instants.
//!
//! ```text
//! closed ──too many failures──▶ open ──its time is over──▶ probing ──enough successes──▶ closed
//!                                ▲───────────a failure───────┘
//! ```
//!
//! One probe at a time, and several of them must succeed in a row: a target that fails every other
//! time stays open instead of flapping. A target is never left alone for longer than
//! [`OPEN_MAX`], so that it is used again within seconds of its recovery. Beside that stands the
//! *rest* that a provider asks for (`retry-after`): it is no evidence of breakage, and a shorter
//! one never cuts a longer one short.

use std::time::{Duration, Instant};

/// What counts is what happened within this time.
const WINDOW: Duration = Duration::from_secs(10);
const BUCKETS: usize = 10;
/// Fewer calls prove nothing, unless nothing but failures comes.
const CALLS_MIN: u32 = 20;
/// So many failures and no success between them prove it all the same.
const STREAK_MAX: u32 = 5;
/// Probes that must succeed in a row.
const PROBES: u32 = 4;
/// The first time a target is left alone, and the longest.
const OPEN_MIN: Duration = Duration::from_millis(500);
/// Nothing is left alone for longer: who heals is used again within five seconds.
pub const OPEN_MAX: Duration = Duration::from_secs(4);
/// So often is one that is open asked, when nobody else is left.
const FORCED_EVERY: Duration = Duration::from_millis(50);
/// What a provider may ask for.
const REST_MAX: Duration = Duration::from_secs(60);
/// A probe whose end nobody reports blocks the next one no longer than this.
const PROBE_MAX: Duration = Duration::from_secs(30);

/// The breaker of one target.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    rest_until: Option<Instant>,
    /// Whether that is because we were too fast.
    limited: bool,
    /// When it was last asked although it was open.
    forced_at: Option<Instant>,
    counts: [Count; BUCKETS],
    began: Option<Instant>,
    streak: u32,
    changes: u32,
    probes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Closed,
    Open { until: Instant, times: u32 },
    Probing { probe: Option<Probe>, successes: u32, times: u32 },
}

/// The probe under way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Probe {
    number: u32,
    since: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    second: u64,
    calls: u32,
    failures: u32,
}

/// Leave to ask a target. Must be reported, or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Pass {
    /// Which probe it is; one that took too long is not taken for the next.
    probe: Option<u32>,
}

/// Leave without being a probe.
const PLAIN: Pass = Pass { probe: None };

/// What came of a call, as far as the target's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Well,
    /// It is broken.
    Broken,
    /// Nothing can be said: the caller's mistake, or the caller left.
    Unknown,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            rest_until: None,
            limited: false,
            forced_at: None,
            counts: [Count::default(); BUCKETS],
            began: None,
            streak: 0,
            changes: 0,
            probes: 0,
        }
    }
}

impl Breaker {
    /// Leave to ask, or the instant from which on it may be had.
    pub fn admit(&mut self, now: Instant) -> Result<Pass, Instant> {
        if let Some(until) = self.resting(now) {
            return Err(until);
        }
        match self.state {
            State::Closed => Ok(PLAIN),
            State::Open { until, .. } if now < until => Err(until),
            State::Open { times, .. } => Ok(self.probe(0, times, now)),
            State::Probing { probe: Some(probe), .. } if now < probe.since + PROBE_MAX => {
                // Whoever probes now will have said something soon.
                Err((now + OPEN_MIN).min(probe.since + PROBE_MAX))
            }
            State::Probing { successes, times, .. } => Ok(self.probe(successes, times, now)),
        }
    }

    fn probe(&mut self, successes: u32, times: u32, now: Instant) -> Pass {
        self.probes = self.probes.wrapping_add(1);
        let probe = Some(Probe { number: self.probes, since: now });
        self.state = State::Probing { probe, successes, times };
        Pass { probe: Some(self.probes) }
    }

    /// A target has begun to answer, which is all that a probe is to find out: the next one need
    /// not wait until the answer has ended. How it ends is reported with the pass that this gives.
    pub fn answered(&mut self, pass: Pass, now: Instant, jitter: u64) -> Pass {
        if pass.probe.is_some() {
            self.report(pass, Outcome::Well, now, jitter);
        }
        PLAIN
    }

    /// Leave although it is open: nobody else is left, and failing at once would help no one. One
    /// call at a time all the same, and none while it rests at its own wish.
    pub fn force(&mut self, now: Instant) -> Result<Pass, Instant> {
        if let Some(until) = self.forced_until(now) {
            return Err(until);
        }
        let open = self.until(now).is_some();
        self.forced_at = open.then_some(now).or(self.forced_at);
        match self.state {
            // Whoever is forced through is a probe as well.
            State::Open { times, .. } if open => Ok(self.probe(0, times, now)),
            State::Open { .. } | State::Closed | State::Probing { .. } => {
                Ok(self.admit(now).unwrap_or(PLAIN))
            }
        }
    }

    /// From when on it may be forced; `None` is now.
    pub fn forced_until(&self, now: Instant) -> Option<Instant> {
        let forced = self.forced_at.map(|at| at + FORCED_EVERY).filter(|until| now < *until);
        self.resting(now).max(forced.filter(|_| self.until(now).is_some()))
    }

    /// When it may be asked; `None` is now.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        let open = match self.state {
            State::Closed => None,
            State::Open { until, .. } => (now < until).then_some(until),
            State::Probing { probe, .. } => {
                probe.filter(|p| now < p.since + PROBE_MAX).map(|_| now + OPEN_MIN)
            }
        };
        self.resting(now).max(open)
    }

    /// Whether it is resting at a provider's own wish, and until when.
    pub fn resting(&self, now: Instant) -> Option<Instant> {
        self.rest_until.filter(|until| now < *until)
    }

    /// 0 closed, 1 probing, 2 open: the number in metrics.
    pub fn level(&self) -> i64 {
        match self.state {
            State::Closed => 0,
            State::Probing { .. } => 1,
            State::Open { .. } => 2,
        }
    }

    /// How often it went from closed to open or back.
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Whether it rests because we were too fast.
    pub fn is_limited(&self, now: Instant) -> bool {
        self.limited && self.resting(now).is_some()
    }

    /// The provider wants to be left alone, maybe because we were too fast.
    pub fn rest(&mut self, rest: Duration, limited: bool, now: Instant) {
        if !rest.is_zero() {
            let until = now + rest.min(REST_MAX);
            self.rest_until = self.rest_until.max(Some(until));
            self.limited = limited;
        }
    }

    /// A pass that was not used, or whose outcome nobody will know.
    pub fn give_back(&mut self, pass: Pass) {
        if let State::Probing { successes, times, .. } = self.state
            && self.is_under_way(pass)
        {
            self.state = State::Probing { probe: None, successes, times };
        }
    }

    fn is_under_way(&self, pass: Pass) -> bool {
        match self.state {
            State::Probing { probe: Some(probe), .. } => pass.probe == Some(probe.number),
            State::Probing { probe: None, .. } | State::Closed | State::Open { .. } => false,
        }
    }

    /// What came of it. `jitter` is any random number: targets that broke together must not be
    /// probed together.
    pub fn report(&mut self, pass: Pass, outcome: Outcome, now: Instant, jitter: u64) {
        match (self.state, outcome) {
            (_, Outcome::Unknown) => self.give_back(pass),
            (State::Closed, outcome) => self.count(outcome, now, jitter),
            // Calls that were under way when it opened say nothing new.
            (State::Open { .. }, _) => {}
            (State::Probing { times, .. }, Outcome::Broken) => {
                if self.is_under_way(pass) {
                    self.open(times.saturating_add(1), now, jitter);
                }
            }
            (State::Probing { successes, times, .. }, Outcome::Well) if self.is_under_way(pass) => {
                if successes + 1 >= PROBES {
                    self.close();
                } else {
                    self.state = State::Probing { probe: None, successes: successes + 1, times };
                }
            }
            (State::Probing { .. }, Outcome::Well) => {}
        }
        debug_assert!(self.streak <= STREAK_MAX);
    }

    fn count(&mut self, outcome: Outcome, now: Instant, jitter: u64) {
        let began = *self.began.get_or_insert(now);
        let second = now.saturating_duration_since(began).as_secs();
        let at = usize::try_from(second).unwrap_or(0) % BUCKETS;
        let bucket = &mut self.counts[at];
        if bucket.second != second {
            *bucket = Count { second, ..Count::default() };
        }
        bucket.calls += 1;
        if outcome == Outcome::Well {
            self.streak = 0;
            return;
        }
        bucket.failures += 1;
        self.streak = (self.streak + 1).min(STREAK_MAX);
        let live = |c: &&Count| second.saturating_sub(c.second) < WINDOW.as_secs();
        let (calls, failures) = self
            .counts
            .iter()
            .filter(live)
            .fold((0, 0), |(calls, failures), c| (calls + c.calls, failures + c.failures));
        let many = calls >= CALLS_MIN && failures * 2 >= calls;
        if many || self.streak >= STREAK_MAX {
            self.changes += 1;
            self.open(0, now, jitter);
        }
    }

    fn open(&mut self, times: u32, now: Instant, jitter: u64) {
        let longest = OPEN_MIN.saturating_mul(1 << times.min(8)).min(OPEN_MAX);
        // Between half of it and all of it.
        let half = longest / 2;
        let spread = u64::try_from(half.as_millis()).unwrap_or(0);
        let until = now + half + Duration::from_millis(jitter % spread.max(1));
        self.state = State::Open { until, times };
        debug_assert!(until <= now + OPEN_MAX);
    }

    fn close(&mut self) {
        self.changes += 1;
        self.streak = 0;
        self.counts = [Count::default(); BUCKETS];
        self.began = None;
        self.state = State::Closed;
    }
}

#[cfg(test)]
mod tests;
