use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{
    CacheMark, JsonSchema, Media, MediaSource, Message, Opaque, OutputFormat, Part, PartKind,
    ReasoningSpec, Role, Sampling, Tool, ToolCall, ToolKind, ToolResult,
};
use llm_core::raw::{Raw, RawNumber};

use super::*;

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::new(DialectId::Anthropic) }
}

fn call(id: &str) -> Part {
    let call = ToolCall { id: Str::from(id.to_owned()), name: "f".into(), ..ToolCall::default() };
    Part::new(PartKind::ToolCall(call))
}

fn result(id: &str, content: Vec<Part>) -> Part {
    let call_id = Str::from(id.to_owned());
    Part::new(PartKind::ToolResult(ToolResult { call_id, content, ..ToolResult::default() }))
}

use llm_core::Str;

#[test]
fn results_stand_behind_their_calls_and_pictures_behind_them() {
    let picture = || {
        let media = Media::new(MediaSource::Base64("QUJD".into()));
        Part::new(PartKind::Image(Media { mime: Some("image/png".into()), ..media }))
    };
    let thought = Part {
        state: Some(Opaque {
            origin: DialectId::Anthropic,
            kind: "signature".into(),
            value: Raw::parse("\"s\"").unwrap(),
        }),
        ..Part::new(PartKind::Reasoning("hm".into()))
    };
    let marked = Part { cache: Some(CacheMark::default()), ..Part::text("go") };
    let request = Request {
        model: "m".into(),
        messages: vec![
            message(
                Role::Assistant,
                vec![thought, Part::text("a"), Part::text("b"), call("1"), call("2")],
            ),
            message(
                Role::User,
                vec![result("1", vec![Part::text("ok"), picture()]), result("2", vec![]), marked],
            ),
        ],
        ..Request::default()
    };
    let (body, losses) = encode(&request);
    let roles: Vec<_> = body["messages"].as_array().unwrap().iter().map(|m| &m["role"]).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user"]);
    assert_eq!(body["messages"][0]["content"], "ab");
    assert_eq!(body["messages"][0]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(body["messages"][1]["content"], "ok");
    assert_eq!(body["messages"][3]["content"][0]["image_url"]["url"], "data:image/png;base64,QUJD");
    assert_eq!(
        losses,
        [
            "Dropped messages.0.parts.0",
            "Reordered messages.1.parts.0.content",
            "Dropped messages.1.parts.2.cache",
        ]
    );
}

#[test]
fn a_model_that_takes_less_is_asked_for_less() {
    let request = Request {
        model: "m".into(),
        system: vec![Message::text(Role::Developer, "d")],
        messages: vec![Message::text(Role::User, "u")],
        sampling: Sampling {
            temperature: RawNumber::parse("0.5"),
            top_k: RawNumber::parse("40"),
            ..Sampling::default()
        },
        reasoning: Some(ReasoningSpec { budget: Some(4096u64.into()), ..ReasoningSpec::default() }),
        output: llm_core::prompt::OutputSpec {
            tokens_max: Some(9u64.into()),
            format: Some(OutputFormat::Schema(JsonSchema {
                name: None,
                description: None,
                schema: Raw::parse(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#)
                    .unwrap(),
                strict: Some(true),
            })),
            ..Default::default()
        },
        ..Request::default()
    };
    let (body, losses) = encode(&request);
    assert_eq!(body["messages"][0]["role"], "developer");
    assert_eq!(body["max_completion_tokens"], 9);
    assert_eq!(body["reasoning_effort"], "medium");
    let schema = &body["response_format"]["json_schema"];
    assert_eq!(schema["name"], "response");
    assert_eq!(schema["schema"]["additionalProperties"], false);
    assert!(losses.contains(&"Dropped sampling.top_k".to_owned()));
    assert!(losses.contains(&"Approximated reasoning.budget".to_owned()), "{losses:?}");

    let old = Capability {
        developer_role: false,
        max_completion_tokens: false,
        sampling: false,
        reasoning: false,
        json_schema: false,
        ..Capability::ALL
    };
    let encoded = encode_for(&request, &old);
    let body = json(&encoded.body);
    assert_eq!(body["messages"][0]["role"], "system");
    assert_eq!(body["max_tokens"], 9);
    assert!(body.get("temperature").is_none() && body.get("reasoning_effort").is_none());
    assert_eq!(body["response_format"]["type"], "json_object");
    assert_eq!(encoded.losses.len(), 4);
}

#[test]
fn tools_of_others_are_left_out_and_long_ids_made_short() {
    let long = "toolu_".repeat(20);
    let native = Opaque {
        origin: DialectId::Anthropic,
        kind: "bash_20250124".into(),
        value: Raw::parse("{}").unwrap(),
    };
    let request = Request {
        model: "m".into(),
        messages: vec![
            message(Role::Assistant, vec![call(&long)]),
            message(Role::User, vec![result(&long, vec![Part::text("x")])]),
        ],
        tools: vec![Tool {
            name: "bash".into(),
            description: None,
            kind: ToolKind::Native(native),
            cache: None,
            extra: Extra::new(DialectId::Anthropic),
        }],
        tool_choice: Some(llm_core::prompt::ToolChoice::Required),
        ..Request::default()
    };
    let (body, losses) = encode(&request);
    let id = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() <= 40 && body["messages"][1]["tool_call_id"] == id);
    assert!(body.get("tools").is_none() && body.get("tool_choice").is_none());
    assert_eq!(losses, ["Dropped tools.0", "Dropped tool_choice"]);
}

#[test]
fn state_of_others_goes_to_the_client_and_comes_back() {
    let state = Opaque {
        origin: DialectId::Anthropic,
        kind: "signature".into(),
        value: Raw::parse("\"sig\"").unwrap(),
    };
    let hidden = Opaque { kind: "redacted_thinking".into(), ..state.clone() };
    let gemini = Opaque {
        origin: DialectId::Gemini,
        kind: crate::state::THOUGHT_SIGNATURE.into(),
        value: Raw::parse("\"c2ln\"").unwrap(),
    };
    let id = crate::state::call_id::make(&[b"x"]);
    let done = Completion {
        candidates: vec![llm_core::completion::Candidate {
            parts: vec![
                Part {
                    state: Some(state.clone()),
                    ..Part::new(PartKind::Reasoning("a\nb".into()))
                },
                Part { state: Some(hidden.clone()), ..Part::new(PartKind::Reasoning("".into())) },
                Part::text("hi"),
                Part { state: Some(gemini.clone()), ..call(&id) },
            ],
            finish: None,
        }],
        ..Completion::default()
    };
    let body = shown(&done, &cx());
    let mut message = body["choices"][0]["message"].clone();
    assert_eq!(message["reasoning_content"], "a\nb");
    // Clients drop fields they do not know.
    message["tool_calls"][0].as_object_mut().unwrap().remove("extra_content");
    let shown_id = message["tool_calls"][0]["id"].clone();
    let back = serde_json::json!({"model": "m", "messages": [message,
        {"role": "tool", "tool_call_id": shown_id, "content": "r"}]});
    let request = decode(&back.to_string());
    let parts = &request.messages[0].parts;
    assert_eq!(parts[0].state, Some(state));
    assert!(matches!(&parts[0].kind, PartKind::Reasoning(t) if &**t == "a\nb"));
    assert_eq!(parts[1].state, Some(hidden));
    assert!(matches!(&parts[1].kind, PartKind::Reasoning(t) if t.is_empty()));
    assert_eq!(parts[3].state, Some(gemini));
    let PartKind::ToolCall(read) = &parts[3].kind else { panic!() };
    let PartKind::ToolResult(result) = &request.messages[1].parts[0].kind else { panic!() };
    assert_eq!((&read.id, &result.call_id), (&id, &id));
    // And no upstream of this dialect is told of it.
    let (body, losses) = encode(&request);
    assert!(body["messages"][0].get("reasoning_details").is_none());
    assert_eq!(losses, ["Dropped messages.0.parts.0.state", "Dropped messages.0.parts.1.state"]);
}
