//! Words of other dialects, said to Gemini.

use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{
    CacheMark, Media, MediaSource, Message, Opaque, Part, PartKind, Prompt, ReasoningSpec, Request,
    Role, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_core::raw::Raw;
use serde_json::{Value, json};

use super::sent;

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::new(DialectId::OpenaiChat) }
}

fn call(id: &'static str, name: &'static str, arguments: &'static str) -> Part {
    Part::new(PartKind::ToolCall(ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        custom: false,
    }))
}

fn result(id: &'static str, content: Vec<Part>) -> Message {
    let result = ToolResult { call_id: id.into(), content, ..ToolResult::default() };
    message(Role::Tool, vec![Part::new(PartKind::ToolResult(result))])
}

fn picture() -> Part {
    let media =
        Media { mime: Some("image/jpeg".into()), ..Media::new(MediaSource::Base64("QUJD".into())) };
    Part::new(PartKind::Image(media))
}

fn with(messages: Vec<Message>) -> Request {
    Request { messages, ..Request::default() }
}

fn contents(request: Request, model: &str) -> (Value, Vec<String>) {
    let (mut body, losses) = sent(&Prompt::Chat(request), model);
    (body["contents"].take(), losses)
}

fn conversation() -> Vec<Message> {
    vec![
        Message::text(Role::User, "hi"),
        message(Role::Assistant, vec![call("a", "f", r#"{"x":1}"#), call("b", "g", "")]),
        result("a", vec![Part::text("one")]),
        result("b", vec![Part::text(r#"{"t":2}"#), picture()]),
        Message::text(Role::User, "go on"),
        message(Role::Assistant, vec![Part::text(""), call("c", "f", "not json")]),
        result("c", vec![Part::text("three")]),
    ]
}

#[test]
fn results_are_gathered_and_named() {
    let (contents, losses) = contents(with(conversation()), "gemini-2.5-flash");
    assert_eq!(
        contents,
        json!([
            {"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "f", "args": {"x": 1}, "id": "a"}},
                {"functionCall": {"name": "g", "args": {}, "id": "b"}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "id": "a", "response": {"output": "one"}}},
                {"functionResponse": {"name": "g", "id": "b", "response": {"t": 2}}},
                {"inlineData": {"mimeType": "image/jpeg", "data": "QUJD"}}]},
            {"role": "user", "parts": [{"text": "go on"}]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "f", "args": {"input": "not json"}, "id": "c"}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "id": "c", "response": {"output": "three"}}}]},
        ])
    );
    assert_eq!(
        losses,
        ["messages.3.parts.0.content.1 Reordered", "messages.5.parts.1.arguments Approximated"]
    );
}

#[test]
fn the_third_generation_wants_signatures_in_the_current_turn_and_takes_media_inside() {
    let (contents, losses) = contents(with(conversation()), "gemini-3-pro-preview");
    let signature = |turn: usize, part: usize| &contents[turn]["parts"][part]["thoughtSignature"];
    assert_eq!(*signature(4, 0), "skip_thought_signature_validator");
    assert!(signature(1, 0).is_null() && signature(1, 1).is_null());
    assert_eq!(
        contents[2]["parts"][1]["functionResponse"]["parts"],
        json!([{"inlineData": {"mimeType": "image/jpeg", "data": "QUJD"}}])
    );
    assert!(!losses.iter().any(|l| l.contains("Reordered")), "{losses:?}");
}

#[test]
fn state_of_others_is_dropped_and_own_state_returns() {
    let state = |origin, value: &str| {
        Some(Opaque {
            origin,
            kind: "thoughtSignature".into(),
            value: Raw::parse(value.to_owned()).unwrap(),
        })
    };
    let own = Part { state: state(DialectId::Gemini, r#""QUJD""#), ..call("a", "f", "{}") };
    let foreign = Part { state: state(DialectId::Anthropic, r#""x""#), ..call("b", "g", "{}") };
    let thought = Part::new(PartKind::Reasoning("hm".into()));
    let redacted = Part {
        state: state(DialectId::Anthropic, r#""y""#),
        ..Part::new(PartKind::Reasoning("".into()))
    };
    let parts = vec![thought, redacted, own, foreign];
    let messages = vec![Message::text(Role::User, "hi"), message(Role::Assistant, parts)];
    let (contents, losses) = contents(with(messages), "gemini-3-flash");
    assert_eq!(
        contents[1]["parts"],
        json!([
            {"text": "hm", "thought": true},
            {"functionCall": {"name": "f", "args": {}, "id": "a"}, "thoughtSignature": "QUJD"},
            {"functionCall": {"name": "g", "args": {}, "id": "b"}},
        ])
    );
    assert_eq!(losses, ["messages.1.parts.1.state Dropped", "messages.1.parts.3.state Dropped"]);
}

#[test]
fn instructions_find_a_place() {
    let mut request = with(vec![
        Message::text(Role::User, "hi"),
        Message::text(Role::Developer, "be kind"),
        message(Role::Assistant, vec![]),
    ]);
    request.system = vec![Message::text(Role::System, "a"), Message::text(Role::System, "b")];
    let (body, losses) = sent(&Prompt::Chat(request.clone()), "gemini-2.5-flash");
    assert_eq!(body["systemInstruction"]["parts"], json!([{"text": "a"}, {"text": "b"}]));
    assert_eq!(body["contents"][1], json!({"role": "user", "parts": [{"text": "be kind"}]}));
    assert_eq!(body["contents"].as_array().unwrap().len(), 2);
    assert_eq!(losses, ["messages.1.role Approximated"]);
    request.messages.clear();
    let (body, losses) = sent(&Prompt::Chat(request), "gemini-2.5-flash");
    assert_eq!(
        body["contents"],
        json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}])
    );
    assert!(body.get("systemInstruction").is_none());
    assert_eq!(losses, ["system.0 Reordered", "system.1 Reordered"]);
}

#[test]
fn tools_and_settings() {
    let schema =
        r#"{"type":"object","properties":{"a":{"$ref":"x"}},"additionalProperties":false}"#;
    let tool = |kind| Tool {
        name: "f".into(),
        description: Some("d".into()),
        kind,
        cache: None,
        extra: Extra::new(DialectId::OpenaiChat),
    };
    let native = Opaque {
        origin: DialectId::Anthropic,
        kind: "web".into(),
        value: Raw::parse("{}").unwrap(),
    };
    let mut request = with(vec![Message::text(Role::User, "hi")]);
    let strict = Some(true);
    request.tools = vec![
        tool(ToolKind::Function { schema: Some(Raw::parse(schema).unwrap()), strict }),
        tool(ToolKind::Custom),
        tool(ToolKind::Native(native)),
    ];
    request.tools[0].cache = Some(CacheMark::default());
    request.tool_choice = Some(ToolChoice::Among { names: vec!["f".into()], required: false });
    request.parallel_tools = Some(false);
    request.user = Some("u".into());
    request.sampling.seed = Some(1u64.into());
    request.output.stop = (0..7).map(|n| n.to_string().into()).collect();
    let (body, losses) = sent(&Prompt::Chat(request), "gemini-2.5-flash");
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema":
                serde_json::from_str::<Value>(schema).unwrap()},
            {"name": "f", "description": "d", "parametersJsonSchema":
                {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}},
        ]}])
    );
    assert_eq!(
        body["toolConfig"],
        json!({"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}})
    );
    assert_eq!(body["generationConfig"]["stopSequences"], json!(["0", "1", "2", "3", "4"]));
    assert_eq!(
        losses,
        [
            "tools.2 Dropped",
            "tools.0.strict Dropped",
            "tools.0.cache Dropped",
            "tools.1.kind Approximated",
            "output.stop Approximated",
            "parallel_tools Dropped",
            "user Dropped",
        ]
    );
}

#[test]
fn thinking_is_asked_for_as_the_model_understands_it() {
    let asked = |spec: ReasoningSpec, model: &str| {
        let mut request = with(vec![Message::text(Role::User, "hi")]);
        request.reasoning = Some(spec);
        let (mut body, _) = sent(&Prompt::Chat(request), model);
        body["generationConfig"]["thinkingConfig"].take()
    };
    let effort = |e: &'static str| ReasoningSpec { effort: Some(e.into()), ..Default::default() };
    let budget = |n: u64| ReasoningSpec { budget: Some(n.into()), ..Default::default() };
    for (spec, model, want) in [
        (effort("high"), "gemini-3-pro", json!({"thinkingLevel": "high"})),
        (effort("minimal"), "gemini-3-pro", json!({"thinkingLevel": "low"})),
        (effort("none"), "gemini-3-flash", json!({"thinkingLevel": "minimal"})),
        (effort("low"), "gemini-2.5-pro", json!({"thinkingBudget": 1024})),
        (effort("none"), "gemini-2.5-flash", json!({"thinkingBudget": 0})),
        (effort("none"), "gemini-2.5-pro", json!({"thinkingBudget": 128})),
        (budget(50_000), "gemini-2.5-flash", json!({"thinkingBudget": 24_576})),
        (budget(2000), "gemini-3-pro", json!({"thinkingBudget": 2000})),
        (ReasoningSpec::default(), "gemini-2.5-pro", Value::Null),
    ] {
        assert_eq!(asked(spec.clone(), model), want, "{spec:?} {model}");
    }
}

#[test]
fn media_that_others_stored_cannot_be_said() {
    let part = |source| Part::new(PartKind::File(Media::new(source)));
    let parts = vec![
        part(MediaSource::Id("file-abc".into())),
        part(MediaSource::Url("https://x.example/a.pdf?y=1".into())),
        part(MediaSource::Text("words".into())),
    ];
    let (contents, losses) = contents(with(vec![message(Role::User, parts)]), "gemini-2.5-flash");
    assert_eq!(
        contents[0]["parts"],
        json!([
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf?y=1"}},
            {"text": "words"},
        ])
    );
    assert_eq!(losses, ["messages.0.parts.0 Dropped", "messages.0.parts.2 Approximated"]);
}
