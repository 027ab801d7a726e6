//! The machine's clock, and one whose calendar is moved by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use llm_core::seam::{BoxFuture, Clock};

#[derive(Debug)]
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

/// Waits are real, the calendar is not.
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
        RealClock.sleep(wait)
    }
}
