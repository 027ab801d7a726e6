//! A batch outlasts the process that carries it out: killed again and again, each of its lines is
//! asked and charged once, or known not to be.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use crate::books::{Books, hold};
use crate::client::{client, get};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const KEY: Key =
    Key { name: "app", key: "sk-batch-app-0123456789abcdef0123456789ab", limit: "$10/month" };
const LINES: usize = 120;
/// Lines beside each other, so many of which may be cut at each death.
const WIDTH: usize = 3;
/// How the lives end: at a line of the journal, at a step of the store, and by `kill -9`.
const ENDS: [Option<&str>; 6] = [
    Some("sent.written:12"),
    None,
    Some("settle.written:9"),
    Some("reserve.written:10"),
    Some("settle.before:8"),
    Some("fold.done:3"),
];

async fn send(proxy: SocketAddr, path: &str, media: &str, body: String) -> Option<Value> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{proxy}{path}"))
        .header("authorization", format!("Bearer {}", KEY.key))
        .header("content-type", media)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let response = client().request(request).await.ok()?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some(serde_json::from_slice(&body).unwrap())
}

async fn upload(proxy: SocketAddr) -> Value {
    let line = |n: usize| {
        let messages = json!([{ "role": "user", "content": format!("line {n}.") }]);
        let body = json!({ "model": "plain", "messages": messages, "max_tokens": 8 });
        let url = "/v1/chat/completions";
        json!({ "custom_id": n.to_string(), "method": "POST", "url": url, "body": body })
    };
    let lines: Vec<String> = (0..LINES).map(|n| line(n).to_string()).collect();
    let form = format!(
        "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"b\"\r\n\r\n{}\r\n--x--\r\n",
        lines.join("\n")
    );
    let form = send(proxy, "/v1/files", "multipart/form-data; boundary=x", form).await.unwrap();
    let batch = json!({
        "input_file_id": form["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h",
    });
    send(proxy, "/v1/batches", "application/json", batch.to_string()).await.unwrap()
}

async fn file(proxy: SocketAddr, id: &Value) -> Vec<Value> {
    let Some(id) = id.as_str() else { return Vec::new() };
    let request = Request::get(format!("http://{proxy}/v1/files/{id}/content"))
        .header("authorization", format!("Bearer {}", KEY.key))
        .body(Full::new(Bytes::new()))
        .unwrap();
    let body = client().request(request).await.unwrap().into_body();
    let body = body.collect().await.unwrap().to_bytes();
    let lines = str::from_utf8(&body).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_charged_once_over_many_deaths() {
    let simulator = simulator().await;
    let upstream = Arc::clone(simulator.upstream(Vendor::OpenAi).unwrap());
    // Slow enough that every life ends in the middle.
    let slow = json!({ "times": "always", "do": { "first_byte_ms": 250 } }).to_string();
    upstream.script(Script::parse(slow.as_bytes()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let url = store.clone();
    let at = simulator.base_url(Vendor::OpenAi);
    let more = "[batches]\nlease = \"1s\"\nlines = 3\n";
    let place = Place { keys: vec![KEY], more, ..Place::new(folder, store, at) };
    let first = Proxy::start(&place, None).unwrap();
    let id = upload(first.address).await["id"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(400)).await;
    first.kill();
    for end in ENDS {
        let Ok(mut proxy) = Proxy::start(&place, end) else { continue };
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if proxy.has_ended() {
                break;
            }
        }
        proxy.kill();
    }
    upstream.script(Vec::new());
    let last = Proxy::start(&place, None).unwrap();
    let path = format!("/v1/batches/{id}");
    let mut batch = get(last.address, &path, KEY.key).await;
    let counts = &batch["request_counts"];
    let begun = counts["completed"].as_u64().unwrap();
    assert!(0 < begun && begun < LINES as u64, "it died in the middle: {batch}");
    for _ in 0..1_200 {
        batch = get(last.address, &path, KEY.key).await;
        if batch["status"] == "completed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(batch["status"], "completed", "{batch}\n{}", last.said());
    let done = file(last.address, &batch["output_file_id"]).await;
    let failed = file(last.address, &batch["error_file_id"]).await;
    last.stop();
    let named: HashSet<&str> =
        done.iter().chain(&failed).filter_map(|line| line["custom_id"].as_str()).collect();
    assert_eq!((named.len(), done.len() + failed.len()), (LINES, LINES), "each line once");
    assert!(failed.iter().all(|line| line["error"]["code"] == "interrupted"), "{failed:?}");
    assert!(failed.len() <= (ENDS.len() + 1) * WIDTH, "{} lines were cut", failed.len());
    // What a line has come to was paid for, and beside that only what was cut.
    let books = Books::read(&url).await;
    books.within_limits();
    books.adds_up();
    let mut paid: HashMap<String, i64> =
        books.holds.into_iter().filter(|(_, paid)| *paid > 0).collect();
    for line in &done {
        let call = hold(line["response"]["request_id"].as_str().unwrap());
        assert!(paid.remove(&call).is_some(), "answered and not paid for: {line}");
    }
    assert!(paid.len() <= failed.len(), "{paid:?} was paid beside the lines, {failed:?}");
    // Nobody was asked twice who had answered.
    let mut asked: HashMap<String, usize> = HashMap::new();
    for record in upstream.requests().iter().filter(|record| record.accepted == Some(true)) {
        let body: Value = serde_json::from_str(&record.body).unwrap();
        *asked.entry(body["messages"][0]["content"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let twice = asked.values().filter(|times| **times > 1).count();
    assert!(twice <= failed.len(), "{twice} lines were asked twice");
}
