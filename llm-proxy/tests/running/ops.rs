//! Operators' commands beside a running proxy, and without one.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::upstream::Vendor;
use serde_json::Value;
use sqlx::Connection as _;

use crate::books::Books;
use crate::client::{Client, ask, client, post};
use crate::proxy::{Key, Place, Proxy, simulator, sqlite};

/// What is changed beside a proxy holds there by then.
const HEARD_MAX: Duration = Duration::from_secs(5);
const CALLS: usize = 60;
const FIXED: Key =
    Key { name: "fixed", key: "sk-fixed-0123456789abcdef0123456789", limit: "$1000/month" };

fn place(simulator: &Simulator, keys: Vec<Key>) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let store = sqlite(folder.path());
    Place { keys, ..Place::new(folder, store, simulator.base_url(Vendor::OpenAi)) }
}

/// What a command says, and its exit code.
fn run(place: &Place, words: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = place.command().args(words).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn listed(place: &Place) -> Vec<Value> {
    let (code, out, said) = run(place, &["key", "list"]);
    assert_eq!(code, 0, "{said}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn call(client: &Client, proxy: &Proxy, key: &str) -> u16 {
    let body = r#"{"model":"plain","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}"#;
    ask(client, proxy.address, key, body.to_owned()).await.unwrap().status().as_u16()
}

/// Waits until a key is answered like that, for as long as that may take.
async fn becomes(client: &Client, proxy: &Proxy, key: &str, wanted: u16) {
    let turned = async {
        while call(client, proxy, key).await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(HEARD_MAX, turned).await.is_ok(), "not {wanted} in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_works_is_revoked_and_works_no_more() {
    let simulator = simulator().await;
    let place = place(&simulator, Vec::new());
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    let words = ["key", "create", "--name", "app", "--budget", "$20/month", "--limit"];
    let more = ["600/minute", "--model", "plain", "--user", "ann"];
    let (code, out, said) = run(&place, &[&words[..], &more[..]].concat());
    assert_eq!(code, 0, "{said}");
    let key = out.trim();
    assert!(key.starts_with("sk-gw-") && !key.contains(char::is_whitespace), "the key alone");
    assert!(!said.contains(key), "and shown once");
    becomes(&client, &proxy, key, 200).await;

    let (code, _, said) = run(&place, &["key", "create", "--name", "other", "--user", "ann"]);
    assert_eq!(code, 0, "a user may have two: {said}");
    let (code, ..) = run(&place, &["key", "create", "--name", "x", "--plan", "none"]);
    assert_eq!(code, 2, "there is no such plan");
    let lines = listed(&place);
    let mut ids: Vec<_> = lines.iter().map(|line| line["name"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["app", "default", "other"], "beside the one that the first start makes");
    let line = lines.iter().find(|line| line["name"] == "app").unwrap();
    assert_eq!((&line["user"], &line["closed"]), (&Value::from("ann"), &Value::Null));
    assert_eq!(line["limits"], serde_json::json!(["$20/month", "600/minute"]));
    assert!(!line.to_string().contains(key), "{line}");

    let id = line["id"].as_str().unwrap();
    assert_eq!(run(&place, &["key", "revoke", id]).0, 0);
    becomes(&client, &proxy, key, 401).await;
    assert_eq!(run(&place, &["key", "revoke", "key-of-nobody"]).0, 1);
    let revoked = listed(&place).into_iter().filter(|line| line["closed"].is_string());
    assert_eq!(revoked.count(), 1);
    proxy.stop();
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_tampered_with_is_found_out() {
    let simulator = simulator().await;
    let place = place(&simulator, vec![FIXED]);
    let (code, out, said) = run(&place, &["ledger", "verify"]);
    assert_eq!((code, out.as_str()), (2, ""), "there is no store yet: {said}");
    let proxy = Proxy::start(&place, None).unwrap();
    let client = client();
    for _ in 0..5 {
        assert_eq!(call(&client, &proxy, FIXED.key).await, 200);
    }
    assert_eq!(run(&place, &["ledger", "verify"]).0, 0, "beside a proxy that runs");
    proxy.stop();
    let (code, out, said) = run(&place, &["ledger", "verify"]);
    assert_eq!(code, 0, "{out}{said}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["ok"], &report["problems"]), (&true.into(), &serde_json::json!([])));
    assert!(report["entries"].as_u64().unwrap() >= 5, "{report}");

    let mut link = sqlx::SqliteConnection::connect(&place.store).await.unwrap();
    let text = "UPDATE account SET paid = paid + 1 WHERE name = 'fixed' AND rule = ''";
    let changed = sqlx::query(text).execute(&mut link).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    link.close().await.unwrap();
    let (code, out, _) = run(&place, &["ledger", "verify"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["ok"]), (1, &false.into()), "{report}");
    assert_eq!(report["problems"][0]["account"], "fixed", "{report}");
    let copy = place.folder.path().join("copy");
    let (code, ..) = run(&place, &["backup", copy.to_str().unwrap()]);
    assert_eq!((code, copy.exists()), (1, false), "what is not sound is no backup");
    simulator.shutdown().await;
}

fn paid(books: &Books) -> i64 {
    books.within_limits();
    books.adds_up();
    books.holds.values().sum()
}

/// Restores a backup into a folder of its own, with the secrets that were kept apart, and returns
/// what is stored there after a proxy has taken it up.
async fn restored(simulator: &Simulator, from: &Path, apart: &Path, key: Option<&str>) -> Books {
    let place = place(simulator, vec![FIXED]);
    let wanted = ["restore", from.to_str().unwrap(), "--secrets", apart.to_str().unwrap()];
    let (code, out, said) = run(&place, &wanted);
    assert_eq!(code, 0, "{out}{said}");
    assert!(!said.contains("was made with"), "no secret is missing: {said}");
    let (code, out, said) = run(&place, &["ledger", "verify"]);
    assert_eq!(code, 0, "{out}{said}");
    let proxy = Proxy::start(&place, None).unwrap();
    if let Some(key) = key {
        assert_eq!(call(&client(), &proxy, key).await, 200, "a key of the backup");
    }
    proxy.stop();
    assert_eq!(run(&place, &["ledger", "verify"]).0, 0);
    Books::read(&place.store).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_taken_under_calls_and_is_restored_elsewhere() {
    let simulator = simulator().await;
    let place = place(&simulator, vec![FIXED]);
    let (code, key, said) =
        run(&place, &["key", "create", "--name", "app", "--budget", "$1000/month"]);
    assert_eq!(code, 0, "before the first start: {said}");
    let key = key.trim().to_owned();
    let proxy = Proxy::start(&place, None).unwrap();
    let address = proxy.address;
    let (client, other) = (client(), key.clone());
    let calls = tokio::spawn(async move {
        let body = r#"{"model":"plain","messages":[{"role":"user","content":"hi"}]}"#;
        for number in 0..CALLS {
            let key = if number.is_multiple_of(2) { &other } else { FIXED.key };
            let answer = ask(&client, address, key, body.to_owned()).await.unwrap();
            assert_eq!(answer.status(), 200);
        }
    });
    let during = place.folder.path().join("during");
    let (code, out, said) = run(&place, &["backup", during.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{said}");
    for secret in ["pepper", "seal-keys", "credit-pepper"] {
        assert!(said.contains(secret), "what is not in it is said: {said}");
    }
    calls.await.unwrap();
    let after = place.folder.path().join("after");
    let apart = place.folder.path().join("apart");
    let backed = ["backup", after.to_str().unwrap(), "--secrets", apart.to_str().unwrap()];
    assert_eq!(run(&place, &backed).0, 0);
    assert_eq!(run(&place, &["backup", after.to_str().unwrap()]).0, 2, "it is there already");
    let (code, _, said) = run(&place, &["restore", after.to_str().unwrap()]);
    assert!(code == 2 && said.contains("in use: stop the process"), "{code}: {said}");
    proxy.stop();
    let here = Books::read(&place.store).await;
    assert_eq!(here.holds.len(), CALLS);

    let there = restored(&simulator, &after, &apart, None).await;
    assert_eq!((paid(&there), &there.holds), (paid(&here), &here.holds), "the same spend");
    let there = restored(&simulator, &during, &apart, Some(&key)).await;
    assert!(paid(&there) > 0 && there.holds.len() <= CALLS + 1);
    // Over the original, too, and what was there is put aside.
    let (code, _, said) = run(&place, &["restore", after.to_str().unwrap()]);
    assert!(code == 0 && said.contains("before-1"), "{code}: {said}");
    simulator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_verified_beside_a_proxy_and_without_one() {
    let simulator = simulator().await;
    let place = place(&simulator, vec![FIXED]);
    let proxy = Proxy::start(&place, None).unwrap();
    let made = post(proxy.address, "/key/generate", "{}").await;
    assert!(made["token_id"].is_string(), "{made}");
    let verify = |more: &[&str]| {
        let (code, out, said) = run(&place, &[&["audit", "verify"][..], more].concat());
        let out: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{said}"));
        (code, out)
    };
    let (code, found) = verify(&[]);
    assert_eq!((code, &found["ok"], &found["lines"]), (0, &true.into(), &2.into()));
    drop(proxy);
    let head = found["head"].as_str().unwrap();
    assert_eq!(verify(&["--head", head]).0, 0);
    let (code, other) = verify(&["--head", &head.replacen("2:", "3:", 1)]);
    assert_eq!((code, &other["ok"]), (1, &false.into()), "{other}");
    let (code, ..) = run(&place, &["audit", "verify", "--head", "x"]);
    assert_eq!(code, 2);
}
