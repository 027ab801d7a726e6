//! Requests that are refused before anybody reads them.

use super::*;

/// Enough for some of them to be of one second.
const CALLS: usize = 20;

#[tokio::test]
async fn who_has_nothing_left_is_refused_unread_and_what_was_answered_is_said_again() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), "limits = [\"1/day rolling\"]")).await;
    let bearer = format!("Bearer {KEY}");
    let chat = "/v1/chat/completions";
    let ask = r#"{"model":"smart","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let again = [
        ("authorization", &*bearer),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let first = proxy.send(Method::POST, chat, &again, ask).await;
    assert_eq!(first.status(), StatusCode::OK, "{first:?}");
    let whole = proxy.ask(chat, ask).await;
    assert_eq!(whole.status(), StatusCode::TOO_MANY_REQUESTS);
    // One of a second is read, and found to be no JSON; the others are not, however long they are.
    let mut read = 0;
    for n in 0..CALLS {
        let broken = "{".repeat(1 + n * 1_000);
        let answer = proxy.ask(chat, &broken).await;
        read += usize::from(answer.status() == StatusCode::BAD_REQUEST);
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(json(&answer)["error"]["code"], json(&whole)["error"]["code"]);
            assert!(answer.headers().contains_key("x-gw-call-id"));
        }
    }
    assert!(read <= CALLS / 2, "{read} of {CALLS} were read");
    let stranger = [("authorization", "Bearer sk-nobody-0123456789"), again[1]];
    let unknown = proxy.send(Method::POST, chat, &stranger, "{").await;
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED, "who asks comes first");
    for _ in 0..3 {
        let said = proxy.send(Method::POST, chat, &again, ask).await;
        assert_eq!((said.status(), said.body()), (StatusCode::OK, first.body()));
    }
    let counted = proxy.get("/metrics", ADMIN).await;
    let counted = String::from_utf8_lossy(counted.body()).into_owned();
    assert!(counted.contains(r#"gw_quota_denied_total{reason="#), "{counted}");
    proxy.stop().await;
}
