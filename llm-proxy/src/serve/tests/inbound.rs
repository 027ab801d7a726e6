//! What callers leave with us, and what they say to the gateway in a body.

use std::fmt::Write as _;

use serde_json::json;

use super::*;

mod batches;
mod passage;

const OTHER: &str = "sk-other-0123456789abcdef0123456789abcde";

/// A configuration with another key and another model beside the usual ones.
fn with(data: &Path, more: &str) -> Config {
    let plain = config(data, "unlimited = true");
    let path = data.join("proxy.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = format!(
        r#"{text}
        [[keys]]
        name = "other"
        key = "env:OTHER"
        unlimited = true
        models = ["smart"]
        [models.broken]
        tiers = [["nobody/gpt-4o-mini"]]
        [models.secret]
        tiers = [["simulated/gpt-4o"]]
        [providers.nobody]
        kind = "openai-compatible"
        base_url = "http://127.0.0.1:9/v1"
        keys = ["env:KEY"]
        [prices."nobody/gpt-4o-mini"]
        input = "0.15"
        output = "0.60"
        [batches]
        lease = "1s"
        {more}
        "#
    );
    std::fs::write(&path, text).unwrap();
    drop(plain);
    let asked = Asked { config: Some(path), ..Asked::default() };
    resolve(&asked, &Environment).unwrap_or_else(|report| panic!("{report}")).config
}

impl Running {
    async fn to(&self, method: Method, path: &str, key: &str, body: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        let response = self.send(method.clone(), path, &headers, body.to_owned()).await;
        // Whatever the table has is what the table says that it is.
        if let Ok(answer) = serde_json::from_slice(response.body()) {
            super::admin::shape::holds(&method, path, response.status(), &answer);
        }
        response
    }

    async fn seen(&self, path: &str, key: &str) -> Response<Bytes> {
        self.to(Method::GET, path, key, "").await
    }

    async fn upload(&self, key: &str, purpose: &str, file: &str) -> Response<Bytes> {
        let bearer = format!("Bearer {key}");
        let form = "multipart/form-data; boundary=x";
        let headers = [("authorization", &*bearer), ("content-type", form)];
        let body = format!(
            "--x\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--x\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"a/../b.jsonl\"\r\n\r\n\
             {file}\r\n--x--\r\n"
        );
        self.send(Method::POST, "/v1/files", &headers, body).await
    }
}

fn chat(more: &str) -> String {
    format!(r#"{{"model":"smart","messages":[{{"role":"user","content":"hi"}}]{more}}}"#)
}

#[tokio::test]
async fn a_body_may_speak_to_the_gateway() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "")).await;
    let path = "/v1/chat/completions";
    let mock = proxy.ask(path, &chat(r#","mock_response":"as I said""#)).await;
    assert_eq!(mock.status(), StatusCode::OK, "{mock:?}");
    assert_eq!(json(&mock)["choices"][0]["message"]["content"], "as I said");
    assert_eq!(
        (&mock.headers()["x-gw-provider"], &mock.headers()["x-gw-cost"]),
        (&"mock".parse().unwrap(), &"0".parse().unwrap())
    );
    let streamed = proxy.ask(path, &chat(r#","mock_response":"as I said","stream":true"#)).await;
    let text = String::from_utf8_lossy(streamed.body());
    assert!(text.contains("as I said") && text.contains("[DONE]"), "{text}");
    // Nothing of it reaches a provider, and a model that is broken is gone around.
    let around = r#"{"model":"broken","fallbacks":["smart"],"num_retries":0,"timeout":20,
        "cache":{"no-cache":true},"metadata":{"tags":["t"]},
        "messages":[{"role":"user","content":"hi"}]}"#;
    let around = proxy.ask(path, around).await;
    assert_eq!(around.status(), StatusCode::OK, "{around:?}");
    assert_eq!(around.headers()["x-gw-fallbacks"], "1");
    let listed = r#"{"models":["broken","smart"],"messages":[{"role":"user","content":"hi"}]}"#;
    let listed = proxy.ask(path, listed).await;
    assert_eq!(listed.headers()["x-gw-provider"], "simulated", "{listed:?}");
    let stay = r#"{"models":["broken","smart"],"disable_fallbacks":true,"messages":[]}"#;
    assert!(!proxy.ask(path, stay).await.status().is_success());
    // A fallback is a model that the key may use, and there is one.
    for (model, status) in [("secret", 403), ("nothing", 404)] {
        let body = chat(&format!(r#","fallbacks":["{model}"]"#));
        let refused = proxy.to(Method::POST, path, OTHER, &body).await;
        assert_eq!(refused.status().as_u16(), status, "{refused:?}");
    }
    let mocked = chat(r#","mock_response":"x""#).replace("smart", "secret");
    assert_eq!(proxy.to(Method::POST, path, OTHER, &mocked).await.status(), StatusCode::FORBIDDEN);
    let wrong = proxy.ask(path, &chat(r#","cache":7"#)).await;
    assert_eq!(json(&wrong)["error"]["param"], "cache");
    proxy.stop().await;
}

#[tokio::test]
async fn a_question_goes_on_from_an_answer_of_anybody() {
    let data = tempfile::tempdir().unwrap();
    let proxy = Running::start(with(data.path(), "")).await;
    let path = "/v1/responses";
    let first = json(&proxy.ask(path, r#"{"model":"smart","input":"one"}"#).await);
    let id = first["id"].as_str().unwrap().to_owned();
    let kept = proxy.seen(&format!("/v1/responses/{id}"), KEY).await;
    assert_eq!(json(&kept), first, "as it was given");
    let then =
        format!(r#"{{"previous_response_id":"{id}","model":"smart","input":"two","stream":true}}"#);
    let stream = proxy.ask(path, &then).await;
    let text = String::from_utf8_lossy(stream.body()).into_owned();
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(last["type"], "response.completed", "{text}");
    let second = &last["response"];
    assert_eq!(second["previous_response_id"], *id);
    let second = second["id"].as_str().unwrap().to_owned();
    let third = json!({
        "model": "smart", "input": [{ "role": "user", "content": "three" }],
        "previous_response_id": second,
    })
    .to_string();
    let third = json(&proxy.ask(path, &third).await);
    assert_eq!(third["previous_response_id"], *second);
    // The whole conversation was read: more tokens each time.
    let read = |answer: &Value| answer["usage"]["input_tokens"].as_u64().unwrap();
    assert!(read(&third) > read(&last["response"]) && read(&last["response"]) > read(&first));
    let items = json(&proxy.seen(&format!("/v1/responses/{second}/input_items"), KEY).await);
    assert_eq!(items["data"][0]["content"][0]["text"], "two", "{items}");
    // Another's is not there, for any question.
    let path_of = format!("/v1/responses/{id}");
    assert_eq!(proxy.seen(&path_of, OTHER).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(proxy.to(Method::DELETE, &path_of, OTHER, "").await.status(), StatusCode::NOT_FOUND);
    let foreign = proxy.to(Method::POST, path, OTHER, &then.replace("true", "false")).await;
    assert_eq!(foreign.status(), StatusCode::BAD_REQUEST, "{foreign:?}");
    // What is deleted is gone, and nothing goes on from it.
    assert_eq!(json(&proxy.to(Method::DELETE, &path_of, KEY, "").await)["deleted"], true);
    assert_eq!(proxy.seen(&path_of, KEY).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(proxy.ask(path, &then).await.status(), StatusCode::BAD_REQUEST);
    let not = json(&proxy.ask(path, r#"{"model":"smart","input":"x","store":false}"#).await);
    let not = format!("/v1/responses/{}", not["id"].as_str().unwrap());
    assert_eq!(proxy.seen(&not, KEY).await.status(), StatusCode::NOT_FOUND);
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_no_chat_is_answered_as_well() {
    let data = tempfile::tempdir().unwrap();
    let more = r#"
        [prices."simulated/tts-1"]
        input = "15"
        [prices."simulated/omni-moderation-latest"]
        input = "0"
        output = "0"
        [prices."simulated/gpt-image-1"]
        input = "5"
        output = "40"
        [models."omni-moderation-latest"]
        tiers = [["simulated/omni-moderation-latest"]]
    "#;
    let proxy = Running::start(with(data.path(), more)).await;
    let speak = r#"{"model":"simulated/tts-1","input":"안녕하세요","voice":"alloy"}"#;
    let sound = proxy.ask("/v1/audio/speech", speak).await;
    assert_eq!(sound.status(), StatusCode::OK, "{sound:?}");
    assert_eq!(sound.headers()["content-type"], "audio/mpeg");
    assert!(sound.body().starts_with(b"ID3\x04\xff"), "as it came");
    // Five characters at $15 a million.
    assert_eq!(sound.headers()["x-gw-cost"], "0.000075", "{sound:?}");
    let none = proxy.ask("/v1/audio/speech", r#"{"model":"simulated/tts-1","input":"x"}"#).await;
    assert_eq!(none.status(), StatusCode::BAD_REQUEST);
    for body in [r#"{"input":"a"}"#, r#"{"input":["a"],"model":"omni-moderation-latest"}"#] {
        let checked = proxy.ask("/v1/moderations", body).await;
        assert_eq!(checked.status(), StatusCode::OK, "{checked:?}");
        assert!(json(&checked)["results"][0]["flagged"].is_boolean());
    }
    let body = r#"{"model":"simulated/gpt-image-1","prompt":"a cat"}"#;
    let picture = proxy.ask("/v1/images/generations", body).await;
    assert_eq!(picture.status(), StatusCode::OK, "{picture:?}");
    assert_eq!(json(&picture)["data"].as_array().unwrap().len(), 1);
    // Counts where the provider has none are estimates, and say so.
    let count = r#"{"model":"smart","messages":[{"role":"user","content":"one two three"}]}"#;
    let counted = proxy.ask("/v1/messages/count_tokens", count).await;
    assert_eq!(counted.status(), StatusCode::OK, "{counted:?}");
    assert!(json(&counted)["input_tokens"].as_u64().unwrap() > 2);
    assert_eq!(counted.headers()["x-gw-estimated"], "1");
    let count = r#"{"contents":[{"role":"user","parts":[{"text":"one two three"}]}]}"#;
    let counted = proxy.ask("/v1beta/models/smart:countTokens", count).await;
    assert!(json(&counted)["totalTokens"].as_u64().unwrap() > 2, "{counted:?}");
    // What Ollama's clients ask first.
    assert!(json(&proxy.seen("/api/version", "").await)["version"].is_string());
    let shown = proxy.ask("/api/show", r#"{"model":"smart"}"#).await;
    assert_eq!(json(&shown)["capabilities"][0], "completion", "{shown:?}");
    let unknown = proxy.ask("/api/show", r#"{"model":"nothing"}"#).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(json(&proxy.seen("/v1/models/smart", KEY).await)["id"], "smart");
    proxy.stop().await;
}

#[tokio::test]
async fn files_are_their_owners() {
    let data = tempfile::tempdir().unwrap();
    let more = "[files]\nsize_max = \"1MiB\"\ntotal_max = \"1200KB\"";
    let proxy = Running::start(with(data.path(), more)).await;
    let mut text = String::new();
    for line in 0..40_000 {
        let _ = writeln!(text, "줄 {line}");
    }
    let made = proxy.upload(KEY, "user_data", &text).await;
    assert_eq!(made.status(), StatusCode::OK, "{made:?}");
    let made = json(&made);
    assert_eq!((&made["bytes"], &made["purpose"]), (&json!(text.len()), &json!("user_data")));
    let path = format!("/v1/files/{}", made["id"].as_str().unwrap());
    assert_eq!(json(&proxy.seen(&path, KEY).await), made);
    let content = proxy.seen(&format!("{path}/content"), KEY).await;
    assert!(content.body() == text.as_bytes(), "byte for byte");
    assert_eq!(proxy.seen(&path, OTHER).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(proxy.seen(&format!("{path}/content"), OTHER).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(proxy.seen(&path, "sk-wrong").await.status(), StatusCode::UNAUTHORIZED);
    for n in 0..3 {
        proxy.upload(KEY, "batch", &format!("{n}")).await;
    }
    // The same without the version, and with a stroke at its end.
    assert_eq!(json(&proxy.seen(&path["/v1".len()..], KEY).await), made);
    assert_eq!(json(&proxy.seen(&format!("{path}/"), KEY).await), made);
    for wrong in ["limit=0", "order=up", "offset=3"] {
        let refused = proxy.seen(&format!("/v1/files?{wrong}"), KEY).await;
        let named = wrong.split('=').next().unwrap();
        assert_eq!(
            (refused.status().as_u16(), &json(&refused)["error"]["param"]),
            (400, &named.into())
        );
    }
    let page = json(&proxy.seen("/v1/files?limit=2&purpose=batch&order=asc", KEY).await);
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (2, &json!(true)));
    let next =
        format!("/v1/files?purpose=batch&order=asc&after={}", page["last_id"].as_str().unwrap());
    let page = json(&proxy.seen(&next, KEY).await);
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (1, &json!(false)));
    assert_eq!(json(&proxy.seen("/v1/files", OTHER).await)["data"], json!([]));
    // Too large, too much in all, and for nothing.
    let large = proxy.upload(KEY, "batch", &"x".repeat((1 << 20) + 1)).await;
    assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let much = proxy.upload(KEY, "batch", &"x".repeat(1_000_000)).await;
    assert_eq!(much.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(proxy.upload(KEY, "nothing", "x").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json(&proxy.to(Method::DELETE, &path, KEY, "").await)["deleted"], true);
    assert_eq!(proxy.seen(&path, KEY).await.status(), StatusCode::NOT_FOUND);
    proxy.stop().await;
}
