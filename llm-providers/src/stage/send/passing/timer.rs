//! How long a stream may be silent, and how long it may take.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use llm_core::error::Error;
use llm_core::seam::Clock;

use crate::seam::Doze;
use crate::stage::send::exchange::Limit;

/// One timer for all waits of a stream: the moment is moved with each sign of life, and a sleep that
/// wakes too early goes to sleep again. So a frame costs a look at the clock and no allocation.
/// In memory what each frame moves comes first.
#[repr(C)]
pub(super) struct Timer {
    clock: Arc<dyn Clock>,
    idle: Duration,
    until: Limit,
    total: Limit,
    committed: bool,
    sleep: Option<Doze>,
    what: &'static str,
}

impl Timer {
    pub(super) fn new(clock: Arc<dyn Clock>, first: Limit, idle: Duration, total: Limit) -> Self {
        let what = "the provider did not begin its answer in time";
        Self { clock, idle, total, until: first, what, sleep: None, committed: false }
    }

    /// The same waits for whoever reads on.
    pub(super) fn again(&self) -> Self {
        let Self { ref clock, idle, total, until, what, committed, .. } = *self;
        let clock = Arc::clone(clock);
        Self { clock, idle, total, until, what, sleep: None, committed }
    }

    /// The first event is there: from now on silence counts.
    pub(super) fn committed(&mut self) {
        self.committed = true;
        self.what = "the provider fell silent in the middle of its answer";
        self.alive();
    }

    pub(super) fn alive(&mut self) {
        if self.committed {
            let idle = self.clock.now() + self.idle;
            self.until =
                if idle < self.total.at { Limit { at: idle, callers: false } } else { self.total };
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        loop {
            // A moment that has come nearer needs a new sleep; one that moved away does not.
            if self.sleep.as_ref().is_some_and(|sleep| self.until.at < sleep.until()) {
                self.sleep = None;
            }
            let now = self.clock.now();
            if now >= self.until.at {
                return Poll::Ready(self.until.error(self.what));
            }
            let left = || self.until.at.saturating_duration_since(now);
            let sleep = self.sleep.get_or_insert_with(|| Doze::new(&*self.clock, now, left()));
            ready!(sleep.poll(now, cx));
            self.sleep = None;
        }
    }
}
