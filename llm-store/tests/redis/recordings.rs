//! Recordings: what is kept, for how long, and that a purge forgets what was meant and no more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::TenantId;
use llm_core::store::{CacheKey, CacheStore, Purge, StoreError};
use llm_store::redis::{RECORDING_MAX, Redis, Settings, State, TAGS_MAX};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::clocks::PatientClock;
use crate::replica;
use crate::server::Server;

const HOUR: Duration = Duration::from_secs(3_600);

fn key(tenant: &'static str, scope: &'static str, question: u8) -> CacheKey {
    CacheKey { tenant: tenant.into(), scope: scope.into(), question: [question; 32] }
}

fn tags(names: &[&'static str]) -> Vec<Str> {
    names.iter().map(|name| Str::from_static(name)).collect()
}

fn answer(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn kept_and_forgotten() {
    let Some(server) = Server::start() else { return };
    let (a, b) = (replica(&server).await, replica(&server).await);
    let (one, two, other) = (key("acme", "", 1), key("acme", "u1", 2), key("zeta", "", 1));
    assert_eq!(b.get(&one).await, Ok(None));
    a.put(&one, answer("1"), HOUR, &tags(&["model:x", "key:k"])).await.unwrap();
    a.put(&two, answer("2"), HOUR, &tags(&["model:x"])).await.unwrap();
    a.put(&other, answer("3"), HOUR, &tags(&["model:x"])).await.unwrap();
    assert_eq!(b.get(&one).await, Ok(Some(answer("1"))));
    // Kept again with other tags: the old ones mean it no more.
    a.put(&one, answer("4"), HOUR, &tags(&["key:k"])).await.unwrap();
    let model = |tenant: &'static str| Purge::model(tenant.into(), "x");
    assert_eq!(b.purge(&model("acme")).await, Ok(1));
    assert_eq!(a.get(&two).await, Ok(None));
    assert_eq!(a.get(&one).await, Ok(Some(answer("4"))));
    assert_eq!(a.get(&other).await, Ok(Some(answer("3"))), "another tenant's");
    assert_eq!(a.purge(&Purge::Scope("acme".into(), "u1".into())).await, Ok(0));
    assert_eq!(a.purge(&Purge::Scope("acme".into(), "".into())).await, Ok(1));
    assert_eq!(a.purge(&Purge::Tenant("acme".into())).await, Ok(0));
    assert_eq!(a.purge(&Purge::Tenant("zeta".into())).await, Ok(1));
    assert_eq!(a.get(&other).await, Ok(None));
    assert!(server.keys().iter().all(|key| !key.contains("r:{")));
}

#[tokio::test]
async fn bounds_are_kept() {
    let Some(server) = Server::start() else { return };
    let settings = Settings { listed_max: 20, ..Settings::new(server.url()) };
    let store = Redis::connect(&settings, Arc::new(PatientClock)).await.unwrap();
    let large = key("acme", "", 0);
    let most = Bytes::from(vec![7; RECORDING_MAX]);
    store.put(&large, most.clone(), HOUR, &[]).await.unwrap();
    assert_eq!(store.get(&large).await, Ok(Some(most)));
    let more = Bytes::from(vec![7; RECORDING_MAX + 1]);
    assert!(matches!(store.put(&large, more, HOUR, &[]).await, Err(StoreError::Full(_))));
    let many = vec![Str::from_static("t"); TAGS_MAX + 1];
    assert!(matches!(store.put(&large, answer("x"), HOUR, &many).await, Err(StoreError::Full(_))));
    // The twenty that stay longest stay, and nothing stays unnamed.
    for question in 1..=60 {
        let ttl = HOUR + Duration::from_secs(question.into());
        store.put(&key("acme", "", question), answer("x"), ttl, &tags(&["t"])).await.unwrap();
    }
    for question in 0..=60 {
        let there = store.get(&key("acme", "", question)).await.unwrap().is_some();
        assert_eq!(there, question > 40, "{question}");
    }
    assert_eq!(store.purge(&Purge::Tenant("acme".into())).await, Ok(20));
    assert_eq!(store.state(), State::Up);
    // What has no time is not kept; what has little is gone soon.
    let brief = key("acme", "", 99);
    store.put(&brief, answer("x"), Duration::ZERO, &[]).await.unwrap();
    assert_eq!(store.get(&brief).await, Ok(None));
    store.put(&brief, answer("x"), Duration::from_secs(1), &[]).await.unwrap();
    assert!(store.get(&brief).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    assert_eq!(store.get(&brief).await, Ok(None));
    assert_eq!(store.purge(&Purge::Tenant("acme".into())).await, Ok(0));
}

/// A server short of memory may drop any key. What could not be purged must not be served.
#[tokio::test]
async fn what_no_list_names_is_not_served() {
    let Some(server) = Server::start() else { return };
    let store = replica(&server).await;
    let one = key("acme", "u", 1);
    for list in ["i:{4:acme}:a", "i:{4:acme}:s:u", "i:{4:acme}:t:b"] {
        store.put(&one, answer("1"), HOUR, &tags(&["a", "b"])).await.unwrap();
        assert!(store.get(&one).await.unwrap().is_some());
        assert_eq!(server.ask::<u32>(&["DEL", &format!("llm:{list}")]), 1, "{list}");
        assert_eq!(store.get(&one).await, Ok(None), "{list}");
    }
}

#[tokio::test]
async fn a_full_server_is_no_outage() {
    let Some(server) = Server::start() else { return };
    let store = replica(&server).await;
    let one = key("acme", "", 1);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..5 {
        let full = store.put(&one, answer("1"), HOUR, &tags(&["a"])).await;
        assert!(matches!(full, Err(StoreError::Full(_))), "{full:?}");
    }
    assert_eq!((store.state(), store.tally().failures), (State::Up, 5));
    // A new replica finds a server that answers.
    assert_eq!(replica(&server).await.state(), State::Up);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    store.put(&one, answer("1"), HOUR, &tags(&["a"])).await.unwrap();
    assert!(store.get(&one).await.unwrap().is_some());
}

fn numbered(n: u32) -> CacheKey {
    let mut question = [0; 32];
    question[..4].copy_from_slice(&n.to_be_bytes());
    CacheKey { tenant: "acme".into(), scope: "".into(), question }
}

#[tokio::test]
async fn a_purge_of_thousands_goes_step_by_step() {
    let Some(server) = Server::start() else { return };
    let store = replica(&server).await;
    for n in 0..3_000 {
        // Those that expire first are forgotten first.
        let ttl = HOUR + Duration::from_secs(n.into());
        store.put(&numbered(n), answer("x"), ttl, &tags(&["t"])).await.unwrap();
    }
    let purge = {
        let store = store.clone();
        tokio::spawn(async move { store.purge(&Purge::Tag("acme".into(), "t".into())).await })
    };
    // Forgotten all at once, whatever there is left to do; and what is kept from then on stays.
    let last = numbered(2_999);
    while store.get(&last).await.unwrap().is_some() {}
    store.put(&last, answer("new"), HOUR, &tags(&["t"])).await.unwrap();
    let early = !purge.is_finished();
    let forgotten = purge.await.unwrap().unwrap();
    println!("kept during the purge: {early}; {forgotten} forgotten");
    assert!((2_999..=3_000).contains(&forgotten));
    assert_eq!(store.get(&last).await, Ok(Some(answer("new"))));
    assert_eq!(store.get(&numbered(0)).await, Ok(None));
    assert_eq!(store.tally().failures, 0);
}

const TENANTS: [&str; 2] = ["acme", "acme}:"];
const SCOPES: [&str; 3] = ["", "u", "s:u"];
const TAGS: [&str; 3] = ["", "a", "b"];
static CASE: AtomicU32 = AtomicU32::new(0);

type Step = (u8, usize, usize, u8, Vec<usize>);

/// Puts, gets and purges in any order, against a map.
#[test]
fn against_a_map() {
    let Some(server) = Server::start() else { return };
    let runtime = Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let tags = prop::collection::vec(0..TAGS.len(), 0..3);
    let step = (0u8..8, 0..TENANTS.len(), 0..SCOPES.len(), 0u8..3, tags);
    let run = runner.run(&prop::collection::vec(step, 1..60), |steps: Vec<Step>| {
        let prefix = format!("case{}:", CASE.fetch_add(1, Ordering::Relaxed));
        let settings = Settings { prefix: prefix.into(), ..Settings::new(server.url()) };
        let clock = Arc::new(PatientClock);
        let store = runtime.block_on(Redis::connect(&settings, clock)).unwrap();
        let mut map: HashMap<CacheKey, (Bytes, Vec<Str>)> = HashMap::new();
        for (at, (kind, tenant, scope, question, tags)) in steps.into_iter().enumerate() {
            let (key, tenant) = (key(TENANTS[tenant], SCOPES[scope], question), TENANTS[tenant]);
            let tags: Vec<_> = tags.into_iter().map(|tag| Str::from_static(TAGS[tag])).collect();
            if kind < 4 {
                let bytes = Bytes::from(at.to_string());
                runtime.block_on(store.put(&key, bytes.clone(), HOUR, &tags)).unwrap();
                map.insert(key, (bytes, tags));
                continue;
            }
            if kind == 4 {
                let there = runtime.block_on(store.get(&key)).unwrap();
                prop_assert_eq!(there, map.get(&key).map(|kept| kept.0.clone()));
                continue;
            }
            let tenant = TenantId::from(tenant);
            let what = match (kind, tags.first()) {
                (5, _) => Purge::Scope(tenant.clone(), key.scope.clone()),
                (6, None) => Purge::Tenant(tenant.clone()),
                (_, tag) => Purge::Tag(tenant.clone(), tag.cloned().unwrap_or_default()),
            };
            let before = map.len();
            map.retain(|key, (_, tags)| {
                key.tenant != tenant
                    || match &what {
                        Purge::Tenant(_) => false,
                        Purge::Scope(_, scope) => key.scope != *scope,
                        Purge::Tag(_, tag) => !tags.contains(tag),
                    }
            });
            let forgotten = runtime.block_on(store.purge(&what)).unwrap();
            prop_assert_eq!(forgotten, (before - map.len()) as u64, "{:?}", what);
        }
        for (key, (bytes, _)) in map {
            prop_assert_eq!(runtime.block_on(store.get(&key)).unwrap(), Some(bytes));
        }
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}
