//! How many calls of an owner run at once.
//!
//! A [`FlightSlot`] belongs to whoever holds it, and dropping it is the only way back: there is no
//! second path to forget or to take twice. It lives as long as the reply's body, not its head.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A count of running calls with a cap that may change under them.
#[derive(Debug)]
pub struct Flight {
    held: AtomicU32,
    max: AtomicU32,
}

/// One running call.
#[derive(Debug)]
#[must_use = "dropping it gives the place back"]
pub struct FlightSlot(Arc<Flight>);

impl Flight {
    /// Nobody runs yet.
    pub fn new(max: u32) -> Self {
        Self { held: AtomicU32::new(0), max: AtomicU32::new(max) }
    }

    /// A place, if one is free.
    pub fn take(self: &Arc<Self>) -> Option<FlightSlot> {
        let max = self.max();
        let more = |held: u32| if held < max { held.checked_add(1) } else { None };
        let taken = self.held.try_update(Ordering::AcqRel, Ordering::Relaxed, more);
        taken.ok().map(|_| FlightSlot(Arc::clone(self)))
    }

    /// How many run.
    pub fn held(&self) -> u32 {
        self.held.load(Ordering::Acquire)
    }

    /// How many may.
    pub fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    /// Allows more, or fewer: those that run go on, and nobody joins until there is room.
    pub fn set_max(&self, max: u32) {
        // Read first: a store by each call would move the line between all cores for nothing.
        if self.max() != max {
            self.max.store(max, Ordering::Relaxed);
        }
    }
}

impl Drop for FlightSlot {
    fn drop(&mut self) {
        let before = self.0.held.fetch_sub(1, Ordering::AcqRel);
        debug_assert!(before > 0, "a place was given back twice");
    }
}

#[cfg(test)]
mod tests;
