//! Servers that die under calls, and come back where they were.

use std::time::Duration;

use http::Method;
use tokio::time::{Instant, sleep};

use super::load::Load;
use super::{
    BODY, HARD, HARD_EVERY, OPEN, SLACK, audited, called, degraded, mended, place, standing,
};
use crate::client::{Client, ask, client, operate, post};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};
use crate::redis_server::Server as Redis;
use crate::server::{self, Server as Postgres};

const EVERY: Duration = Duration::from_millis(20);
/// Longer than it takes until changes are looked at, which a key that was just made is.
const LIVES: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_secs(3);
const STRANGER: Key =
    Key { name: "stranger", key: "sk-stranger-0123456789abcdef0123456789", limit: "" };
const MANY: Key =
    Key { name: "many", key: "sk-many-0123456789abcdef0123456789", limit: "100000/minute" };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_dies_closes_hard_budgets_and_nothing_else() {
    let Some(mut server) = Postgres::start() else { return };
    let simulator = simulator().await;
    let place = place(&simulator, tempfile::tempdir().unwrap(), server.database().await);
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let made = post(proxy.address, "/key/generate", "{}").await;
    let key = made["key"].as_str().unwrap().to_owned().leak();
    let made = Key { name: "made", key, limit: "" };
    let mut calls = vec![called(&client, &proxy, made).await];
    assert_eq!(calls[0].status, 200);
    for _ in 0..2 {
        let open = Load::start(proxy.address, &[OPEN, made], EVERY);
        let hard = Load::start(proxy.address, &HARD, HARD_EVERY);
        sleep(LIVES).await;
        server.signal("KILL");
        server.child.wait().unwrap();
        degraded(&proxy).await;
        unchanged(&client, &proxy).await;
        sleep(AWAY).await;
        let (open, hard) = (open.stop().await, hard.stop().await);
        let lost = open.iter().find(|call| call.status != 200);
        assert!(lost.is_none(), "a call without limit failed for it: {lost:?}");
        let odd = hard.iter().find(|call| !call.is_typed());
        assert!(odd.is_none(), "neither served nor told: {odd:?}");
        let told = hard.iter().filter(|call| call.status == 503).count();
        assert!(told > 0, "credit that nobody can lease has an end");
        server.child = server::spawn(&server.folder, server.port);
        let back = mended(&client, &proxy).await;
        println!(
            "{} without limit and none failed, {told} of {} told; as before after {back:?}",
            open.len(),
            hard.len(),
        );
        calls.extend(open);
        calls.extend(hard);
    }
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// Of who is not known nobody can say, and nobody changes anything.
async fn unchanged(client: &Client, proxy: &Proxy) {
    let (status, said) = operate(proxy.address, Method::POST, "/key/generate", "{}").await;
    assert_eq!(status, 503, "{said}");
    let stranger = called(client, proxy, STRANGER).await;
    assert!(stranger.status == 503 && stranger.told, "{stranger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_fails_no_call() {
    let Some(mut server) = Redis::start() else { return };
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let (store, redis) = (sqlite(folder.path()), Some(server.url()));
    let more = "[limits.key]\nin_flight = 1000\n";
    let place = Place { keys: vec![MANY], redis, more, ..place(&simulator, folder, store) };
    let proxy = Proxy::start(&place, None).unwrap();
    let (client, load) = (client(), Load::start(proxy.address, &[MANY], EVERY));
    for _ in 0..2 {
        becomes(&proxy, false).await;
        told_alone(&client, &proxy, false).await;
        sleep(LIVES).await;
        server.kill();
        becomes(&proxy, true).await;
        told_alone(&client, &proxy, true).await;
        sleep(AWAY).await;
        let began = Instant::now();
        server.restart();
        becomes(&proxy, false).await;
        println!("used again after {:?}", began.elapsed());
    }
    let calls = load.stop().await;
    let lost = calls.iter().find(|call| call.status != 200);
    assert!(lost.is_none(), "a call failed for it: {lost:?}");
    println!("{} calls, none failed", calls.len());
    audited(proxy, &place, &calls).await;
    simulator.shutdown().await;
}

/// Who is served by a share of what others count as well is told so, and nobody else.
async fn told_alone(client: &Client, proxy: &Proxy, alone: bool) {
    let answer = ask(client, proxy.address, MANY.key, BODY.to_owned()).await.unwrap();
    let told = answer.headers().get("x-gw-degraded");
    assert_eq!(told.map(|said| said.as_bytes()), alone.then_some(&b"1"[..]));
}

/// Waits until readiness says so of Redis.
async fn becomes(proxy: &Proxy, degraded: bool) {
    let seen = async {
        while standing(proxy).await["redis"]["degraded"] != degraded {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(2 * SLACK, seen).await.is_ok(), "degraded is not {degraded}");
}
