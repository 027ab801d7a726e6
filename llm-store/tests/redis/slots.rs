//! Slots: never more than may be, and a crash gives them back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use llm_core::call::CallId;
use llm_store::redis::{Redis, Settings, Slots, Time};

use crate::clocks::HandClock;
use crate::server::Server;
use crate::{owner, replica};

const TTL: Duration = Duration::from_secs(30);

fn call(n: u32) -> CallId {
    CallId::new(1_700_000_000_000, u128::from(n))
}

#[tokio::test]
async fn a_slot_comes_back_by_hand_or_by_time() {
    let Some(server) = Server::start() else { return };
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let after = |seconds| start + SignedDuration::from_secs(seconds);
    let clock = HandClock::at(start);
    let settings = Settings { time: Time::Ours, ..Settings::new(server.url()) };
    let store = Redis::connect(&settings, clock.clone()).await.unwrap();
    let owner = owner("slots");

    let first = store.take(&owner, 2, call(1), TTL).await.unwrap();
    assert_eq!((first.granted, first.held, first.until), (true, 1, Some(after(30))));
    clock.set(after(10));
    assert!(store.take(&owner, 2, call(2), TTL).await.unwrap().granted);
    let third = store.take(&owner, 2, call(3), TTL).await.unwrap();
    assert_eq!((third.granted, third.held, third.until), (false, 2, Some(after(30))));
    // The same call again has the same slot.
    assert_eq!(store.take(&owner, 2, call(2), TTL).await.unwrap().held, 2);
    assert_eq!(store.give_back(&owner, call(2)).await, Ok(true));
    assert_eq!(store.give_back(&owner, call(2)).await, Ok(false));
    assert!(store.take(&owner, 2, call(3), TTL).await.unwrap().granted);

    // The first one crashes; the third renews.
    clock.set(after(25));
    assert_eq!(store.renew(&owner, call(3), TTL).await, Ok(true));
    assert!(!store.take(&owner, 2, call(4), TTL).await.unwrap().granted);
    clock.set(after(30));
    assert_eq!(store.renew(&owner, call(1), TTL).await, Ok(false));
    assert!(store.take(&owner, 2, call(4), TTL).await.unwrap().granted);
    // A limit that was lowered waits for as many as are too many.
    let lowered = store.take(&owner, 1, call(5), TTL).await.unwrap();
    assert_eq!((lowered.granted, lowered.until), (false, Some(after(60))));
    let none = store.take(&owner, 0, call(5), TTL).await.unwrap();
    assert_eq!((none.granted, none.until), (false, None));
    clock.set(after(90));
    assert_eq!(store.take(&owner, 1, call(5), TTL).await.unwrap().held, 1);
    server.keys();
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_them_and_a_crash_frees_them() {
    let Some(server) = Server::start() else { return };
    let replicas = [replica(&server).await, replica(&server).await, replica(&server).await];
    let short = Duration::from_secs(2);
    let calls = (0..300u32).map(|n| {
        let store = replicas[n as usize % 3].clone();
        tokio::spawn(async move { store.take(&owner("crowd"), 10, call(n), short).await })
    });
    let verdicts: Vec<_> = join_all(calls).await.into_iter().map(|v| v.unwrap().unwrap()).collect();
    assert_eq!(verdicts.iter().filter(|v| v.granted).count(), 10);
    assert!(verdicts.iter().all(|v| v.held <= 10));
    // Nobody gives anything back.
    let store = Arc::new(replicas.into_iter().next().unwrap());
    assert!(!store.take(&owner("crowd"), 10, call(1_000), short).await.unwrap().granted);
    tokio::time::sleep(short).await;
    let after = store.take(&owner("crowd"), 10, call(1_000), short).await.unwrap();
    assert_eq!((after.granted, after.held), (true, 1));
}
