//! The life of one call, and who leaves in the middle.

use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use llm_core::ledger::rules::Violation;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_call_pays_and_gives_back() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    let path = [line("team", 100), line("key", None), line("team", 100)];
    let proof = ledger.reserve(HoldId(1), &path, Money(60)).await.unwrap();
    assert_eq!(ledger.reserve(HoldId(1), &path, Money(60)).await.unwrap(), proof);
    let other = ledger.reserve(HoldId(1), &path, Money(61)).await;
    assert_eq!(other, Err(StoreError::from(Violation::OtherTerms).into()));
    assert!(is_exhausted(&ledger.reserve(HoldId(2), &path, Money(60)).await));
    ledger.dispatch(HoldId(1), Money(2)).unwrap();
    ledger.watermark(HoldId(1), Money(10)).unwrap();
    assert_eq!(ledger.state().holds_open, 1);
    let receipt = ledger.settle(&pays(1, 25)).unwrap();
    assert_eq!((receipt.posted, receipt.released), (Money(25), Money(35)));
    assert_eq!(ledger.settle(&pays(1, 50)).unwrap(), receipt);
    let late = ledger.reserve(HoldId(1), &path, Money(60)).await;
    assert_eq!(late, Err(StoreError::from(Violation::State).into()));
    let team = ledger.balance(&key("team")).await.unwrap().unwrap();
    assert_eq!((team.settled, team.held), (Money(25), Money(0)));
    ledger.reserve(HoldId(3), &path, Money(75)).await.unwrap();
    let team = ledger.balance(&key("team")).await.unwrap().unwrap();
    assert_eq!((team.settled, team.held), (Money(25), Money(75)));
    let audit = ledger.verify().await.unwrap();
    assert_eq!((audit.holds_open, audit.problems.len()), (1, 0));
    ledger.release(HoldId(3)).unwrap();
    ledger.shutdown().await.unwrap();
    assert_eq!(vault.account(&key("team")).held, Money(0));
    assert_eq!(vault.account(&key("key")).settled, Money(25));
    assert!(is_unavailable(&ledger.reserve(HoldId(4), &path, Money(1)).await));
}

#[tokio::test(start_paused = true)]
async fn laws() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    let unknown = StoreError::Violation(Violation::UnknownHold);
    assert_eq!(ledger.dispatch(HoldId(1), Money(2)), Err(unknown.clone()));
    assert_eq!(ledger.watermark(HoldId(1), Money(1)), Err(unknown.clone()));
    assert_eq!(ledger.settle(&pays(1, 0)), Err(unknown));
    assert!(is_exhausted(&ledger.reserve(HoldId(1), &[], Money(1)).await));
    assert!(is_exhausted(&ledger.reserve(HoldId(1), &[line("a", 5)], Money(-1)).await));
    ledger.reserve(HoldId(1), &[], Money(0)).await.unwrap();
    let loss = [Line { account: AccountId::loss(), limit: None }];
    assert!(is_exhausted(&ledger.reserve(HoldId(2), &loss, Money(1)).await));
    ledger.reserve(HoldId(3), &[line("a", 5)], Money(5)).await.unwrap();
    let overrun = ledger.settle(&pays(3, 6));
    assert_eq!(overrun, Err(StoreError::Violation(Violation::Overrun)));
    ledger.settle(&Settlement { operator: Money(7), ..pays(3, 5) }).unwrap();
    // Free of charge, on an account that nobody has seen, and on one that is used up.
    for (hold, name) in [(4, "new"), (5, "a")] {
        ledger.reserve(HoldId(hold), &[line(name, 5)], Money(0)).await.unwrap();
        ledger.release(HoldId(hold)).unwrap();
    }
    ledger.release(HoldId(1)).unwrap();
    ledger.shutdown().await.unwrap();
    assert_eq!(vault.loss(), Money(7));
    assert_eq!(vault.folds(), 4);
}

#[tokio::test(start_paused = true)]
async fn idle_credit_goes_back() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    for hold in 0..50 {
        ledger.reserve(HoldId(hold), &[line("a", 1_000_000)], Money(10)).await.unwrap();
        ledger.settle(&pays(hold, 10)).unwrap();
    }
    assert!(vault.requests("lease") < 20, "{}", vault.requests("lease"));
    assert!(vault.leased(&key("a")) > Money(0));
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(vault.leased(&key("a")), Money(0));
    assert_eq!(vault.account(&key("a")).settled, Money(500));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ledger.state().accounts, 0, "nobody would miss it");
    let before = vault.requests("fold");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(vault.requests("fold"), before, "nothing is said when there is nothing to say");
}

#[tokio::test(start_paused = true)]
async fn who_is_fenced_makes_no_holds_and_finishes_what_runs() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    ledger.reserve(HoldId(1), &[line("a", 100)], Money(10)).await.unwrap();
    vault.bury(ledger.tenure(), true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let refused = ledger.reserve(HoldId(2), &[line("a", 100)], Money(1)).await;
    assert!(matches!(refused, Err(NotReserved::Store(StoreError::Conflict(_)))), "{refused:?}");
    assert!(ledger.state().fenced);
    ledger.settle(&pays(1, 4)).unwrap();
    assert!(ledger.balance(&key("a")).await.is_err());
}

/// Drops a reservation after so many polls, with the worker running in between.
#[test]
fn whoever_leaves_takes_nothing_along() {
    for limit in [5, 1_000] {
        for polls in 0..12 {
            leave_after(polls, limit);
        }
    }
}

fn leave_after(polls: u32, limit: i64) {
    let (dir, vault, clock) = (folder(), StrictVault::new(), HandClock::new());
    let cx = &mut Context::from_waker(Waker::noop());
    let mut opening = Box::pin(LeasedLedger::open(
        ground(&dir, &vault, Arc::new(clock.clone())),
        Settings::default(),
    ));
    let started = loop {
        if let std::task::Poll::Ready(started) = opening.as_mut().poll(cx) {
            break started.unwrap();
        }
    };
    let ledger = started.ledger;
    let mut worker = pin!(started.worker.run());
    let path = [line("a", limit)];
    let mut made = false;
    {
        let mut call = ledger.reserve(HoldId(1), &path, Money(5));
        for poll in 0..polls {
            if call.as_mut().poll(cx).is_ready() {
                made = true;
                break;
            }
            if poll % 2 == 1 {
                let _ = worker.as_mut().poll(cx);
            }
        }
    }
    for _ in 0..100 {
        let _ = worker.as_mut().poll(cx);
        clock.pass(Duration::from_millis(100));
    }
    let held = if made { 5 } else { 0 };
    let table = ledger.desk.table.lock();
    assert_eq!(table.holds.len(), usize::from(made));
    assert_eq!(table.queue.places.len(), 0);
    assert_eq!(table.queue.waiting, 0);
    drop(table);
    assert_eq!(vault.leased(&key("a")), Money(held), "after {polls} polls");
    assert_eq!(ledger.desk.ground.journal.holds_open(), usize::from(made));
}

/// What somebody is told who asks again under the same idempotency key.
#[tokio::test(start_paused = true)]
async fn the_fate_of_a_call() {
    use llm_core::idempotency::{Fate, Owners as _};
    let (dir, vault) = (folder(), StrictVault::new());
    let Started { ledger, worker, .. } = start(&dir, &vault).await;
    let worker = tokio::spawn(worker.run());
    let who = ledger.tenure().clone();
    let path = [line("team", 100)];
    for hold in 1..=4 {
        ledger.reserve(HoldId(hold), &path, Money(10)).await.unwrap();
    }
    ledger.settle(&pays(1, 5)).unwrap();
    ledger.release(HoldId(2)).unwrap();
    ledger.dispatch(HoldId(3), Money(2)).unwrap();
    let fate = async |ledger: &LeasedLedger, hold| ledger.fate(&who, HoldId(hold)).await.unwrap();
    let told = [(1, Fate::Paid), (2, Fate::Voided), (3, Fate::Alive), (9, Fate::NeverHeld)];
    for (hold, expected) in told {
        assert_eq!(fate(&ledger, hold).await, expected, "{hold}");
    }
    let elsewhere = Tenure { replica: "other".into(), epoch: 1 };
    assert_eq!(ledger.fate(&elsewhere, HoldId(9)).await.unwrap(), Fate::Unresolved);
    assert_eq!(ledger.fate(&elsewhere, HoldId(1)).await.unwrap(), Fate::Paid);
    // The next process here has read what this one wrote.
    worker.abort();
    let _ = worker.await;
    drop(ledger);
    let ledger = running(&dir, &vault).await;
    assert_ne!(ledger.tenure(), &who);
    let told = [(1, Fate::Paid), (2, Fate::Voided), (3, Fate::Paid), (4, Fate::Voided)];
    for (hold, expected) in told.into_iter().chain([(9, Fate::NeverHeld)]) {
        assert_eq!(fate(&ledger, hold).await, expected, "{hold} after a crash");
    }
}
