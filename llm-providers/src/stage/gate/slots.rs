//! Places at one target. Nobody waits for one: another target may be free.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::adaptive::Adaptive;
use crate::stage::admit::flight::{Flight, FlightSlot};

/// The places of one target, as many as configured or as it has shown to carry.
#[derive(Debug)]
pub struct Slots {
    flight: Arc<Flight>,
    adaptive: Option<Mutex<Adaptive>>,
}

/// A call at a target. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct TargetSlot {
    slots: Arc<Slots>,
    _flight: FlightSlot,
}

impl Slots {
    /// A fixed number of places; [`u32::MAX`] is without limit.
    pub fn fixed(max: u32) -> Self {
        Self { flight: Arc::new(Flight::new(max)), adaptive: None }
    }

    /// As many as the target carries, from `start` on and never more than `max`.
    pub fn adaptive(start: u32, max: u32, now: Instant) -> Self {
        let adaptive = Adaptive::new(start, max, now);
        let flight = Arc::new(Flight::new(adaptive.limit()));
        Self { flight, adaptive: Some(Mutex::new(adaptive)) }
    }

    /// A place, if one is free now.
    pub fn take(self: &Arc<Self>) -> Option<TargetSlot> {
        let taken = self.flight.take();
        if let Some(adaptive) = &self.adaptive {
            // Also when refused: who was turned away wanted more than there is.
            adaptive.lock().sent(self.flight.held());
        }
        taken.map(|flight| TargetSlot { slots: Arc::clone(self), _flight: flight })
    }

    /// Calls at the target.
    pub fn held(&self) -> u32 {
        self.flight.held()
    }

    /// How many there may be.
    pub fn max(&self) -> u32 {
        self.flight.max()
    }

    fn learn(&self, what: impl FnOnce(&mut Adaptive)) {
        if let Some(adaptive) = &self.adaptive {
            let mut adaptive = adaptive.lock();
            what(&mut adaptive);
            self.flight.set_max(adaptive.limit());
        }
    }
}

impl TargetSlot {
    /// The first event came so long after the call was sent.
    pub fn answered(&self, prompt_tokens: u64, took: Duration, now: Instant) {
        self.slots.learn(|adaptive| adaptive.answered(prompt_tokens, took, now));
    }

    /// The target had too much to do (429, 503, 529), or said nothing in time.
    pub fn overloaded(&self, now: Instant) {
        self.slots.learn(|adaptive| adaptive.overloaded(now));
    }
}

#[cfg(test)]
mod tests;
