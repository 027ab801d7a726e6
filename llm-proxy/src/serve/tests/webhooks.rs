//! What others are told: over a socket, signed, once, and not on this machine unless it is meant.

use std::time::Duration;

use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use llm_core::ledger::{HoldId, Settlement};
use llm_core::money::Money;
use llm_core::store::Line;
use llm_core::usage::UsageSource;
use llm_store::webhooks::{Secrets, Shown};
use tokio::sync::mpsc;

use super::*;

fn jiff_now() -> jiff::Timestamp {
    let clock = llm_providers::seam::SystemClock;
    jiff::Timestamp::try_from(llm_core::seam::Clock::wall(&clock)).unwrap()
}

struct Heard {
    headers: http::HeaderMap,
    body: Bytes,
}

/// Somebody who listens, and answers the first letter with an error.
async fn listener() -> (SocketAddr, mpsc::UnboundedReceiver<Heard>) {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (tell, heard) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let tell = tell.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let tell = tell.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let _ = tell.send(Heard { headers: head.headers, body });
                    Ok::<_, hyper::Error>(Response::new(Empty::<Bytes>::new()))
                }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, heard)
}

async fn next(heard: &mut mpsc::UnboundedReceiver<Heard>) -> (Heard, Value) {
    let wait = tokio::time::timeout(Duration::from_secs(20), heard.recv());
    let heard = wait.await.expect("somebody is told").unwrap();
    let said = |name: &str| heard.headers[name].to_str().unwrap();
    let shown = Shown {
        id: said("webhook-id"),
        timestamp: said("webhook-timestamp"),
        signature: said("webhook-signature"),
    };
    let now = jiff_now();
    Secrets::new([KEY]).unwrap().verify(shown, &heard.body, now).unwrap();
    let body = serde_json::from_slice(&heard.body).unwrap();
    (heard, body)
}

#[tokio::test]
async fn a_budget_and_a_wallet_that_run_low_are_told_once() {
    let data = tempfile::tempdir().unwrap();
    let (address, mut heard) = listener().await;
    let rules = format!(
        "limits = [\"$1/month\"]\n[credits]\nlow = [10]\n[webhooks.app]\n\
         url = \"http://{address}/hooks\"\nsecret = \"env:KEY\"\nprivate = true\n\
         events = [\"budget.*\", \"credits.low\"]"
    );
    let proxy = Running::start(config(data.path(), &rules)).await;
    let ask = r#"{"model":"smart","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    // Most of it is spent by others; the next call is the one that is looked at.
    let grant = proxy.house.keys.grant(KEY).await.unwrap();
    let payer = grant.payers.iter().find(|payer| payer.limit.is_some()).unwrap();
    let line = Line { account: payer.account(jiff_now()), limit: payer.limit };
    let (ledger, hold) = (proxy.house.store.ledger(), HoldId(7));
    let proof = ledger.reserve(hold, &[line], Money(850_000_000)).await.unwrap();
    let (tenant, operator) = (proof.amount(), Money(0));
    let source = UsageSource::Reported;
    ledger.settle(&Settlement { hold, tenant, operator, source }).unwrap();
    for _ in 0..3 {
        assert_eq!(proxy.ask("/v1/chat/completions", ask).await.status(), StatusCode::OK);
    }
    let (_, event) = next(&mut heard).await;
    assert_eq!(event["type"], "budget.reached", "{event}");
    let told = &event["data"];
    assert_eq!((&told["percent"], &told["limit"]), (&80.into(), &"1".into()), "{event}");
    assert_eq!((&told["owner"], &told["name"]), (&"key".into(), &"app".into()));
    for (path, body) in [
        ("grant", r#"{"credits":20,"event_id":"g"}"#),
        ("reserve", r#"{"credits":15,"event_id":"r"}"#),
        ("settle", r#"{"credits":15,"event_id":"r"}"#),
    ] {
        let path = format!("/admin/wallets/low/{path}");
        let bearer = format!("Bearer {ADMIN}");
        let done = proxy.send(Method::POST, &path, &[("authorization", &bearer)], body).await;
        assert_eq!(done.status(), StatusCode::OK, "{:?}", done.body());
    }
    let (_, event) = next(&mut heard).await;
    assert_eq!(event["type"], "credits.low", "{event}");
    assert_eq!(event["data"]["user"], "low");
    // Nobody is told twice.
    let more = tokio::time::timeout(Duration::from_secs(3), heard.recv()).await;
    assert!(more.is_err());
    let listed = json(&proxy.get("/admin/webhooks", ADMIN).await);
    assert_eq!((&listed["waiting"], &listed["endpoints"][0]), (&0.into(), &"app".into()));
    drop(proxy);
}

#[tokio::test]
async fn this_machine_is_not_told_unless_it_is_meant() {
    let data = tempfile::tempdir().unwrap();
    let (address, mut heard) = listener().await;
    let rules = format!(
        "unlimited = true\n[webhooks.near]\nurl = \"http://{address}/\"\nsecret = \"env:KEY\"\n\
         [webhooks.named]\nurl = \"http://localhost:{}/\"\nsecret = \"env:KEY\"",
        address.port()
    );
    let proxy = Running::start(config(data.path(), &rules)).await;
    let bearer = format!("Bearer {ADMIN}");
    let body = r#"{"credits":1,"event_id":"e"}"#;
    let headers = [("authorization", &*bearer)];
    proxy.send(Method::POST, "/admin/wallets/u/grant", &headers, body).await;
    let more = tokio::time::timeout(Duration::from_secs(3), heard.recv()).await;
    assert!(more.is_err(), "nobody near is told");
    let listed = json(&proxy.get("/admin/webhooks", ADMIN).await);
    assert_eq!(listed["waiting"], 2, "{listed}");
    drop(proxy);
}
