//! Questions return as they came, and mean what they say.

use llm_core::dialect::DialectId;
use llm_core::prompt::{EmbedInput, OutputFormat, PartKind, Prompt, Role};
use llm_core::raw::RawNumber;

use super::*;

const FULL: &str = r#"{"model":"m","stream":false,"messages":[
  {"role":"system","content":"Be brief.","x_system":1},
  {"role":"user","content":"What is it?","images":["iVBORw0KGgoAAAA"],"x_user":{"a":[null]}},
  {"role":"assistant","content":"","thinking":"Hm.","tool_calls":[
    {"id":"c1","type":"function","function":{"index":0,"name":"look","arguments":{"b":2.50,"a":1}}},
    {"function":{"name":"look","arguments":{}},"x_call":null}]},
  {"role":"tool","tool_name":"look","tool_call_id":"c1","content":"a cat"},
  {"role":"tool","tool_name":"look","content":"a dog","images":[]},
  {"role":"system","content":"Rhyme."},
  {"role":"assistant","thinking":"","tool_calls":[],"content":null}],
  "tools":[{"type":"function","function":{"name":"look","description":"d","parameters":{"type":"object"},
    "strict":true},"x_tool":7},{"type":"browser","k":1}],
  "format":{"type":"object"},"think":"high","logprobs":true,"top_logprobs":2,"keep_alive":"5m",
  "options":{"temperature":0.70,"top_p":1,"top_k":40,"seed":12345678901234567890123,"stop":"END",
    "num_predict":64,"num_ctx":8192,"frequency_penalty":0.5,"presence_penalty":null,"x":[1]},
  "options.num_ctx":"odd","./y":0,"x_top":{"deep":[true,null]}}"#;

#[test]
fn a_question_returns_as_it_came() {
    let others = [
        r#"{"model":"m"}"#,
        r#"{"model":"m","messages":[],"tools":[],"options":{},"format":"","keep_alive":null}"#,
        r#"{"model":"m","messages":[{"role":"user"}],"stream":true,"options":{"stop":[]}}"#,
        r#"{"model":"m","messages":[],"options":{"num_predict":-1,"stop":["a","b"]},"think":false}"#,
        r#"{"model":"m","messages":[],"format":"json","think":null,"format ":1,"stream":null}"#,
        r#"{"model":"m","messages":[{"role":"assistant","content":"a","tool_calls":[
            {"function":{"name":"f"}},{"function":{"name":"f","arguments":null}},
            {"function":{"name":"f","arguments":"{\"a\":1}"}},{"function":{"name":"f","arguments":[1]}},
            {"function":{"name":"f","arguments":"no json","id":"in"}}]}],
            "tools":[{"function":{"name":"f","parameters":null}}],"temperature":0.5}"#,
    ];
    for body in others.into_iter().chain([FULL]) {
        let prompt = asked("/api/chat", body);
        let Prompt::Chat(request) = &prompt else { panic!() };
        let encoded = sent("/api/chat", &prompt, request.stream);
        assert_eq!(json(&encoded.body), json(body.as_bytes()), "{body}");
        assert_eq!(shown(&encoded.losses), [""; 0], "{body}");
    }
}

#[test]
fn a_prompt_returns_as_it_came() {
    for body in [
        r#"{"model":"m","prompt":"Hi","system":"s","images":["/9j/AA"],"suffix":"x","template":"t",
            "context":[1,2],"raw":true,"options":{"seed":1,"y":2},"stream":false,"x":{"k":0}}"#,
        r#"{"model":"m","prompt":"","system":"","template":"","context":[],"raw":false,"images":[],
            "format":"","options":{},"keep_alive":null}"#,
        r#"{"model":"m","suffix":null}"#,
    ] {
        let prompt = asked("/api/generate", body);
        let Prompt::Chat(request) = &prompt else { panic!() };
        let encoded = sent("/api/generate", &prompt, request.stream);
        assert_eq!(json(&encoded.body), json(body.as_bytes()), "{body}");
        assert_eq!(shown(&encoded.losses), [""; 0]);
    }
    // The other shape of the same server keeps the options, and loses what it has no place for.
    let prompt = asked(
        "/api/generate",
        r#"{"model":"m","prompt":"Hi","system":"s","raw":true,
        "template":"","options":{"num_ctx":5}}"#,
    );
    let encoded = sent("/api/chat", &prompt, true);
    let body = json(&encoded.body);
    assert_eq!(body["options"]["num_ctx"], 5);
    assert_eq!(body["messages"][0]["content"], "s");
    assert_eq!(body["messages"][1]["content"], "Hi");
    assert_eq!(shown(&encoded.losses), ["Dropped generate.raw"]);
}

#[test]
fn words_are_where_they_belong() {
    let request = chat(FULL);
    assert_eq!((request.system.len(), request.messages.len()), (1, 6));
    assert!(!request.stream);
    assert_eq!(request.output.tokens_max, RawNumber::parse("64"));
    assert_eq!(request.output.stop, ["END"]);
    assert_eq!(request.sampling.seed.as_ref().unwrap().get(), "12345678901234567890123");
    assert!(matches!(request.output.format, Some(OutputFormat::Schema(_))));
    assert_eq!(request.reasoning.as_ref().unwrap().effort.as_deref(), Some("high"));
    assert_eq!(request.messages[4].role, Role::System);
    let PartKind::Image(image) = &request.messages[0].parts[1].kind else { panic!() };
    assert_eq!(image.mime.as_deref(), Some("image/png"));
    let calls: Vec<_> = request.messages[1]
        .parts
        .iter()
        .filter_map(|p| match &p.kind {
            PartKind::ToolCall(call) => Some((&*call.id, &*call.arguments)),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("c1", r#"{"b":2.50,"a":1}"#), ("call_gw0", "{}")]);
    let PartKind::ToolResult(result) = &request.messages[3].parts[0].kind else { panic!() };
    // The result names no call: it answers the one that was still open.
    assert_eq!((&*result.call_id, result.name.as_deref()), ("call_gw0", Some("look")));
    assert!(request.extra.get_from(DialectId::Ollama, "options.num_ctx").is_some());
}

#[test]
fn an_edit_comes_out_once() {
    let mut request = chat(
        r#"{"model":"m","messages":[{"role":"user","content":null}],
            "options":{"num_predict":null,"seed":null},"think":null}"#,
    );
    request.output.tokens_max = RawNumber::parse("9");
    request.sampling.seed = RawNumber::parse("1");
    request.messages[0].parts.push(llm_core::prompt::Part::text("now"));
    let encoded = sent("/api/chat", &Prompt::Chat(request), true);
    let body = json(&encoded.body);
    assert_eq!(body["options"], serde_json::json!({"num_predict": 9, "seed": 1}));
    assert_eq!(body["messages"][0]["content"], "now");
    let mut request = chat(r#"{"model":"m","options":{"num_predict":-1}}"#);
    request.output.tokens_max = RawNumber::parse("9");
    let body = json(&sent("/api/chat", &Prompt::Chat(request), true).body);
    // A cap of ours must not stand beside the caller's "without end".
    assert_eq!(body["options"], serde_json::json!({"num_predict": 9}));
}

#[test]
fn what_is_wrong_is_named() {
    for (body, param) in [
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":1}"#, "model"),
        (r#"{"model":"m","model":"n"}"#, "model"),
        (r#"{"model":"m","messages":[{"role":"judge","content":""}]}"#, "messages.0.role"),
        (r#"{"model":"m","messages":[{"role":"user","content":["x"]}]}"#, "messages.0.content"),
        (r#"{"model":"m","options":{"temperature":"hot"}}"#, "options.temperature"),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}"#,
            "messages.0.tool_calls.0.function.name",
        ),
    ] {
        let bytes = Bytes::from_static(body.as_bytes());
        let route = caller("/api/chat").route(&Method::POST, "/api/chat").unwrap();
        let bad = caller("/api/chat").decode(&route, Body::json(&bytes)).unwrap_err();
        assert_eq!(bad.param.as_deref(), Some(param), "{body}");
    }
}

#[test]
fn vectors_and_models_are_asked_for() {
    for (path, body) in [
        ("/api/embed", r#"{"model":"m","input":"a","truncate":true,"options":{"x":1}}"#),
        ("/api/embed", r#"{"model":"m","input":["a","b"],"dimensions":3,"keep_alive":null}"#),
        ("/api/embeddings", r#"{"model":"m","prompt":"a","options":{}}"#),
    ] {
        let encoded = sent(path, &asked(path, body), false);
        assert_eq!(json(&encoded.body), json(body.as_bytes()));
        assert!(encoded.losses.is_empty());
    }
    let Prompt::Embed(mut request) = asked("/api/embed", r#"{"model":"m","input":["a"]}"#) else {
        panic!()
    };
    request.input.push(EmbedInput::Tokens(vec![1]));
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &CAPABLE };
    let bad = upstream("/api/embed").encode(&Prompt::Embed(request), &cx).unwrap_err();
    assert_eq!(bad.param.as_deref(), Some("input.1"));
    let show = sent("/api/show", &asked("/api/show", r#"{"model":"m"}"#), false);
    assert_eq!(json(&show.body), serde_json::json!({"model": "m"}));
}

#[test]
fn a_relay_changes_the_model_and_the_stream_alone() {
    let half = upstream("/api/chat");
    let route = caller("/api/chat").route(&Method::POST, "/api/chat?x=1").unwrap();
    for (body, stream, want) in [
        (r#"{ "model" : "a", "x":1}"#, true, r#"{ "model" : "b", "x":1}"#),
        (r#"{"model":"a"}"#, false, r#"{"stream":false,"model":"b"}"#),
        (r#"{"model":"a","stream":false}"#, true, r#"{"model":"b","stream":true}"#),
    ] {
        let bytes = Bytes::from_static(body.as_bytes());
        let peek = caller("/api/chat").peek(&route, &bytes).unwrap();
        let cx = SendCx { model: "b", stream, usage_frame: true, capability: &CAPABLE };
        assert_eq!(half.relay(&bytes, &peek, &cx).unwrap().concat(), want.as_bytes());
    }
    let bytes = Bytes::from_static(br#"{"model":"a","options":{"num_predict":7},"think":true}"#);
    let peek = caller("/api/chat").peek(&route, &bytes).unwrap();
    assert!(peek.stream && peek.has.all(llm_core::call::Has::REASONING));
    assert_eq!(peek.output_tokens_max, Some(7));
}
