//! One process after another at the same address, while callers go on. `RESTARTS` asks for more than
//! a usual run.

pub(crate) mod callers;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;

use self::callers::{Called, Callers};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const RESTARTS: usize = 5;
const KEY: Key = Key { name: "rolled", key: "sk-rolled-0123456789abcdef0123456789", limit: "" };
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(700);

fn place(simulator: &Simulator, store: &str, port: u16) -> Place {
    let server = format!("listen = \"127.0.0.1:{port}\"\nreuse_port = true\ndrain = \"20s\"");
    let (folder, upstream) = (tempfile::tempdir().unwrap(), simulator.base_url(Vendor::OpenAi));
    Place { keys: vec![KEY], server, ..Place::new(folder, store.to_owned(), upstream) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_the_process_changes() {
    let simulator = simulator().await;
    // Streams take about a second and a half.
    let slow = r#"{"match":{"model":"gpt-4o"},"times":"always",
        "do":{"chunk_ms":60,"output_tokens":25}}"#;
    simulator.upstream(Vendor::OpenAi).unwrap().script(Script::parse(slow.as_bytes()).unwrap());
    let shared = tempfile::tempdir().unwrap();
    let store = sqlite(shared.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // A process has a folder of its own, and the next one has another.
    let places = [0, 1].map(|_| Arc::new(place(&simulator, &store, port)));
    let mut current = Proxy::start(&places[0], None).unwrap();
    let (quick, slow) = ("openai/gpt-4o-mini", "openai/gpt-4o");
    let callers = Callers::start(&Called { port, key: KEY.key, quick, slow });
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
    let (done, failed) = callers.stop().await;
    assert!(failed.is_empty(), "{} of {done}: {:#?}", failed.len(), failed.first());
    assert!(done > 20 * restarts as u64, "{done} calls are no load");
    println!("{done} calls over {restarts} changes, none of them refused, reset or cut");
    tokio::task::spawn_blocking(move || current.stop()).await.unwrap();
    simulator.shutdown().await;
}
