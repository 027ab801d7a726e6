use llm_core::call::Has;
use llm_core::dialect::{BadReason, Body};
use llm_core::prompt::{OutputFormat, PartKind, Role, ToolChoice, ToolKind};

use super::*;

/// A request with everything that has two spellings, and unknown fields at every level.
const FULL: &str = r#"{
  "model": "m", "stream": false, "instructions": "Be brief.", "x_top": {"a": [1, 2]},
  "input": [
    {"role": "system", "content": "You know Seoul.", "x_item": 1},
    {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
    {"role": "user", "content": [
      {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
      {"type": "input_text", "text": "odd", "prompt_cache_breakpoint": {"mode": "explicit", "x": 1}},
      {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "low", "x": null},
      {"type": "input_image", "image_url": "https://example.com/a.png"},
      {"type": "input_image", "file_id": "file-1", "detail": null},
      {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
      {"type": "input_file", "filename": "b.pdf", "file_data": "JVBE"},
      {"type": "input_file", "file_url": "https://example.com/c.pdf"},
      {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
      {"type": "input_hologram", "depth": 3}]},
    {"type": "reasoning", "id": "rs_1", "status": "completed", "content": [],
     "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two", "x": 0}],
     "encrypted_content": "gAAA"},
    {"type": "reasoning", "summary": [], "encrypted_content": null},
    {"type": "reasoning", "id": "rs_2", "summary": [],
     "content": [{"type": "reasoning_text", "text": "raw"}], "encrypted_content": "gBBB"},
    {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
     "content": [
      {"type": "output_text", "text": "A", "logprobs": [],
       "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1, "x": 1}]},
      {"type": "output_text", "text": "B", "annotations": []},
      {"type": "refusal", "refusal": "no"}]},
    {"role": "assistant", "content": "plain"},
    {"type": "message", "role": "assistant", "content": []},
    {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}", "status": "completed"},
    {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny", "id": "fco_1"},
    {"type": "function_call_output", "call_id": "c1", "output": [
      {"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "https://e.com/i"}]},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO"},
    {"type": "item_reference", "id": "msg_0"}, {"id": "msg_00"},
    {"type": "computer_call_output", "call_id": "k", "output": {"type": "computer_screenshot"}},
    {"type": "compaction", "encrypted_content": "gCCC"},
    {"role": "user", "content": "and now?", "type": "message"}
  ],
  "tools": [
    {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": null, "x": 1},
    {"type": "function", "name": "bare"},
    {"type": "custom", "name": "g", "format": {"type": "text"}},
    {"type": "web_search", "search_context_size": "low"}, {"type": "mcp", "server_label": "s"}],
  "tool_choice": {"type": "allowed_tools", "mode": "required",
    "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}]},
  "parallel_tool_calls": false, "temperature": 0.70, "top_p": 1, "top_logprobs": 3,
  "max_output_tokens": 100, "service_tier": "auto", "truncation": "auto",
  "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "b": 1, "a": 2},
    "strict": true, "description": "D", "x": 1}, "verbosity": "low", "y": 2},
  "reasoning": {"effort": "low", "summary": "auto", "context": "auto", "generate_summary": null},
  "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
  "store": false, "previous_response_id": null, "metadata": {"k": "v"},
  "user": "u1", "safety_identifier": "s1", "prompt_cache_key": "p"
}"#;

#[test]
fn a_request_returns_as_it_came() {
    let small = [
        r#"{"model":"m","input":"hi"}"#,
        r#"{"model":"m"}"#,
        r#"{"model":"m","input":[]}"#,
        r#"{"model":"m","input":"hi","stream":true,"store":true,"text":{},"tools":[],"reasoning":{}}"#,
        r#"{"model":"m","input":"hi","text":{"format":{"type":"grammar","definition":"x"}}}"#,
        r#"{"model":"m","input":"hi","text":{"format":{"type":"text"}},"safety_identifier":"s"}"#,
        r#"{"model":"m","input":"hi","text":{"format":null,"verbosity":null},"include":["x"]}"#,
        r#"{"model":"m","input":"hi","tool_choice":"none","include":["reasoning.encrypted_content"]}"#,
        r#"{"model":"m","input":"hi","tool_choice":{"type":"function","name":"f"},"stream":null}"#,
        r#"{"model":"m","input":"hi","tool_choice":{"type":"custom","name":"f"}}"#,
        r#"{"model":"m","input":"hi","tool_choice":{"type":"mcp","server_label":"s"}}"#,
        r#"{"model":"m","input":[{"role":"user","content":[]},{"role":"user","content":""}]}"#,
        r#"{"model":"m","input":[{"role":"assistant","content":""},{"role":"critic","content":"x"}]}"#,
        r#"{"model":"m","instructions":"a","input":"b","previous_response_id":"resp_1"}"#,
        r#"{"model":"m","max_output_tokens":5,"input":[{"role":"system","content":"only"}]}"#,
        r#"{"model":"m","input":[{"role":"assistant","content":[{"type":"output_text","text":"t",
            "annotations":[],"logprobs":[{"token":"t","logprob":-0.10,"bytes":[116],
            "top_logprobs":[{"token":"u","logprob":-2,"bytes":[117]}]}]}]}]}"#,
        r#"{"model":"m","input":[{"role":"assistant","content":[{"type":"output_text","text":"t",
            "logprobs":[{"token":"t","logprob":-1,"new":1,"top_logprobs":[]}]}]}]}"#,
    ];
    for text in small.into_iter().chain([FULL]) {
        let words = request(text);
        let encoded = sent(&words);
        assert!(encoded.losses.is_empty(), "{text}: {:?}", encoded.losses);
        assert_eq!(value(&encoded.body), value(text.as_bytes()), "{text}");
    }
}

#[test]
fn the_words_are_where_everybody_looks_for_them() {
    let words = request(FULL);
    let system: Vec<_> = words.system.iter().map(|m| m.role).collect();
    assert_eq!(system, [Role::System, Role::System, Role::Developer]);
    let roles: Vec<_> = words.messages.iter().map(|m| m.role).collect();
    use Role::{Assistant, Tool, User};
    assert_eq!(roles, [User, Assistant, Tool, Tool, Tool, Assistant, Tool, Assistant, User]);
    let turn = &words.messages[1].parts;
    let calls = turn.iter().filter(|p| matches!(p.kind, PartKind::ToolCall(_))).count();
    let thoughts = turn.iter().filter(|p| matches!(p.kind, PartKind::Reasoning(_))).count();
    assert_eq!((calls, thoughts), (2, 4));
    assert!(turn[0].state.is_none() && turn[1].state.is_some(), "state rests on the last text");
    assert!(
        words.messages[0].parts[0].cache.is_some() && words.messages[0].parts[1].cache.is_none()
    );
    assert!(
        matches!(&words.output.format, Some(OutputFormat::Schema(s)) if s.strict == Some(true))
    );
    assert!(
        matches!(&words.tool_choice, Some(ToolChoice::Among { names, required: true }) if names.len() == 2)
    );
    assert!(matches!(words.tools[3].kind, ToolKind::Native(_)));
    assert_eq!(words.sampling.logprobs, Some(true));
    assert_eq!(words.user.as_deref(), Some("u1"));
}

#[test]
fn an_edit_comes_out() {
    let mut words = request(FULL);
    let PartKind::Text(text) = &mut words.messages[1].parts[4].kind else { panic!("no text") };
    text.text = "edited".into();
    words.messages[1].parts.remove(5);
    words.messages[8].parts[0] = llm_core::prompt::Part::text("changed");
    let body = value(&sent(&words).body);
    let input = body["input"].as_array().unwrap();
    assert_eq!(input[6]["content"][0]["text"], "edited");
    assert_eq!(input[6]["content"].as_array().unwrap().len(), 2);
    assert_eq!(input[6]["phase"], "commentary");
    assert_eq!(input.last().unwrap()["content"], "changed");
}

#[test]
fn what_is_wrong_is_refused_with_its_place() {
    let cases = [
        ("{", BadReason::Syntax, None),
        (r#"{"input":"x"}"#, BadReason::Invalid, Some("model")),
        (r#"{"model":"m","input":7}"#, BadReason::Invalid, Some("input")),
        (r#"{"model":"m","input":[7]}"#, BadReason::Invalid, Some("input.0")),
        (r#"{"model":"m","input":[{"role":"user"}]}"#, BadReason::Invalid, Some("input.0.content")),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"text":"x"}]}]}"#,
            BadReason::Invalid,
            Some("input.0.content.0.type"),
        ),
        (
            r#"{"model":"m","input":[{"type":"function_call","name":"f"}]}"#,
            BadReason::Invalid,
            Some("input.0.call_id"),
        ),
        (r#"{"model":"m","model":"n"}"#, BadReason::Invalid, Some("model")),
        (r#"{"model":"m","temperature":"hot"}"#, BadReason::Invalid, Some("temperature")),
    ];
    for (text, reason, param) in cases {
        let route = Route::new(Operation::Chat);
        let bad = Responses.decode(&route, Body::json(&bytes(text))).unwrap_err();
        assert_eq!((bad.reason, bad.param.as_deref()), (reason, param), "{text}: {bad}");
    }
}

#[test]
fn routes_and_facts_are_found() {
    let post = http::Method::POST;
    for path in ["/v1/responses", "/responses", "/v1/responses?x=1"] {
        assert_eq!(Responses.route(&post, path).unwrap().operation, Operation::Chat, "{path}");
    }
    let count = Responses.route(&post, "/v1/responses/input_tokens").unwrap();
    assert_eq!(count.operation, Operation::CountTokens);
    assert!(Responses.route(&post, "/v1/responses/resp_1/cancel").is_none());
    assert!(Responses.route(&http::Method::GET, "/v1/responses").is_none());
    let body = bytes(FULL);
    let peek = Responses.peek(&Route::new(Operation::Chat), &body).unwrap();
    assert_eq!((&*peek.model.value, peek.output_tokens_max, peek.stream), ("m", Some(100), false));
    assert_eq!(peek.user.unwrap().value, "u1");
    let all = Has::TOOLS | Has::IMAGES | Has::FILES | Has::AUDIO | Has::JSON_SCHEMA;
    assert!(peek.has.all(all | Has::REASONING | Has::LOGPROBS | Has::SERVER_STATE));
    let plain = bytes(r#"{"model":"m","input":"an \"input_image\" in words","background":false}"#);
    let peek = Responses.peek(&Route::new(Operation::Chat), &plain).unwrap();
    assert_eq!(peek.has, Has::default());
}

#[test]
fn a_count_has_the_same_request() {
    let text = r#"{"model":"m","input":"hi","tools":[{"type":"function","name":"f"}]}"#;
    let route = Route::new(Operation::CountTokens);
    let prompt = Responses.decode(&route, Body::json(&bytes(text))).unwrap();
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &Capability::ALL };
    let encoded = Responses.encode(&prompt, &cx).unwrap();
    assert_eq!(value(&encoded.body), value(text.as_bytes()));
    let body = bytes(r#"{"object":"response.input_tokens","input_tokens":60,"x":1}"#);
    let answer = Responses.decode_answer(Operation::CountTokens, Body::json(&body)).unwrap();
    assert!(matches!(&answer, Answer::CountTokens(c) if c.tokens == 60));
    let again = Responses.encode_answer(&answer, &RenderCx::default());
    assert_eq!(value(&again.body), value(&body));
}
