//! A clock that is moved by hand, and waits as the machine does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock};

#[derive(Debug)]
pub(crate) struct HandClock {
    begin: Instant,
    passed: AtomicU64,
}

impl HandClock {
    pub(crate) fn new() -> Self {
        let begin = tokio::time::Instant::now().into_std();
        Self { begin, passed: AtomicU64::new(0) }
    }

    pub(crate) fn pass(&self, millis: u64) {
        self.passed.fetch_add(millis, Ordering::SeqCst);
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        self.begin + self.passed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.passed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}
