//! Words of other dialects: what is said, in what form, and what is reported.

use llm_core::extra::Extra;
use llm_core::prompt::{
    CacheMark, Media, MediaSource, Message, Part, PartKind, ReasoningSpec, Role, Text, Tool,
    ToolCall, ToolChoice, ToolKind, ToolResult,
};
use llm_core::raw::RawNumber;

use super::*;

fn message(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::new(DialectId::Anthropic) }
}

fn tool(name: &'static str, kind: ToolKind) -> Tool {
    let extra = Extra::new(DialectId::Anthropic);
    Tool { name: name.into(), description: None, kind, cache: None, extra }
}

fn foreign() -> Request {
    let call =
        ToolCall { id: "c1".into(), name: "look".into(), arguments: "".into(), custom: false };
    let result = ToolResult {
        call_id: "c1".into(),
        name: None,
        content: vec![Part::text("a"), Part::text("b")],
        is_error: Some(true),
    };
    let mut cached = Part::text("Look.");
    cached.cache = Some(CacheMark::default());
    let picture = Media::new(MediaSource::Url("https://x/y.png".into()));
    let mut extra = Extra::new(DialectId::Anthropic);
    extra.push("metadata", Raw::parse("{}").unwrap());
    Request {
        model: "other".into(),
        system: vec![message(Role::Developer, vec![Part::text("Be brief.")])],
        messages: vec![
            message(
                Role::User,
                vec![cached, Part::new(PartKind::Image(picture)), Part::text("Well?")],
            ),
            message(
                Role::Assistant,
                vec![
                    Part {
                        state: Some(state("signature")),
                        ..Part::new(PartKind::Reasoning("Hm.".into()))
                    },
                    Part::new(PartKind::ToolCall(call)),
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
        user: Some("u".into()),
        extra,
        ..Request::default()
    }
}

#[test]
fn a_foreign_question_is_reshaped() {
    let mut request = foreign();
    request.output.tokens_max = RawNumber::parse("5");
    request.output.candidates = Some(2);
    let encoded = sent("/api/chat", &Prompt::Chat(request), false);
    let want = serde_json::json!({
        "model": "m", "stream": false, "options": {"num_predict": 5},
        "tools": [{"type": "function", "function": {"name": "look",
            "parameters": {"type": "object", "properties": {}}}}],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look.\nWell?"},
            {"role": "assistant", "content": "", "thinking": "Hm.",
                "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {}}}]},
            {"role": "tool", "content": "a\nb", "tool_name": "look", "tool_call_id": "c1"},
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
            "Approximated messages.0",
            "Approximated messages.2.parts.0",
            "Approximated messages.3.parts.0",
            "Approximated system.0.role",
            "Approximated tool_choice",
            "Dropped messages.0.parts.0.cache",
            "Dropped messages.0.parts.1",
            "Dropped messages.1.parts.0.state",
            "Dropped messages.2.parts.0.is_error",
            "Dropped metadata",
            "Dropped output.candidates",
            "Dropped tools.0.strict",
            "Dropped user",
        ]
    );
}

#[test]
fn a_conversation_becomes_a_prompt() {
    let encoded = sent("/api/generate", &Prompt::Chat(foreign()), false);
    let body = json(&encoded.body);
    assert_eq!(body["system"], "Be brief.");
    assert_eq!(
        body["prompt"],
        "User: Look.\nWell?\n\nAssistant: \n\nUser: And?ab\n\nAssistant: No."
    );
    assert!(shown(&encoded.losses).contains(&"Approximated messages".to_owned()));
}

#[test]
fn thinking_is_asked_for_in_ollamas_words() {
    let spec = ReasoningSpec::default;
    let effort = |e: &'static str| ReasoningSpec { effort: Some(e.into()), ..spec() };
    let budget = ReasoningSpec { budget: RawNumber::parse("9"), ..spec() };
    for (asked, think, lost) in [
        (ReasoningSpec { enabled: Some(true), ..spec() }, "true", vec![]),
        (effort("none"), "false", vec![]),
        (effort("high"), "\"high\"", vec![]),
        (effort("minimal"), "\"low\"", vec!["Approximated reasoning.effort"]),
        (effort("xhigh"), "\"max\"", vec!["Approximated reasoning.effort"]),
        (budget, "true", vec!["Approximated reasoning.budget"]),
    ] {
        let request = Request { reasoning: Some(asked), ..Request::default() };
        let encoded = sent("/api/chat", &Prompt::Chat(request), true);
        assert_eq!(json(&encoded.body)["think"].to_string(), think);
        assert_eq!(shown(&encoded.losses), lost);
    }
    let request = Request { reasoning: Some(effort("high")), ..Request::default() };
    let capability = Capability { reasoning: false, ..CAPABLE };
    let cx = SendCx { model: "m", stream: true, usage_frame: false, capability: &capability };
    let encoded = upstream("/api/chat").encode(&Prompt::Chat(request), &cx).unwrap();
    assert!(json(&encoded.body).get("think").is_none());
    assert_eq!(shown(&encoded.losses), ["Dropped reasoning"]);
}
