//! Whoever has used all of it has themselves erased, and is found nowhere. Files and captions are
//! looked for in [`crate::captions`]. Nor does a backup bring them back that was made before.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Day, MODEL, Person, known};
use crate::captions::found;
use crate::client::operate;
use crate::proxy::Place;

const ANN: Person =
    Person { name: "ann", key: "sk-gone-ann-0123456789abcdef", rules: "unlimited = true" };
const BOB: Person =
    Person { name: "bob", key: "sk-gone-bob-0123456789abcdef", rules: "unlimited = true" };

fn configuration() -> String {
    format!(
        "[models.smart]\n{MODEL}cache = {{ ttl = \"30m\", scope = \"user\" }}\n\
         [models.embeds]\ntiers = [[\"gpt/text-embedding-3-small\"]]\n\
         [privacy]\nconsent = \"required\"\n\
         [features.documents]\nmodel = \"embeds\"\n\
         [features.chat]\nmodel = \"smart\"\n[features.titles]\nmodel = \"smart\"\n\
         [features.boost]\nmodel = \"smart\"\n[features.analysis]\nmodel = \"smart\"\n"
    )
}

/// Uses every feature, and says a word in each that nobody else says.
async fn live(day: &Day, by: Person, word: &str) {
    let agreed = json!({"consent": "given"});
    day.data(by, Method::PUT, "/api/v1/users/me/consent", &agreed).await;
    let post = async |path: &str, body: Value| day.data(by, Method::POST, path, &body).await;
    let talk = json!({"system": format!("너는 {word}의 친구다")});
    let talk = post("/api/v1/chat/conversations", talk).await;
    let messages = format!("/api/v1/chat/conversations/{}/messages", talk["id"].as_str().unwrap());
    let said = post(&messages, json!({"content": format!("{word} 이야기")})).await;
    assert!(said["message"]["content"].as_str().unwrap().contains(word));
    let prompt = format!("{word}에 대한 글을 써 줘");
    let boosted = post("/api/v1/prompts/boost", json!({"prompt": prompt})).await;
    let about = json!({"about": "boost", "id": boosted["id"], "thumb": "up", "comment": word});
    post("/api/v1/feedback", about).await;
    let draft = json!({"name": format!("{word} 글"), "text": format!("{word}: {{{{ x }}}}"),
        "variables": [{"name": "x"}]});
    post("/api/v1/templates", draft).await;
    let paper = json!({"name": format!("{word}.txt"), "content": format!("{word}의 매출은 12")});
    let paper = post("/api/v1/documents", paper).await;
    let asked = json!({"question": format!("{word}의 매출은?"), "documents": [paper["id"]],
        "selection": {"cells": [{"id": "A1", "value": word}]}});
    assert_eq!(post("/api/v1/analysis", asked).await["status"], "completed");
    let kept = json!({"model": "smart", "input": format!("{word}?"), "store": true});
    day.send(by, Method::POST, "/v1/responses", &kept).await;
}

fn files(day: &Day, word: &str) -> Vec<String> {
    let mut seen = Vec::new();
    found(day.place.folder.path(), word, &mut seen);
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_whoever_is_erased_is_in_any_file_or_answer() {
    let (word, other) = ("수정고래자리", "은하너구리자리");
    let day = Day::begin(&[ANN, BOB], &configuration()).await;
    live(&day, ANN, word).await;
    live(&day, BOB, other).await;
    let export = day.get(ANN, "/api/v1/users/me/export").await;
    let said = export.to_string();
    assert!(said.matches(word).count() >= 8 && !said.contains(other), "{export}");
    let erase = "/api/v1/users/me/data";
    let receipt = day.data(ANN, Method::DELETE, erase, &Value::Null).await;
    assert_eq!((&receipt["key_forgotten"], &receipt["scrubbed"]), (&json!(true), &json!(true)));
    assert_eq!(files(&day, word), [""; 0], "while it runs");

    // Nothing is to be seen, and nothing that was kept for a repeated question is said again.
    for path in ["chat/conversations", "templates", "documents", "feedback", "jobs"] {
        let page = day.get(ANN, &format!("/api/v1/{path}")).await;
        assert_eq!(page["data"], json!([]), "{path}");
        let page = day.get(BOB, &format!("/api/v1/{path}")).await;
        assert!(path == "jobs" || !page["data"].as_array().unwrap().is_empty(), "{path}");
    }
    let export = day.get(ANN, "/api/v1/users/me/export").await;
    assert!(!export.to_string().contains(word), "{export}");
    let receipt = receipt["hash"].as_str().unwrap();
    let (_, trail) = operate(day.proxy.address, Method::GET, "/admin/audit", "").await;
    assert!(trail.to_string().contains(receipt) && !trail.to_string().contains(word), "{trail}");

    // Nor in a copy that is taken now, nor in what another process finds.
    let copy = day.place.folder.path().join("copy");
    let copied = day.command().args(["backup", copy.to_str().unwrap()]).output().unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    let day = day.killed();
    assert_eq!(files(&day, word), [""; 0], "and in copies");
    let mine = day.get(BOB, "/api/v1/users/me/export").await;
    assert!(mine.to_string().matches(other).count() >= 8, "another's is as it was: {mine}");
    day.end().await;
}

/// How many rows there are of somebody who is asked for so.
async fn rows(place: &Place, of: &str) -> i64 {
    let mut link = sqlx::SqliteConnection::connect(&place.store).await.unwrap();
    let text = AssertSqlSafe(format!("SELECT count(*) FROM {of}"));
    sqlx::query_scalar(text).fetch_one(&mut link).await.unwrap()
}

/// Carries out a command, and returns what it says.
fn done(place: &Place, words: &[&str], path: &Path) -> String {
    let mut command = place.command();
    known(&mut command, &[ANN, BOB]);
    let done = command.args(words).arg(path).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
    said
}

const KEYS: &str = "person WHERE owner LIKE '%/user/ann'";
const TALKS: &str = "conversation WHERE owner LIKE '%/user/ann'";
const CALLS: &str = "request_subject WHERE person = 'ann'";

/// Puts the backup in the place of what is there: her key is gone before anything runs.
async fn restored(place: &Place, backup: &Path) {
    let said = done(place, &["restore"], backup);
    assert!(said.contains("of 1 erasures after this backup 1 keys"), "{said}");
    assert_eq!(rows(place, KEYS).await, 0);
    assert!(rows(place, TALKS).await > 0, "what is still there cannot be read");
}

/// Until nothing is left of her, and the trail says so.
async fn gone(day: &Day, lines: usize) {
    let address = day.proxy.address;
    let again = async || {
        let trail = operate(address, Method::GET, "/admin/audit?who=restore", "").await.1;
        trail["data"].as_array().unwrap().len()
    };
    for _ in 0..600 {
        if again().await >= lines {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(again().await, lines, "{}", day.proxy.said());
    let calls = operate(address, Method::GET, "/admin/requests?user=ann", "").await.1;
    assert_eq!(calls["requests"], json!([]), "{calls}");
    for of in [TALKS, CALLS, "deposit WHERE owner LIKE '%/user/ann'"] {
        assert_eq!(rows(&day.place, of).await, 0, "{of}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_does_not_bring_back_whoever_was_erased_after_it() {
    let (word, other) = ("수정고래자리", "은하너구리자리");
    let day = Day::begin(&[ANN, BOB], &configuration()).await;
    live(&day, ANN, word).await;
    live(&day, BOB, other).await;
    // The log is written behind the calls.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let backups = day.place.folder.path().join("backups");
    std::fs::create_dir(&backups).unwrap();
    let (before, after) = (backups.join("before"), backups.join("after"));
    done(&day.place, &["backup"], &before);
    day.data(ANN, Method::DELETE, "/api/v1/users/me/data", &Value::Null).await;
    // She comes back, and is somebody else.
    live(&day, ANN, "돌아온고래").await;
    done(&day.place, &["backup"], &after);
    let list = day.place.folder.path().join("data/erasures");
    assert!(!std::fs::read_to_string(&list).unwrap().contains("ann"));

    let day = day.restarted(async |place| restored(place, &before).await).await;
    // A line of the command, and one of the start.
    gone(&day, 2).await;
    let mine = day.get(BOB, "/api/v1/users/me/export").await;
    assert!(mine.to_string().matches(other).count() >= 8, "another's is as it was: {mine}");

    // On another machine, where the newer backup lies beside the older one.
    let elsewhere = async |place: &Place| {
        std::fs::remove_file(&list).unwrap();
        restored(place, &before).await;
    };
    let day = day.restarted(elsewhere).await;
    gone(&day, 2).await;

    // What was said after an erasure is not touched by it.
    let day = day.restarted(async |place| {
        let said = done(place, &["restore"], &after);
        assert!(!said.contains("erasures"), "{said}");
    });
    let day = day.await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let mine = day.get(ANN, "/api/v1/users/me/export").await.to_string();
    assert!(mine.matches("돌아온고래").count() >= 8 && !mine.contains(word), "{mine}");
    let (_, trail) = operate(day.proxy.address, Method::GET, "/admin/audit/verify", "").await;
    assert_eq!(trail["ok"], true, "{trail}");
    day.end().await;
}
