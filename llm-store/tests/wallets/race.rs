//! Replicas at once on one wallet: exactly what is affordable, and nothing twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::principal::TenantId;
use llm_core::wallet::Refused;
use llm_core::wallet::code::NotRedeemed;
use llm_store::wallets::{Keep, NotDone, Wallets};

use crate::place::{Place, sound, user};
use crate::suite::{ask, code, credits, gift, job, offer, plan};

const REPLICAS: usize = 4;
const CALLERS: u128 = 12;
const AFFORDABLE: i64 = 10;

async fn replicas(place: &Place) -> Vec<Wallets> {
    let mut all = Vec::new();
    for _ in 0..REPLICAS {
        all.push(place.wallets().await);
    }
    all
}

/// Until somebody knows: whoever is not told asks again under the same id.
macro_rules! surely {
    ($ask:expr) => {{
        let mut tries = 0;
        loop {
            match $ask.await {
                Err(NotDone::Store(error)) if error.retryable() && tries < 50 => tries += 1,
                told => break told,
            }
        }
    }};
}

pub(crate) async fn exactly_what_is_affordable(place: &Place) {
    let replicas = replicas(place).await;
    let first = replicas[0].clone();
    first.grant(&user("u"), gift("g", 100 * AFFORDABLE, None)).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (watch, stop) = (first.clone(), done.clone());
    let polls = tokio::spawn(async move {
        let mut polls = 0;
        while !stop.load(Ordering::SeqCst) {
            if let Ok(seen) = watch.balance(&user("u")).await {
                let sum = seen.available.0 + seen.held.0;
                assert!(seen.available.0 >= 0 && sum <= credits(100 * AFFORDABLE).0, "{seen:?}");
                polls += 1;
            }
        }
        polls
    });
    let admitted = Arc::new(AtomicU32::new(0));
    let mut callers = Vec::new();
    for (index, wallets) in replicas.iter().enumerate() {
        for caller in 0..CALLERS {
            let (wallets, admitted) = (wallets.clone(), admitted.clone());
            let hold = (index as u128) << 64 | caller;
            callers.push(tokio::spawn(async move {
                let who = user("u");
                match surely!(wallets.reserve(&who, ask(hold, 100, job()))) {
                    Ok(_) => admitted.fetch_add(1, Ordering::SeqCst),
                    Err(NotDone::Refused(Refused::Short { .. })) => 0,
                    Err(other) => panic!("{other}"),
                };
            }));
        }
    }
    for caller in callers {
        caller.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let polls: u32 = polls.await.unwrap();
    assert_eq!(i64::from(admitted.load(Ordering::SeqCst)), AFFORDABLE);
    let end = first.balance(&user("u")).await.unwrap();
    assert_eq!((end.available, end.held), (credits(0), credits(100 * AFFORDABLE)));

    // They end at different replicas than they began at, some twice.
    let mut ends = Vec::new();
    for hold in end.holds.iter().map(|hold| hold.hold) {
        for wallets in replicas.iter().take(2) {
            let wallets = wallets.clone();
            ends.push(tokio::spawn(async move {
                let who = user("u");
                let told = surely!(wallets.settle(&who, hold, credits(60)));
                assert_eq!(told.unwrap().receipt.charged, credits(60));
            }));
        }
    }
    for end in ends {
        end.await.unwrap();
    }
    let end = first.balance(&user("u")).await.unwrap();
    assert_eq!((end.available, end.held), (credits(40 * AFFORDABLE), Credits(0)));
    let audit = sound(&first).await;
    assert_eq!(audit.entries, 1 + 2 * AFFORDABLE as u64);
    println!("{polls} polls");
}

pub(crate) async fn one_month_for_all_replicas(place: &Place) {
    let replicas = replicas(place).await;
    replicas[0].set_plan(&user("u"), Some(plan("basic", 100))).await.unwrap();
    place.pass(31 * 86_400).await;
    let mut all = Vec::new();
    for (index, wallets) in replicas.iter().cloned().enumerate() {
        all.push(tokio::spawn(async move {
            let who = user("u");
            surely!(wallets.reserve(&who, ask(index as u128, 25, job())))
        }));
    }
    for one in all {
        one.await.unwrap().unwrap();
    }
    let end = replicas[0].balance(&user("u")).await.unwrap();
    assert_eq!((end.available, end.held), (credits(0), credits(100)));
    // The wallet itself is made by many at once, too.
    let mut all = Vec::new();
    for wallets in &replicas {
        let wallets = wallets.clone();
        all.push(tokio::spawn(
            async move { surely!(wallets.grant(&user("new"), gift("e", 5, None))) },
        ));
    }
    let mut first = 0;
    for one in all {
        first += u32::from(!one.await.unwrap().unwrap().again);
    }
    // Whose commit was not answered may have been the first without knowing.
    assert!(first <= 1, "{first}");
    assert_eq!(replicas[0].balance(&user("new")).await.unwrap().available, credits(5));
    sound(&replicas[0]).await;
}

pub(crate) async fn one_code_for_many(place: &Place) {
    let replicas = replicas(place).await;
    let tenant = TenantId::from("t");
    replicas[0].offer(&tenant, code(1), offer(10, 5)).await.unwrap();
    let mut all = Vec::new();
    for number in 0..16_usize {
        let wallets = replicas[number % REPLICAS].clone();
        // Each of eight people, twice.
        let who = user(&format!("u{}", number / 2));
        all.push(tokio::spawn(async move {
            match surely!(wallets.redeem(&who, code(1))) {
                Ok(done) => assert_eq!(done.available, credits(10)),
                Err(why) => assert_eq!(why, NotDone::NotRedeemed(NotRedeemed::UsedUp)),
            }
        }));
    }
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(replicas[0].code(&tenant, code(1)).await.unwrap().unwrap().used, 5);
    let mut sum = 0;
    for number in 0..8 {
        sum += replicas[0].balance(&user(&format!("u{number}"))).await.unwrap().available.0;
    }
    assert_eq!(Credits(sum), credits(50));
    sound(&replicas[0]).await;
}

/// A process that died with hundreds of holds: one touch gives all of them back.
pub(crate) async fn many_abandoned_holds_at_once(place: &Place) {
    let wallets = place.wallets().await;
    let who = user("u");
    wallets.grant(&who, gift("g", 500, None)).await.unwrap();
    let end = place.clock.at() + jiff::SignedDuration::from_secs(60);
    for hold in 0..450 {
        wallets.reserve(&who, ask(hold, 1, Keep::Until(end))).await.unwrap();
    }
    place.pass(60).await;
    wallets.reserve(&who, ask(1_000, 500, job())).await.unwrap();
    assert_eq!(sound(&wallets).await.entries, 1 + 2 * 450 + 1);
    assert_eq!(wallets.charge(&who, HoldId(3)).await.unwrap().unwrap().released, credits(1));
}
