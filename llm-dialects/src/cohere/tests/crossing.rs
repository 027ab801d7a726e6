//! Words of other dialects: what is said, in what form, and what is reported.

use llm_core::extra::Extra;
use llm_core::prompt::{
    Audio, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartKind, ReasoningSpec,
    Role, Text, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_core::raw::RawNumber;

use super::*;

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::new(DialectId::OpenaiChat) }
}

fn tool(name: &'static str, kind: ToolKind) -> Tool {
    let mut extra = Extra::new(DialectId::OpenaiChat);
    extra.push("function.strict_mode", Raw::parse("1").unwrap());
    Tool { name: name.into(), description: None, kind, cache: None, extra }
}

fn foreign() -> Request {
    let call = |id: &'static str, arguments: &'static str, custom| {
        let (id, name, arguments) = (id.into(), "look".into(), arguments.into());
        Part::new(PartKind::ToolCall(ToolCall { id, name, arguments, custom }))
    };
    let result = ToolResult {
        call_id: "c1".into(),
        name: Some("look".into()),
        content: vec![
            Part::text("a"),
            Part::new(PartKind::Image(Media::new(MediaSource::Base64("AA".into())))),
        ],
        is_error: Some(true),
    };
    let picture =
        Media { mime: Some("image/gif".into()), ..Media::new(MediaSource::Base64("R0lG".into())) };
    let sound = Audio { media: Media::new(MediaSource::Base64("AA".into())), transcript: None };
    Request {
        model: "other".into(),
        system: vec![message(Role::Developer, vec![Part::text("Be brief.")])],
        messages: vec![
            message(
                Role::User,
                vec![
                    Part::text("Look."),
                    Part::new(PartKind::Image(picture)),
                    Part::new(PartKind::Audio(sound)),
                ],
            ),
            message(
                Role::Assistant,
                vec![
                    Part {
                        state: Some(state("signature")),
                        ..Part::new(PartKind::Reasoning("Hm.".into()))
                    },
                    Part {
                        state: Some(state("redacted")),
                        ..Part::new(PartKind::Reasoning("".into()))
                    },
                    call("c1", "", false),
                    call("c2", "free", true),
                ],
            ),
            message(Role::User, vec![Part::new(PartKind::ToolResult(result)), Part::text("And?")]),
            message(Role::Assistant, vec![Part::new(PartKind::Refusal(Text::new("No.")))]),
        ],
        tools: vec![
            tool("look", ToolKind::Function { schema: None, strict: Some(true) }),
            tool("free", ToolKind::Custom),
        ],
        tool_choice: Some(ToolChoice::Named("look".into())),
        parallel_tools: Some(false),
        ..Request::default()
    }
}

#[test]
fn a_foreign_question_is_reshaped() {
    let encoded = sent(&Prompt::Chat(foreign()), true);
    // Cohere answers 422 to a field it does not know: no name, no index, no strict.
    let want = serde_json::json!({
        "model": "m", "stream": true, "tool_choice": "REQUIRED", "strict_tools": true,
        "tools": [{"type": "function", "function": {"name": "look",
            "parameters": {"type": "object", "properties": {}}}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look."},
                {"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG"}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}], "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{\"input\":\"free\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "a"},
            {"role": "user", "content": "And?"},
            {"role": "assistant", "content": "No."},
        ],
    });
    assert_eq!(json(&encoded.body), want);
    let mut lost = shown(&encoded.losses);
    lost.sort();
    assert_eq!(
        lost,
        [
            "Approximated messages.1.parts.3.arguments",
            "Approximated messages.3.parts.0",
            "Approximated system.0.role",
            "Approximated tool_choice",
            "Dropped messages.0.parts.2",
            "Dropped messages.1.parts.0.state",
            "Dropped messages.1.parts.1",
            "Dropped messages.1.parts.1.state",
            "Dropped messages.2.parts.0.content.1",
            "Dropped messages.2.parts.0.is_error",
            "Dropped parallel_tools",
            "Dropped tools.0.function.strict_mode",
        ]
    );
}

#[test]
fn a_model_that_does_not_think_is_shown_no_thoughts() {
    let capability = Capability { reasoning: false, ..CAPABLE };
    let cx = SendCx { model: "m", stream: true, usage_frame: false, capability: &capability };
    let mut request = foreign();
    request.reasoning =
        Some(ReasoningSpec { effort: Some("high".into()), ..ReasoningSpec::default() });
    let encoded = upstream().encode(&Prompt::Chat(request), &cx).unwrap();
    let text = String::from_utf8_lossy(&encoded.body).into_owned();
    assert!(!text.contains("thinking"), "{text}");
    assert!(shown(&encoded.losses).contains(&"Dropped reasoning".to_owned()));
    assert!(shown(&encoded.losses).contains(&"Dropped messages.1.parts.0".to_owned()));
}

#[test]
fn output_and_thinking_are_asked_for_in_coheres_words() {
    let schema =
        Raw::parse(r#"{"type":"object","properties":{"a":{"type":"integer","minimum":0}}}"#)
            .unwrap();
    let mut request = Request::default();
    request.output.format = Some(OutputFormat::Schema(JsonSchema {
        name: Some("n".into()),
        description: None,
        schema,
        strict: Some(true),
    }));
    request.reasoning = Some(ReasoningSpec {
        effort: Some("low".into()),
        budget: RawNumber::parse("64"),
        ..ReasoningSpec::default()
    });
    request.sampling.top_logprobs = RawNumber::parse("3");
    let encoded = sent(&Prompt::Chat(request), false);
    let body = json(&encoded.body);
    assert_eq!(
        body["response_format"],
        serde_json::json!({"type": "json_object", "json_schema":
        {"type": "object", "properties": {"a": {"type": "integer"}}}})
    );
    assert_eq!(body["thinking"], serde_json::json!({"type": "enabled", "token_budget": 64}));
    let lost = shown(&encoded.losses);
    assert_eq!(lost.len(), 3, "{lost:?}");
    assert!(lost.contains(&"Approximated reasoning.effort".to_owned()));
    assert!(lost.contains(&"Dropped sampling.top_logprobs".to_owned()));
}
