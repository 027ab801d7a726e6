//! A server that stops, dies, is slow or was never there costs callers next to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_core::quota::Limit;
use llm_core::store::{CacheKey, CacheStore, Counters, StoreError};
use llm_store::redis::{DEADLINE, NotRedis, Redis, Settings, State};
use tokio::time::{Instant, sleep};

use crate::clocks::RealClock;
use crate::server::Server;
use crate::{owner, replica_by};

/// What a busy machine may add to a timer.
const SLACK: Duration = Duration::from_millis(100);
const BACK: Duration = Duration::from_secs(5);

async fn take(store: &Redis) -> Result<bool, StoreError> {
    let asks = [("1000000/hour".parse::<Limit>().unwrap(), 1)];
    Ok(store.take(&owner("load"), &asks).await?[0].allowed)
}

async fn until_up(store: &Redis) -> Duration {
    let start = Instant::now();
    while store.state() != State::Up {
        assert!(start.elapsed() < BACK, "still {:?}", store.state());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(take(store).await, Ok(true));
    start.elapsed()
}

/// How long each call took: when it began, and whether it succeeded.
type Call = (Instant, Duration, bool);

/// Calls without end, one after the other, from several tasks.
async fn load(store: Redis, over: Arc<AtomicBool>) -> Vec<Call> {
    let mut calls = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = take(&store).await;
        calls.push((start, start.elapsed(), answer.is_ok()));
        sleep(Duration::from_millis(1)).await;
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_under_load() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    let over = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> =
        (0..16).map(|_| tokio::spawn(load(store.clone(), Arc::clone(&over)))).collect();
    sleep(Duration::from_millis(300)).await;
    let stopped = Instant::now();
    server.stop();
    while store.state() == State::Up {
        sleep(Duration::from_millis(1)).await;
    }
    let open = Instant::now();
    sleep(Duration::from_millis(2_500)).await;
    server.go_on();
    let back = until_up(&store).await;
    sleep(Duration::from_millis(200)).await;
    over.store(true, Ordering::Relaxed);
    let mut calls = Vec::new();
    for task in tasks {
        calls.extend(task.await.unwrap());
    }
    let longest = calls.iter().map(|call| call.1).max().unwrap();
    assert!(longest <= DEADLINE + SLACK, "{longest:?}");
    let until = open + Duration::from_millis(2_400);
    let during = calls.iter().filter(|call| call.0 > open && call.0 < until);
    let mut during: Vec<_> = during.inspect(|call| assert!(!call.2)).map(|call| call.1).collect();
    during.sort_unstable();
    // A task that the machine had no time for is no caller that waited for Redis.
    let p99 = during[during.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(1), "{p99:?}");
    println!(
        "{} calls, longest {longest:?}; open after {:?}, then p99 {p99:?} of {}; back after {back:?}",
        calls.len(),
        open - stopped,
        during.len()
    );
    let tally = store.tally();
    assert!(tally.failures >= 3 && tally.skipped >= during.len() as u64, "{tally:?}");
    assert_eq!(tally.outages, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_again() {
    let Some(mut server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    assert_eq!(take(&store).await, Ok(true));
    // Scripts that are gone are sent again, and nobody notices.
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    assert_eq!(take(&store).await, Ok(true));
    assert_eq!(store.tally().failures, 0);
    for _ in 0..2 {
        server.kill();
        let start = Instant::now();
        while store.state() == State::Up {
            let called = Instant::now();
            let failed = take(&store).await;
            assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
            assert!(called.elapsed() <= DEADLINE + SLACK);
        }
        assert!(start.elapsed() <= 3 * (DEADLINE + SLACK), "{:?}", start.elapsed());
        server.restart();
        println!("back after {:?}", until_up(&store).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_is_out() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    server.ask::<()>(&["CLIENT", "PAUSE", "900", "ALL"]);
    for _ in 0..20 {
        let start = Instant::now();
        assert!(matches!(take(&store).await, Err(StoreError::Unavailable(_))));
        assert!(start.elapsed() <= DEADLINE + SLACK);
    }
    assert!(matches!(store.state(), State::Degraded { .. }));
    until_up(&store).await;
}

/// Recordings may be slow for reasons of their own; then nobody has to count alone.
#[tokio::test(flavor = "multi_thread")]
async fn recordings_do_not_take_counts_with_them() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    let key = CacheKey { tenant: "t".into(), scope: "".into(), question: [0; 32] };
    server.stop();
    for _ in 0..3 {
        assert!(store.get(&key).await.is_err());
    }
    server.go_on();
    assert_eq!(take(&store).await, Ok(true));
    until_up(&store).await;
    assert_eq!(store.get(&key).await, Ok(None));
}

/// Whoever stops waiting just before the deadline has seen the same outage.
#[tokio::test(flavor = "multi_thread")]
async fn callers_who_give_up_are_witnesses() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    let key = CacheKey { tenant: "t".into(), scope: "".into(), question: [0; 32] };
    server.stop();
    for _ in 0..3 {
        let _ = tokio::time::timeout(Duration::from_millis(45), store.get(&key)).await;
    }
    assert!(matches!(store.state(), State::Degraded { .. }));
    server.go_on();
    until_up(&store).await;
    // Who leaves at once is none.
    for _ in 0..9 {
        let _ = tokio::time::timeout(Duration::ZERO, store.get(&key)).await;
    }
    assert_eq!(store.state(), State::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_without_it() {
    let Some(mut server) = Server::start() else { return };
    server.kill();
    let start = Instant::now();
    let store = replica_by(&server, RealClock).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(matches!(store.state(), State::Degraded { .. }));
    assert!(take(&store).await.is_err());
    server.restart();
    until_up(&store).await;
}

/// A middle box closed a connection that nobody used: one call fails, and the next has a new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_no_outage() {
    let Some(server) = Server::start() else { return };
    let store = replica_by(&server, RealClock).await;
    for _ in 0..3 {
        assert_eq!(take(&store).await, Ok(true));
        assert!(server.ask::<u32>(&["CLIENT", "KILL", "TYPE", "normal"]) >= 1);
        sleep(Duration::from_millis(20)).await;
        let _ = take(&store).await;
    }
    assert_eq!(take(&store).await, Ok(true));
    assert_eq!((store.state(), store.tally().outages), (State::Up, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_an_outage_and_is_not_told() {
    let Some(server) = Server::start() else { return };
    server.ask::<()>(&["CONFIG", "SET", "requirepass", "hunter2"]);
    let connect = async |word: &str| {
        let url = server.url().replace("127", &format!(":{word}@127"));
        Redis::connect(&Settings::new(url), Arc::new(RealClock)).await.unwrap()
    };
    assert_eq!(take(&connect("hunter2").await).await, Ok(true));
    let wrong = connect("hunter3").await;
    let told = format!("{wrong:?} {:?}", wrong.state());
    assert!(matches!(wrong.state(), State::Degraded { .. }));
    assert!(!told.contains("hunter"), "{told}");
}

#[tokio::test]
async fn mistakes_are_errors_at_start() {
    let connect = |settings: Settings| async move {
        Redis::connect(&settings, Arc::new(RealClock)).await.err()
    };
    for url in ["", "localhost", "http://localhost", "redis://"] {
        let error = connect(Settings::new(url)).await;
        assert!(matches!(error, Some(NotRedis::Url)) || url == "redis://", "{url}: {error:?}");
    }
    let url = "redis://user:hunter2@127.0.0.1:1/0";
    let braces = Settings { prefix: "{a}".into(), ..Settings::new(url) };
    assert_eq!(connect(braces).await, Some(NotRedis::Prefix));
    let roots = Settings { roots: Some(Vec::new()), ..Settings::new(url) };
    assert!(!format!("{roots:?}").contains("hunter2"));
    assert_eq!(connect(roots).await, Some(NotRedis::Roots));
}
