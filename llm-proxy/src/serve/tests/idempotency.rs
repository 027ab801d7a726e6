//! Requests that are sent again: answered again, and paid once, over restarts and crashes too.

use http::request::Parts;
use llm_core::call::Call;
use llm_core::idempotency::{IdempotencyKey, IdempotencyStore as _, Record, Slot};
use llm_providers::edge::once::Begun;
use llm_store::idempotency::sql::SqlSlots;

use super::super::call::Asker;
use super::super::idempotency::print;
use super::*;

const ASK: &str =
    r#"{"model":"smart","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str = r#"{"model":"smart","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
const CHAT: &str = "/v1/chat/completions";

impl Running {
    async fn once(&self, path: &str, key: &str, body: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {KEY}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        self.send(Method::POST, path, &headers, body.to_owned()).await
    }

    /// What the key has spent so far.
    async fn spent(&self) -> i64 {
        let account = llm_core::ledger::AccountId::new(
            llm_core::ledger::Owner::Key,
            llm_core::Str::from("app"),
        );
        let found = self.house.store.ledger().balance(&account).await.unwrap();
        found.map_or(0, |account| account.settled.0)
    }
}

fn is_replayed(response: &Response<Bytes>) -> bool {
    response.headers().contains_key("idempotent-replayed")
}

async fn open() -> (tempfile::TempDir, Running) {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    (data, proxy)
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_answered_again_and_paid_once() {
    let (data, proxy) = open().await;
    for (path, key, body) in
        [(CHAT, "whole", ASK), (CHAT, "stream", STREAM), ("/v1/messages", "other dialect", STREAM)]
    {
        let key = key.replace(' ', "-");
        let first = proxy.once(path, &key, body).await;
        assert_eq!(first.status(), StatusCode::OK, "{:?}", first.body());
        assert!(!is_replayed(&first));
        let spent = proxy.spent().await;
        assert!(spent > 0);
        for _ in 0..2 {
            let again = proxy.once(path, &key, body).await;
            assert_eq!(again.status(), StatusCode::OK);
            assert!(is_replayed(&again), "{path} {key}");
            assert_eq!(again.body(), first.body());
            assert_eq!(again.headers()["content-type"], first.headers()["content-type"]);
        }
        assert_eq!(proxy.spent().await, spent, "{path} {key}");
    }
    // White space and order are no other request; our own name for the header is the same key.
    let bearer = format!("Bearer {KEY}");
    let spaced = ASK.replace(",", " , ");
    let headers = [("authorization", &*bearer), ("x-gw-idempotency-key", "\"whole\"")];
    let headers = [headers[0], headers[1], ("content-type", "application/json")];
    assert!(is_replayed(&proxy.send(Method::POST, CHAT, &headers, spaced).await));
    proxy.stop().await;
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    assert!(is_replayed(&proxy.once(CHAT, "stream", STREAM).await), "it outlasts the process");
    proxy.stop().await;
}

#[tokio::test]
async fn another_request_is_refused_and_a_mistake_is_not_kept() {
    let (_data, proxy) = open().await;
    assert_eq!(proxy.once(CHAT, "k", ASK).await.status(), StatusCode::OK);
    let other = proxy.once(CHAT, "k", &ASK.replace("hi", "ho")).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.headers()["x-gw-code"], "idempotency_key_reused");
    assert_eq!(json(&other)["error"]["param"], "idempotency-key");
    let dialect = proxy.once("/v1/messages", "k", ASK).await;
    assert_eq!(dialect.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json(&dialect)["type"], "error");
    let none = ASK.replace("smart", "nobody");
    for _ in 0..2 {
        let wrong = proxy.once(CHAT, "wrong", &none).await;
        assert_eq!((wrong.status(), is_replayed(&wrong)), (StatusCode::NOT_FOUND, false));
    }
    assert_eq!(proxy.once(CHAT, "wrong", ASK).await.status(), StatusCode::OK);
    for bad in ["", "a b", &"x".repeat(300)] {
        assert_eq!(proxy.once(CHAT, bad, ASK).await.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    proxy.stop().await;
}

/// The call that a request is, and its head.
async fn called(proxy: &Running, key: &str) -> (Parts, Box<Call>) {
    let request = Request::post(CHAT).header("content-type", "application/json");
    let request = request.header("idempotency-key", key).body(()).unwrap();
    let (head, ()) = request.into_parts();
    let spoken = tongue::spoken(&Method::POST, CHAT, &head.headers).unwrap();
    let grant = proxy.house.keys.grant(KEY).await.unwrap();
    let id = call::new_id(&proxy.house);
    let asked = controls::read(&head.headers).unwrap();
    let body = Bytes::from_static(ASK.as_bytes());
    let peek = spoken.dialect.peek(&spoken.route, &body).unwrap();
    let asker = Asker { id, grant, asked, once: None };
    let call = call::called(&proxy.house, &head.headers, (body, peek), &spoken, asker);
    (head, call)
}

/// A call that has a slot, which nobody gives back: its process dies in the middle of it.
async fn dies(proxy: &Running, key: &str) -> Box<Call> {
    let (head, call) = called(proxy, key).await;
    let slot = slot_of(&call, key);
    let print = print(&head, ASK.as_bytes(), &call.grant.principal.key);
    let chest = seal::chest(&proxy.house.board.now().config).unwrap();
    let slots = SqlSlots::new(proxy.house.store.database().unwrap().clone(), chest);
    let (who, _) = proxy.house.store.owners();
    let now = jiff::Timestamp::try_from(proxy.house.clock.wall()).unwrap();
    let record = Record::running(print, call.id, who, now);
    slots.write(&slot, None, &record).await.unwrap();
    call
}

fn slot_of(call: &Call, key: &str) -> Slot {
    Slot::of(&call.grant.principal, IdempotencyKey::parse(key.as_bytes()).unwrap())
}

#[tokio::test]
async fn what_is_under_way_or_was_lost_is_told_so() {
    let (data, proxy) = open().await;
    dies(&proxy, "never-held").await;
    let (head, call) = called(&proxy, "slow").await;
    let print = print(&head, ASK.as_bytes(), &call.grant.principal.key);
    let begun = proxy.house.once.begin(slot_of(&call, "slow"), print, call.id).await.unwrap();
    assert!(matches!(begun, Begun::Run(_)), "{begun:?}");
    let running = proxy.once(CHAT, "slow", ASK).await;
    assert_eq!(running.status(), StatusCode::CONFLICT);
    assert_eq!(running.headers()["retry-after"], "1");
    // Its caller leaves before anything is set aside: the next one runs.
    drop(begun);
    assert_eq!(proxy.once(CHAT, "slow", ASK).await.status(), StatusCode::OK);
    let call = dies(&proxy, "paid").await;
    let mut reply = proxy.house.gateway.send(call).await.unwrap();
    while let Some(piece) = futures_util::StreamExt::next(&mut reply.body).await {
        piece.unwrap();
    }
    drop(reply);
    proxy.stop().await;
    let proxy = Running::start(config(data.path(), "unlimited = true")).await;
    let spent = proxy.spent().await;
    // Nobody knows what it said, and it is paid for.
    for _ in 0..2 {
        let lost = proxy.once(CHAT, "paid", ASK).await;
        assert_eq!(lost.status(), StatusCode::CONFLICT);
        assert_eq!(lost.headers()["x-should-retry"], "false");
        assert_eq!(lost.headers()["x-gw-code"], "idempotency_indefinite");
    }
    assert_eq!(proxy.spent().await, spent);
    // Nothing was sent: it runs as if it had never been.
    let anew = proxy.once(CHAT, "never-held", ASK).await;
    assert_eq!((anew.status(), is_replayed(&anew)), (StatusCode::OK, false));
    assert!(is_replayed(&proxy.once(CHAT, "never-held", ASK).await));
    proxy.stop().await;
}
