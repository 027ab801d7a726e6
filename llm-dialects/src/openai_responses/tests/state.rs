use llm_core::dialect::DialectId;
use llm_core::prompt::{Message, Opaque, Part, PartKind, Role, ToolCall};
use llm_core::raw::Raw;

use super::*;

fn foreign(text: &str) -> Opaque {
    Opaque {
        origin: DialectId::Gemini,
        kind: "thoughtSignature".into(),
        value: Raw::of(text).unwrap(),
    }
}

fn with_state(kind: PartKind, text: &str) -> Part {
    Part { state: Some(foreign(text)), ..Part::new(kind) }
}

fn call(id: &'static str) -> PartKind {
    let arguments = "{}".into();
    PartKind::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments, custom: false })
}

/// An answer of another provider with state on everything.
fn signed() -> Completion {
    let parts = vec![
        with_state(PartKind::Reasoning("thinking".into()), "s1"),
        with_state(PartKind::Reasoning("".into()), "s2"),
        Part { state: Some(foreign("s3")), ..Part::text("Hello") },
        with_state(call("c1"), "s4"),
        Part::new(call("c2")),
        with_state(call("c3"), "s5"),
    ];
    let finish = llm_core::completion::Finish::new(llm_core::completion::FinishReason::ToolCalls);
    let candidate = llm_core::completion::Candidate { parts, finish: Some(finish) };
    Completion { candidates: vec![candidate], ended: true, ..Completion::default() }
}

/// What a client sends back of an answer: its output items, with a question behind them.
fn returned(output: &Value) -> Request {
    let mut input = output.as_array().unwrap().clone();
    input.push(serde_json::json!({"role": "user", "content": "go on"}));
    request(&serde_json::json!({"model": "m", "input": input}).to_string())
}

fn states(parts: &[Part]) -> Vec<(&str, Option<String>)> {
    parts
        .iter()
        .map(|p| {
            let name = match &p.kind {
                PartKind::Reasoning(_) => "thought",
                PartKind::Text(_) => "text",
                PartKind::ToolCall(call) => &call.id,
                _ => "other",
            };
            (name, p.state.as_ref().map(|s| format!("{} {}", s.origin, s.value.get())))
        })
        .collect()
}

#[test]
fn foreign_state_returns_from_a_whole_reply_and_from_a_stream() {
    let words = signed();
    let wanted = states(&words.candidates[0].parts);
    let whole = rendered(&words);
    assert!(whole.losses.is_empty(), "{:?}", whole.losses);
    let output = value(&whole.body)["output"].clone();
    assert_eq!(states(&returned(&output).messages[0].parts), wanted);
    let stream = streamed(&words);
    let last = frames(&stream).pop().unwrap().1;
    assert_eq!(states(&returned(&last["response"]["output"]).messages[0].parts), wanted);
}

#[test]
fn openais_own_state_keeps_its_id() {
    let text = r#"{"status":"completed","output":[{"id":"rs_1","type":"reasoning",
        "summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gAAA"},
        {"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"x"}]}]}"#;
    let words = reply(text);
    let stream = streamed(&words);
    let last = frames(&stream).pop().unwrap().1;
    let sent = sent(&returned(&last["response"]["output"]));
    let item = value(&sent.body)["input"][0].clone();
    // The stream had to make an id; OpenAI gets its own back.
    assert_eq!((&item["id"], &item["encrypted_content"]), (&"rs_1".into(), &"gAAA".into()));
    assert_eq!(item["summary"].as_array().unwrap().len(), 2);
}

#[test]
fn a_provider_is_sent_only_what_it_sealed() {
    let mut words = Request { model: "m".into(), ..Request::default() };
    let native = super::super::carry::native(Some(&"rs_9".into()), "gZZZ");
    let parts = vec![
        with_state(PartKind::Reasoning("alien".into()), "s1"),
        Part::new(PartKind::Reasoning("unsigned".into())),
        Part { state: native, ..Part::new(PartKind::Reasoning("mine".into())) },
        Part::text("Hello"),
        with_state(call("c1"), "s4"),
    ];
    words.messages.push(Message { role: Role::Assistant, parts, extra: Default::default() });
    let sent = sent(&words);
    let body = value(&sent.body);
    let kinds: Vec<_> =
        body["input"].as_array().unwrap().iter().map(|i| i["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call"]);
    assert_eq!(body["input"][0]["id"], "rs_9");
    let lost: Vec<_> = sent.losses.iter().map(|l| l.path.to_string()).collect();
    assert_eq!(lost, ["messages.0.parts.0", "messages.0.parts.4.state"]);
    // A text without a seal belongs to the seal that follows it.
    assert_eq!(body["input"][0]["summary"].as_array().unwrap().len(), 2);
}

#[test]
fn a_relay_takes_foreign_state_out() {
    let output = value(&rendered(&signed()).body)["output"].clone();
    let input = serde_json::json!({"model": "m", "input": output}).to_string();
    let body = bytes(&input);
    let peek = Responses.peek(&Route::new(Operation::Chat), &body).unwrap();
    let cx = SendCx { model: "n", stream: false, usage_frame: false, capability: &Capability::ALL };
    let relayed = Responses.relay(&body, &peek, &cx).unwrap().concat();
    let relayed = value(&relayed);
    assert_eq!(relayed["model"], "n");
    let kinds: Vec<_> =
        relayed["input"].as_array().unwrap().iter().map(|i| i["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "function_call", "function_call", "function_call"]);
}
