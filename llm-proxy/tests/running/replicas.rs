//! Replicas that share limits through Redis, and go on without it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use tokio::task::JoinSet;

use crate::client::{ask, client, get};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use crate::redis_server::{Server, free_port};

/// One for each round.
const FIVES: [Key; 5] = [
    Key { name: "five_1", key: "sk-five-1-0123456789abcdef0123456789", limit: "5/minute" },
    Key { name: "five_2", key: "sk-five-2-0123456789abcdef0123456789", limit: "5/minute" },
    Key { name: "five_3", key: "sk-five-3-0123456789abcdef0123456789", limit: "5/minute" },
    Key { name: "five_4", key: "sk-five-4-0123456789abcdef0123456789", limit: "5/minute" },
    Key { name: "five_5", key: "sk-five-5-0123456789abcdef0123456789", limit: "5/minute" },
];
const MANY: Key =
    Key { name: "many", key: "sk-many-0123456789abcdef0123456789", limit: "100000/minute" };
const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;
const CALLS: usize = 40;
/// How long a state may take to be seen.
const SEEN_MAX: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

fn place(simulator: &Simulator, redis: &str) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (store, at) = (sqlite(folder.path()), simulator.base_url(Vendor::OpenAi));
    let redis = Some(redis.to_owned());
    Place {
        keys: FIVES.into_iter().chain([MANY]).collect(),
        redis,
        ..Place::new(folder, store, at)
    }
}

/// Waits until readiness says so of Redis.
async fn becomes(proxy: &Proxy, degraded: bool) {
    let seen = async {
        loop {
            let ready = get(proxy.address, "/health/readiness", "").await;
            if ready["redis"]["degraded"] == degraded {
                assert_eq!(ready["status"], if degraded { "degraded" } else { "ready" });
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    assert!(tokio::time::timeout(SEEN_MAX, seen).await.is_ok(), "degraded is not {degraded}");
}

/// A window of a minute must not turn while it is counted in.
async fn early_in_a_minute() {
    #[expect(clippy::disallowed_methods, reason = "Redis counts by the time that really passes")]
    let now = std::time::SystemTime::now();
    let second = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() % 60;
    if second > 45 {
        tokio::time::sleep(Duration::from_secs(61 - second)).await;
    }
}

/// How often Redis was late or away for these.
async fn failures(proxies: &[Proxy]) -> u64 {
    let mut failures = 0;
    for proxy in proxies {
        let ready = get(proxy.address, "/health/readiness", "").await;
        failures += ready["redis"]["failures"].as_u64().unwrap();
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_admit_together_what_one_limit_allows() {
    let Some(server) = Server::start() else { return };
    let simulator = simulator().await;
    let places = [place(&simulator, &server.url()), place(&simulator, &server.url())];
    let proxies = places.each_ref().map(|place| Proxy::start(place, None).unwrap());
    let client = client();
    // On a machine that is busy otherwise Redis may be late, and then each replica counts alone for
    // that call: such a round says nothing. Each has a key, and so a limit, of its own.
    for key in FIVES {
        for proxy in &proxies {
            becomes(proxy, false).await;
            let warm = ask(&client, proxy.address, MANY.key, BODY.to_owned()).await.unwrap();
            assert_eq!(warm.status(), 200);
        }
        early_in_a_minute().await;
        let before = failures(&proxies).await;
        let mut came = BTreeMap::new();
        for _ in 0..CALLS / 4 {
            let calls = [0, 1, 0, 1].map(|number| {
                let (client, proxy) = (client.clone(), proxies[number].address);
                tokio::spawn(async move { ask(&client, proxy, key.key, BODY.to_owned()).await })
            });
            for call in calls {
                let status = call.await.unwrap().unwrap().status().as_u16();
                *came.entry(status).or_insert(0) += 1;
            }
        }
        if failures(&proxies).await > before {
            println!("{}: Redis was late, {came:?}", key.name);
            continue;
        }
        assert_eq!(came, BTreeMap::from([(200, 5), (429, CALLS - 5)]));
        proxies.into_iter().for_each(Proxy::stop);
        simulator.shutdown().await;
        return;
    }
    panic!("Redis was late in every round");
}

/// How many scripts the server has run.
fn scripts(server: &Server) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_fails_no_call_and_is_used_again() {
    let Some(server) = Server::start() else { return };
    let simulator = simulator().await;
    let place = place(&simulator, &server.url());
    let proxy = Proxy::start(&place, None).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (client, address, over) = (client(), proxy.address, Arc::clone(&over));
            tokio::spawn(async move {
                let mut calls = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = ask(&client, address, MANY.key, BODY.to_owned()).await.unwrap();
                    assert_eq!(answer.status(), 200, "{:?}", answer.body());
                    calls += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                calls
            })
        })
        .collect();
    becomes(&proxy, false).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(scripts(&server) > 0, "it is counted with");
    server.stop();
    becomes(&proxy, true).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    server.go_on();
    becomes(&proxy, false).await;
    let before = scripts(&server);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(scripts(&server) > before, "it is counted with again");
    over.store(true, Ordering::Relaxed);
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    println!("{calls} calls, none failed; {}", proxy.said().lines().count());
    proxy.stop();
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_starts_without_its_redis() {
    let simulator = simulator().await;
    let place = place(&simulator, &format!("redis://127.0.0.1:{}/0", free_port()));
    let proxy = Proxy::start(&place, None).unwrap();
    becomes(&proxy, true).await;
    assert!(proxy.said().contains("starting without it"), "{}", proxy.said());
    let mut came = BTreeMap::new();
    early_in_a_minute().await;
    for _ in 0..CALLS {
        let answer = ask(&client(), proxy.address, FIVES[0].key, BODY.to_owned()).await.unwrap();
        *came.entry(answer.status().as_u16()).or_insert(0) += 1;
    }
    // Its own part of the limit: half of five, and no more.
    assert_eq!(came, BTreeMap::from([(200, 2), (429, CALLS - 2)]));
    proxy.stop();
    simulator.shutdown().await;
}

/// Calls that nobody answers: as many as may run stay, the others are told at once.
async fn hanging(address: std::net::SocketAddr, calls: usize) -> (JoinSet<u16>, usize) {
    let mut running = JoinSet::new();
    for _ in 0..calls {
        running.spawn(async move {
            let answer = ask(&client(), address, MANY.key, BODY.to_owned()).await;
            answer.unwrap().status().as_u16()
        });
    }
    let (mut refused, mut last) = (0, tokio::time::Instant::now());
    // What is refused is refused within milliseconds; who is still there later runs.
    while last.elapsed() < Duration::from_secs(3) && !running.is_empty() {
        if let Ok(Some(status)) = tokio::time::timeout(PAUSE, running.join_next()).await {
            assert_eq!(status.unwrap(), 429);
            (refused, last) = (refused + 1, tokio::time::Instant::now());
        }
    }
    (running, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_of_running_calls_is_one_cap_for_two_replicas() {
    let Some(server) = Server::start() else { return };
    let simulator = simulator().await;
    let more = "[limits.key]\nin_flight = 4\n";
    let capped = || Place { more, ..place(&simulator, &server.url()) };
    let places = [capped(), capped()];
    let proxies = places.each_ref().map(|place| Proxy::start(place, None).unwrap());
    for proxy in &proxies {
        becomes(proxy, false).await;
        let ready = get(proxy.address, "/health/readiness", "").await;
        assert_eq!(ready["in_flight_caps"], "shared");
    }
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let silent = r#"{"times":"always","do":{"hang":"before_head"}}"#;
    for _ in 0..5 {
        let before = failures(&proxies).await;
        upstream.script(Script::parse(silent.as_bytes()).unwrap());
        let (here, refused) = hanging(proxies[0].address, 6).await;
        let (there, others) = hanging(proxies[1].address, 6).await;
        drop((here, there));
        upstream.script(Vec::new());
        // All places come back: those of calls that were left, too.
        let mut free = 0;
        for _ in 0..200 {
            let answer = ask(&client(), proxies[1].address, MANY.key, BODY.to_owned()).await;
            free += usize::from(answer.unwrap().status() == 200);
            if free == 4 {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        assert_eq!(free, 4);
        if failures(&proxies).await > before {
            println!("Redis was late: {refused} and {others}");
            // Places are given back behind the calls.
            tokio::time::sleep(Duration::from_secs(2)).await;
            continue;
        }
        assert_eq!((refused, others), (2, 6));
        proxies.into_iter().for_each(Proxy::stop);
        simulator.shutdown().await;
        return;
    }
    panic!("Redis was late in every round");
}
