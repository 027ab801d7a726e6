//! Clocks for tests: one moved by hand, one by the paused runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock};

use super::meter::Now;

/// Noon of a day without anything special.
const WALL: Duration = Duration::from_secs(1_767_614_400);

/// Moves when told to. Nobody can sleep by it.
#[derive(Debug)]
pub(super) struct HandClock {
    base: Instant,
    passed_ns: AtomicU64,
}

impl HandClock {
    pub(super) fn new() -> Arc<Self> {
        let base = tokio::time::Instant::now().into_std();
        Arc::new(Self { base, passed_ns: AtomicU64::new(0) })
    }

    pub(super) fn pass(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap();
        self.passed_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Now {
        Now::of(self)
    }

    fn passed(&self) -> Duration {
        Duration::from_nanos(self.passed_ns.load(Ordering::Relaxed))
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        self.base + self.passed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + WALL + self.passed()
    }

    fn sleep(&self, _wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// The runtime's own time, which a test pauses.
#[derive(Debug)]
pub(super) struct RuntimeClock(tokio::time::Instant);

impl RuntimeClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + WALL + self.0.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}
