//! Streams that nobody reads any more and that their provider bills to the end all the same: read
//! on, so that what is posted is what was bought.
//!
//! The actors are the stream that its caller left, a *seat* (there are so many, so that who comes
//! and goes cannot fill the gateway with answers for nobody) and a share in the call's hold, which
//! is settled when the stream has ended. Deliberately absent: a deadline of its own. The stream
//! keeps those that it had, and they lie within the call's.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::reply::{Source, Step};
use crate::stage::reserve::{HoldGuard, Metered};

/// Streams that are read for nobody, all together. Each keeps a connection and a frame; whoever
/// finds no seat is cut off, and charged by our own count.
const DRAINS_MAX: usize = 256;

/// The seats.
#[derive(Clone, Debug)]
pub(super) struct Drains(Arc<Semaphore>);

impl Default for Drains {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DRAINS_MAX)))
    }
}

/// One seat.
pub(super) struct Seat {
    runtime: Handle,
    permit: OwnedSemaphorePermit,
}

impl Drains {
    /// A seat, and a share in the hold of whoever leaves. None without a runtime: then nobody is
    /// there to read.
    pub(super) fn seat(&self, metered: &Metered) -> Option<(Seat, HoldGuard)> {
        let runtime = Handle::try_current().ok()?;
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        Some((Seat { runtime, permit }, metered.funded().oblige()))
    }
}

impl Seat {
    /// Reads to the end.
    pub(super) fn read(self, rest: Box<dyn Source>, share: HoldGuard) {
        let Self { runtime, permit } = self;
        runtime.spawn(async move {
            // Given back in the other order: the attempt ends before the call is settled.
            let (_permit, _share) = (permit, share);
            let mut rest = rest;
            while let Step::Bytes(_) = std::future::poll_fn(|cx| rest.poll_step(cx)).await {}
        });
    }
}
