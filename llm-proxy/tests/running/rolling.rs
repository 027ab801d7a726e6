//! One process after another at the same address and in the same folder, while callers go on.
//! `RESTARTS` asks for more than a usual run.

pub(crate) mod callers;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use tempfile::TempDir;

use self::callers::{Became, Called, Callers};
use crate::client::admin;
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

const RESTARTS: usize = 5;
/// With a limit: who has none goes on without the store, and would not show that it was not to be had.
const KEY: Key =
    Key { name: "rolled", key: "sk-rolled-0123456789abcdef0123456789", limit: "$9000/month" };
/// What is left to calls under way.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(700);

fn place(simulator: &Simulator, (folder, store): (TempDir, String), port: u16) -> Place {
    let drain = DRAIN.as_secs();
    let server = format!("listen = \"127.0.0.1:{port}\"\nreuse_port = true\ndrain = \"{drain}s\"");
    let upstream = simulator.base_url(Vendor::OpenAi);
    Place { keys: vec![KEY], server, ..Place::new(folder, store, upstream) }
}

/// How often each thing went wrong.
fn kinds(failed: &[String]) -> String {
    let mut kinds = BTreeMap::<&str, usize>::new();
    failed.iter().for_each(|why| *kinds.entry(why).or_default() += 1);
    format!("{kinds:#?}")
}

/// How long processes took to be ready, and to end.
#[derive(Default)]
struct Times {
    ready: Vec<Duration>,
    ended: Vec<Duration>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn nobody_notices_that_the_process_changes() {
    let simulator = simulator().await;
    // Streams take about a second and a half.
    let slow = r#"{"match":{"model":"gpt-4o"},"times":"always",
        "do":{"chunk_ms":60,"output_tokens":25}}"#;
    simulator.upstream(Vendor::OpenAi).unwrap().script(Script::parse(slow.as_bytes()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = Arc::new(place(&simulator, (folder, store), port));
    let mut current = Proxy::start(&place, None).unwrap();
    let (mut took, mut said) = (Times::default(), String::new());
    let (quick, slow) = ("openai/gpt-4o-mini", "openai/gpt-4o");
    let callers = Callers::start(&Called { port, key: KEY.key, quick, slow });
    let restarts = std::env::var("RESTARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(RESTARTS);
    for _ in 0..restarts {
        tokio::time::sleep(PAUSE).await;
        let place = Arc::clone(&place);
        let change = tokio::task::spawn_blocking(move || {
            let next = Proxy::start(&place, None).unwrap();
            let ends = Instant::now();
            let log = current.stop_and_say();
            // Whatever is said of calls that were cut, or of a store that was left, is said here.
            assert!(!log.contains("cut off") && !log.contains("left behind"), "{log}");
            (next, ends.elapsed(), log)
        });
        let (next, ended, log) = change.await.unwrap();
        said.push_str(&log);
        took.ready.push(next.ready_after);
        took.ended.push(ended);
        current = next;
    }
    tokio::time::sleep(PAUSE).await;
    let Became { done, failed, quick } = callers.stop().await;
    assert!(failed.is_empty(), "{} of {done}: {}\n{said}", failed.len(), kinds(&failed));
    assert!(done > 20 * restarts as u64, "{done} calls are no load");
    let audit = admin(current.address, "/admin/ledger/verify").await;
    assert_eq!(audit["ok"], true, "{audit}");
    tokio::task::spawn_blocking(move || current.stop()).await.unwrap();
    let Times { mut ready, mut ended } = took;
    ready.sort();
    ended.sort();
    println!(
        "{done} calls over {restarts} changes, none of them refused, reset or cut; half of the processes \
         were ready within {:?} and all within {:?}, half had ended within {:?} and all within {:?}; of short calls 99 of 100 took no longer than \
         {:?}, and none more than {:?}",
        ready[restarts / 2],
        ready[restarts - 1],
        ended[restarts / 2],
        ended[restarts - 1],
        quick[quick.len() * 99 / 100],
        quick[quick.len() - 1],
    );
    // Whoever is slow to end is near to being cut off.
    assert!(ended[restarts - 1] < DRAIN / 2, "{ended:?}");
    simulator.shutdown().await;
}
