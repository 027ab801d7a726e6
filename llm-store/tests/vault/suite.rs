//! What every vault does.

use std::sync::Arc;
use std::time::Duration;

use llm_core::ledger::rules::{Account, Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, Owner, Settlement};
use llm_core::money::Money;
use llm_core::quota::WindowId;
use llm_core::seam::BoxFuture;
use llm_core::store::vault::{Ended, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{NotReserved, StoreError};
use llm_core::usage::UsageSource;

use crate::clocks::HandClock;

pub(crate) type Shared = Arc<dyn Vault<Money>>;

/// Where a vault is, empty at first.
pub(crate) trait Place: Send + Sync {
    /// Opens it, for the first time or again.
    fn open(&self) -> BoxFuture<'_, Shared>;
    /// Whether what was written is there when it is opened again.
    fn lasts(&self) -> bool;
    /// Its clock, where it is ours to move.
    fn clock(&self) -> Option<&HandClock>;
}

pub(crate) fn usd(pieces: i64) -> Money {
    Money(pieces)
}

pub(crate) fn key(name: &str) -> AccountId {
    AccountId::new(Owner::Key, name)
}

pub(crate) fn tenant() -> AccountId {
    AccountId::new(Owner::Tenant, "acme")
}

/// An account of a window, with an end that has nanoseconds.
pub(crate) fn window(day: i64) -> AccountId {
    let at = |day: i64| jiff::Timestamp::from_second(day * 86_400).unwrap();
    let end = if day == 9 { jiff::Timestamp::MAX } else { at(day + 1) };
    let window = Some(WindowId { start: at(day), end });
    AccountId { rule: "$5/day".into(), window, ..key("k1") }
}

pub(crate) fn ask(account: AccountId, limit: Option<i64>, numbers: [i64; 3]) -> LeaseAsk {
    let [has, least, like] = numbers.map(usd);
    LeaseAsk { account, limit: limit.map(usd), has, least, like }
}

pub(crate) fn ended(hold: u128, amount: i64, paid: (i64, i64), path: &[AccountId]) -> Ended {
    let source =
        if hold.is_multiple_of(2) { UsageSource::Reported } else { UsageSource::Estimated };
    let (tenant, operator) = (usd(paid.0), usd(paid.1));
    let settlement = Settlement { hold: HoldId(hold), tenant, operator, source };
    Ended { settlement, amount: usd(amount), path: path.to_vec() }
}

pub(crate) fn fold_of(ended: Vec<Ended>) -> Fold {
    Fold { ended, keeps: Vec::new() }
}

pub(crate) async fn sound(vault: &Shared) -> llm_core::store::Audit {
    let audit = vault.verify().await.unwrap();
    assert_eq!(audit.problems, Vec::new());
    audit
}

async fn account(vault: &Shared, id: &AccountId) -> (Option<i64>, i64, i64) {
    let Account { limit, settled, held } = vault.balance(id).await.unwrap().unwrap();
    (limit.map(|limit| limit.0), settled.0, held.0)
}

fn is_fenced<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Conflict(_)))
}

/// All that is below, in places of their own.
pub(crate) async fn all(place: impl AsyncFn() -> Box<dyn Place>) {
    leases_are_shared(&*place().await).await;
    all_asks_or_none(&*place().await).await;
    an_ask_that_is_repeated(&*place().await).await;
    windows_are_told_their_limit(&*place().await).await;
    a_fold_that_is_repeated(&*place().await).await;
    a_fold_is_all_or_nothing(&*place().await).await;
    losses_are_the_operators(&*place().await).await;
    who_is_fenced_is_not_heard(&*place().await).await;
    what_the_dead_leave(&*place().await).await;
    who_is_silent(&*place().await).await;
    what_was_written_is_there(&*place().await).await;
}

async fn leases_are_shared(place: &dyn Place) {
    let vault = place.open().await;
    let (me, left) = vault.enter("a").await.unwrap();
    assert_eq!((me.epoch, left.len()), (1, 0));
    // Ten times as much remains: all of it. A piece less: a share. At the end: the least.
    for (limit, least, like, gets) in
        [(1_100, 1, 100, 100), (1_099, 1, 100, 99), (120, 20, 100, 20), (20, 20, 100, 20)]
    {
        let id = key(&format!("share {limit} {least}"));
        let asks = [ask(id.clone(), Some(limit), [0, least, like])];
        assert_eq!(vault.lease(&me, &asks).await, Ok(vec![usd(gets)]), "of {limit}");
        assert_eq!(account(&vault, &id).await, (Some(limit), 0, gets));
    }
    // Without limit there still is a range.
    let (id, most) = (key("endless"), i64::MAX);
    assert_eq!(
        vault.lease(&me, &[ask(id.clone(), None, [0, most, most])]).await,
        Ok(vec![usd(most)])
    );
    let more = vault.lease(&me, &[ask(id.clone(), None, [most, 1, 1])]).await;
    assert!(matches!(more, Err(NotReserved::Refused { .. })), "{more:?}");
    for numbers in [[-1, 1, 1], [0, -1, 1], [0, 1, -1]] {
        let negative = vault.lease(&me, &[ask(id.clone(), None, numbers)]).await;
        let why = Refused::Negative;
        assert_eq!(negative, Err(NotReserved::Refused { account: None, why }));
    }
    let loss = vault.lease(&me, &[ask(AccountId::loss(), None, [0, 1, 1])]).await;
    assert_eq!(loss, Err(NotReserved::Refused { account: None, why: Refused::NoAccount }));
    let twice = [ask(id.clone(), None, [0, 1, 1]), ask(id, None, [0, 2, 2])];
    let twice = vault.lease(&me, &twice).await;
    assert_eq!(twice, Err(StoreError::from(Violation::OtherTerms).into()));
    sound(&vault).await;
}

async fn all_asks_or_none(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    vault.set_limit(&tenant(), Some(usd(50))).await.unwrap();
    let asks = [ask(key("k1"), Some(1_000), [0, 60, 60]), ask(tenant(), Some(9), [0, 60, 70])];
    let why = Refused::Exhausted {
        account: 1,
        limit: usd(50),
        settled: usd(0),
        held: usd(0),
        asked: usd(60),
    };
    let refused = NotReserved::Refused { account: Some(tenant()), why };
    assert_eq!(vault.lease(&me, &asks).await, Err(refused));
    assert_eq!(account(&vault, &key("k1")).await, (Some(1_000), 0, 0), "nothing is leased");
    assert_eq!(account(&vault, &tenant()).await, (Some(50), 0, 0));
    // A limit that was lowered below what is used refuses, and nothing else happens.
    vault.set_limit(&tenant(), Some(usd(100))).await.unwrap();
    assert_eq!(vault.lease(&me, &asks).await, Ok(vec![usd(60), usd(60)]));
    vault.set_limit(&tenant(), Some(usd(10))).await.unwrap();
    assert_eq!(account(&vault, &tenant()).await, (Some(10), 0, 60));
    let more = vault.lease(&me, &[ask(tenant(), None, [60, 1, 1])]).await;
    assert!(matches!(more, Err(NotReserved::Refused { .. })), "{more:?}");
    assert_eq!(vault.lease(&me, &[ask(tenant(), None, [60, 0, 5])]).await, Ok(vec![usd(60)]));
    sound(&vault).await;
}

async fn an_ask_that_is_repeated(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    let first = [ask(key("k1"), Some(10_000), [0, 10, 100])];
    for _ in 0..3 {
        assert_eq!(vault.lease(&me, &first).await, Ok(vec![usd(100)]));
    }
    // What it did not hear of counts towards what it needs now.
    let more = [ask(key("k1"), None, [0, 150, 150])];
    assert_eq!(vault.lease(&me, &more).await, Ok(vec![usd(150)]));
    // What it claims beyond what is known does not.
    let dreamt = [ask(key("k1"), None, [5_000, 10, 10])];
    assert_eq!(vault.lease(&me, &dreamt).await, Ok(vec![usd(160)]));
    assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 0, 160));
    sound(&vault).await;
}

async fn windows_are_told_their_limit(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    for day in [1, 9] {
        let id = window(day);
        assert_eq!(vault.balance(&id).await, Ok(None));
        let asks = |limit| [ask(id.clone(), limit, [0, 10, 10])];
        assert_eq!(vault.lease(&me, &asks(Some(500))).await, Ok(vec![usd(10)]));
        assert_eq!(vault.lease(&me, &asks(Some(400))).await, Ok(vec![usd(10)]));
        assert_eq!(account(&vault, &id).await, (Some(400), 0, 10));
        assert_eq!(vault.lease(&me, &asks(None)).await, Ok(vec![usd(10)]));
        assert_eq!(account(&vault, &id).await, (None, 0, 10));
    }
    // An account without window keeps its own.
    for limit in [Some(500), Some(400), None] {
        vault.lease(&me, &[ask(key("k1"), limit, [0, 10, 10])]).await.unwrap();
        assert_eq!(account(&vault, &key("k1")).await.0, Some(500));
    }
    assert_eq!(sound(&vault).await.holds_open, 3);
}

async fn a_fold_that_is_repeated(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    let path = [key("k1"), tenant()];
    let asks = path.clone().map(|id| ask(id, Some(10_000), [0, 100, 100]));
    vault.lease(&me, &asks).await.unwrap();
    // The same account twice in a path pays once, and the same hold twice in a batch too.
    let twice = [key("k1"), tenant(), key("k1")];
    let one = ended(1, 40, (30, 0), &twice);
    let void = ended(2, 40, (0, 0), &[key("nobody")]);
    let mut batch = fold_of(vec![one.clone(), one.clone(), void]);
    batch.keeps = vec![(key("k1"), usd(50)), (tenant(), usd(5_000)), (key("nobody"), usd(1))];
    for _ in 0..3 {
        vault.fold(&me, &batch).await.unwrap();
        assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 30, 50));
        assert_eq!(account(&vault, &tenant()).await, (Some(10_000), 30, 70));
        assert_eq!(sound(&vault).await.entries, 2);
    }
    // How it ended stays, whatever is said later.
    vault.fold(&me, &fold_of(vec![ended(1, 40, (5, 5), &path)])).await.unwrap();
    assert_eq!(vault.ended(HoldId(1)).await, Ok(Some(one.settlement)));
    assert_eq!(vault.ended(HoldId(2)).await.unwrap().unwrap().tenant, usd(0));
    assert_eq!(vault.ended(HoldId(3)).await, Ok(None));
    assert_eq!(vault.balance(&key("nobody")).await, Ok(None));
    assert_eq!(sound(&vault).await.entries, 2);
}

async fn a_fold_is_all_or_nothing(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    vault.lease(&me, &[ask(key("k1"), Some(10_000), [0, 100, 100])]).await.unwrap();
    let good = ended(1, 60, (60, 7), &[key("k1")]);
    let corrupt = |answer: Result<(), StoreError>| matches!(answer, Err(StoreError::Corrupt(_)));
    let beyond = fold_of(vec![good.clone(), ended(2, 60, (41, 0), &[key("k1")])]);
    assert!(corrupt(vault.fold(&me, &beyond).await));
    let unknown = fold_of(vec![good.clone(), ended(2, 1, (1, 0), &[key("k2")])]);
    assert!(corrupt(vault.fold(&me, &unknown).await));
    for (bad, law) in [
        (ended(2, 60, (-1, 0), &[key("k1")]), Violation::NegativeSettled),
        (ended(2, 60, (0, -1), &[key("k1")]), Violation::NegativeSettled),
        (ended(2, 60, (61, 0), &[key("k1")]), Violation::Overrun),
        (ended(2, 60, (1, 0), &[]), Violation::NotHeld),
        (ended(2, 60, (1, 0), &[AccountId::loss()]), Violation::NotHeld),
    ] {
        let answer = vault.fold(&me, &fold_of(vec![good.clone(), bad])).await;
        assert_eq!(answer, Err(law.into()));
    }
    let keeps = vec![(key("k1"), usd(-1))];
    let answer = vault.fold(&me, &Fold { ended: vec![good.clone()], keeps }).await;
    assert_eq!(answer, Err(Violation::NegativeHeld.into()));
    assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 0, 100));
    assert_eq!(vault.ended(HoldId(1)).await, Ok(None));
    assert_eq!(sound(&vault).await.entries, 0);
    vault.fold(&me, &fold_of(vec![good])).await.unwrap();
    assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 60, 40));
}

async fn losses_are_the_operators(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    vault
        .fold(&me, &fold_of(vec![ended(1, 0, (0, 7), &[]), ended(2, 0, (0, 8), &[])]))
        .await
        .unwrap();
    assert_eq!(account(&vault, &AccountId::loss()).await, (None, 15, 0));
    let most = fold_of(vec![ended(3, 0, (0, i64::MAX), &[])]);
    assert_eq!(vault.fold(&me, &most).await, Err(Violation::Range.into()));
    assert_eq!(sound(&vault).await.entries, 2);
}

async fn who_is_fenced_is_not_heard(place: &dyn Place) {
    let vault = place.open().await;
    let (old, _) = vault.enter("a").await.unwrap();
    let asks = [ask(key("k1"), Some(10_000), [0, 100, 100])];
    vault.lease(&old, &asks).await.unwrap();
    let (new, left) = vault.enter("a").await.unwrap();
    assert_eq!((new.epoch, left.len()), (old.epoch + 1, 1));
    assert_eq!((&left[0].of, &left[0].leases), (&old, &vec![(key("k1"), usd(100))]));
    let never = Tenure { replica: "b".into(), epoch: 1 };
    let later = Tenure { epoch: 99, ..new.clone() };
    let batch = fold_of(vec![ended(1, 40, (30, 0), &[key("k1")])]);
    let nothing: [LeaseAsk; 0] = [];
    for who in [&old, &never, &later] {
        assert!(is_fenced(vault.beat(who, Duration::ZERO).await));
        assert!(is_fenced(vault.fold(who, &batch).await));
        assert!(is_fenced(vault.fold(who, &Fold::default()).await));
        for asks in [&asks[..], &nothing[..]] {
            let leased = vault.lease(who, asks).await;
            assert!(matches!(leased, Err(NotReserved::Store(StoreError::Conflict(_)))));
        }
    }
    assert!(is_fenced(vault.bury(&never, true).await));
    assert!(is_fenced(vault.bury(&later, true).await));
    // To bury an epoch whose heir lives takes nothing from the heir.
    vault.bury(&old, true).await.unwrap();
    assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 0, 100));
    // What the old one had is the new one's to end.
    vault.fold(&new, &batch).await.unwrap();
    assert_eq!(account(&vault, &key("k1")).await, (Some(10_000), 30, 70));
    assert_eq!(vault.lease(&new, &[]).await, Ok(Vec::new()));
    sound(&vault).await;
}

async fn what_the_dead_leave(place: &dyn Place) {
    let vault = place.open().await;
    for (replica, used, paid) in [("a", true, 100), ("b", false, 0)] {
        let (who, _) = vault.enter(replica).await.unwrap();
        let id = key(replica);
        vault.lease(&who, &[ask(id.clone(), Some(10_000), [0, 100, 100])]).await.unwrap();
        for _ in 0..2 {
            vault.bury(&who, used).await.unwrap();
            assert_eq!(account(&vault, &id).await, (Some(10_000), paid, 0));
        }
        assert!(is_fenced(vault.beat(&who, Duration::ZERO).await));
        let (next, left) = vault.enter(replica).await.unwrap();
        assert_eq!((next.epoch, left), (2, Vec::new()));
        vault.beat(&next, Duration::ZERO).await.unwrap();
    }
    assert_eq!(sound(&vault).await.entries, 1);
}

async fn who_is_silent(place: &dyn Place) {
    let vault = place.open().await;
    let pass = async |millis| match place.clock() {
        Some(clock) => clock.pass(millis),
        None => tokio::time::sleep(Duration::from_millis(millis)).await,
    };
    let (a, _) = vault.enter("a").await.unwrap();
    vault.lease(&a, &[ask(key("k1"), Some(10_000), [0, 100, 100])]).await.unwrap();
    let (b, _) = vault.enter("b").await.unwrap();
    let (c, _) = vault.enter("c").await.unwrap();
    vault.beat(&b, Duration::from_secs(3_000)).await.unwrap();
    vault.beat(&c, Duration::from_millis(1)).await.unwrap();
    assert_eq!(vault.silent(Duration::from_secs(60)).await, Ok(Vec::new()));
    pass(400).await;
    let silent = vault.silent(Duration::from_millis(300)).await.unwrap();
    let names: Vec<_> = silent.iter().map(|estate| &estate.of).collect();
    assert_eq!(names, [&a, &c], "b wants to be taken for living");
    assert_eq!(silent[0].leases, [(key("k1"), usd(100))]);
    assert_eq!(account(&vault, &key("k1")).await.2, 100, "nothing is done to them");
    vault.bury(&a, false).await.unwrap();
    vault.beat(&c, Duration::from_millis(1)).await.unwrap();
    assert_eq!(vault.silent(Duration::from_millis(300)).await, Ok(Vec::new()));
}

async fn what_was_written_is_there(place: &dyn Place) {
    let vault = place.open().await;
    let (me, _) = vault.enter("a").await.unwrap();
    let path = [window(9), tenant()];
    let asks = path.clone().map(|id| ask(id, Some(10_000), [0, 100, 100]));
    vault.lease(&me, &asks).await.unwrap();
    let one = ended(u128::MAX, 40, (30, 2), &path);
    vault.fold(&me, &fold_of(vec![one.clone()])).await.unwrap();
    if !place.lasts() {
        return;
    }
    let before = sound(&vault).await;
    drop(vault);
    let vault = place.open().await;
    assert_eq!(sound(&vault).await, before);
    for id in &path {
        assert_eq!(account(&vault, id).await, (Some(10_000), 30, 70));
    }
    assert_eq!(vault.ended(HoldId(u128::MAX)).await, Ok(Some(one.settlement)));
    // A fold whose answer was lost with the process is repeated, by the same epoch or the next.
    vault.fold(&me, &fold_of(vec![one.clone()])).await.unwrap();
    let (next, left) = vault.enter("a").await.unwrap();
    assert_eq!(left[0].leases, [(window(9), usd(70)), (tenant(), usd(70))]);
    vault.fold(&next, &fold_of(vec![one, ended(5, 70, (70, 0), &path)])).await.unwrap();
    assert_eq!(account(&vault, &path[0]).await, (Some(10_000), 100, 0));
    assert_eq!(sound(&vault).await.entries, 5);
}
