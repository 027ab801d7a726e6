//! Giving way to SQLite's threads.
//!
//! Statements run on threads of their own, one after the other, and each waits for the one before to be
//! answered here. Where a single processor has to do for both and the system takes it from nobody before
//! their time (the real-time classes: a tenth of a second), a transaction of twenty statements would wait
//! for seconds behind an event loop that is never idle, and a sync of the disk as long as that: the
//! journal fills, and calls are refused.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use llm_core::seam::Clock;

/// Answers that are waited for before everybody else has a turn again: those of most transactions.
const AT_ONCE: usize = 32;
/// And how long, in which an event loop is nobody else's.
const AT_ONCE_FOR: Duration = Duration::from_millis(4);
/// When it is offered again while nothing is answered: a disk may have done, and nobody says so. Twice
/// as long each time, up to the second.
const TICK: Duration = Duration::from_millis(1);
const TICK_MAX: Duration = Duration::from_millis(32);

/// Does some work, and offers the processor whenever it waits. What was answered by then goes on at
/// once. Where nobody else would run this costs a look at that.
pub(super) async fn giving<F: Future>(clock: &dyn Clock, work: F) -> F::Output {
    let mut work = pin!(work);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let (mut tick, mut wait) = (None, TICK);
    poll_fn(|cx| {
        // While it is looked at nobody has to be woken.
        drop(bell.task.take());
        let until = clock.anew() + AT_ONCE_FOR;
        for _ in 0..AT_ONCE {
            bell.rung.store(false, Ordering::SeqCst);
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                return polled;
            }
            std::thread::yield_now();
            if !bell.rung.load(Ordering::SeqCst) {
                break;
            }
            (tick, wait) = (None, TICK);
            if clock.anew() >= until {
                break;
            }
        }
        bell.task.register(cx.waker());
        if !bell.rung.load(Ordering::SeqCst) {
            ready!(tick.get_or_insert_with(|| clock.sleep(wait)).as_mut().poll(cx));
            (tick, wait) = (None, (2 * wait).min(TICK_MAX));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Remembers that it was rung, and wakes the task that waits for it, if one does.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use llm_core::seam::BoxFuture;

    use super::*;

    #[derive(Debug)]
    struct Runtime;

    impl Clock for Runtime {
        #[expect(
            clippy::disallowed_methods,
            reason = "it is what a clock of this system is made of"
        )]
        fn now(&self) -> Instant {
            Instant::now()
        }

        fn wall(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    /// Whoever waits for long is woken by what comes, and not before.
    #[tokio::test]
    async fn what_comes_later_is_heard() {
        let (send, hear) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(async { giving(&Runtime, hear).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(!work.is_finished());
        send.send(7).unwrap();
        assert_eq!(work.await.unwrap(), Ok(7));
    }

    /// Work that is always ready to go on lets others have their turn.
    #[tokio::test]
    async fn nobody_is_kept_waiting_by_it() {
        let mut looks = 0;
        let busy = giving(
            &Runtime,
            poll_fn(|cx| {
                looks += 1;
                cx.waker().wake_by_ref();
                if looks == 20 * AT_ONCE { Poll::Ready(()) } else { Poll::Pending }
            }),
        );
        let mut turns = 0;
        let other = async {
            while turns < 19 {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(biased; busy, other);
        assert_eq!((looks, turns), (20 * AT_ONCE, 19));
    }

    /// From another thread, many times: no answer is missed between two looks.
    #[tokio::test]
    async fn no_answer_is_missed() {
        let (send, mut hear) = tokio::sync::mpsc::channel(1);
        let teller = std::thread::spawn(move || {
            (0..20_000).for_each(|number| send.blocking_send(number).unwrap());
        });
        let all = giving(&Runtime, async {
            let mut heard = 0;
            while let Some(number) = hear.recv().await {
                assert_eq!(number, heard);
                heard += 1;
            }
            heard
        });
        let heard = tokio::time::timeout(Duration::from_secs(30), all).await;
        assert_eq!(heard, Ok(20_000));
        teller.join().unwrap();
    }
}
