//! Windows: the same verdicts as the core's counters, and never more than the limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::{AccountId, Owner};
use llm_core::quota::{Counter, Limit, Quantity, Verdict, Zone, take_all};
use llm_core::seam::Clock;
use llm_core::store::{Correction, Counters, StoreError};
use llm_store::redis::{RULES_MAX, Redis, Settings, State, Time};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::clocks::{HandClock, PatientClock, RealClock};
use crate::server::Server;
use crate::{owner, replica, replica_by};

const LIMITS: [&str; 14] = [
    "9/s",
    "4/30s",
    "40 tokens/minute",
    "25/hour",
    "100/15minute",
    "60/7d",
    "300 tokens/day rolling",
    "12/hour calendar",
    "15/7h calendar",
    "20/36h calendar",
    "30/day",
    "900 tokens/week",
    "50/month",
    "0/minute",
];
const ZONES: [&str; 4] = ["UTC", "Asia/Seoul", "America/New_York", "Pacific/Apia"];
/// A head and as many slices as a rolling window has: sixteen bytes each.
const COUNTER_MAX: u64 = 16 * (1 + 130);
static CASE: AtomicU32 = AtomicU32::new(0);

fn limit(text: &str) -> Limit {
    text.parse().unwrap()
}

fn amount(limit: &Limit) -> u64 {
    match limit.quantity {
        Quantity::Requests(n) | Quantity::Tokens(n) => n,
        Quantity::Money(_) | Quantity::Credits(_) => unreachable!(),
    }
}

/// The local twin.
fn twin(counters: &mut [Counter], asks: &[(Limit, u64)], now: Timestamp) -> Vec<Verdict> {
    let mut pairs: Vec<_> = counters.iter_mut().zip(asks.iter().map(|ask| ask.1)).collect();
    take_all(&mut pairs, now).unwrap_or_else(|refused| vec![*refused])
}

/// Times between takes: within a slice, around the turns of windows, and clocks that go back.
fn waits() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0i64..3_000,
        4 => 0i64..40_000_000,
        2 => 0i64..4_000_000_000,
        1 => 0i64..200_000_000_000,
        1 => -100_000_000_000i64..0,
    ]
}

/// A wait, what is taken, and which earlier take is corrected before by how much.
fn step() -> impl Strategy<Value = (i64, Vec<u64>, Option<(usize, i64)>)> {
    let n = prop_oneof![6 => 0u64..8, 1 => 0u64..120, 1 => Just(u64::MAX)];
    let by = prop_oneof![6 => -9i64..9, 1 => -200i64..2_000, 1 => Just(i64::MIN)];
    (waits(), prop::collection::vec(n, 4), prop::option::of((0usize..60, by)))
}

#[test]
fn the_local_twin_agrees() {
    let Some(server) = Server::start() else { return };
    let runtime = Runtime::new().unwrap();
    let start: Timestamp = "2026-10-30T22:00:00Z".parse().unwrap();
    let clock = HandClock::at(start);
    let stores = ZONES.map(|zone| {
        let zone = Zone::get(zone).unwrap();
        let url = server.url();
        let settings = Settings { zone, time: Time::Ours, ..Settings::new(url) };
        let clock: Arc<dyn Clock> = clock.clone();
        runtime.block_on(Redis::connect(&settings, clock)).unwrap()
    });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let rules = prop::collection::vec(prop::sample::select(&LIMITS[..]), 1..5);
    let steps = prop::collection::vec(step(), 1..60);
    let history = (0..ZONES.len(), rules, 0i64..5_000_000, steps);
    let counted = runner.run(&history, |(zone, rules, seconds, steps)| {
        let limits: Vec<_> = rules.iter().map(|text| limit(text)).collect();
        let zone_of = Zone::get(ZONES[zone]).unwrap();
        let counter =
            |l: &Limit| Counter::new(l.to_string(), amount(l), l.window(&zone_of).unwrap());
        let mut counters: Vec<_> = limits.iter().map(counter).collect();
        let name = format!("case-{}", CASE.fetch_add(1, Ordering::Relaxed));
        let owner = AccountId::new(Owner::Key, name);
        let mut now = start + SignedDuration::from_secs(seconds);
        let mut taken: Vec<Vec<Correction>> = Vec::new();
        for (wait, ns, wrong) in steps {
            now += SignedDuration::from_micros(wait);
            clock.set(now);
            if let Some((which, by)) = wrong.filter(|_| !taken.is_empty()) {
                let which = which % taken.len();
                taken[which].iter_mut().for_each(|c| c.by = by);
                let there = runtime.block_on(stores[zone].correct(&owner, &taken[which]));
                prop_assert_eq!(there, Ok(()));
                for (counter, c) in counters.iter_mut().zip(&taken[which]) {
                    counter.correct(c.slice, c.by);
                }
            }
            let asks: Vec<_> = limits.iter().copied().zip(ns).collect();
            let there = runtime.block_on(stores[zone].take(&owner, &asks));
            let here = twin(&mut counters, &asks, now);
            if here.iter().all(|verdict| verdict.allowed) {
                let of = |(limit, verdict): (&Limit, &Verdict)| Correction {
                    limit: *limit,
                    slice: verdict.slice,
                    by: 0,
                };
                taken.push(limits.iter().zip(&here).map(of).collect());
            }
            prop_assert_eq!(there, Ok(here), "{:?} {}", asks, now);
        }
        Ok(())
    });
    if let Err(error) = counted {
        panic!("{error}");
    }
    let counters = server.keys();
    for key in counters.iter().filter(|key| key.starts_with("llm:c:")) {
        let bytes: u64 = server.ask(&["STRLEN", key]);
        assert!(bytes <= COUNTER_MAX, "{key} has {bytes} bytes");
    }
}

/// What came of a thousand takes, of which four hundred fit.
#[derive(Debug, Default)]
struct Sum {
    allowed: u32,
    refused: u32,
    unknown: u32,
}

async fn thousand(server: &Server, at_once: usize, clock: impl Clock + Copy) -> (Sum, Redis) {
    let replica = || replica_by(server, clock);
    let replicas = [replica().await, replica().await, replica().await];
    let asks = [(limit("400/hour"), 1), (limit("1K tokens/day"), 2), (limit("900/minute"), 1)];
    let calls = (0..1_000).map(|n| {
        let store = replicas[n % 3].clone();
        tokio::spawn(async move { store.take(&owner("crowd"), &asks).await })
    });
    let mut sum = Sum::default();
    let mut answers = futures_util::stream::iter(calls).buffer_unordered(at_once);
    while let Some(verdicts) = answers.next().await {
        match verdicts.unwrap() {
            Ok(verdicts) if verdicts.iter().all(|v| v.allowed) => {
                assert!(verdicts.len() == 3 && verdicts.iter().all(|v| v.used <= v.limit));
                sum.allowed += 1;
            }
            Ok(verdicts) => {
                assert!(matches!(&verdicts[..], [v] if v.limit == 400 && v.used == 400));
                sum.refused += 1;
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                sum.unknown += 1;
            }
        }
    }
    drop(answers);
    println!("{at_once} at once: {sum:?}");
    let [first, ..] = replicas;
    (sum, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_from_three_replicas() {
    let Some(server) = Server::start() else { return };
    let (sum, store) = thousand(&server, 60, PatientClock).await;
    assert_eq!((sum.allowed, sum.refused, sum.unknown), (400, 600, 0));
    assert_eq!(store.state(), State::Up);
    let stats: String = server.ask(&["INFO", "commandstats"]);
    println!("{}", stats.lines().find(|line| line.starts_with("cmdstat_evalsha")).unwrap());
}

/// More than a server answers within the deadline: then some are not known, and still never more
/// than the limit.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once() {
    let Some(server) = Server::start() else { return };
    let (sum, _) = thousand(&server, 1_000, RealClock).await;
    assert!(sum.allowed <= 400 && sum.allowed + sum.unknown >= 400);
}

/// Ten thousand calls cost as much memory as a hundred.
#[tokio::test]
async fn a_counter_stays_small() {
    let Some(server) = Server::start() else { return };
    let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let clock = HandClock::at(start);
    let settings = Settings { time: Time::Ours, ..Settings::new(server.url()) };
    let store = Redis::connect(&settings, clock.clone()).await.unwrap();
    let asks = [(limit("100000/minute"), 1), (limit("100000/day"), 1)];
    for n in 0..2_000 {
        clock.set(start + SignedDuration::from_millis(100 * n));
        let verdicts = store.take(&owner("busy"), &asks).await.unwrap();
        assert_eq!(verdicts[1].used, n as u64 + 1);
        assert!(verdicts[0].used <= 606, "{:?}", verdicts[0]);
    }
    let sizes = ["requests/minute rolling", "requests/day calendar"]
        .map(|rule| server.ask::<u64>(&["STRLEN", &format!("llm:c:{{k4:busy0:}}:{rule}")]));
    assert!((16 * 100..=COUNTER_MAX).contains(&sizes[0]), "{sizes:?}");
    assert_eq!(sizes[1], 32);
}

/// By the server's own clock: the guess of the calendar's window must come out right at its turn.
#[tokio::test(flavor = "multi_thread")]
async fn windows_turn_by_the_servers_clock() {
    let Some(server) = Server::start() else { return };
    // Our clock is a year behind; the server's counts.
    let wrong = HandClock::at("2025-01-01T00:00:00Z".parse().unwrap());
    let store = Redis::connect(&Settings::new(server.url()), wrong).await.unwrap();
    let asks = [(limit("3/s calendar"), 1), (limit("1000/day"), 1)];
    let mut windows = Vec::new();
    for _ in 0..240 {
        let verdicts = store.take(&owner("turns"), &asks).await.unwrap();
        let first = &verdicts[0];
        let now = Timestamp::try_from(RealClock.wall()).unwrap();
        assert!((now.as_second() - first.slice.start.as_second()).abs() <= 1, "{first:?} {now}");
        assert_eq!(first.resets_at, Some(first.slice.end));
        if first.allowed {
            windows.push(first.slice);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    windows.dedup_by_key(|window| window.start);
    assert!(windows.len() >= 3, "{windows:?}");
    assert_eq!(store.tally().failures, 0);
}

#[tokio::test]
async fn what_is_no_count_is_refused() {
    let Some(server) = Server::start() else { return };
    let store = replica(&server).await;
    let (owner, one) = (owner("odd"), (limit("5/hour"), 1));
    for asks in [vec![(limit("$5/month"), 1)], vec![one, (limit("5 credits/day"), 1)]] {
        let refused = store.take(&owner, &asks).await;
        assert!(matches!(refused, Err(StoreError::Violation(_))), "{refused:?}");
    }
    assert!(store.take(&owner, &vec![one; RULES_MAX + 1]).await.is_err());
    assert_eq!(store.take(&owner, &[]).await, Ok(Vec::new()));
    // A higher limit keeps what was counted; two of the same are two.
    store.take(&owner, &[(limit("5/hour"), 4)]).await.unwrap();
    let raised = store.take(&owner, &[(limit("9/hour"), 1), (limit("9/hour"), 1)]).await.unwrap();
    assert_eq!((raised[0].used, raised[1].used), (5, 1));
    let lowered = store.take(&owner, &[(limit("2/hour"), 0)]).await.unwrap();
    assert_eq!((lowered[0].allowed, lowered[0].used, lowered[0].remaining), (true, 5, 0));
    // Another owner of that name counts for itself.
    let team = AccountId::new(Owner::Team, Str::from_static("odd"));
    assert_eq!(store.take(&team, &[one]).await.unwrap()[0].used, 1);
}
