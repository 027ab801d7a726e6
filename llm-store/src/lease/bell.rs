//! Waiting without a runtime: who wakes the worker, and whoever comes first of two.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use llm_core::seam::BoxFuture;
use parking_lot::Mutex;

/// Wakes one sleeper. A ring that nobody heard is heard by the next who lies down.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    sleeper: Mutex<Option<Waker>>,
}

impl Bell {
    pub(super) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Some(sleeper) = self.sleeper.lock().take()
        {
            sleeper.wake();
        }
    }

    /// Sleeps until somebody rings, or the time is over.
    pub(super) async fn rest(&self, mut time: BoxFuture<'static, ()>) {
        poll_fn(|cx| {
            // Left before the look: who rings in between finds somebody to wake.
            *self.sleeper.lock() = Some(cx.waker().clone());
            if self.rung.swap(false, Ordering::AcqRel) {
                return Poll::Ready(());
            }
            time.as_mut().poll(cx)
        })
        .await;
    }
}

/// What a future gives, unless the time is over first.
pub(super) async fn within<T>(
    time: &mut BoxFuture<'static, ()>,
    future: &mut BoxFuture<'_, T>,
) -> Option<T> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(given) => Poll::Ready(Some(given)),
        Poll::Pending => time.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// What all of them give, in their order.
pub(super) async fn all<T>(futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut slots: Vec<_> = futures.into_iter().map(|future| (Some(future), None)).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, given) in &mut slots {
            match future.as_mut().map(|future| future.as_mut().poll(cx)) {
                Some(Poll::Ready(value)) => (*future, *given) = (None, Some(value)),
                Some(Poll::Pending) => pending = true,
                None => {}
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    slots.into_iter().filter_map(|(_, given)| given).collect()
}
