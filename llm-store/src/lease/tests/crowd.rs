//! Many at once: exactly what is affordable is admitted, on one process and on three.

use std::time::Duration;

use super::*;

const CALLS: u128 = 1_000;
const COST: i64 = 7;

/// A thousand calls at once on a budget for ten, each of which costs what is held for it.
async fn crowd(processes: usize) {
    let vault = StrictVault::new();
    let dirs: Vec<_> = (0..processes).map(|_| folder()).collect();
    let mut ledgers = Vec::new();
    for (at, dir) in dirs.iter().enumerate() {
        let replica = format!("p{at}");
        let ground = Ground { replica, ..ground(dir, &vault, clock::RuntimeClock::new()) };
        let started = LeasedLedger::open(ground, Settings::default()).await.unwrap();
        tokio::spawn(started.worker.run());
        ledgers.push(started.ledger);
    }
    let budget = 10 * COST + COST - 1;
    let mut calls = tokio::task::JoinSet::new();
    for hold in 0..CALLS {
        let ledger = ledgers[usize::try_from(hold).unwrap() % processes].clone();
        calls.spawn(async move {
            let path = [line("team", budget), line("key", None)];
            let made = ledger.reserve(HoldId(hold), &path, Money(COST)).await;
            assert!(made.is_ok() || is_exhausted(&made), "{made:?}");
            if made.is_err() {
                return 0;
            }
            ledger.dispatch(HoldId(hold), Money(1)).unwrap();
            tokio::task::yield_now().await;
            ledger.settle(&pays(hold, COST)).unwrap();
            1
        });
    }
    let mut admitted = 0;
    while let Some(one) = calls.join_next().await {
        admitted += one.unwrap();
        let team = vault.account(&key("team"));
        assert!(team.settled.0 + team.held.0 <= budget, "{team:?}");
        assert!(admitted <= 10);
    }
    assert_eq!(admitted, 10);
    for ledger in &ledgers {
        ledger.shutdown().await.unwrap();
    }
    let team = vault.account(&key("team"));
    assert_eq!((team.settled, team.held), (Money(10 * COST), Money(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_on_a_budget_for_ten() {
    crowd(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_on_three_processes() {
    crowd(3).await;
}

#[tokio::test(start_paused = true)]
async fn what_comes_back_is_seen_within_a_second() {
    let vault = StrictVault::new();
    let (one, other) = (folder(), folder());
    let here = running(&one, &vault).await;
    let away =
        Ground { replica: "away".into(), ..ground(&other, &vault, clock::RuntimeClock::new()) };
    let away = LeasedLedger::open(away, Settings::default()).await.unwrap();
    tokio::spawn(away.worker.run());
    let path = [line("team", 100)];
    for hold in 0..10 {
        here.reserve(HoldId(hold), &path, Money(10)).await.unwrap();
    }
    let refused = away.ledger.reserve(HoldId(100), &path, Money(10)).await;
    assert!(is_exhausted(&refused), "{refused:?}");
    for hold in 0..10 {
        here.settle(&pays(hold, 4)).unwrap();
    }
    let settled = tokio::time::Instant::now();
    let mut hold = 100;
    while away.ledger.reserve(HoldId(hold), &path, Money(60)).await.is_err() {
        hold += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(settled.elapsed() < Duration::from_secs(1), "after {:?}", settled.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_account_costs_no_request_per_call() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    let path = [line("team", 10)];
    ledger.reserve(HoldId(0), &path, Money(10)).await.unwrap();
    let before = vault.requests("lease");
    for hold in 1..=10_000 {
        assert!(is_exhausted(&ledger.reserve(HoldId(hold), &path, Money(10)).await));
        if hold % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let asked = vault.requests("lease") - before;
    assert!((2..=4).contains(&asked), "{asked} in a second");
    // What comes back here is seen at once.
    ledger.settle(&pays(0, 3)).unwrap();
    ledger.reserve(HoldId(0xffff), &path, Money(7)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_share_a_request() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    let mut calls = tokio::task::JoinSet::new();
    for hold in 0..500 {
        let ledger = ledger.clone();
        calls.spawn(async move {
            let path = [line("team", 1_000_000), line("key", None)];
            ledger.reserve(HoldId(hold), &path, Money(10)).await.unwrap()
        });
    }
    while let Some(proof) = calls.join_next().await {
        proof.unwrap();
    }
    assert!(vault.requests("lease") <= 3, "{}", vault.requests("lease"));
}

/// Many threads end holds, some of them twice and at once; the process dies; the next one knows
/// all that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_and_a_death() {
    let vault = StrictVault::new();
    let dir = folder();
    let small = journal::Settings { bytes_max: 8 << 20, segment_bytes: 64 << 10, ..JOURNAL };
    let open = || async {
        let (journal, _) = Journal::at(dir.path(), small).unwrap();
        let clock = clock::RuntimeClock::new();
        let ground = Ground { journal: Arc::new(journal), ..ground(&folder(), &vault, clock) };
        LeasedLedger::open(ground, Settings::default()).await.unwrap()
    };
    let mut expected = 0;
    for life in 0..8_u128 {
        let started = open().await;
        let worker = tokio::spawn(started.worker.run());
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u128 {
            let ledger = started.ledger.clone();
            tasks.spawn(async move {
                let path = [line("team", 1 << 40), line("key", None)];
                let mut paid = 0;
                for call in 0..300 {
                    let hold = life * 1_000_000 + task * 10_000 + call;
                    ledger.reserve(HoldId(hold), &path, Money(10)).await.unwrap();
                    ledger.dispatch(HoldId(hold), Money(1)).unwrap();
                    let twin = (call % 3 == 0).then(|| {
                        let ledger = ledger.clone();
                        tokio::spawn(async move { ledger.settle(&pays(hold, 4)).unwrap() })
                    });
                    let receipt = ledger.settle(&pays(hold, 7)).unwrap();
                    if let Some(twin) = twin {
                        assert_eq!(twin.await.unwrap(), receipt);
                    }
                    paid += receipt.posted.0;
                }
                paid
            });
        }
        while let Some(paid) = tasks.join_next().await {
            expected += paid.unwrap();
        }
        worker.abort();
        let _ = worker.await;
    }
    let started = open().await;
    tokio::spawn(started.worker.run());
    assert_eq!(started.interrupted, []);
    started.ledger.shutdown().await.unwrap();
    for name in ["team", "key"] {
        let account = vault.account(&key(name));
        assert_eq!((account.settled, account.held), (Money(expected), Money(0)));
    }
    assert_eq!(vault.folds(), 8 * 8 * 300);
}
