//! Time in tests: the runtime's, and one that stands until it is told.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock};
use parking_lot::Mutex;

/// The runtime's own time, which a test pauses.
#[derive(Debug)]
pub(super) struct RuntimeClock;

impl RuntimeClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// Time that stands until it is told.
#[derive(Clone, Debug)]
pub(super) struct HandClock(Arc<Mutex<(Instant, Vec<Waker>)>>);

impl HandClock {
    #[expect(clippy::disallowed_methods, reason = "any instant will do, and nothing makes one")]
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new((Instant::now(), Vec::new()))))
    }

    pub(super) fn pass(&self, time: Duration) {
        let mut inner = self.0.lock();
        inner.0 += time;
        inner.1.drain(..).for_each(Waker::wake);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Instant {
        self.0.lock().0
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        let (inner, until) = (Arc::clone(&self.0), self.now() + wait);
        Box::pin(poll_fn(move |cx| {
            let mut inner = inner.lock();
            if inner.0 >= until {
                return Poll::Ready(());
            }
            inner.1.push(cx.waker().clone());
            Poll::Pending
        }))
    }
}
