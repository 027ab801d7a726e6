//! The vault is out: who goes on, who is told so, and what becomes of it afterwards.

use std::time::Duration;

use super::vault::Weather;
use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_leased_goes_on_and_the_rest_is_told_within_a_second() {
    for weather in [Weather::Out, Weather::Fog] {
        let (dir, vault) = (folder(), StrictVault::new());
        let ledger = running(&dir, &vault).await;
        let (limited, free) = ([line("team", 1_000)], [line("key", None)]);
        ledger.reserve(HoldId(1), &limited, Money(100)).await.unwrap();
        vault.weather(weather);
        let leased = vault.leased(&key("team")).0 - 100;
        assert!(leased >= 100, "more than one call");
        ledger.reserve(HoldId(2), &limited, Money(leased)).await.unwrap();
        let began = tokio::time::Instant::now();
        let refused = ledger.reserve(HoldId(3), &limited, Money(100)).await;
        assert!(is_unavailable(&refused), "{refused:?}");
        assert!(began.elapsed() <= Duration::from_millis(1_100), "{:?}", began.elapsed());
        // Nobody has ever heard of it, and it goes on: bounded by the journal.
        for hold in 10..200 {
            ledger.reserve(HoldId(hold), &free, Money(1_000_000)).await.unwrap();
            ledger.dispatch(HoldId(hold), Money(1)).unwrap();
            ledger.settle(&pays(hold, 10)).unwrap();
        }
        ledger.settle(&pays(1, 30)).unwrap();
        ledger.settle(&pays(2, 0)).unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        let state = ledger.state();
        assert!(state.degraded && state.unfolded == 192, "{state:?}");
        assert!(state.lag > Duration::from_secs(89) && state.journal_bytes > 1_000, "{state:?}");
        vault.weather(Weather::Fair);
        tokio::time::sleep(Duration::from_secs(1)).await;
        ledger.reserve(HoldId(4), &limited, Money(970)).await.unwrap();
        assert!(!ledger.state().degraded);
        assert_eq!(ledger.state().unfolded, 0);
        assert_eq!(vault.account(&key("team")).settled, Money(30));
        assert_eq!(vault.account(&key("key")).settled, Money(1_900));
        assert_eq!(vault.folds(), 192);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    vault.weather(Weather::Deaf);
    let path = [line("team", 100)];
    let call = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.reserve(HoldId(1), &[line("team", 100)], Money(60)).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    vault.weather(Weather::Fair);
    call.await.unwrap().unwrap();
    ledger.reserve(HoldId(2), &path, Money(40)).await.unwrap();
    vault.weather(Weather::Deaf);
    ledger.settle(&pays(1, 60)).unwrap();
    ledger.settle(&pays(2, 5)).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    vault.weather(Weather::Fair);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let team = vault.account(&key("team"));
    assert_eq!((team.settled, team.held), (Money(65), Money(0)));
    assert_eq!(vault.folds(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_journal_bounds_what_is_owed() {
    let (dir, vault) = (folder(), StrictVault::new());
    let settings = journal::Settings { bytes_max: 64 << 10, segment_bytes: 8 << 10, ..JOURNAL };
    let (journal, _) = Journal::at(dir.path(), settings).unwrap();
    let (journal, clock) = (Arc::new(journal), clock::RuntimeClock::new());
    let (vault_too, replica) = (Arc::clone(&vault) as Arc<dyn Vault>, "here".to_owned());
    let ground = Ground { replica, journal, vault: vault_too, clock };
    let started = LeasedLedger::open(ground, Settings::default()).await.unwrap();
    tokio::spawn(started.worker.run());
    let (ledger, path) = (started.ledger, [line("key", None)]);
    ledger.reserve(HoldId(0), &path, Money(1)).await.unwrap();
    vault.weather(Weather::Out);
    let mut hold = 0;
    let full = loop {
        hold += 1;
        if let Err(error) = ledger.reserve(HoldId(hold), &path, Money(10)).await {
            break error;
        }
        ledger.dispatch(HoldId(hold), Money(1)).unwrap();
        ledger.settle(&pays(hold, 10)).unwrap();
        assert!(hold < 10_000);
    };
    assert!(matches!(full, NotReserved::Store(StoreError::Full(_))), "{full:?}");
    ledger.settle(&pays(0, 1)).unwrap();
    vault.weather(Weather::Fair);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let settled = i64::try_from(hold - 1).unwrap() * 10 + 1;
    assert_eq!(vault.account(&key("key")).settled, Money(settled));
    ledger.reserve(HoldId(hold), &path, Money(10)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_knew_of_is_the_operators_loss() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    vault.weather(Weather::Out);
    let path = [line("key", None)];
    for hold in 0..3 {
        ledger.reserve(HoldId(hold), &path, Money(10)).await.unwrap();
        ledger.settle(&pays(hold, 10)).unwrap();
    }
    vault.weather(Weather::Fair);
    vault.set_limit(&key("key"), Some(Money(0))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(vault.account(&key("key")).settled, Money(0));
    assert_eq!((vault.loss(), vault.folds()), (Money(30), 3));
    assert!(is_exhausted(&ledger.reserve(HoldId(9), &path, Money(1)).await));
}

#[tokio::test(start_paused = true)]
async fn credit_that_was_granted_unheard_goes_back() {
    let (dir, vault) = (folder(), StrictVault::new());
    let ledger = running(&dir, &vault).await;
    let path = [line("team", 100)];
    ledger.reserve(HoldId(1), &path, Money(10)).await.unwrap();
    let known = vault.leased(&key("team"));
    // Nothing is idle that would go back anyway.
    let rest = Money(known.0 - 10);
    ledger.reserve(HoldId(3), &path, rest).await.unwrap();
    vault.weather(Weather::Deaf);
    // Nobody waits for it any more when the answers come through again.
    assert!(is_unavailable(&ledger.reserve(HoldId(2), &path, Money(60)).await));
    assert!(vault.leased(&key("team")) > known, "granted, and nobody knows");
    vault.weather(Weather::Fair);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(vault.leased(&key("team")), known);
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_back_arrives() {
    for weather in [Weather::Out, Weather::Deaf] {
        let (dir, vault) = (folder(), StrictVault::new());
        let ledger = running(&dir, &vault).await;
        ledger.reserve(HoldId(1), &[line("team", 100_000)], Money(60)).await.unwrap();
        ledger.settle(&pays(1, 20)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(vault.account(&key("team")).settled, Money(20));
        vault.weather(weather);
        tokio::time::sleep(Duration::from_secs(20)).await;
        vault.weather(Weather::Fair);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(vault.leased(&key("team")), Money(0));
    }
}
