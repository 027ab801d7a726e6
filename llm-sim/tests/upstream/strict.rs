//! What the real APIs refuse is refused, with their status and words.

use llm_sim::Simulator;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use crate::vendors::{good, start};
use crate::wire::{Got, get, post};

async fn send(sim: &Simulator, vendor: Vendor, change: impl FnOnce(&mut Value)) -> Got {
    let (path, headers, mut body) = good(vendor, "hi", false);
    change(&mut body);
    post(sim.address(vendor).unwrap(), path, &headers, &body.to_string()).await
}

/// Each patch on a good request, and what its refusal must say.
async fn refused(vendor: Vendor, cases: &[(Value, u16, &str)]) {
    let sim = start().await;
    for (patch, status, word) in cases {
        let got = send(&sim, vendor, |body| {
            for (name, value) in patch.as_object().unwrap() {
                if value == "remove me" {
                    body.as_object_mut().unwrap().remove(name);
                } else {
                    body[name] = value.clone();
                }
            }
        })
        .await;
        assert_eq!(got.status, *status, "{patch}: {}", got.text());
        assert!(got.text().contains(word), "{patch}: {}", got.text());
        let record = sim.upstream(vendor).unwrap().requests().pop().unwrap();
        assert_eq!((record.accepted, record.status), (Some(*status == 200), Some(*status)));
    }
}

fn function(name: &str, parameters: Value) -> Value {
    json!([{"type": "function", "function": {"name": name, "parameters": parameters}}])
}

#[tokio::test]
async fn openai() {
    let call = json!({"role": "assistant", "content": null, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let user = json!({"role": "user", "content": "x"});
    let schema = |schema: Value| {
        json!({"response_format": {"type": "json_schema",
        "json_schema": {"name": "s", "strict": true, "schema": schema}}})
    };
    let object = json!({"type": "object"});
    refused(Vendor::OpenAi, &[
        (json!({}), 200, "text"),
        (json!({"messages": []}), 400, "empty_array"),
        (json!({"messages": "remove me"}), 400, "missing_required_parameter"),
        (json!({"messages": [{"role": "robot", "content": "x"}]}), 400, "'robot'"),
        (json!({"messages": [{"role": "user"}]}), 400, "got null"),
        (json!({"messages": [{"role": "user", "content": [{"type": "video"}]}]}), 400, "'video'"),
        (json!({"messages": [user, {"role": "tool", "tool_call_id": "c9", "content": "r"}]}), 400, "'tool_calls'"),
        (json!({"messages": [user, call]}), 400, "did not have response messages: c1"),
        (json!({"messages": [user, call, {"role": "tool", "tool_call_id": "c1", "content": "r"}]}), 200, "text"),
        (json!({"model": "no-such-model"}), 404, "model_not_found"),
        (json!({"model": "missing-x"}), 404, "does not exist"),
        (json!({"n": 0}), 400, "integer_below_min_value"),
        (json!({"n": 129}), 400, "integer_above_max_value"),
        (json!({"temperature": 2.5}), 400, "decimal_above_max_value"),
        (json!({"temperature": "hot"}), 400, "invalid_type"),
        (json!({"frobnicate": 1}), 400, "Unrecognized request argument supplied: frobnicate"),
        (json!({"tools": function("bad name", object.clone())}), 400, "pattern"),
        (json!({"tools": function("f", json!({"type": "string"}))}), 400, "invalid_function_parameters"),
        (json!({"tools": function("f", object.clone())}), 200, "text"),
        (json!({"tool_choice": "auto"}), 400, "only allowed when 'tools'"),
        (json!({"tools": function("f", object), "tool_choice": {"type": "function",
            "function": {"name": "g"}}}), 400, "not found in 'tools'"),
        (schema(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})),
            400, "additionalProperties"),
        (schema(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": [],
            "additionalProperties": false})), 400, "Missing 'a'"),
        (schema(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "additionalProperties": false})), 200, "text"),
        (json!({"response_format": {"type": "json_object"}}), 400, "word 'json'"),
        (json!({"stream_options": {"include_usage": true}}), 400, "'stream' is enabled"),
        (json!({"model": "o4-mini", "max_tokens": 5}), 400, "max_completion_tokens"),
        (json!({"model": "gpt-5", "temperature": 0.2}), 400, "unsupported_value"),
    ])
    .await;
}

#[tokio::test]
async fn anthropic() {
    let user = json!({"role": "user", "content": "x"});
    let uses = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]});
    let result =
        |id: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id}]});
    let thinking = |budget: u32| json!({"type": "enabled", "budget_tokens": budget});
    refused(
        Vendor::Anthropic,
        &[
            (json!({}), 200, "text"),
            (json!({"max_tokens": "remove me"}), 400, "max_tokens: Field required"),
            (json!({"max_tokens": 0}), 400, "greater than or equal to 1"),
            (json!({"messages": []}), 400, "at least one message"),
            (
                json!({"messages": [{"role": "assistant", "content": "x"}]}),
                400,
                "first message must use",
            ),
            (json!({"messages": [{"role": "system", "content": "x"}]}), 400, "top-level `system`"),
            (json!({"messages": [user, uses]}), 400, "without `tool_result` blocks"),
            (json!({"messages": [user, result("t1")]}), 400, "unexpected `tool_use_id`"),
            (json!({"messages": [user, uses, result("t2")]}), 400, "unexpected `tool_use_id`"),
            (json!({"messages": [user, uses, result("t1")]}), 200, "text"),
            (json!({"messages": [{"role": "user", "content": ""}]}), 400, "non-empty"),
            (
                json!({"messages": [user, {"role": "assistant", "content": [{"type": "thinking",
            "thinking": "x", "signature": "Zm9yZWlnbg=="}]}]}),
                400,
                "Invalid `signature`",
            ),
            (json!({"frobnicate": 1}), 400, "frobnicate: Extra inputs are not permitted"),
            (json!({"temperature": 1.5}), 400, "range: 0..1"),
            (json!({"thinking": thinking(10)}), 400, "1024"),
            (json!({"thinking": thinking(2000)}), 400, "must be greater than"),
            (json!({"tools": [{"name": "f"}]}), 400, "tools.0.custom.input_schema: Field required"),
            (json!({"model": "no-such"}), 404, "not_found_error"),
        ],
    )
    .await;
    let sim = start().await;
    let at = sim.address(Vendor::Anthropic).unwrap();
    let body = json!({"model": "m", "max_tokens": 9, "temperature": 0.5,
        "messages": [{"role": "user", "content": "x"}]})
    .to_string();
    let none = post(at, "/v1/messages", &[("x-api-key", "k")], &body).await;
    assert!(none.status == 400 && none.text().contains("anthropic-version"));
    let new = [("authorization", "Bearer k"), ("anthropic-version", "2026-10-21")];
    let newest = post(at, "/v1/messages", &new, &body).await;
    assert!(newest.status == 400 && newest.text().contains("temperature"), "{}", newest.text());
    let old = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    assert_eq!(post(at, "/v1/messages", &old, &body).await.status, 200);
}

#[tokio::test]
async fn gemini() {
    let turn = |role: &str, part: Value| json!({"role": role, "parts": [part]});
    let user = turn("user", json!({"text": "x"}));
    let call = turn("model", json!({"functionCall": {"name": "f"}}));
    let declared = |parameters: Value| {
        json!({"tools": [{"functionDeclarations": [
        {"name": "f", "parameters": parameters}]}]})
    };
    refused(
        Vendor::Gemini,
        &[
            (json!({}), 200, "text"),
            (json!({"contents": []}), 400, "contents is not specified"),
            (json!({"contents": [turn("assistant", json!({"text": "x"}))]}), 400, "valid role"),
            (json!({"frobnicate": 1}), 400, "Unknown name \\\"frobnicate\\\""),
            (
                json!({"contents": [turn("user", json!({"texd": "x"}))]}),
                400,
                "contents[0].parts[0]",
            ),
            (json!({"contents": [user, call, user]}), 400, "number of function response parts"),
            (json!({"generationConfig": {"temperature": 3}}), 400, "[0.0, 2.0]"),
            (json!({"generation_config": {"max_output_tokens": 3}}), 200, "text"),
            (
                declared(json!({"type": "object", "additionalProperties": false})),
                400,
                "additionalProperties",
            ),
            (
                declared(json!({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}})),
                200,
                "text",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn cohere_and_ollama() {
    let user = json!({"role": "user", "content": "x"});
    let call = |extra: &str| {
        let mut call =
            json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
        if !extra.is_empty() {
            call[extra] = json!(0);
        }
        json!({"role": "assistant", "tool_calls": [call]})
    };
    let result = json!({"role": "tool", "tool_call_id": "c1", "content": "r"});
    let named = json!({"role": "tool", "tool_call_id": "c1", "content": "r", "name": "f"});
    let mut strict = function("f", json!({"type": "object"}));
    strict[0]["function"]["strict"] = json!(true);
    refused(
        Vendor::Cohere,
        &[
            (json!({}), 200, "text"),
            (json!({"messages": []}), 400, "at least one element"),
            (json!({"messages": [user, call("index"), result]}), 422, "tool_calls[0].index"),
            (json!({"messages": [user, call(""), named]}), 422, "messages[2].name"),
            (json!({"messages": [user, call(""), result]}), 200, "text"),
            (json!({"messages": [user, result]}), 400, "does not match any tool call"),
            (json!({"tools": strict}), 422, "function.strict"),
            (json!({"tool_choice": "auto"}), 400, "REQUIRED, NONE"),
            (json!({"model": "missing-model"}), 404, "not found"),
        ],
    )
    .await;
    refused(
        Vendor::Ollama,
        &[
            (json!({}), 200, "text"),
            (json!({"model": "no-such-model"}), 404, "model 'no-such-model' not found"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
                400,
                "cannot unmarshal array",
            ),
            (json!({"messages": [{"role": "robot", "content": "x"}]}), 400, "invalid role"),
        ],
    )
    .await;
}

#[tokio::test]
async fn keys() {
    let sim = start().await;
    let wanted = [
        (Vendor::OpenAi, 401, "API key", 401, "invalid_api_key"),
        (Vendor::Anthropic, 401, "x-api-key", 401, "authentication_error"),
        (Vendor::Gemini, 403, "PERMISSION_DENIED", 400, "API_KEY_INVALID"),
        (Vendor::Cohere, 401, "api key", 401, "invalid api token"),
        (Vendor::Ollama, 200, "text", 200, "text"),
    ];
    for (vendor, none, none_word, wrong, wrong_word) in wanted {
        let (path, headers, body) = good(vendor, "hi", false);
        let at = sim.address(vendor).unwrap();
        let keys = ["authorization", "x-api-key", "x-goog-api-key"];
        let rest: Vec<_> = headers.iter().filter(|(n, _)| !keys.contains(n)).copied().collect();
        let got = post(at, path, &rest, &body.to_string()).await;
        assert_eq!(got.status, none, "{vendor}");
        assert!(got.text().contains(none_word), "{vendor}: {}", got.text());
        let swap = |(n, v): &(&'static str, &'static str)| match *n {
            "authorization" => (*n, "Bearer invalid-key"),
            n if keys.contains(&n) => (n, "invalid-key"),
            n => (n, *v),
        };
        let bad: Vec<_> = headers.iter().map(swap).collect();
        let got = post(at, path, &bad, &body.to_string()).await;
        assert_eq!(got.status, wrong, "{vendor}");
        assert!(got.text().contains(wrong_word), "{vendor}: {}", got.text());
    }
    let at = sim.address(Vendor::Gemini).unwrap();
    let (path, _, body) = good(Vendor::Gemini, "hi", false);
    let got = post(at, &format!("{path}?key=k"), &[], &body.to_string()).await;
    assert_eq!(got.status, 200, "{}", got.text());
}

#[tokio::test]
async fn bodies_and_paths() {
    let sim = start().await;
    let at = sim.address(Vendor::OpenAi).unwrap();
    let key = [("authorization", "Bearer k")];
    let broken = post(at, "/v1/chat/completions", &key, "{\"model\": ").await;
    assert!(broken.status == 400 && broken.text().contains("could not parse the JSON body"));
    let lost = get(at, "/v1/nowhere").await;
    assert!(lost.status == 404 && lost.text().contains("Invalid URL (GET /v1/nowhere)"));
    let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(9 * 1024 * 1024));
    let huge = tokio::time::timeout(std::time::Duration::from_secs(10), post_some(at, &huge)).await;
    assert_eq!(huge.unwrap(), 413);
}

/// The answer comes before the whole body has been taken, so that writing it may fail.
async fn post_some(at: std::net::SocketAddr, body: &str) -> u16 {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpStream::connect(at).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let body = body.to_owned();
    let writing = tokio::spawn(async move {
        let _ = writer.write_all(head.as_bytes()).await;
        let _ = writer.write_all(body.as_bytes()).await;
        writer
    });
    let mut some = [0; 12];
    reader.read_exact(&mut some).await.unwrap();
    writing.abort();
    std::str::from_utf8(&some[9..]).unwrap().parse().unwrap()
}
