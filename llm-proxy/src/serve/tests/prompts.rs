//! Prompts over HTTP: every route, and that another's things are not there.

use serde_json::json;

use super::*;

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcde";
const TWO: &str = "user = \"min\"\nteam = \"a\"\nunlimited = true\n\
    [[keys]]\nname = \"other\"\nkey = \"env:OTHER\"\nuser = \"yuna\"\nunlimited = true";

impl Running {
    /// Asks with a key, and holds the answer against the table.
    async fn put(&self, verb: &str, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let method = Method::from_bytes(verb.as_bytes()).unwrap();
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.send(method.clone(), path, &headers, body).await;
        let answer = json(&response);
        admin::shape::holds(&method, path, response.status(), &answer);
        (response.status(), answer)
    }

    /// The same of whoever is obeyed: what was answered.
    async fn done_by(&self, key: &str, verb: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.put(verb, path, key, &body).await;
        assert_eq!(status, StatusCode::OK, "{verb} {path} {body}: {answer}");
        answer["data"].clone()
    }

    /// The events of a stream: names and what they say.
    async fn events(&self, path: &str, body: Value) -> Vec<(String, Value)> {
        let response = self.ask(path, &body.to_string()).await;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), StatusCode::OK, "{text}");
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}: {text}");
        let event = |lines: &str| {
            let line = |name: &str| lines.lines().find_map(|line| line.strip_prefix(name));
            let data = serde_json::from_str(line("data: ")?).unwrap();
            Some((line("event: ")?.to_owned(), data))
        };
        text.split("\n\n").filter_map(event).collect()
    }
}

async fn running() -> (Running, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Running::start(config(data.path(), TWO)).await, data)
}

#[tokio::test]
async fn prompts_are_rewritten_analyzed_and_compared() {
    let (proxy, _data) = running().await;
    let ask = json!({"prompt": "블로그 글 써줘", "domain": "marketing"});
    let done = proxy.done_by(KEY, "POST", "/api/v1/prompts/boost", ask.clone()).await;
    assert_eq!(
        (&done["intent"]["class"], &done["intent"]["domain"]),
        (&"writing".into(), &"marketing".into())
    );
    assert!(done["id"].is_string() && done["changes"][0]["why"].is_string(), "{done}");
    let mut streamed = ask.clone();
    streamed["stream"] = json!(true);
    let events = proxy.events("/api/v1/prompts/boost", streamed).await;
    assert_eq!(events[0].0, "analysis");
    let (last, end) = events.last().unwrap();
    assert_eq!(last, "end", "{end}");
    let mut text = String::new();
    for (name, said) in &events {
        match name.as_str() {
            "delta" => text.push_str(said["text"].as_str().unwrap()),
            // The simulated model repeats the fence, which is no prompt, and is asked once more.
            "again" => text.clear(),
            _ => {}
        }
    }
    assert_eq!(text, end["prompt"].as_str().unwrap());

    let question = json!({"prompt": "블로그 글 써줘"});
    let found = proxy.done_by(KEY, "POST", "/api/v1/prompts/analyze", question).await;
    assert_eq!(found["predicted"]["verdict"], "not_enough_data");
    assert!(found["judge"]["criteria"].as_array().unwrap().len() == 6, "{found}");
    let rules = json!({"prompt": "x", "judge": false});
    let found = proxy.done_by(KEY, "POST", "/api/v1/prompts/analyze", rules).await;
    assert!(found["judge"].is_null());
    assert_eq!(found["score"], found["rules"]["score"]);

    let sides = json!({"prompt": "강이란?", "models": ["smart", "simulated/gpt-4o-mini"]});
    let events = proxy.events("/api/v1/prompts/compare", sides).await;
    let names: Vec<&str> = events.iter().map(|event| event.0.as_str()).collect();
    for name in ["start", "delta", "answer", "verdict", "end"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(events.iter().filter(|e| e.0 == "delta").all(|e| e.1["index"].is_u64()));
    let whole = json!({"prompts": ["강이란?", "산이란?"], "model": "smart", "stream": false});
    let found = proxy.done_by(KEY, "POST", "/api/v1/prompts/compare", whole).await;
    assert_eq!(found["results"].as_array().unwrap().len(), 2);
    assert_eq!(found["results"][0]["quality"], 50, "the same judge says the same: {found}");
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_wrong_names_its_field_before_anything_streams() {
    let (proxy, _data) = running().await;
    for (path, body, field) in [
        ("boost", json!({"stream": true}), "prompt"),
        ("boost", json!({"prompt": " ", "stream": true}), "prompt"),
        ("boost", json!({"prompt": "x", "domain": "y"}), "domain"),
        ("boost", json!({"prompt": "x", "language": "other"}), "language"),
        ("analyze", json!({"prompt": 7}), "prompt"),
        ("analyze", json!({"prompt": "x".repeat(16_001)}), "prompt"),
        ("compare", json!({"prompt": "x", "models": ["smart"]}), "prompts"),
        ("compare", json!({"prompt": "x", "prompts": ["y"]}), "prompts"),
        ("compare", json!({"prompts": ["x", "y"], "models": ["a", "b"]}), "models"),
        ("compare", json!({"prompt": "x", "models": ["a", "b"], "max_tokens": -1}), "max_tokens"),
        ("compare", json!({"prompt": "x", "models": vec!["a"; 9]}), "models"),
    ] {
        let path = format!("/api/v1/prompts/{path}");
        let (status, answer) = proxy.put("POST", &path, KEY, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {answer}");
        assert_eq!(answer["error"]["details"]["param"], field, "{body}: {answer}");
    }
    let unknown = json!({"prompt": "x", "model": "no-such-model"});
    let (status, _) = proxy.put("POST", "/api/v1/prompts/boost", KEY, &unknown).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    proxy.stop().await;
}

/// Another's is not there, whatever is wanted of it.
async fn are_anothers(proxy: &Running, path: &str) {
    let (path, render) = (path.to_owned(), format!("{path}/render"));
    for (verb, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("GET", format!("{path}/versions"), Value::Null),
        ("PATCH", path.clone(), json!({"name": "x"})),
        ("DELETE", path.clone(), Value::Null),
        ("POST", render.clone(), json!({"values": {"topic": "x"}})),
        ("GET", "/api/v1/templates/ffffffffffffffffffffffffffffffff".into(), Value::Null),
        ("GET", format!("{path}?version=99999999999999999"), Value::Null),
    ] {
        let (status, answer) = proxy.put(verb, &path, OTHER, &body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{verb} {path}: {answer}");
        if verb != "GET" {
            let (status, _) = proxy.put(verb, &path, ADMIN, &body).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "nor is it an operator's");
        }
    }
}

#[tokio::test]
async fn templates_have_versions_labels_and_owners() {
    let (proxy, _data) = running().await;
    let topic = json!([{"name": "topic"}, {"name": "count", "kind": "number", "default": 3}]);
    let make = json!({"name": "소개 글", "text": "{{ topic }} {{ count }}", "variables": topic,
        "labels": ["production"]});
    let made = proxy.done_by(KEY, "POST", "/api/v1/templates", make.clone()).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, _) = proxy.put("POST", "/api/v1/templates", KEY, &make).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let path = format!("/api/v1/templates/{id}");
    let named = "/api/v1/templates/%EC%86%8C%EA%B0%9C%20%EA%B8%80";
    let change = json!({"text": "둘째 {{ topic }}", "labels": {"staging": 0}});
    let changed = proxy.done_by(KEY, "PATCH", named, change).await;
    assert_eq!(
        (&changed["latest"], &changed["labels"]),
        (&json!(2), &json!({"production": 1, "staging": 2}))
    );
    let render = format!("{path}/render");
    for (body, text) in [
        (json!({"values": {"topic": "봄"}}), "봄 3"),
        (json!({"values": {"topic": "봄"}, "label": "staging"}), "둘째 봄"),
        (json!({"values": {"topic": "봄", "count": 5}, "version": 1}), "봄 5"),
    ] {
        assert_eq!(proxy.done_by(KEY, "POST", &render, body).await["text"], text);
    }
    for body in [json!({}), json!({"values": {"topic": 1}}), json!({"values": {"x": "y"}})] {
        let (status, answer) = proxy.put("POST", &render, KEY, &body).await;
        assert_eq!(
            (status, &answer["error"]["details"]["param"]),
            (StatusCode::BAD_REQUEST, &"values".into())
        );
    }
    proxy.done_by(KEY, "PATCH", &path, json!({"labels": {"production": 2, "staging": null}})).await;
    let whole = proxy.done_by(KEY, "GET", named, Value::Null).await;
    assert_eq!(
        (&whole["version"]["number"], &whole["labels"]),
        (&json!(2), &json!({"production": 2}))
    );
    let first = proxy.done_by(KEY, "GET", &format!("{path}?version=1"), Value::Null).await;
    assert_eq!(first["version"]["text"], "{{ topic }} {{ count }}");
    let versions = format!("{path}/versions?limit=1");
    let versions = proxy.done_by(KEY, "GET", &versions, Value::Null).await;
    assert_eq!((&versions["data"][0]["number"], &versions["next"]), (&json!(2), &"2".into()));
    are_anothers(&proxy, &path).await;
    assert_eq!(
        proxy.done_by(OTHER, "GET", "/api/v1/templates", Value::Null).await["data"],
        json!([])
    );
    // What operators make is everybody's to see, and nobody else's to change.
    let global = json!({"name": "모두의 것", "text": "안녕", "access": "global"});
    let (status, _) = proxy.put("POST", "/api/v1/templates", KEY, &global).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let global = proxy.done_by(ADMIN, "POST", "/api/v1/templates", global).await;
    let global = format!("/api/v1/templates/{}", global["id"].as_str().unwrap());
    assert_eq!(proxy.done_by(OTHER, "GET", &global, Value::Null).await["access"], "global");
    let (status, _) = proxy.put("DELETE", &global, OTHER, &Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let gone = proxy.done_by(KEY, "DELETE", &path, Value::Null).await;
    assert_eq!(gone["deleted"], true);
    proxy.done_by(ADMIN, "DELETE", &global, Value::Null).await;
    assert_eq!(
        proxy.done_by(KEY, "GET", "/api/v1/templates", Value::Null).await["data"],
        json!([])
    );
    proxy.stop().await;
}

/// What cannot be decided, by the field that says so.
async fn are_refused(proxy: &Running, make: &Value) {
    for (change, field) in [
        (json!({"alpha": 2}), "alpha"),
        (json!({"looks": 4_000_000_000_u64}), "looks"),
        (json!({"looks": 10_000_000_000_u64}), "looks"),
        (json!({"effect": 0.45, "base": 0.6}), "effect"),
        (json!({"variants": []}), "variants"),
        (json!({"variants": [{"name": "a"}]}), "variants"),
        (json!({"goal": "x"}), "goal"),
    ] {
        let mut wrong = make.clone();
        wrong.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, answer) = proxy.put("POST", "/api/v1/experiments", KEY, &wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}: {answer}");
        assert_eq!(answer["error"]["details"]["param"], field, "{answer}");
    }
}

#[tokio::test]
async fn an_experiment_runs_from_its_making_to_an_outcome() {
    let (proxy, _data) = running().await;
    for name in ["old", "new"] {
        let make = json!({"name": name, "text": name});
        proxy.done_by(KEY, "POST", "/api/v1/templates", make).await;
    }
    let variants =
        json!([{"name": "a", "template": "old"}, {"name": "b", "template": "new", "weight": 2}]);
    let make = json!({"name": "첫 실험", "variants": variants});
    let made = proxy.done_by(KEY, "POST", "/api/v1/experiments", make.clone()).await;
    assert!(made["plan"]["outcomes"].as_u64().unwrap() > 700, "{made}");
    let path = format!("/api/v1/experiments/{}", made["id"].as_str().unwrap());
    let assign = format!("{path}/assign");
    let shown = proxy.done_by(KEY, "POST", &assign, json!({"subject": "고객 1"})).await;
    let again = proxy.done_by(KEY, "POST", &assign, json!({"subject": "고객 1"})).await;
    assert_eq!(shown, again);
    let said = json!({"about": "experiment", "id": made["id"], "subject": "고객 1", "thumb": "up"});
    let voice = proxy.done_by(KEY, "POST", "/api/v1/feedback", said.clone()).await;
    assert_eq!(voice["thumb"], "up");
    let whole = proxy.done_by(KEY, "GET", &path, Value::Null).await;
    let standing = &whole["standing"];
    assert_eq!(standing["verdicts"][0]["verdict"], "not_enough_data", "{standing}");
    let counted: u64 =
        standing["variants"].as_array().unwrap().iter().map(|v| v["good"].as_u64().unwrap()).sum();
    assert_eq!(counted, 1);
    let listed = proxy.done_by(KEY, "GET", "/api/v1/feedback", Value::Null).await;
    assert_eq!(listed["data"][0]["feedback"], voice["feedback"]);
    let all = proxy.done_by(KEY, "GET", "/api/v1/experiments?limit=5", Value::Null).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1);

    let mut judged = make.clone();
    judged["goal"] = json!("judge");
    let judged = proxy.done_by(KEY, "POST", "/api/v1/experiments", judged).await;
    let judge = format!("/api/v1/experiments/{}", judged["id"].as_str().unwrap());
    let sides = json!({"question": "q", "answer": "a"});
    let (status, _) = proxy.put("POST", &format!("{judge}/judge"), KEY, &sides).await;
    assert_eq!(status, StatusCode::CONFLICT, "nobody was shown anything");
    proxy.done_by(KEY, "POST", &format!("{judge}/assign"), json!({})).await;
    let ruled = proxy.done_by(KEY, "POST", &format!("{judge}/judge"), sides).await;
    assert_eq!(ruled["counted"], true);

    for (verb, path, body) in [
        ("GET", path.clone(), Value::Null),
        ("POST", assign, json!({})),
        ("POST", format!("{judge}/judge"), json!({"question": "q", "answer": "a"})),
        ("POST", "/api/v1/feedback".into(), said),
        ("GET", "/api/v1/experiments/x".into(), Value::Null),
        ("POST", "/api/v1/experiments".into(), make.clone()),
        ("POST", "/api/v1/feedback".into(), json!({"about": "boost", "id": "x", "thumb": "up"})),
        (
            "POST",
            "/api/v1/feedback".into(),
            json!({"about": "template", "id": "a:1", "thumb": "up"}),
        ),
    ] {
        let (status, answer) = proxy.put(verb, &path, OTHER, &body).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{verb} {path}: {answer}");
    }
    are_refused(&proxy, &make).await;
    let wrong = json!({"about": "message", "id": "m", "score": 101});
    let (status, _) = proxy.put("POST", "/api/v1/feedback", KEY, &wrong).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    proxy.stop().await;
}

#[tokio::test]
async fn nothing_that_was_written_is_readable_in_the_file() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(config(data.path(), TWO)).await;
    let canary = "CANARY-7f3a9";
    let make = json!({"name": format!("n {canary}"), "text": format!("t {canary}"), "note": canary, "about": canary});
    proxy.done_by(KEY, "POST", "/api/v1/templates", make).await;
    let boost = json!({"prompt": format!("write {canary}")});
    let done = proxy.done_by(KEY, "POST", "/api/v1/prompts/boost", boost).await;
    let said = json!({"about": "boost", "id": done["id"], "score": 90, "comment": canary});
    proxy.done_by(KEY, "POST", "/api/v1/feedback", said).await;
    proxy.stop().await;
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}
