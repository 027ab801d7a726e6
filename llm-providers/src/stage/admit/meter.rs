//! All limits of one owner, counted together.
//!
//! A [`Meter`] is one limit: a *window* counts exactly and forgets as the calendar says; a
//! *smooth* pace lets calls through evenly. A [`MeterSet`] is one owner's meters behind one lock,
//! and [`book`] asks the sets of all owners of a call under all their locks, so that a call counts
//! against every rule or against none and nobody sees a count that is taken back a moment later.
//! Deliberately absent: money and credits. They are accounts of the ledger.

mod beat;
mod booking;
mod set;

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::{Duration, Instant};

use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::quota::{Counter, Limit, Quantity, Verdict, WindowId, Zone};

use super::gcra::{Gcra, Paced, Wait};
use beat::Beat;
pub(super) use booking::tighter;
pub use booking::{Booking, OWNERS_PER_CALL, book};
pub use set::MeterSet;
use set::{Meters, Numbered};

/// An instant on both clocks: waits are measured on one, windows lie on the other.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Never goes back.
    pub instant: Instant,
    /// What the calendar says.
    pub wall: Timestamp,
}

impl Now {
    /// Reads both.
    pub fn of(clock: &dyn llm_core::seam::Clock) -> Self {
        // A wall clock outside the calendar (year 10000) counts in the calendar's last window.
        let wall = Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::MAX);
        Self { instant: clock.now(), wall }
    }
}

/// What a call asks of each meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Calls: one.
    pub requests: u64,
    /// Tokens it may read and write.
    pub tokens: u64,
}

impl Ask {
    /// What it asks of a limit.
    pub fn of(self, limit: &Limit) -> u64 {
        match limit.quantity {
            Quantity::Requests(_) => self.requests,
            Quantity::Tokens(_) => self.tokens,
            Quantity::Money(_) | Quantity::Credits(_) => 0,
        }
    }
}

/// How much of its windows this process may hand out by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All of them: nobody else counts.
    All,
    /// One of so many parts, and one piece at the least.
    Part(NonZeroU32),
    /// Somebody else has decided: it is only noted.
    Noted,
}

impl Share {
    fn of(self, limit: u64) -> u64 {
        match self {
            Self::All => limit,
            Self::Part(parts) => (limit / u64::from(parts.get())).max(limit.min(1)),
            Self::Noted => u64::MAX,
        }
    }
}

/// What a meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Of {
    /// Calls.
    Requests,
    /// Tokens.
    Tokens,
}

/// So much evenly in so long, with a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// What is counted.
    pub of: Of,
    /// How much in each period.
    pub rate: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// The most at once.
    pub burst: NonZeroU32,
}

/// One rule as configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// So much in a window.
    Window(Limit),
    /// So much evenly.
    Smooth(Pace),
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Beat, StateInformationMiddleware>;

/// One limit of one owner.
#[derive(Debug)]
pub struct Meter {
    name: Str,
    of: Of,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Window(Counter),
    Calls { limiter: Limiter, burst: u64, full_after: Duration, last: Option<Instant> },
    Tokens(Gcra),
}

/// What a meter has counted for a call and may have to correct.
#[derive(Clone, Copy, Debug)]
enum Hold {
    Slice(WindowId, u64),
    Paced(Paced),
    /// Cannot be taken back.
    Final,
}

/// Beyond this (146 years) the limiter's own arithmetic would overflow.
const FULL_AFTER_MAX: Duration = Duration::from_nanos(u64::MAX / 4);

impl Meter {
    /// Counts a limit exactly; `None` for money and credits, and for a limit without windows.
    pub fn window(name: Str, limit: &Limit, zone: &Zone) -> Option<Self> {
        let (of, n) = match limit.quantity {
            Quantity::Requests(n) => (Of::Requests, n),
            Quantity::Tokens(n) => (Of::Tokens, n),
            Quantity::Money(_) | Quantity::Credits(_) => return None,
        };
        let counter = Counter::new(name.clone(), n, limit.window(zone)?);
        Some(Self { name, of, kind: Kind::Window(counter) })
    }

    /// Lets a pace through evenly; `None` when its numbers go beyond what a clock has.
    pub fn smooth(name: Str, pace: &Pace, clock: &Arc<dyn llm_core::seam::Clock>) -> Option<Self> {
        let kind = match pace.of {
            Of::Requests => {
                // Rounded up: a pace that is off by a nanosecond is off on the slow side.
                let each = pace.period.as_nanos().div_ceil(u128::from(pace.rate.get()));
                let each = Duration::from_nanos(u64::try_from(each).ok()?);
                let quota = Quota::with_period(each)?;
                let full_after = quota.replenish_interval().checked_mul(pace.burst.get())?;
                if full_after > FULL_AFTER_MAX {
                    return None;
                }
                let beat = Beat::new(Arc::clone(clock));
                let limiter = RateLimiter::direct_with_clock(quota.allow_burst(pace.burst), beat)
                    .with_middleware();
                let burst = u64::from(pace.burst.get());
                Kind::Calls { limiter, burst, full_after, last: None }
            }
            Of::Tokens => {
                let rate = NonZeroU64::from(pace.rate);
                let burst = u64::from(pace.burst.get());
                Kind::Tokens(Gcra::new(rate, pace.period, burst, clock.now())?)
            }
        };
        Some(Self { name, of: pace.of, kind })
    }

    fn is_window(&self) -> bool {
        match self.kind {
            Kind::Window(_) => true,
            Kind::Calls { .. } | Kind::Tokens(_) => false,
        }
    }

    /// Whether what it counts can be taken back.
    fn is_reversible(&self) -> bool {
        match self.kind {
            Kind::Window(_) | Kind::Tokens(_) => true,
            Kind::Calls { .. } => false,
        }
    }

    /// Counts if it fits. The verdict is what a caller may be told, either way.
    fn take(&mut self, ask: Ask, share: Share, now: Now) -> (Verdict, Hold) {
        let n = match self.of {
            Of::Requests => ask.requests,
            Of::Tokens => ask.tokens,
        };
        match &mut self.kind {
            Kind::Window(counter) => {
                let verdict = counter.reserve_within(share.of(counter.limit()), n, now.wall);
                let hold = Hold::Slice(verdict.slice, n);
                (verdict, hold)
            }
            Kind::Tokens(pace) => match pace.reserve(n, now.instant) {
                Ok(paced) => {
                    let (left, full) = (pace.remaining(now.instant), pace.backlog(now.instant));
                    let verdict = smooth(&self.name, true, pace.burst(), left, Some(full), now);
                    (verdict, Hold::Paced(paced))
                }
                Err(wait) => {
                    let wait = match wait {
                        Wait::For(wait) => Some(wait),
                        Wait::Never => None,
                    };
                    let left = pace.remaining(now.instant);
                    (smooth(&self.name, false, pace.burst(), left, wait, now), Hold::Final)
                }
            },
            Kind::Calls { limiter, burst, full_after, last } => match limiter.check() {
                Ok(state) => {
                    *last = Some(now.instant);
                    let left = u64::from(state.remaining_burst_capacity());
                    let wait = Some(*full_after);
                    (smooth(&self.name, true, *burst, left, wait, now), Hold::Final)
                }
                Err(until) => {
                    let wait = Some(until.wait_time_from(now.instant));
                    (smooth(&self.name, false, *burst, 0, wait, now), Hold::Final)
                }
            },
        }
    }

    /// Replaces what was counted by what was used.
    fn settle(&mut self, hold: Hold, used: u64, now: Instant) {
        match (&mut self.kind, hold) {
            (Kind::Window(counter), Hold::Slice(slice, reserved)) => {
                counter.settle(slice, reserved, used);
            }
            (Kind::Tokens(pace), Hold::Paced(paced)) => pace.settle(paced, used, now),
            (Kind::Calls { .. } | Kind::Window(_) | Kind::Tokens(_), _) => {
                debug_assert!(matches!(hold, Hold::Final), "a hold of another kind of meter");
            }
        }
    }

    /// What a window has counted; `None` for a pace, which has no count.
    fn look(&self, now: Now) -> Option<Verdict> {
        match &self.kind {
            Kind::Window(counter) => Some(counter.ask(0, now.wall)),
            Kind::Calls { .. } | Kind::Tokens(_) => None,
        }
    }

    /// What a window says to every call, where it is used up.
    fn spent(&self, now: Now) -> Option<Verdict> {
        match &self.kind {
            Kind::Window(counter) => Some(counter.ask(1, now.wall)).filter(|said| !said.allowed),
            Kind::Calls { .. } | Kind::Tokens(_) => None,
        }
    }

    /// Whether it remembers anything that a new meter would not know.
    fn counts(&self, now: Now) -> bool {
        match &self.kind {
            Kind::Window(counter) => {
                let verdict = counter.ask(0, now.wall);
                verdict.used > 0 || verdict.reserved > 0
            }
            Kind::Tokens(pace) => !pace.backlog(now.instant).is_zero(),
            Kind::Calls { full_after, last, .. } => {
                last.is_some_and(|at| now.instant.saturating_duration_since(at) < *full_after)
            }
        }
    }
}

/// The verdict of a pace: it has no windows, so that what it counts is what is missing now.
fn smooth(
    name: &Str,
    allowed: bool,
    burst: u64,
    remaining: u64,
    wait: Option<Duration>,
    now: Now,
) -> Verdict {
    let at = |wait: Duration| {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        now.wall.saturating_add(wait).unwrap_or(Timestamp::MAX)
    };
    Verdict {
        allowed,
        rule: name.clone(),
        limit: burst,
        used: burst.saturating_sub(remaining),
        reserved: 0,
        remaining,
        resets_at: wait.map(at),
        slice: WindowId { start: now.wall, end: now.wall },
    }
}

impl Rule {
    /// Whether both count the same, up to different limits.
    fn counts_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Window(a), Self::Window(b)) => a.counts_as(b),
            (Self::Window(_) | Self::Smooth(_), _) => false,
        }
    }

    /// The one that ends first, of two that count the same.
    fn lower(self, other: Self) -> Self {
        match (self, other) {
            (Self::Window(a), Self::Window(b)) => Self::Window(a.lower(b)),
            (Self::Window(_) | Self::Smooth(_), _) => self,
        }
    }

    /// The limit of a window; `None` for a pace.
    pub(crate) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Window(limit) => Some(*limit),
            Self::Smooth(_) => None,
        }
    }

    /// Gives a meter of the same kind this rule's limit.
    fn resize(&self, owner: &str, meter: &mut Meter) {
        if let (Self::Window(limit), Kind::Window(counter)) = (self, &mut meter.kind)
            && let Quantity::Requests(n) | Quantity::Tokens(n) = limit.quantity
        {
            meter.name = format!("{owner} {limit}").into();
            counter.resize(meter.name.clone(), n);
        }
    }

    /// What is wrong with a rule that is configured for all of a kind; `None` when it can be kept.
    pub(crate) fn problem(&self, clock: &Arc<dyn llm_core::seam::Clock>) -> Option<&'static str> {
        if !self.is_counted() {
            return Some("an amount of money is limited by a plan or a key, and not by this rule");
        }
        let made = self.meter("rule", &Zone::UTC, clock).is_some();
        (!made).then_some("no clock can count these numbers")
    }

    /// Whether a meter counts it, and not the ledger.
    pub(super) fn is_counted(&self) -> bool {
        match self {
            Self::Window(limit) => !limit.quantity.is_paid(),
            Self::Smooth(_) => true,
        }
    }

    fn meter(
        &self,
        owner: &str,
        zone: &Zone,
        clock: &Arc<dyn llm_core::seam::Clock>,
    ) -> Option<Meter> {
        match self {
            Self::Window(limit) => Meter::window(format!("{owner} {limit}").into(), limit, zone),
            Self::Smooth(pace) => {
                let (of, rate, period) = (pace.of.name(), pace.rate, pace.period);
                let name = format!("{owner} {rate} {of}/{period:?} smooth");
                Meter::smooth(name.into(), pace, clock)
            }
        }
    }
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

#[cfg(test)]
mod tests;
