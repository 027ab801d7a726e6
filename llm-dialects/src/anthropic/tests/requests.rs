//! Requests of this dialect, to this dialect: nothing is lost and nothing is added.

use super::*;

/// Every block and field that has a spelling of its own.
fn everything() -> Value {
    serde_json::from_str(EVERYTHING).unwrap()
}

pub(super) const EVERYTHING: &str = r#"{
        "model": "m", "max_tokens": 4000, "stream": false, "temperature": 0.70, "top_k": 5,
        "top_p": 0.9, "stop_sequences": ["a", " "], "service_tier": "auto", "x": {"y": [null]},
        "metadata": {"user_id": "u", "more": 1}, "container": null, "mcp_servers": [{"url": "u"}],
        "cache_control": {"type": "ephemeral"},
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted", "z": 0},
        "output_config": {
            "effort": "max", "task_budget": {"total": 3},
            "format": {"type": "json_schema", "schema": {"minimum": 1.50}, "n": "s"}
        },
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h", "q": 1}}],
        "tools": [
            {"name": "find", "description": "d", "input_schema": {"type": "object"}, "strict": true,
             "eager_input_streaming": true, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            {"type": "custom", "name": "c", "input_schema": {}, "allowed_callers": ["direct"]},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"type": "mcp_toolset", "mcp_server_name": "x"}
        ],
        "tool_choice": {"type": "tool", "name": "find", "disable_parallel_tool_use": false, "w": 1},
        "messages": [
            {"role": "user", "content": "plain"},
            {"role": "user", "content": [
                {"type": "text", "text": "", "citations": []},
                {"type": "text", "text": "t", "citations": null, "new": 1, "citations_x": []},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO", "k": 1}},
                {"type": "image", "source": {"type": "url", "url": "https://i"}, "transformations": {}},
                {"type": "image", "source": {"type": "file", "file_id": "f"}},
                {"type": "image", "source": {"type": "later", "p": 1}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
                 "title": "T", "context": "c", "citations": {"enabled": true}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": null},
                {"type": "document", "source": {"type": "content", "content": "string"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "b"}]}},
                {"type": "document", "source": {"type": "url", "url": "https://d"}},
                {"type": "search_result", "source": "s", "title": "t", "content": []},
                {"type": "container_upload", "file_id": "f"}
            ]},
            {"role": "assistant", "id": "kept", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking", "thinking": "unsigned"},
                {"type": "redacted_thinking", "data": "EmwK"},
                {"type": "text", "text": "cited", "citations": [
                    {"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c", "encrypted_index": "E"}]},
                {"type": "tool_use", "id": "toolu 1", "name": "find", "input": {"q": 1.50}, "caller": {"type": "direct"}},
                {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu 1", "content": "ok", "is_error": false},
                {"type": "tool_result", "tool_use_id": "2"},
                {"type": "tool_result", "tool_use_id": "3", "content": []},
                {"type": "tool_result", "tool_use_id": "4", "is_error": true, "cache_control": {"type": "ephemeral"}, "content": [
                    {"type": "text", "text": "a"}, {"type": "image", "source": {"type": "url", "url": "u"}},
                    {"type": "tool_reference", "tool_name": "n"}, {"type": "tool_result", "tool_use_id": "no"}]}
            ]},
            {"role": "system", "content": "in the middle"},
            {"role": "user", "content": []}
        ]
    }"#;

fn returns(body: &Value) {
    let (again, losses) = sent(&asked(body));
    assert_eq!(again, *body);
    assert_eq!(losses, [""; 0]);
}

#[test]
fn everything_returns_as_it_came() {
    returns(&everything());
}

#[test]
fn other_spellings_return_as_they_came() {
    let with = |more: Value| {
        let mut body =
            json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "q"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        returns(&body);
    };
    with(json!({"system": "string"}));
    with(json!({"system": ""}));
    with(json!({"system": []}));
    with(
        json!({"stream": true, "tools": [], "stop_sequences": [], "metadata": {}, "output_config": {}}),
    );
    with(json!({"thinking": {"type": "adaptive", "display": null}, "metadata": {"user_id": null}}));
    with(json!({"thinking": {"type": "disabled"}, "tool_choice": {"type": "none"}}));
    with(json!({"thinking": {"type": "between_tools"}, "output_config": {"effort": "low"}}));
    with(json!({"thinking": null, "tool_choice": null, "temperature": null, "system": null}));
    with(json!({"output_format": {"type": "json_schema", "schema": {"type": "object"}, "v": 2}}));
    with(json!({"output_config": {"format": {"type": "grammar", "x": 1}, "effort": "low"}}));
    with(json!({"tool_choice": {"type": "sometimes"}, "cache_control": {"type": "lasting"}}));
    with(json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}}));
    with(json!({"max_tokens": 100.0}));
}

#[test]
fn words_are_what_they_seem() {
    let request = asked(&everything());
    assert_eq!(request.user.as_deref(), Some("u"));
    assert_eq!(request.parallel_tools, Some(true));
    let spec = request.reasoning.as_ref().unwrap();
    assert_eq!((spec.effort.as_deref(), spec.visible), (Some("max"), Some(false)));
    let mark = request.system[0].parts[0].cache.as_ref().unwrap();
    assert_eq!(mark.ttl.as_deref(), Some("1h"));
    let kinds = request.messages[1].parts.iter().map(|p| match &p.kind {
        PartKind::Text(_) => 't',
        PartKind::Image(_) => 'i',
        PartKind::File(_) => 'f',
        PartKind::Opaque(_) => 'o',
        _ => '?',
    });
    assert_eq!(kinds.collect::<String>(), "ttiiiofffofoo");
}

#[test]
fn an_edit_comes_out() {
    let mut request = asked(&everything());
    let PartKind::Text(text) = &mut request.messages[0].parts[0].kind else { panic!() };
    text.text = "edited".into();
    request.sampling.top_k = None;
    request.user = Some("other".into());
    let (body, _) = sent(&request);
    assert_eq!(body["messages"][0]["content"], "edited");
    assert!(body.get("top_k").is_none());
    assert_eq!(body["metadata"], json!({"user_id": "other", "more": 1}));
}

#[test]
fn another_model_changes_what_it_cannot_take() {
    let newer = Capability { sampling: false, output_tokens_max: 1000, ..Capability::ALL };
    let (body, losses) = sent_to(&asked(&everything()), &newer);
    assert_eq!(body["thinking"], json!({"type": "adaptive", "display": "omitted", "z": 0}));
    assert_eq!(body["max_tokens"], 1000);
    assert!(body.get("temperature").is_none() && body.get("top_k").is_none());
    assert!(losses.contains(&"~reasoning.budget".to_owned()), "{losses:?}");
    assert!(losses.contains(&"-sampling.top_p".to_owned()), "{losses:?}");
}

#[test]
fn a_count_is_asked_for_without_what_is_only_for_answers() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "q"}], "system": "s"});
    let route = Route::new(Operation::CountTokens);
    let prompt = Anthropic.decode(&route, Body::json(&bytes(&body))).unwrap();
    let capability = Capability::ALL;
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &capability };
    assert_eq!(parsed(&Anthropic.encode(&prompt, &cx).unwrap().body), body);
    let mut foreign = questions::question("q");
    foreign.sampling.temperature = Some(1u64.into());
    foreign.output.tokens_max = Some(9u64.into());
    foreign.user = Some("u".into());
    let encoded = Anthropic.encode(&Prompt::CountTokens(foreign), &cx).unwrap();
    let want = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}]});
    assert_eq!(parsed(&encoded.body), want);
}

#[test]
fn what_is_wrong_is_named() {
    let bad = |body: Value| {
        let error = Anthropic.decode(&route(), Body::json(&bytes(&body))).unwrap_err();
        error.param.unwrap_or_default().to_string()
    };
    let turn =
        |content: Value| json!({"model": "m", "messages": [{"role": "user", "content": content}]});
    assert_eq!(bad(json!({"messages": []})), "model");
    assert_eq!(bad(json!({"model": "m"})), "messages");
    assert_eq!(bad(turn(json!(7))), "messages.0.content");
    assert_eq!(bad(turn(json!([{"text": "t"}]))), "messages.0.content.0.type");
    assert_eq!(bad(turn(json!([{"type": "text"}]))), "messages.0.content.0.text");
    let robot = json!({"model": "m", "messages": [{"role": "robot", "content": ""}]});
    assert_eq!(bad(robot), "messages.0.role");
    assert_eq!(bad(json!({"model": "m", "messages": [], "temperature": "hot"})), "temperature");
    for text in ["", "{", "[]", "{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}", "\u{0}"] {
        let body = Bytes::from_static(text.as_bytes());
        assert!(Anthropic.decode(&route(), Body::json(&body)).is_err(), "{text}");
    }
}
