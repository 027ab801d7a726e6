//! What a call costs when nothing is wrong: printed, and its allocations counted.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn a_call_in_the_steady_state() {
    let (dir, vault, clock) = (folder(), StrictVault::new(), HandClock::new());
    let cx = &mut Context::from_waker(Waker::noop());
    let ground = ground(&dir, &vault, Arc::new(clock.clone()));
    let mut opening = Box::pin(LeasedLedger::open(ground, Settings::default()));
    let started = loop {
        if let Poll::Ready(started) = opening.as_mut().poll(cx) {
            break started.unwrap();
        }
    };
    let (ledger, mut worker) = (started.ledger, Box::pin(started.worker.run()));
    let path = [line("key", None), line("user", 1 << 50), line("team", 1 << 50)];
    let mut call = |hold: u128, worked: &mut dyn FnMut()| {
        let mut made = ledger.reserve(HoldId(hold), &path, Money(1_000));
        while made.as_mut().poll(cx).is_pending() {
            worked();
        }
        drop(made);
        ledger.dispatch(HoldId(hold), Money(1)).unwrap();
        ledger.settle(&pays(hold, 700)).unwrap();
    };
    let mut work = || {
        clock.pass(Duration::from_millis(6));
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..4 {
            let _ = worker.as_mut().poll(cx);
        }
    };
    let (mut hold, mut waits) = (0, 0);
    let mut round = |calls: u128, work: &mut dyn FnMut()| {
        let began = std::time::Instant::now();
        let counted = allocation_counter::measure(|| {
            for _ in 0..calls {
                hold += 1;
                call(hold, &mut || {
                    waits += 1;
                    work();
                });
            }
        });
        (began.elapsed(), counted.count_total)
    };
    for _ in 0..40 {
        round(500, &mut work);
        work();
    }
    let (mut took, mut allocations, mut best) = (Duration::ZERO, 0, Duration::MAX);
    const ROUNDS: u32 = 100;
    for _ in 0..ROUNDS {
        let (time, allocated) = round(500, &mut work);
        (took, allocations, best) = (took + time, allocations + allocated, best.min(time));
        work();
    }
    let calls = ROUNDS * 500;
    println!("a call: {:?}, at best {:?}", took / calls, best / 500);
    println!("allocations: {allocations} in {calls} calls; waits: {waits}");
    assert!(allocations <= u64::from(calls) + u64::from(calls) / 10);
    assert!(waits < 40, "credit is leased ahead of need");
}
