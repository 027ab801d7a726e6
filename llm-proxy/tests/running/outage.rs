//! A Postgres that stands still: hard budgets are told so in time, and nobody else is troubled.

use std::time::{Duration, Instant};

use llm_sim::upstream::Vendor;

use crate::client::{Client, ask, client, get};
use crate::proxy::{Key, Place, Proxy, simulator};
use crate::server::Server;

/// What a call with a hard budget may take to be told that nobody knows.
const TOLD_MAX: Duration = Duration::from_millis(1_200);
const HARD: Key =
    Key { name: "hard", key: "sk-hard-0123456789abcdef0123456789", limit: "$0.05/month" };
const OPEN: Key = Key { name: "open", key: "sk-open-0123456789abcdef0123456789", limit: "" };
const CALLS: usize = 200;

async fn timed(client: &Client, proxy: &Proxy, key: Key) -> (u16, Duration, Option<String>) {
    // So much is held that each call of a hard budget needs credit of its own.
    let body =
        r#"{"model":"plain","max_tokens":16000,"messages":[{"role":"user","content":"hi"}]}"#;
    #[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
    let started = Instant::now();
    let response = ask(client, proxy.address, key.key, body.to_owned()).await.unwrap();
    let after = response.headers().get("retry-after").map(|v| v.to_str().unwrap().to_owned());
    (response.status().as_u16(), started.elapsed(), after)
}

fn half(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stands_still_closes_hard_budgets_and_nothing_else() {
    let Some(server) = Server::start() else { return };
    let url = server.database().await;
    let simulator = simulator().await;
    let at = simulator.base_url(Vendor::OpenAi);
    let folder = tempfile::tempdir().unwrap();
    let place = Place { keys: vec![HARD, OPEN], ..Place::new(folder, url, at) };
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let mut before = Vec::new();
    for _ in 0..CALLS {
        let (status, took, _) = timed(&client, &proxy, OPEN).await;
        assert_eq!(status, 200);
        before.push(took);
    }
    assert_eq!(timed(&client, &proxy, HARD).await.0, 200);

    server.signal("STOP");
    let (mut during, mut told) = (Vec::new(), 0);
    for number in 0..CALLS {
        let (status, took, _) = timed(&client, &proxy, OPEN).await;
        assert_eq!(status, 200, "whoever has no limit is served");
        during.push(took);
        // What was leased is still good; beyond it nobody can say.
        if number.is_multiple_of(10) {
            let (status, took, after) = timed(&client, &proxy, HARD).await;
            assert!(status == 200 || status == 503, "{status}");
            assert!(took <= TOLD_MAX, "told after {took:?}");
            if status == 503 {
                told += 1;
                assert!(after.is_some(), "and when to come again");
            }
        }
    }
    assert!(told > 0, "credit that nobody can lease has an end");
    let ready = get(proxy.address, "/health/readiness", "").await;
    assert_eq!(ready["status"], "degraded", "{ready}");

    server.signal("CONT");
    let mended = async {
        loop {
            let ready = get(proxy.address, "/health/readiness", "").await;
            if ready["status"] == "ready" && timed(&client, &proxy, HARD).await.0 == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), mended).await.is_ok(), "not mended");
    let (was, is) = (half(&mut before), half(&mut during));
    println!("half of all calls within {was:?} before, {is:?} during; {told} told");
    // A machine that tests run on beside others has noise of its own.
    assert!(is <= was.mul_f64(1.25) + Duration::from_millis(2), "{was:?} before, {is:?} during");
    proxy.stop();
    simulator.shutdown().await;
}
