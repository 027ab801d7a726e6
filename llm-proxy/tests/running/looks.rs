//! Commands that look at a proxy: how fast it is, what it does, whether it is well.

use std::process::{Command, Output};

use llm_sim::upstream::Vendor;

use crate::client::{ask, client};
use crate::proxy::{ADMIN, Key, Place, Proxy, simulator, sqlite};

const APP: Key = Key { name: "app", key: "sk-app-0123456789abcdef0123456789", limit: "" };
const BODY: &str = r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;

/// What a command says, and its exit code.
fn run(words: &[&str], key: Option<&str>) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_llm-proxy"));
    command.args(words).env_remove("LLM_PROXY_ADMIN_KEY").env_remove("LLM_PROXY_CONFIG");
    if let Some(key) = key {
        command.env("LLM_PROXY_ADMIN_KEY", key);
    }
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_runs_is_looked_at() {
    let simulator = simulator().await;
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    let at = simulator.base_url(Vendor::OpenAi);
    let place = Place { keys: vec![APP], ..Place::new(folder, store, at) };
    let proxy = Proxy::start(&place, None).unwrap();
    let url = format!("http://{}", proxy.address);
    for _ in 0..3 {
        let answer = ask(&client(), proxy.address, APP.key, BODY.to_owned()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let top = ["top", "--once", "--every-ms", "200", "--url", &url];
    let (code, out, said) = run(&top, Some(ADMIN));
    assert_eq!(code, 0, "{said}");
    for part in
        ["ready", "calls ", "tokens in", "plain", "openai/gpt-4o-mini", "closed", "spend today $"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains('\x1b') && !out.contains(ADMIN), "{out}");
    let (code, out, _) = run(&top, None);
    assert!(code == 0 && out.contains("LLM_PROXY_ADMIN_KEY"), "what to do next: {out}");

    for words in [&["health", "--url", &url][..], &["health", "--live", "--url", &url]] {
        let (code, out, said) = run(words, None);
        assert_eq!(code, 0, "{out}{said}");
    }
    proxy.stop();
    let (code, _, said) = run(&["health", "--url", &url], None);
    assert!(code == 1 && said.contains("nobody answers"), "{said}");
    let (code, _, said) = run(&top, None);
    assert!(code == 2 && said.contains("is the proxy running"), "{said}");
    // Without an address: where the configuration says.
    let mut command = place.command();
    let asked = command.args(["--port", &proxy_port(&url), "health"]).output().unwrap();
    assert_eq!(asked.status.code(), Some(1), "{}", String::from_utf8_lossy(&asked.stderr));
    simulator.shutdown().await;
}

fn proxy_port(url: &str) -> String {
    url.rsplit(':').next().unwrap().to_owned()
}

#[test]
fn it_is_measured_against_nobody() {
    let (code, out, said) = run(&["bench", "--seconds", "3", "--callers", "4"], None);
    assert_eq!(code, 0, "{out}{said}");
    for part in ["calls ", "added ", "processor ", "streams ", "memory ", " 0 failed"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    println!("{out}");
    let (code, _, said) = run(&["bench", "--callers", "0"], None);
    assert_eq!(code, 2, "{said}");
}
