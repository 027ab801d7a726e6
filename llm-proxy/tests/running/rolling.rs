//! One process after another at the same address, while callers go on: with connections that they
//! keep, with a new one for each call, and with answers that are longer than a change takes.
//! `RESTARTS` asks for more than a usual run.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::rt::TokioExecutor;
use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;

use crate::client::Client;
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const RESTARTS: usize = 5;
const KEY: Key = Key { name: "rolled", key: "sk-rolled-0123456789abcdef0123456789", limit: "" };
/// Callers of each kind.
const CALLERS: usize = 3;
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(700);

/// How somebody calls.
#[derive(Clone, Copy, Debug)]
enum Habit {
    Keeps,
    Connects,
    Streams,
}

fn client(habit: Habit) -> Client {
    let mut builder = Legacy::builder(TokioExecutor::new());
    // What is reset must be seen, and not be asked once more behind the test's back.
    builder.retry_canceled_requests(false);
    match habit {
        Habit::Connects => builder.pool_max_idle_per_host(0),
        Habit::Keeps | Habit::Streams => builder.pool_max_idle_per_host(1),
    };
    builder.build_http()
}

async fn call(client: &Client, port: u16, habit: Habit) -> Result<(), String> {
    let (model, stream) = match habit {
        Habit::Keeps | Habit::Connects => ("gpt-4o-mini", false),
        Habit::Streams => ("gpt-4o", true),
    };
    let body = format!(
        r#"{{"model":"openai/{model}","stream":{stream},"max_tokens":30,"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    let request = Request::post(format!("http://127.0.0.1:{port}/v1/chat/completions"))
        .header("authorization", format!("Bearer {}", KEY.key))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|e| e.to_string())?;
    let response = client.request(request).await.map_err(|e| format!("{habit:?}: {e:?}"))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|e| format!("{habit:?}: {e:?}"))?;
    let body = body.to_bytes();
    let whole = !stream || body.ends_with(b"data: [DONE]\n\n");
    if status == 200 && whole { Ok(()) } else { Err(format!("{habit:?}: {status} {body:?}")) }
}

fn place(simulator: &Simulator, store: &str, port: u16) -> Place {
    let server = format!("listen = \"127.0.0.1:{port}\"\nreuse_port = true\ndrain = \"20s\"");
    let (folder, upstream) = (tempfile::tempdir().unwrap(), simulator.base_url(Vendor::OpenAi));
    Place { keys: vec![KEY], server, ..Place::new(folder, store.to_owned(), upstream) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_the_process_changes() {
    let simulator = simulator().await;
    // Streams take about a second and a half.
    let slow =
        r#"{"match":{"model":"gpt-4o"},"times":"always","do":{"chunk_ms":60,"output_tokens":25}}"#;
    simulator.upstream(Vendor::OpenAi).unwrap().script(Script::parse(slow.as_bytes()).unwrap());
    let shared = tempfile::tempdir().unwrap();
    let store = sqlite(shared.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // A process has a folder of its own, and the next one has another.
    let places = [0, 1].map(|_| Arc::new(place(&simulator, &store, port)));
    let mut current = Proxy::start(&places[0], None).unwrap();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for habit in [Habit::Keeps, Habit::Connects, Habit::Streams].repeat(CALLERS) {
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        callers.push(tokio::spawn(async move {
            let (client, mut failed) = (client(habit), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                match call(&client, port, habit).await {
                    Ok(()) => drop(done.fetch_add(1, Ordering::Relaxed)),
                    Err(why) => failed.push(why),
                }
                // Two cores are shared with whatever else is tested.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            failed
        }));
    }
    let restarts = std::env::var("RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(RESTARTS);
    for n in 1..=restarts {
        tokio::time::sleep(PAUSE).await;
        let place = Arc::clone(&places[n % 2]);
        let last = tokio::task::spawn_blocking(move || {
            let next = Proxy::start(&place, None).unwrap();
            current.stop();
            next
        });
        current = last.await.unwrap();
    }
    tokio::time::sleep(PAUSE).await;
    stop.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for caller in callers {
        failed.extend(caller.await.unwrap());
    }
    let done = done.load(Ordering::Relaxed);
    assert!(
        failed.is_empty(),
        "{} of {done} calls: {:#?}",
        failed.len(),
        &failed[..failed.len().min(10)]
    );
    assert!(done > 20 * restarts as u64, "{done} calls are no load");
    println!("{done} calls over {restarts} changes, none of them refused, reset or cut");
    tokio::task::spawn_blocking(move || current.stop()).await.unwrap();
    simulator.shutdown().await;
}
