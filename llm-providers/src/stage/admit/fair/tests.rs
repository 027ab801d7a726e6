use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::stage::admit::hand_clock::RuntimeClock;

fn fair(slots: u32, waiting_max: usize) -> Arc<Fair> {
    let bounds = Bounds { slots, waiting_max, waiting_bytes_max: 1 << 20 };
    Arc::new(Fair::new(bounds, Duration::from_secs(10), RuntimeClock::new()))
}

fn ticket(fair: &Fair, line: &'static str, patience_ms: u64) -> Ticket {
    Ticket {
        priority: Priority::Default,
        line: Str::from_static(line),
        tokens: 100,
        bytes: 10,
        deadline: fair.clock.now() + Duration::from_millis(patience_ms),
    }
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_place_that_becomes_free_goes_to_who_waits() {
    let fair = fair(1, 10);
    let first = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap();
    let waiting = tokio::spawn({
        let fair = Arc::clone(&fair);
        async move {
            let ticket = ticket(&fair, "b", 60_000);
            fair.enter(ticket).await.map(drop)
        }
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(fair.load(), (1, 1));
    drop(first);
    waiting.await.unwrap().unwrap();
    assert_eq!(fair.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_its_deadline_or_ours() {
    let fair = fair(1, 10);
    let _busy = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap();
    let start = tokio::time::Instant::now();
    let own = fair.enter(ticket(&fair, "b", 1_500)).await.unwrap_err();
    assert_eq!((own.kind(), start.elapsed()), (Kind::DeadlinePassed, Duration::from_millis(1_500)));
    let start = tokio::time::Instant::now();
    let ours = fair.enter(ticket(&fair, "b", 60_000)).await.unwrap_err();
    assert_eq!((ours.kind(), start.elapsed()), (Kind::Busy, Duration::from_secs(10)));
    let refusal = ours.refusal().unwrap();
    assert_eq!((refusal.limit, refusal.used), (1, 1));
    assert!(refusal.retry_after.is_some());
    assert_eq!(fair.load(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once_and_the_noisy_line_makes_room() {
    let fair = fair(1, 2);
    let busy = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap();
    let mut one = pin!(fair.enter(ticket(&fair, "a", 60_000)));
    let mut two = pin!(fair.enter(ticket(&fair, "a", 60_000)));
    assert!(poll_once(one.as_mut()).is_pending() && poll_once(two.as_mut()).is_pending());
    let full = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap_err();
    assert_eq!(full.kind(), Kind::Busy);
    let mut quiet = pin!(fair.enter(ticket(&fair, "quiet", 60_000)));
    assert!(poll_once(quiet.as_mut()).is_pending());
    let Poll::Ready(Err(shed)) = poll_once(two.as_mut()) else { panic!("it makes room") };
    assert_eq!(shed.kind(), Kind::Busy);
    drop(busy);
    let Poll::Ready(Ok(slot)) = poll_once(one.as_mut()) else { panic!("its turn") };
    drop(slot);
    assert!(matches!(poll_once(quiet.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(fair.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_takes_goes_to_the_next() {
    let fair = fair(1, 10);
    let busy = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap();
    let mut gone: Vec<_> =
        (0..5).map(|_| Box::pin(fair.enter(ticket(&fair, "b", 60_000)))).collect();
    let mut last = pin!(fair.enter(ticket(&fair, "c", 60_000)));
    for future in &mut gone {
        assert!(poll_once(future.as_mut()).is_pending());
    }
    assert!(poll_once(last.as_mut()).is_pending());
    // One of them is granted the place, and all go without looking.
    drop(busy);
    assert_eq!(fair.load(), (1, 5));
    drop(gone);
    assert!(matches!(poll_once(last.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(fair.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_who_leave_hold_nothing() {
    let fair = fair(3, 64);
    for round in 0..1_000u64 {
        let calls: Vec<_> = (0..100u64)
            .map(|n| {
                let fair = Arc::clone(&fair);
                tokio::spawn(async move {
                    let line = ["a", "b", "c"][(n % 3) as usize];
                    let ticket = ticket(&fair, line, 1 + (n * 7 + round) % 40);
                    let _slot = fair.enter(ticket).await;
                    std::future::pending::<()>().await;
                })
            })
            .collect();
        tokio::task::yield_now().await;
        for (n, call) in calls.iter().enumerate() {
            call.abort();
            if n % 25 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for call in calls {
            let _ = call.await;
        }
        assert_eq!(fair.load(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn more_places_let_more_in() {
    let fair = fair(1, 10);
    let _busy = fair.enter(ticket(&fair, "a", 60_000)).await.unwrap();
    let mut one = pin!(fair.enter(ticket(&fair, "a", 60_000)));
    assert!(poll_once(one.as_mut()).is_pending());
    fair.set_slots(2);
    assert!(matches!(poll_once(one.as_mut()), Poll::Ready(Ok(_))));
}

/// Promise 10: one line that asks for a hundred times its share does not make the other wait for
/// more than the calls that ran when it came.
#[tokio::test(start_paused = true)]
async fn a_noisy_line_does_not_delay_a_quiet_one() {
    let fair = fair(8, 400);
    for _ in 0..400 {
        let fair = Arc::clone(&fair);
        tokio::spawn(async move {
            let ticket = ticket(&fair, "noisy", 60_000);
            let slot = fair.enter(ticket).await;
            if slot.is_ok() {
                fair.clock.sleep(Duration::from_millis(100)).await;
            }
        });
    }
    tokio::task::yield_now().await;
    let mut waits = Vec::new();
    for _ in 0..20 {
        let start = tokio::time::Instant::now();
        let slot = fair.enter(ticket(&fair, "quiet", 60_000)).await.unwrap();
        waits.push(start.elapsed());
        fair.clock.sleep(Duration::from_millis(20)).await;
        drop(slot);
    }
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(101)), "{waits:?}");
}
