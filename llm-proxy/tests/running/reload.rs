//! The configuration changes under a proxy that works.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use llm_sim::Simulator;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use crate::client::{Client, ask, client, get, operate};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const STAYS: Key = Key { name: "stays", key: "sk-stays-0123456789abcdef0123456789", limit: "" };
const GOES: Key = Key { name: "goes", key: "sk-goes-0123456789abcdef0123456789", limit: "" };
/// What is promised is a second; on a machine that compiles beside it, more is let pass.
const HEARD_MAX: Duration = Duration::from_secs(5);
const CHANGES: usize = 12;

fn place(simulator: &Simulator) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let keys = vec![STAYS, GOES];
    Place { keys, ..Place::new(folder, store, simulator.base_url(Vendor::OpenAi)) }
}

/// The file, and what stands in it.
fn file(place: &Place) -> (PathBuf, String) {
    let path = place.folder.path().join("proxy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

fn body(stream: bool) -> String {
    let message = r#"[{"role":"user","content":"hi"}]"#;
    format!(r#"{{"model":"plain","stream":{stream},"max_tokens":20,"messages":{message}}}"#)
}

async fn call(client: &Client, proxy: &Proxy, key: Key) -> u16 {
    let response = ask(client, proxy.address, key.key, body(false)).await;
    response.unwrap().status().as_u16()
}

/// Waits until readiness fits, and gives it with the time that it took.
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn becomes(proxy: &Proxy, fits: impl Fn(&Value) -> bool) -> (Value, Duration) {
    let began = Instant::now();
    loop {
        let ready = get(proxy.address, "/health/readiness", "").await;
        if fits(&ready["configuration"]) {
            return (ready, began.elapsed());
        }
        assert!(began.elapsed() < HEARD_MAX, "not in time: {ready}\n{}", proxy.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn metrics(proxy: &Proxy) -> String {
    let request = http::Request::get(format!("http://{}/metrics", proxy.address));
    let request = request.body(http_body_util::Full::default()).unwrap();
    let body = client().request(request).await.unwrap().into_body();
    let bytes = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_configuration_changes() {
    let simulator = simulator().await;
    let place = place(&simulator);
    let proxy = Arc::new(Proxy::start(&place, None).unwrap());
    let (path, text) = file(&place);
    let stop = Arc::new(AtomicBool::new(false));
    let (done, failed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|number| {
            let (proxy, stop) = (Arc::clone(&proxy), Arc::clone(&stop));
            let (done, failed, client) = (Arc::clone(&done), Arc::clone(&failed), client());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer =
                        ask(&client, proxy.address, STAYS.key, body(number % 2 == 0)).await;
                    match answer {
                        Ok(response) if response.status() == 200 => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        other => {
                            println!("{other:?}");
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    let mut hashes = std::collections::BTreeSet::new();
    let mut last = Value::Null;
    for number in 0..CHANGES {
        let more = format!("[prices.\"openai/gpt-4o-mini\"]\ninput = \"0.{}\"\n", number + 1);
        let more = format!("{text}{more}[models.extra{number}]\ntiers = [[\"openai/gpt-4o\"]]\n");
        // As editors do it, as shells do it, and without waiting for anybody to look.
        if number % 2 == 0 {
            let beside = path.with_extension("new");
            std::fs::write(&beside, more).unwrap();
            std::fs::rename(&beside, &path).unwrap();
        } else {
            std::fs::write(&path, more).unwrap();
        }
        if number % 3 == 0 {
            proxy.signal("-HUP");
        }
        let (ready, took) = becomes(&proxy, |now| now["hash"] != last).await;
        if number > 0 {
            println!("served after {took:?}");
        }
        last = ready["configuration"]["hash"].clone();
        hashes.insert(last.to_string());
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    println!("{done:?} calls over {CHANGES} changes");
    assert_eq!(failed.load(Ordering::Relaxed), 0, "{}", proxy.said());
    assert!(done.load(Ordering::Relaxed) > CHANGES && hashes.len() >= CHANGES - 1, "{hashes:?}");
    let page = metrics(&proxy).await;
    let series = page.lines().filter(|line| line.starts_with("gw_config_hash{")).count();
    assert_eq!(series, 1, "one hash at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_removed_opens_nothing_a_second_later() {
    let simulator = simulator().await;
    let place = place(&simulator);
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    assert_eq!(call(&client, &proxy, GOES).await, 200);
    let (path, text) = file(&place);
    let (before, _) = text.split_once("[[keys]]\nname = \"goes\"").unwrap();
    let first = get(proxy.address, "/health/readiness", "").await["configuration"]["hash"].clone();
    std::fs::write(&path, before).unwrap();
    let (_, took) = becomes(&proxy, |now| now["hash"] != first).await;
    println!("removed after {took:?}");
    assert_eq!(call(&client, &proxy, GOES).await, 401);
    assert_eq!(call(&client, &proxy, STAYS).await, 200);
    std::fs::write(&path, &text).unwrap();
    becomes(&proxy, |now| now["hash"] == first).await;
    assert_eq!(call(&client, &proxy, GOES).await, 200);
    proxy.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_served_is_told_and_changes_nothing() {
    let simulator = simulator().await;
    let place = place(&simulator);
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let (path, text) = file(&place);
    let first = get(proxy.address, "/health/readiness", "").await["configuration"]["hash"].clone();
    let broken = format!("{text}[models.bad]\ntiers = [[\"nobody/gpt-4o\"]]\n");
    std::fs::write(&path, &broken).unwrap();
    let (ready, _) = becomes(&proxy, |now| now["refused"].is_object()).await;
    assert_eq!(ready["status"], "degraded");
    assert_eq!(ready["configuration"]["hash"], first);
    let problem = ready["configuration"]["refused"]["problems"][0].to_string();
    assert!(problem.contains("nobody"), "{problem}");
    assert!(metrics(&proxy).await.contains("gw_config_refused 1"));
    assert_eq!(call(&client, &proxy, STAYS).await, 200);
    let (status, answer) = operate(proxy.address, Method::POST, "/admin/config/reload", "").await;
    assert_eq!((status, &answer["error"]["code"]), (409, &json!("not_served")));
    let logged = proxy.said().matches("cannot be served").count();
    assert_eq!(logged, 1, "read twice and told once: {}", proxy.said());
    // A file that ends in the middle, and one that is away.
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    std::fs::remove_file(&path).unwrap();
    becomes(&proxy, |now| now["refused"]["problems"][0].to_string().contains("proxy.toml")).await;
    assert_eq!(call(&client, &proxy, GOES).await, 200);
    std::fs::write(&path, &text).unwrap();
    let (ready, _) = becomes(&proxy, |now| now["refused"].is_null()).await;
    assert_eq!((&ready["status"], &ready["configuration"]["hash"]), (&json!("ready"), &first));
    // What is only for a start is named, and the rest holds.
    let later = text.replace("[server]\n", "[server]\ndrain = \"7s\"\n");
    std::fs::write(
        &path,
        later + "[models.more]\ntiers = [[\"openai/gpt-4o\"]]\n[files]\nsize_max = \"1MiB\"\n",
    )
    .unwrap();
    let (ready, _) = becomes(&proxy, |now| now["hash"] != first).await;
    assert_eq!(ready["configuration"]["restart_needed"], json!(["files.size_max", "server.drain"]));
    let (_, served) = operate(proxy.address, Method::GET, "/admin/config", "").await;
    assert!(served["config"]["models"]["more"].is_object(), "{served}");
    assert!(served["config"]["server"]["drain"].is_null(), "{served}");
    assert!(!served.to_string().contains("0123456789abcdef"), "secrets by their references");
    proxy.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_configuration_holds_until_the_file_changes() {
    let simulator = simulator().await;
    let place = place(&simulator);
    let proxy = Proxy::start(&place, None).unwrap();
    let (path, text) = file(&place);
    let first = get(proxy.address, "/health/readiness", "").await["configuration"]["hash"].clone();
    let more = format!("{text}[models.more]\ntiers = [[\"openai/gpt-4o\"]]\n");
    std::fs::write(&path, &more).unwrap();
    becomes(&proxy, |now| now["hash"] != first).await;
    let history = async || operate(proxy.address, Method::GET, "/admin/config/history", "").await.1;
    let entries = history().await["entries"].clone();
    assert_eq!(entries.as_array().unwrap().len(), 2);
    assert_eq!((&entries[0]["current"], &entries[1]["hash"]), (&json!(true), &first));
    assert!(!entries.to_string().contains("0123456789abcdef"), "{entries}");
    let revert = json!({"number": entries[1]["number"]}).to_string();
    let path_of = "/admin/config/revert";
    let (status, answer) = operate(proxy.address, Method::POST, path_of, &revert).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["hash"], &answer["outcome"]), (&first, &json!("applied")));
    assert!(answer["changes"].to_string().contains("models.more"), "{answer}");
    // It is not undone by looking at a file that has not changed, and its keys work.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (ready, _) = becomes(&proxy, |now| now["hash"] == first).await;
    assert_eq!(ready["configuration"]["origin"], json!({"reverted": 1}));
    assert_eq!(call(&client(), &proxy, STAYS).await, 200);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), more, "the file is somebody else's");
    let (status, _) = operate(proxy.address, Method::POST, path_of, r#"{"number":99}"#).await;
    assert_eq!(status, 404);
    // Who asks for the file gets the file.
    proxy.signal("-HUP");
    becomes(&proxy, |now| now["hash"] != first).await;
    proxy.stop();
    let again = Proxy::start(&place, None).unwrap();
    assert!(get(again.address, "/health/readiness", "").await["configuration"]["hash"] == first);
    again.stop();
}
