//! Our clock, as the request limiter wants it.

use std::sync::Arc;
use std::time::Instant;

use llm_core::seam;

/// The clock seam behind `governor`'s own trait, so that virtual time reaches it, too.
#[derive(Clone, Debug)]
pub(super) struct Beat(Arc<dyn seam::Clock>);

impl Beat {
    pub(super) fn new(clock: Arc<dyn seam::Clock>) -> Self {
        Self(clock)
    }
}

impl governor::clock::Clock for Beat {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.now()
    }
}
