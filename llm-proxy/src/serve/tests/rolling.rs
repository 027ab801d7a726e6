//! One proxy after another at the same address, in one process: what `tests/running/rolling.rs` does
//! with real processes, for everybody who changes how connections end.

#[path = "../../../tests/running/rolling/callers.rs"]
mod callers;

use std::time::Duration;

use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};

use self::callers::{Became, Called, Callers};
use super::browsers::config_of;
use super::*;

const CHANGES: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_the_proxy_changes() {
    let options = Options { port_base: 0, ..Options::default() };
    let simulator = Simulator::start(options).await.unwrap();
    let slow = r#"{"match":{"model":"gpt-4o"},"times":"always",
        "do":{"chunk_ms":60,"output_tokens":25}}"#;
    simulator.upstream(Vendor::OpenAi).unwrap().script(Script::parse(slow.as_bytes()).unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // One folder for all of them: each lies in a berth of its own.
    let data = tempfile::tempdir().unwrap();
    let start = async || {
        let more = format!(
            "[providers.far]\nkind = \"openai\"\nkeys = [\"env:KEY\"]\nbase_url = \"{}\"\n",
            simulator.base_url(Vendor::OpenAi)
        );
        let mut config = config_of(data.path(), "reuse_port = true\ndrain = \"20s\"", &more);
        config.server.listen.set_port(port);
        Running::start(config).await
    };
    let mut current = Box::pin(start()).await;
    let (quick, slow) = ("smart", "far/gpt-4o");
    let callers = Callers::start(&Called { port, key: KEY, quick, slow });
    for _ in 0..CHANGES {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let next = Box::pin(start()).await;
        current.stop().await;
        current = next;
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let Became { done, failed, quick } = callers.stop().await;
    assert!(failed.is_empty(), "{} of {done}: {:#?}", failed.len(), failed.first());
    assert!(done > 20 * CHANGES as u64, "{done} calls are no load");
    let slowest = quick.last();
    println!(
        "{done} calls over {CHANGES} changes, none of them refused, reset or cut; the slowest short one \
         took {slowest:?}"
    );
    current.stop().await;
    simulator.shutdown().await;
}
