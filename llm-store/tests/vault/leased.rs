//! What every ledger does, whatever it stands on: the book, and leases of each vault.
//!
//! Each law runs in a house of its own and ends with an audit. A machine that does other things
//! meanwhile may be told that nobody knows; whoever is, asks again, which is what a caller does.

use std::sync::Arc;

use llm_core::ledger::rules::{Account, Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Owner, Settlement};
use llm_core::money::Money;
use llm_core::store::{Ledger, Line, NotReserved, StoreError};
use llm_core::usage::UsageSource;
use tokio::time::Instant;

use crate::suite::{Place, key, tenant, usd, window};
use house::House;

mod book;
mod house;

const CALLERS: u128 = 64;

#[tokio::test]
async fn the_book() {
    all(async || House::book()).await;
}

/// The same of a ledger over a vault, and what only a process can suffer.
pub(crate) async fn over(place: impl AsyncFn() -> Box<dyn Place>) {
    all(async || House::leased(place().await).await).await;
}

async fn all(house: impl AsyncFn() -> House) {
    every_step_may_be_repeated(&house().await).await;
    a_refusal_names_its_account(&house().await).await;
    limits_are_exact(&house().await).await;
    a_thousand_wait_for_one_account(&house().await).await;
    windows_are_accounts(&house().await).await;
    without_limit(&house().await).await;
    limits_are_changed(&house().await).await;
    who_writes_reads(&house().await).await;
    let mut mortal = house().await;
    if mortal.dies() {
        open_holds_end(&mut mortal, true).await;
        open_holds_end(&mut house().await, false).await;
        nothing_acknowledged_is_lost(&mut house().await).await;
    }
}

fn line(account: AccountId, limit: impl Into<Option<i64>>) -> Line {
    Line { account, limit: limit.into().map(usd) }
}

fn pays(hold: u128, paid: i64) -> Settlement {
    let (tenant, operator) = (usd(paid), usd(0));
    Settlement { hold: HoldId(hold), tenant, operator, source: UsageSource::Reported }
}

/// Asks until somebody knows.
async fn ask(
    ledger: &dyn Ledger,
    hold: u128,
    path: &[Line],
    amount: i64,
) -> Result<HoldProof, NotReserved> {
    loop {
        match ledger.reserve(HoldId(hold), path, usd(amount)).await {
            Err(NotReserved::Store(StoreError::Unavailable(_))) => {}
            told => return told,
        }
    }
}

async fn used(ledger: &dyn Ledger, account: &AccountId) -> (i64, i64) {
    loop {
        match ledger.balance(account).await {
            Err(StoreError::Unavailable(_)) => {}
            told => {
                let Account { settled, held, .. } = told.unwrap().unwrap();
                return (settled.0, held.0);
            }
        }
    }
}

async fn sound(ledger: &dyn Ledger, open: u64) {
    let audit = ledger.verify().await.unwrap();
    assert_eq!((audit.problems, audit.holds_open), (Vec::new(), open));
}

fn broken<T>(law: Violation) -> Result<T, StoreError> {
    Err(law.into())
}

async fn every_step_may_be_repeated(house: &House) {
    let ledger = &*house.ledger();
    let path = [line(key("k"), None), line(tenant(), 1_000)];
    let proof = ask(ledger, 1, &path, 100).await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask(ledger, 1, &path, 100).await.unwrap(), proof);
        ledger.dispatch(HoldId(1), usd(30)).unwrap();
        ledger.watermark(HoldId(1), usd(40)).unwrap();
    }
    for (path, amount) in [(&path[..], 101), (&path[..1], 100)] {
        let other = ask(ledger, 1, path, amount).await;
        assert_eq!(other, broken(Violation::OtherTerms).map_err(Into::into));
    }
    assert_eq!(ledger.settle(&pays(1, 101)), broken(Violation::Overrun));
    assert_eq!(ledger.settle(&pays(1, -1)), broken(Violation::NegativeSettled));
    assert_eq!(ledger.settle(&pays(2, 1)), broken(Violation::UnknownHold));
    assert_eq!(used(ledger, &tenant()).await, (0, 100));
    let first = ledger.settle(&pays(1, 60)).unwrap();
    assert_eq!((first.posted, first.released, first.loss), (usd(60), usd(40), usd(0)));
    for paid in [60, 0, 100] {
        assert_eq!(ledger.settle(&pays(1, paid)).unwrap(), first);
    }
    assert_eq!(ledger.release(HoldId(1)).unwrap(), first);
    let late = ask(ledger, 1, &path, 100).await;
    assert_eq!(late, broken(Violation::State).map_err(Into::into));
    for account in [key("k"), tenant()] {
        assert_eq!(used(ledger, &account).await, (60, 0));
    }
    sound(ledger, 0).await;
}

async fn a_refusal_names_its_account(house: &House) {
    let ledger = &*house.ledger();
    let path = [line(key("k"), None), line(tenant(), 100)];
    ask(ledger, 1, &path, 60).await.unwrap();
    match ask(ledger, 2, &path, 60).await {
        Err(NotReserved::Refused { account, why }) => {
            assert_eq!(account, Some(tenant()));
            let Refused::Exhausted { limit, settled, held, .. } = why else { panic!("{why}") };
            assert_eq!((limit, settled, held), (usd(100), usd(0), usd(60)));
        }
        other => panic!("{other:?}"),
    }
    // What was refused has left nothing behind, on any account of the path.
    assert_eq!(used(ledger, &key("k")).await, (0, 60));
    for (path, amount, why) in [
        (vec![], 1, Refused::NoAccount),
        (vec![line(AccountId::loss(), None)], 1, Refused::NoAccount),
        (vec![line(tenant(), 100)], -1, Refused::Negative),
    ] {
        let refused = ask(ledger, 3, &path, amount).await;
        assert_eq!(refused, Err(NotReserved::Refused { account: None, why }));
    }
    ask(ledger, 4, &path, 40).await.unwrap();
    ledger.release(HoldId(4)).unwrap();
    ledger.release(HoldId(1)).unwrap();
    sound(ledger, 0).await;
}

/// As many as can pay are admitted, and not one more, however many ask at once.
async fn limits_are_exact(house: &House) {
    const COST: i64 = 7;
    let path = [line(key("k"), None), line(tenant(), 20 * COST + COST - 1)];
    let mut calls = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let (ledger, path) = (house.ledger(), path.clone());
        calls.spawn(async move {
            let mut made = Vec::new();
            for turn in 0..4 {
                let hold = caller << 8 | turn;
                match ask(&*ledger, hold, &path, COST).await {
                    Ok(_) => made.push(hold),
                    Err(why) => assert!(matches!(why, NotReserved::Refused { .. }), "{why}"),
                }
            }
            made
        });
    }
    let made: Vec<u128> = calls.join_all().await.into_iter().flatten().collect();
    assert_eq!(made.len(), 20);
    let ledger = house.ledger();
    assert_eq!(used(&*ledger, &tenant()).await, (0, 20 * COST));
    // All of them end at once, each told twice.
    let mut ends = tokio::task::JoinSet::new();
    for hold in made.into_iter().flat_map(|hold| [hold, hold]) {
        let ledger = Arc::clone(&ledger);
        ends.spawn(async move { ledger.settle(&pays(hold, COST - 2)).unwrap() });
    }
    ends.join_all().await;
    assert_eq!(used(&*ledger, &tenant()).await, (20 * (COST - 2), 0));
    sound(&*ledger, 0).await;
}

/// A thousand callers at once on one account. Whoever can be paid for is, nobody else is, and the
/// slowest waits no longer than twice what it would in a queue of those who go one by one.
async fn a_thousand_wait_for_one_account(house: &House) {
    const COST: i64 = 3;
    const CROWD: u128 = 1_000;
    const ALONE: u128 = 20;
    let ledger = house.ledger();
    // Each on an account of its own, so that each has to wait for the vault.
    let began = Instant::now();
    for hold in 0..ALONE {
        let own = AccountId::new(Owner::Key, format!("alone{hold}"));
        ask(&*ledger, 1 << 40 | hold, &[line(own, 1_000)], COST).await.unwrap();
    }
    let alone = began.elapsed() / u32::try_from(ALONE).unwrap();
    for (round, affordable) in [(1, CROWD), (2, 300), (3, 0)] {
        let account = AccountId::new(Owner::Team, format!("crowd{round}"));
        let limit = i64::try_from(affordable).unwrap() * COST + COST - 1;
        let path = [line(key("crowd"), None), line(account.clone(), limit)];
        let mut calls = tokio::task::JoinSet::new();
        for caller in 0..CROWD {
            let (ledger, path, hold) = (Arc::clone(&ledger), path.clone(), round << 20 | caller);
            calls.spawn(async move {
                let began = Instant::now();
                let made = ask(&*ledger, hold, &path, COST).await;
                let refused = matches!(made, Err(NotReserved::Refused { .. }));
                assert!(made.is_ok() || refused, "{made:?}");
                (made.is_ok().then_some(hold), began.elapsed())
            });
        }
        let told = calls.join_all().await;
        let made: Vec<u128> = told.iter().filter_map(|(hold, _)| *hold).collect();
        assert_eq!(made.len() as u128, affordable, "of round {round}");
        let held = i64::try_from(affordable).unwrap() * COST;
        assert_eq!(used(&*ledger, &account).await, (0, held));
        let slowest = told.iter().map(|(_, waited)| *waited).max().unwrap();
        // The book asks nobody, and has nothing to compare with.
        let queued = alone * u32::try_from(CROWD).unwrap();
        assert!(!house.dies() || slowest < 2 * queued, "{slowest:?} of {queued:?}");
        for hold in made {
            ledger.settle(&pays(hold, COST)).unwrap();
        }
        assert_eq!(used(&*ledger, &account).await, (held, 0));
    }
    sound(&*ledger, u64::try_from(ALONE).unwrap()).await;
}

async fn windows_are_accounts(house: &House) {
    let ledger = &*house.ledger();
    ask(ledger, 1, &[line(window(1), 10)], 10).await.unwrap();
    let full = ask(ledger, 2, &[line(window(1), 10)], 1).await;
    assert!(matches!(full, Err(NotReserved::Refused { .. })), "{full:?}");
    // The next window is another account, and the hold stays with its own.
    ask(ledger, 3, &[line(window(2), 10)], 10).await.unwrap();
    ledger.settle(&pays(1, 4)).unwrap();
    assert_eq!(used(ledger, &window(1)).await, (4, 0));
    assert_eq!(used(ledger, &window(2)).await, (0, 10));
    ask(ledger, 4, &[line(window(1), 10)], 6).await.unwrap();
    ledger.release(HoldId(3)).unwrap();
    ledger.release(HoldId(4)).unwrap();
    sound(ledger, 0).await;
}

async fn without_limit(house: &House) {
    let ledger = &*house.ledger();
    let path = [line(key("k"), None)];
    for hold in 0..50 {
        ask(ledger, hold, &path, 1 << 40).await.unwrap();
        ledger.settle(&pays(hold, 1 << 39)).unwrap();
    }
    assert_eq!(used(ledger, &key("k")).await, (50 << 39, 0));
    // The range of the integer is a limit, and what passes it is refused and not wrapped.
    let most = ask(ledger, 99, &path, i64::MAX).await;
    assert!(matches!(most, Err(NotReserved::Refused { .. })), "{most:?}");
    sound(ledger, 0).await;
}

async fn limits_are_changed(house: &House) {
    let ledger = &*house.ledger();
    ledger.set_limit(&tenant(), Some(usd(100))).await.unwrap();
    let path = [line(tenant(), 100)];
    ask(ledger, 1, &path, 100).await.unwrap();
    assert!(ask(ledger, 2, &path, 10).await.is_err());
    ledger.set_limit(&tenant(), Some(usd(130))).await.unwrap();
    ask(ledger, 3, &path, 10).await.unwrap();
    // Below what is used: nothing is taken back, and nothing more is given.
    ledger.set_limit(&tenant(), Some(usd(50))).await.unwrap();
    ledger.settle(&pays(1, 90)).unwrap();
    assert_eq!(used(ledger, &tenant()).await, (90, 10));
    let refused = ask(ledger, 4, &path, 60).await;
    assert!(matches!(refused, Err(NotReserved::Refused { .. })), "{refused:?}");
    ledger.release(HoldId(3)).unwrap();
    assert_eq!(used(ledger, &tenant()).await, (90, 0));
    sound(ledger, 0).await;
}

async fn who_writes_reads(house: &House) {
    let ledger = &*house.ledger();
    let path = [line(key("k"), None), line(tenant(), 1 << 30)];
    let mut paid = 0;
    for hold in 0..40_u128 {
        ask(ledger, hold, &path, 50).await.unwrap();
        assert_eq!(used(ledger, &tenant()).await, (paid, 50));
        let cost = i64::try_from(hold).unwrap();
        ledger.settle(&pays(hold, cost)).unwrap();
        paid += cost;
        assert_eq!(used(ledger, &tenant()).await, (paid, 0));
    }
    assert_eq!(used(ledger, &key("k")).await, (paid, 0));
    sound(ledger, 0).await;
}

/// Holds that nobody ended: void when nothing was sent, else what is known to be owed.
async fn open_holds_end(house: &mut House, crash: bool) {
    let path = [line(key("k"), None), line(tenant(), 1_000)];
    {
        let ledger = &*house.ledger();
        for hold in 1..=5 {
            ask(ledger, hold, &path, 100).await.unwrap();
        }
        for (hold, sent) in [(2, 30), (3, 30), (4, 30)] {
            ledger.dispatch(HoldId(hold), usd(sent)).unwrap();
        }
        ledger.watermark(HoldId(3), usd(45)).unwrap();
        ledger.watermark(HoldId(4), usd(145)).unwrap();
        ledger.settle(&pays(5, 9)).unwrap();
    }
    let told = if crash { house.crash().await } else { house.restart().await };
    let ends = |told: &[llm_store::lease::Interrupted]| -> Vec<(u128, i64, i64)> {
        let ends = told.iter().map(|end| end.settlement);
        ends.map(|end| (end.hold.0, end.tenant.0, end.operator.0)).collect()
    };
    assert_eq!(ends(&told), [(1, 0, 0), (2, 30, 0), (3, 45, 0), (4, 100, 45)]);
    // What was decided once is not decided again.
    assert_eq!(house.crash().await, []);
    let ledger = &*house.ledger();
    assert_eq!(used(ledger, &tenant()).await, (30 + 45 + 100 + 9, 0));
    assert_eq!(used(ledger, &AccountId::loss()).await, (45, 0));
    ask(ledger, 6, &path, 1_000 - 184).await.unwrap();
    ledger.release(HoldId(6)).unwrap();
    sound(ledger, 0).await;
}

/// Death after death, at whatever point of the worker's step: what was answered is in the accounts.
async fn nothing_acknowledged_is_lost(house: &mut House) {
    let path = [line(key("k"), None), line(tenant(), 1 << 30)];
    let (mut paid, mut hold) = (0, 0);
    for life in 0..6_i64 {
        for call in 0..=life * 7 {
            hold += 1;
            let ledger = &*house.ledger();
            ask(ledger, hold, &path, 50).await.unwrap();
            ledger.dispatch(HoldId(hold), usd(3)).unwrap();
            if call < life * 7 {
                paid += ledger.settle(&pays(hold, call)).unwrap().posted.0;
            }
            tokio::task::yield_now().await;
        }
        let told = house.crash().await;
        assert_eq!(told.len(), 1, "one was under way");
        paid += told.iter().map(|end| end.settlement.tenant.0).sum::<i64>();
        let Account { settled, .. } = house.ledger().balance(&tenant()).await.unwrap().unwrap();
        assert_eq!(settled, Money(paid));
    }
    let ledger = house.ledger();
    assert_eq!(used(&*ledger, &tenant()).await, (paid, 0));
    assert_eq!(used(&*ledger, &key("k")).await, (paid, 0));
    sound(&*ledger, 0).await;
}
