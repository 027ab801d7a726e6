//! When to stop asking Redis, and when to try again: a pure state machine over instants.
//!
//! Few failures in a row are enough, since whoever counts here can go on without. Nobody's call is
//! the trial: while it is down, one probe at a time runs behind everybody's back, with a pause
//! that grows up to [`PAUSE_MAX`]. A Redis that answers the probe and fails the calls is asked
//! ever more rarely as well: the pause starts again only after it has been up for [`CALM`].

use std::time::{Duration, Instant};

/// So many failures in a row, and nobody asks any more.
pub(super) const STRIKES_MAX: u32 = 3;
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// With a probe of at most half a second, whoever comes back is used again within five seconds.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Who fails again sooner has not healed.
const CALM: Duration = Duration::from_secs(10);
/// Doublings from the shortest pause to beyond the longest.
const TIMES_MAX: u32 = 6;

/// Up or down, and how often it has been down lately.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    state: State,
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up { since: Instant, strikes: u32 },
    Down { since: Instant },
}

impl Breaker {
    /// Down until the first probe succeeds: nobody waits for a server that may not be there.
    pub(super) fn new(now: Instant) -> Self {
        Self { state: State::Down { since: now }, times: 0 }
    }

    /// Since when nobody asks; `None` while it is up.
    pub(super) fn down_since(&self) -> Option<Instant> {
        match self.state {
            State::Up { .. } => None,
            State::Down { since } => Some(since),
        }
    }

    /// An operation succeeded.
    pub(super) fn well(&mut self) {
        if let State::Up { strikes, .. } = &mut self.state {
            *strikes = 0;
        }
    }

    /// An operation failed. Says whether this was the one too many: its witness starts the probes.
    #[must_use]
    pub(super) fn strike(&mut self, now: Instant) -> bool {
        let State::Up { since, strikes } = &mut self.state else { return false };
        *strikes += 1;
        if *strikes < STRIKES_MAX {
            return false;
        }
        let again = now.saturating_duration_since(*since) < CALM;
        self.times = if again { (self.times + 1).min(TIMES_MAX) } else { 0 };
        self.state = State::Down { since: now };
        true
    }

    /// How long to wait before the next probe.
    pub(super) fn pause(&self) -> Duration {
        PAUSE_MIN.saturating_mul(1 << self.times.min(TIMES_MAX)).min(PAUSE_MAX)
    }

    /// A probe failed.
    pub(super) fn still_down(&mut self) {
        self.times = (self.times + 1).min(TIMES_MAX);
    }

    /// A probe succeeded.
    pub(super) fn healed(&mut self, now: Instant) {
        self.state = State::Up { since: now, strikes: 0 };
    }
}

#[cfg(test)]
mod tests;
