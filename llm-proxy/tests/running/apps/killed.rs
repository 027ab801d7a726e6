//! A process that dies in the middle of a reply: what was said stays, what was not is not made up, it
//! is paid for once, and the person goes on.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt as _;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use super::{Ann, marked, place, start, wanted};
use crate::client::admin;
use crate::proxy::{Proxy, simulator, sqlite};

/// Longer than what is kept of a reply in progress is ever behind.
const IN_THE_MIDDLE: Duration = Duration::from_millis(5_500);
/// Longer than a reply is still somebody's who has not been heard of.
const GIVEN_UP: Duration = Duration::from_secs(25);

/// Listens to a reply for a while, and returns what was heard.
async fn heard(ann: &Ann, path: &str, body: &Value, within: Duration) -> String {
    let mut body = ann.send(Method::POST, path, body).await.into_body();
    let mut heard = Vec::new();
    let listening = async {
        while let Some(Ok(frame)) = body.frame().await {
            heard.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
    };
    let ended = tokio::time::timeout(within, listening).await.is_ok();
    let heard = String::from_utf8(heard).unwrap();
    assert!(!ended, "it is still going on: {heard}");
    let data = heard.lines().filter_map(|line| line.strip_prefix("data: "));
    let data = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
    data.filter_map(|data| data["text"].as_str().map(str::to_owned)).collect()
}

/// The reply when it is nobody's any more.
async fn given_up(ann: &Ann, proxy: &Proxy, messages: &str) -> Value {
    let wait = async {
        loop {
            let page = ann.get(messages).await;
            if page["data"][0]["status"] != "pending" {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let page = tokio::time::timeout(GIVEN_UP, wait).await;
    page.unwrap_or_else(|_| panic!("it is pending for ever: {}", proxy.said()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_was_cut_by_a_death_is_shown_so_and_paid_for_once() {
    let simulator = simulator().await;
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let place = place(&simulator, folder, store);
    let first = start(&place);
    let ann = Ann::new(&first);
    let talk = ann.talk().await;
    let messages = format!("{talk}/messages");
    let before = ann.post(&messages, json!({"content": wanted("먼저 한 말")})).await;
    let paid_before = before["reply"]["cost_nanos"].as_i64().unwrap();
    let slow = json!({"times": 1, "do": {"chunk_ms": 400}});
    upstream.script(vec![serde_json::from_value(slow).unwrap()]);
    let text = marked(7);
    let asked = json!({"content": wanted(&text), "stream": true});
    let listened = heard(&ann, &messages, &asked, IN_THE_MIDDLE).await;
    assert!(!listened.is_empty() && text.starts_with(&listened), "{listened}");
    first.kill();

    let second = start(&place);
    let ann = Ann::new(&second);
    let page = given_up(&ann, &second, &messages).await;
    let shown = page["data"].as_array().unwrap();
    let [reply, question, ..] = &shown[..] else { panic!("{page}") };
    assert_eq!(shown.len(), 4, "nothing is lost and nothing is twice: {page}");
    assert_eq!((&reply["status"], &reply["role"]), (&json!("interrupted"), &json!("assistant")));
    let kept = reply["content"].as_str().unwrap();
    // What a beat kept, of what was heard: never more, never anything else.
    assert!(!kept.is_empty() && listened.starts_with(kept), "{kept:?} of {listened:?}");
    assert_eq!(question["content"], wanted(&text), "{question}");
    assert_eq!(shown[2]["content"], "먼저 한 말");
    // Whoever comes back to the reply is told the same, and that it is over.
    let id = reply["id"].as_str().unwrap();
    let again = ann.send(Method::GET, &format!("{messages}/{id}/events"), &Value::Null).await;
    let again = again.into_body().collect().await.unwrap().to_bytes();
    let again = String::from_utf8(again.to_vec()).unwrap();
    assert!(again.contains("event: end") && again.contains("\"interrupted\""), "{again}");

    // Once, by what is known of it.
    let verified = admin(second.address, "/admin/ledger/verify").await;
    assert_eq!((&verified["ok"], &verified["holds_open"]), (&json!(true), &json!(0)), "{verified}");
    let cut = admin(second.address, "/admin/ledger/interrupted").await;
    let cut = cut.as_array().unwrap();
    assert_eq!(cut.len(), 1, "{cut:?}");
    let charged = cut[0]["charged_nanos"].as_i64().unwrap();
    assert!(charged > 0, "{cut:?}");

    // On from there, and once more in its place.
    let on = ann.post(&messages, json!({"content": wanted("weiter")})).await;
    assert_eq!(
        (&on["reply"]["status"], &on["reply"]["content"]),
        (&json!("done"), &json!("weiter"))
    );
    let anew = ann.post(&format!("{messages}/{id}/regenerate"), json!({})).await;
    assert_eq!(
        (&anew["reply"]["status"], &anew["reply"]["content"]),
        (&json!("done"), &json!(text))
    );
    let cost = |replied: &Value| replied["reply"]["cost_nanos"].as_i64().unwrap();
    let info = admin(second.address, "/key/info?key=app").await;
    let spent = info["info"]["spend_nanos"].as_i64().unwrap();
    assert_eq!(spent, paid_before + charged + cost(&on) + cost(&anew), "{info}");
    second.stop();
    simulator.shutdown().await;
}
