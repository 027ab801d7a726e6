//! Servers that stand still, under calls at a rate: how many are not served, and how long the others
//! take.
//!
//! What is measured is held against the seconds before, on the same machine. What else that machine
//! does only adds to it: so a round that is slower than it may be is repeated, and one is enough. A
//! call that is not served, or is told anything else than that nobody knows, is one too many in any.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::load::{Called, Load, within};
use super::{HARD, HARD_EVERY, OPEN, TOLD_MAX, audited, degraded, mended, place, standing};
use crate::client::{ADMIN_PAGE, client, text};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use crate::redis_server::Server as Redis;
use crate::server::Server as Postgres;

const ROUNDS: usize = 5;
/// 200 in a second.
const EVERY: Duration = Duration::from_millis(5);
/// How long it is watched before, and how long the server stands still.
const BEFORE: Duration = Duration::from_secs(3);
const STILL: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);
/// What the first second may cost: until it is known that nobody answers.
const FIRST_MAX: Duration = Duration::from_millis(60);
/// Connections are made and credit is leased by then.
const WARM: Duration = Duration::from_millis(700);

const MANY: Key =
    Key { name: "many", key: "sk-many-0123456789abcdef0123456789", limit: "100000/minute" };

/// A quarter more, and no more.
fn hardly_more(is: Duration, was: Duration) -> bool {
    is <= was.mul_f64(1.25)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_costs_the_first_second_60_ms_and_nothing_after() {
    let Some(server) = Redis::start() else { return };
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    // A window and a cap: whoever does not answer is asked twice by each call.
    let place = Place {
        keys: vec![MANY],
        redis: Some(server.url()),
        more: "[limits.key]\nin_flight = 1000\n",
        ..place(&simulator, folder, store)
    };
    let proxy = Proxy::start(&place, None).unwrap();
    let held = |state: &serde_json::Value| state["redis"]["degraded"] == false;
    for round in 1..=ROUNDS {
        while !held(&standing(&proxy).await) {
            sleep(Duration::from_millis(50)).await;
        }
        let load = Load::start(proxy.address, &[MANY], EVERY);
        sleep(BEFORE).await;
        let stopped = Instant::now();
        server.stop();
        sleep(STILL).await;
        let going_on = Instant::now();
        assert!(!held(&standing(&proxy).await), "it is not seen to be gone");
        let page = text(proxy.address, ADMIN_PAGE).await;
        assert!(page.contains("gw_store_degraded{store=\"counters\"} 1"), "{page}");
        server.go_on();
        let calls = load.stop().await;
        let lost = calls.iter().find(|call| call.status != 200);
        assert!(lost.is_none(), "a call failed for it: {lost:?}");
        let part = |from, to, hundredth| within(&calls, from, to, hundredth);
        let began = stopped - BEFORE + WARM;
        let (half, most) = (part(began, stopped, 50), part(began, stopped, 99));
        let first = part(stopped, stopped + SECOND, 99);
        let after = part(stopped + SECOND, going_on, 50);
        println!(
            "redis, round {round}: {} calls, none failed; before p50 {half:?} p99 {most:?}; first \
             second p99 {first:?}; after it p50 {after:?}",
            calls.len()
        );
        if first <= most + FIRST_MAX && hardly_more(after, half) {
            proxy.stop();
            return simulator.shutdown().await;
        }
    }
    panic!("slower than it may be in every round");
}

/// Whether those with a hard budget were told in time, and the others not troubled.
fn in_time(round: usize, hard: &[Called], open: &[Called], (from, to): (Instant, Instant)) -> bool {
    let during = |call: &&Called| from <= call.begun && call.begun + TOLD_MAX < to;
    let told: Vec<_> = hard.iter().filter(during).filter(|call| call.status == 503).collect();
    assert!(!told.is_empty(), "credit that nobody can lease has an end");
    let slowest = hard.iter().filter(during).map(|call| call.took).max().unwrap();
    let was = within(open, from - BEFORE + WARM, from, 50);
    let is = within(open, from, to, 50);
    println!(
        "postgres, round {round}: {} calls without limit, none failed, p50 {was:?} before and {is:?} \
         during; {} with a hard budget were told so, the slowest answer within {slowest:?}",
        open.len(),
        told.len(),
    );
    slowest <= TOLD_MAX && hardly_more(is, was)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_stands_still_closes_hard_budgets_and_nothing_else() {
    let Some(server) = Postgres::start() else { return };
    let simulator = simulator().await;
    let place = place(&simulator, tempfile::tempdir().unwrap(), server.database().await);
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let mut calls = Vec::new();
    for round in 1..=ROUNDS {
        let open = Load::start(proxy.address, &[OPEN], EVERY);
        let hard = Load::start(proxy.address, &HARD, HARD_EVERY);
        sleep(BEFORE).await;
        let stopped = Instant::now();
        server.signal("STOP");
        sleep(STILL).await;
        let going_on = Instant::now();
        degraded(&proxy).await;
        let (open, hard) = (open.stop().await, hard.stop().await);
        server.signal("CONT");
        let back = mended(&client, &proxy).await;
        let lost = open.iter().find(|call| call.status != 200);
        assert!(lost.is_none(), "a call without limit failed for it: {lost:?}");
        let odd = hard.iter().find(|call| !call.is_typed());
        assert!(odd.is_none(), "neither served nor told: {odd:?}");
        let held = in_time(round, &hard, &open, (stopped, going_on));
        println!("postgres, round {round}: as before after {back:?}");
        calls.extend(open);
        calls.extend(hard);
        if held {
            audited(proxy, &place, &calls).await;
            return simulator.shutdown().await;
        }
    }
    panic!("slower than it may be in every round");
}
