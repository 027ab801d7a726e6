//! The machine's clock, one with patience, and one whose calendar is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use llm_core::seam::{BoxFuture, Clock};

#[derive(Clone, Copy, Debug)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// The machine's time, with patience: a deadline passes only when a machine is busy beyond reason.
/// For tests of what is answered and not of how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatientClock;

const PATIENCE: u32 = 40;

impl Clock for PatientClock {
    fn now(&self) -> Instant {
        RealClock.now()
    }

    fn wall(&self) -> SystemTime {
        RealClock.wall()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        RealClock.sleep(wait * PATIENCE)
    }
}

/// The calendar is moved by hand; patient.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn at(instant: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(instant.as_microsecond())))
    }

    pub(crate) fn set(&self, instant: Timestamp) {
        self.0.store(instant.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        RealClock.now()
    }

    fn wall(&self) -> SystemTime {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap().into()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        PatientClock.sleep(wait)
    }
}
