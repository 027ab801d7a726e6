//! Looks that ask no model, at a rate of their own: whoever looks does not wait for those before. Where
//! others use the machine too, one after the other, and it is the work for each that counts.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Ann, full, place, start};
use crate::client::operate;
use crate::overload::percent;
use crate::proxy::{simulator, sqlite};

/// Nearly all looks take no longer, on a machine of its own.
const NEARLY_ALL_WITHIN: Duration = Duration::from_millis(20);
/// What the proxy works for one of them, without optimisation.
const WORK_MAX: Duration = Duration::from_millis(50);
/// Each so many looks is one at a path that does nothing: what the machine takes by itself.
const NOTHING_EVERY: u32 = 5;
const NOTHING: &str = "/health/liveness";
const TALKS: usize = 30;
const LOOKS: [&str; 13] = [
    "/api/v1/chat/conversations?limit=20",
    "{talk}",
    "{talk}/messages",
    "/api/v1/usage/me",
    "/api/v1/usage/me/history",
    "/api/v1/templates?limit=20",
    "/api/v1/templates/t3",
    "/api/v1/credits/balance",
    "/api/v1/credits/history",
    "/api/v1/jobs",
    "/api/v1/documents",
    "/api/v1/feedback",
    "/api/v1/experiments",
];

/// How long a look took from when it was to begin.
async fn look(ann: Ann, path: String, at: Instant) -> Duration {
    let (head, body) = ann.send(Method::GET, &path, &serde_json::Value::Null).await.into_parts();
    body.collect().await.unwrap();
    assert_eq!(head.status, 200, "{path}");
    at.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_are_answered_at_once() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let proxy = start(&place);
    let ann = Ann::new(&proxy);
    let mut talks = Vec::new();
    for number in 0..TALKS {
        let talk = ann.talk().await;
        ann.post(&format!("{talk}/messages"), json!({"content": format!("{number}번째 말")})).await;
        let template = json!({"name": format!("t{number}"), "text": "안녕"});
        ann.post("/api/v1/templates", template).await;
        talks.push(talk);
    }
    let gift = json!({"event_id": "gift", "credits": 1_000}).to_string();
    let (status, given) =
        operate(proxy.address, Method::POST, "/admin/wallets/ann/grant", &gift).await;
    assert_eq!(status, 200, "{given}");
    let path = |turn: usize| LOOKS[turn % LOOKS.len()].replace("{talk}", &talks[turn % TALKS]);
    if full() {
        open_loop(&ann, path).await;
    } else {
        let (before, looks) = (proxy.worked(), 10 * LOOKS.len());
        for turn in 0..looks {
            look(ann.clone(), path(turn), Instant::now()).await;
        }
        let work = (proxy.worked() - before) / u32::try_from(looks).unwrap();
        println!("{looks} looks, one after the other: {work:?} of work for each");
        assert!(work <= WORK_MAX, "{work:?}");
    }
    proxy.stop();
    simulator.shutdown().await;
}

async fn open_loop(ann: &Ann, path: impl Fn(usize) -> String) {
    let (rate, seconds) = (500, 20);
    let began = Instant::now() + Duration::from_millis(100);
    let (mut looks, mut nothing) = (JoinSet::new(), JoinSet::new());
    let (mut of_looks, mut of_nothing) = (Vec::new(), Vec::new());
    for number in 0..rate * seconds {
        let at = began + Duration::from_secs(1) / rate * number;
        sleep_until(at).await;
        if number % NOTHING_EVERY == 0 {
            nothing.spawn(look(ann.clone(), NOTHING.to_owned(), at));
        }
        looks.spawn(look(ann.clone(), path(usize::try_from(number).unwrap()), at));
    }
    while let Some(took) = looks.join_next().await {
        of_looks.push(took.unwrap());
    }
    while let Some(took) = nothing.join_next().await {
        of_nothing.push(took.unwrap());
    }
    let [half, nearly, last] = [50, 95, 100].map(|of| percent(&mut of_looks, of));
    let (alone, idle) = (percent(&mut of_nothing, 95), percent(&mut of_nothing, 50));
    println!(
        "{rate} looks a second for {seconds} s: p50 {half:?}, p95 {nearly:?}, longest {last:?}; \
         where nothing is done p50 {idle:?}, p95 {alone:?}"
    );
    assert!(nearly <= NEARLY_ALL_WITHIN, "{nearly:?}, where nothing is done {alone:?}");
}
