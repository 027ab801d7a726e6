//! How a target is doing: what route looks at when it chooses, and gate writes down.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use llm_core::error::{Error, Kind};
use parking_lot::Mutex;

use super::breaker::{Breaker, Outcome};
use crate::stage::route::budget::RetryBudget;

/// The state of a target. Outlives configurations.
#[derive(Debug, Default)]
pub struct Health {
    /// Whether it may be asked.
    pub(crate) breaker: Mutex<Breaker>,
    /// Whether it may be asked again.
    pub(crate) budget: Mutex<RetryBudget>,
    /// How long it takes to say the first word of a stream, and all of a whole answer: two
    /// measures, of which the second says as much of the questions as of the target.
    pace: [Mutex<Pace>; 2],
    in_flight: AtomicU32,
}

/// A peak-sensitive average: it jumps up to a slow answer at once, and forgets it over seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    seconds: f64,
    slow: f64,
    at: Option<Instant>,
}

/// After so long, half of what was known is forgotten.
const HALF_LIFE: Duration = Duration::from_secs(10);
/// What a target that nobody has asked yet is taken for: worth a try, and not better than a good one.
const UNKNOWN_SECONDS: f64 = 0.3;

impl Pace {
    /// A first event came after so long.
    pub fn add(&mut self, took: Duration, now: Instant) {
        let took = took.as_secs_f64();
        let old = self.seconds(now);
        let known = self.at.is_some();
        let weight = if known { self.weight(now).min(0.9) } else { 0.0 };
        self.seconds = if took > old || !known {
            took.max(old * weight)
        } else {
            old * weight + took * (1.0 - weight)
        };
        // About what one in twenty exceeds: moves up fast and down slowly.
        let step = match (known, took > self.slow) {
            (false, _) => 1.0,
            (true, true) => 0.4,
            (true, false) => 0.02,
        };
        self.slow += (took - self.slow) * step;
        self.at = Some(now);
    }

    /// After so long, nothing had come yet.
    pub(super) fn at_least(&mut self, waited: Duration, now: Instant) {
        if waited.as_secs_f64() > self.seconds(now) {
            self.add(waited, now);
        }
    }

    fn weight(&self, now: Instant) -> f64 {
        let Some(at) = self.at else { return 0.0 };
        let age = now.saturating_duration_since(at).as_secs_f64();
        0.5f64.powf(age / HALF_LIFE.as_secs_f64())
    }

    /// What to expect.
    pub fn seconds(&self, now: Instant) -> f64 {
        match self.at {
            None => UNKNOWN_SECONDS,
            Some(_) => {
                let weight = self.weight(now);
                self.seconds * weight + UNKNOWN_SECONDS.min(self.seconds) * (1.0 - weight)
            }
        }
    }

    /// What only a slow answer takes longer than; `None` until there is something to tell it from.
    pub fn slow(&self) -> Option<Duration> {
        self.at.map(|_| Duration::from_secs_f64(self.slow.clamp(0.0, 600.0)))
    }
}

impl Health {
    /// Whether calls are kept from it now.
    pub fn is_closed(&self, now: Instant) -> bool {
        self.breaker.lock().until(now).is_some()
    }

    /// Calls under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How long it takes until a call has what it waits for.
    pub(crate) fn pace(&self, stream: bool) -> &Mutex<Pace> {
        &self.pace[usize::from(stream)]
    }

    /// The lower, the better: what the next call is to wait for.
    pub fn score(&self, stream: bool, now: Instant) -> f64 {
        self.pace(stream).lock().seconds(now) * f64::from(self.in_flight() + 1)
    }

    pub(super) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        let before = self.in_flight.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "more calls left a target than entered it");
    }
}

/// What an error says of the target at which it happened.
pub(crate) fn outcome(error: &Error) -> Outcome {
    match error.kind() {
        Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::Timeout
        | Kind::BrokenStream
        | Kind::CorruptReply => Outcome::Broken,
        // A limit is no illness: it rests, and is well afterwards.
        Kind::UpstreamRateLimited | Kind::UpstreamKeyRejected | Kind::UpstreamQuota => {
            Outcome::Unknown
        }
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::UnknownModel
        | Kind::CreditExhausted
        | Kind::QuotaExceeded
        | Kind::RateLimited
        | Kind::Busy
        | Kind::LedgerUnavailable
        | Kind::ContextOverflow
        | Kind::ContentFiltered
        | Kind::Cancelled
        | Kind::DeadlinePassed
        | Kind::Internal => Outcome::Unknown,
    }
}
