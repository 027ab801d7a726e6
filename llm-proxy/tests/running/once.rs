//! A process that dies in the middle of a call that pays in credits and was sent with an idempotency
//! key: what it had set aside ends in both units, and who asks again pays once.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use llm_sim::upstream::Vendor;

use crate::client::{admin, ask, client};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const KEY: &str = "sk-kill-credits-0123456789abcdef012345678";
const BODY: &str =
    r#"{"model":"plain","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}"#;
/// The first of each is money's and the second that of credits; at the end it is the other way
/// round. What becomes of the same request after it: it runs, or it was paid and its answer is lost.
const POINTS: [(&str, bool); 8] = [
    ("reserve.before:1", true),
    ("reserve.written:1", true),
    ("reserve.written:2", true),
    ("sent.written:1", false),
    ("sent.written:2", false),
    ("settle.before:1", false),
    ("settle.written:1", false),
    ("settle.written:2", false),
];

async fn once(proxy: std::net::SocketAddr, key: &str) -> Option<(StatusCode, bool)> {
    let request = Request::post(format!("http://{proxy}/v1/chat/completions"))
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Full::new(Bytes::from_static(BODY.as_bytes())))
        .unwrap();
    let (head, body) = client().request(request).await.ok()?.into_parts();
    body.collect().await.ok()?;
    Some((head.status, head.headers.contains_key("idempotent-replayed")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_again_after_a_death_pays_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let simulator = simulator().await;
    let upstream = Arc::clone(simulator.upstream(Vendor::OpenAi).unwrap());
    let keys = vec![Key { name: "credits", key: KEY, limit: "60 credits/month" }];
    let more = "[credits.models]\n\"*\" = \"5 credits/call\"\n";
    let at = simulator.base_url(Vendor::OpenAi);
    let place = Place { keys, more, ..Place::new(folder, store, at) };
    let mut charged = 0;
    for (point, runs) in POINTS {
        let proxy = Proxy::start(&place, Some(point)).unwrap();
        assert_eq!(once(proxy.address, point).await, None, "{point}: it should have died");
        proxy.kill();
        let asked = upstream.requests().len();
        let proxy = Proxy::start(&place, None).unwrap();
        let again = once(proxy.address, point).await.unwrap();
        if runs {
            assert_eq!(again, (StatusCode::OK, false), "{point}");
            assert_eq!(once(proxy.address, point).await, Some((StatusCode::OK, true)), "{point}");
            assert_eq!(upstream.requests().len(), asked + 1, "{point}");
        } else {
            assert_eq!(again, (StatusCode::CONFLICT, false), "{point}");
            assert_eq!(upstream.requests().len(), asked, "{point}: asked twice");
        }
        charged += 1;
        let audit = admin(proxy.address, "/admin/ledger/verify").await;
        assert_eq!((&audit["ok"], &audit["holds_open"]), (&true.into(), &0.into()), "{audit}");
        proxy.stop();
    }
    // Each was charged no more than once: what is left pays for the rest, and for nothing beyond.
    let proxy = Proxy::start(&place, None).unwrap();
    let mut rest = 0;
    while ask(&client(), proxy.address, KEY, BODY.to_owned()).await.unwrap().status().is_success() {
        rest += 1;
        assert!(rest <= 12, "more than there was");
    }
    assert!(rest >= 12 - charged, "{rest} of 12, after {charged}");
    proxy.stop();
}
