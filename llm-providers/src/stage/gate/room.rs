//! How much a target can take: calls at once, requests and tokens a minute. What does not fit is
//! refused at once, and route goes elsewhere.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_core::error::{Advice, Error, Kind};
use llm_core::quota::{Verdict, Zone};
use llm_core::seam::Clock;
use smallvec::SmallVec;

use super::slots::{Slots, TargetSlot};
use crate::stage::admit::meter::{Ask, Booking, MeterSet, Now, Of, Pace, Rule, Share, book};

/// What is known of a target's limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Calls at once; `None` is without limit.
    pub in_flight_max: Option<u32>,
    /// Whether fewer are sent when it gets slower.
    pub adaptive: bool,
    /// Requests that its provider allows a minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Tokens that its provider allows a minute.
    pub tokens_per_minute: Option<NonZeroU32>,
}

/// The room at a target. Outlives configurations that do not change its capacity.
#[derive(Debug)]
pub struct Room {
    /// What it was made for.
    pub capacity: Capacity,
    slots: Option<Arc<Slots>>,
    pace: Option<Arc<MeterSet>>,
}

/// A place at a target, for as long as the answer lasts.
#[derive(Debug)]
pub(super) struct Place {
    slot: Option<TargetSlot>,
    booking: Option<Box<Booking>>,
}

const MINUTE: Duration = Duration::from_mins(1);
/// Where learning begins when nobody said how many a target can take.
const ADAPTIVE_START: u32 = 16;
const ADAPTIVE_MAX: u32 = 1_024;

impl Room {
    /// Room for so much.
    pub fn new(capacity: Capacity, clock: &Arc<dyn Clock>) -> Self {
        let most = capacity.in_flight_max;
        let slots = if capacity.adaptive {
            let max = most.unwrap_or(ADAPTIVE_MAX);
            Some(Slots::adaptive(ADAPTIVE_START.min(max), max, clock.now()))
        } else {
            most.map(Slots::fixed)
        };
        // A burst of a tenth: what a provider counts in minutes it often enforces in seconds.
        let tenth = |rate: NonZeroU32| NonZeroU32::new(rate.get() / 10).unwrap_or(NonZeroU32::MIN);
        let requests = capacity.requests_per_minute.map(|rate| {
            Rule::Smooth(Pace { of: Of::Requests, rate, period: MINUTE, burst: tenth(rate) })
        });
        // A single prompt may be as long as a minute's worth.
        let tokens = capacity
            .tokens_per_minute
            .map(|rate| Rule::Smooth(Pace { of: Of::Tokens, rate, period: MINUTE, burst: rate }));
        let rules: SmallVec<[Rule; 2]> = requests.into_iter().chain(tokens).collect();
        let pace = (!rules.is_empty()).then(|| {
            let set = MeterSet::default();
            set.fit("target", rules.iter().copied(), &Zone::UTC, clock);
            Arc::new(set)
        });
        Self { capacity, slots: slots.map(Arc::new), pace }
    }

    /// Whether a place is free, as far as can be told without taking it.
    pub(crate) fn has_place(&self) -> bool {
        self.slots.as_ref().is_none_or(|slots| slots.held() < slots.max())
    }

    /// A place, if there is room now.
    pub(super) fn take(&self, tokens: u64, clock: &Arc<dyn Clock>) -> Result<Place, Error> {
        let slot = match &self.slots {
            None => None,
            Some(slots) => Some(slots.take().ok_or_else(|| full(Duration::ZERO))?),
        };
        let booking = match &self.pace {
            None => None,
            Some(pace) => {
                // Who asks for more than a minute's worth gets a minute's worth: most answers are
                // shorter than their caps, and would else never be given.
                let most = self.capacity.tokens_per_minute.map_or(u64::MAX, |n| n.get().into());
                let ask = Ask { requests: 1, tokens: tokens.min(most) };
                let sets = SmallVec::from_iter([Arc::clone(pace)]);
                let mut booking = book(sets, ask, Share::All, Now::of(&**clock), Arc::clone(clock))
                    .map_err(|verdict| full(wait(&verdict, &**clock)))?;
                booking.admit();
                Some(booking)
            }
        };
        Ok(Place { slot, booking })
    }
}

impl Place {
    /// The first event came.
    pub(super) fn answered(&self, prompt_tokens: u64, took: Duration, now: Instant) {
        if let Some(slot) = &self.slot {
            slot.answered(prompt_tokens, took, now);
        }
    }

    /// It had too much to do.
    pub(super) fn overloaded(&self, now: Instant) {
        if let Some(slot) = &self.slot {
            slot.overloaded(now);
        }
    }

    /// So many tokens it was in the end.
    pub(super) fn used(&mut self, tokens: u64) {
        if let Some(booking) = &mut self.booking {
            booking.settle(tokens);
        }
    }
}

/// Until when it would fit.
fn wait(verdict: &Verdict, clock: &dyn Clock) -> Duration {
    let now = Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
    let wait = verdict.resets_at.map(|at| at.duration_since(now));
    wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default()
}

fn full(rest: Duration) -> Error {
    Error::new(Kind::UpstreamOverloaded, "this provider has no room at the moment")
        .advise(Advice::Elsewhere { rest })
}
