//! Whoever has themselves erased is found in no file: what they left, and what was made of it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use crate::client::{self, Asking, operate};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const KEY: Key = Key { name: "app", key: "sk-captions-app-0123456789abcdef01234567", limit: "" };
/// The last key has a user, and what is behind it stands in the file as it is.
const MORE: &str = "user = \"viewer\"\n[batches]\nlease = \"1s\"\n\
    [models.listener]\ntiers = [[\"openai/whisper-1\"]]\n\
    [features.captions]\nmodel = \"listener\"\n[features.translation]\nmodel = \"plain\"\n";
/// What nobody else says.
const SAID: &str = "zebra-quartz-violet";

async fn send(
    proxy: SocketAddr,
    method: Method,
    path: &str,
    media: &str,
    body: Vec<u8>,
) -> (StatusCode, Bytes) {
    let asking = Asking { media, ..Asking::json(KEY.key, method, path, body) };
    let (status, _, answer) = client::asked(proxy, asking).await;
    (status, answer)
}

async fn asked(proxy: SocketAddr, method: Method, path: &str, body: Value) -> Value {
    let (status, answer) =
        send(proxy, method, path, "application/json", body.to_string().into()).await;
    assert!(status.is_success(), "{path}: {status} {answer:?}");
    serde_json::from_slice::<Value>(&answer).unwrap()["data"].clone()
}

async fn seen(proxy: SocketAddr, path: &str) -> Value {
    asked(proxy, Method::GET, path, Value::Null).await
}

/// A form with a WAV of so many seconds, a thousand bytes each, to be had in two more languages.
pub(crate) fn form(seconds: usize) -> Vec<u8> {
    let mut body = format!(
        "--x\r\ncontent-disposition: form-data; name=\"kind\"\r\n\r\ncaptions\r\n--x\r\n\
         content-disposition: form-data; name=\"languages\"\r\n\r\nen,ja\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{SAID}.wav\"\r\n\r\n"
    )
    .into_bytes();
    body.extend(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0");
    body.extend([1_000u32.to_le_bytes(), 1_000u32.to_le_bytes()].concat());
    body.extend([1, 0, 8, 0]);
    body.extend(b"data");
    body.extend(u32::try_from(seconds * 1_000).unwrap().to_le_bytes());
    body.extend(SAID.repeat(20).as_bytes());
    body.resize(body.len() + seconds * 1_000 - SAID.len() * 20, 0x80);
    body.extend(b"\r\n--x--\r\n");
    body
}

async fn give(proxy: SocketAddr) {
    let gift = json!({"event_id": "gift", "credits": 1_000}).to_string();
    let (status, given) = operate(proxy, Method::POST, "/admin/wallets/viewer/grant", &gift).await;
    assert_eq!(status, 200, "{given}");
}

async fn make(proxy: SocketAddr) -> String {
    let media = "multipart/form-data; boundary=x";
    let (status, made) = send(proxy, Method::POST, "/api/v1/jobs", media, form(720)).await;
    assert_eq!(status, 200, "{made:?}");
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(made["data"]["credits"]["reserved"], "240");
    made["data"]["id"].as_str().unwrap().to_owned()
}

/// Waits until a job is so far.
async fn until(proxy: &Proxy, id: &str, far: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..2_400 {
        let job = seen(proxy.address, &format!("/api/v1/jobs/{id}")).await;
        if far(&job) {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the job is not so far: {}", proxy.said());
}

/// Every file below a folder in which something stands.
pub(crate) fn found(folder: &Path, needle: &str, seen: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found(&path, needle, seen);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|window| window == needle.as_bytes()) {
                seen.push(path.display().to_string());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_in_no_file() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let (store, at) = (sqlite(folder.path()), simulator.base_url(Vendor::OpenAi));
    let place = Place { keys: vec![KEY], more: MORE, ..Place::new(folder, store, at) };
    let proxy = Proxy::start(&place, None).unwrap();
    give(proxy.address).await;
    let agreed = json!({"consent": "given"});
    let agreed = asked(proxy.address, Method::PUT, "/api/v1/users/me/consent", agreed).await;
    assert_eq!((&agreed["kept"], &agreed["user"]), (&json!(true), &json!("viewer")));
    let id = make(proxy.address).await;
    until(&proxy, &id, |job| job["credits"]["settled"] == true).await;
    // An answer that is kept, a file with a name, and a job that is still to be made.
    let question = json!({"model": "plain", "input": format!("say {SAID}"), "store": true,
        "metadata": {"note": SAID}});
    let question = question.to_string().into_bytes();
    let (status, _) =
        send(proxy.address, Method::POST, "/v1/responses", "application/json", question).await;
    assert_eq!(status, 200);
    let file = format!(
        "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nuser_data\r\n--x\r\n\
         content-disposition: form-data; name=\"file\"; filename=\"{SAID}.txt\"\r\n\r\n{SAID}\r\n--x--\r\n"
    );
    let media = "multipart/form-data; boundary=x";
    let (status, _) = send(proxy.address, Method::POST, "/v1/files", media, file.into()).await;
    assert_eq!(status, 200);
    let slow = json!({ "match": {"operation": "chat"}, "times": "always",
        "do": { "first_byte_ms": 20_000 } });
    let upstream = simulator.upstream(Vendor::OpenAi).unwrap();
    upstream.script(Script::parse(slow.to_string().as_bytes()).unwrap());
    make(proxy.address).await;
    let mut before = Vec::new();
    found(place.folder.path(), SAID, &mut before);
    assert!(before.is_empty(), "what a person leaves is sealed, its name too: {before:?}");
    let export = seen(proxy.address, "/api/v1/users/me/export").await;
    assert!(export["kept"]["deposits"].to_string().contains(SAID), "{export}");
    assert!(export["kept"]["jobs"].to_string().contains("WEBVTT"), "{export}");
    assert!(!export["kept"]["requests"].as_array().unwrap().is_empty(), "{export}");
    let receipt =
        asked(proxy.address, Method::DELETE, "/api/v1/users/viewer/data", Value::Null).await;
    assert_eq!((&receipt["key_forgotten"], &receipt["scrubbed"]), (&json!(true), &json!(true)));
    assert_eq!(receipt["removed"]["jobs"], 2, "{receipt}");
    assert_eq!(receipt["removed"]["deposits"], 4, "{receipt}");
    let mut after = Vec::new();
    found(place.folder.path(), SAID, &mut after);
    assert!(after.is_empty(), "{after:?}");
    // Nothing is left to be seen, and nothing to be erased; amounts are.
    assert_eq!(seen(proxy.address, "/api/v1/jobs").await["data"], json!([]));
    let again = asked(proxy.address, Method::DELETE, "/api/v1/users/me/data", Value::Null).await;
    assert_eq!((&again["key_forgotten"], &again["removed"]["jobs"]), (&json!(false), &json!(0)));
    let balance = seen(proxy.address, "/api/v1/credits/balance").await;
    assert_eq!((&balance["available"], &balance["held"]), (&json!("760"), &json!("0")));
    let (status, trail) = operate(proxy.address, Method::GET, "/admin/audit/verify", "").await;
    assert_eq!((status, &trail["ok"]), (200, &json!(true)));
    let (_, trail) = operate(proxy.address, Method::GET, "/admin/audit", "").await;
    assert!(trail.to_string().contains(receipt["hash"].as_str().unwrap()), "{trail}");
    proxy.stop();
    let mut stopped = Vec::new();
    found(place.folder.path(), SAID, &mut stopped);
    assert!(stopped.is_empty(), "{stopped:?}");
}
