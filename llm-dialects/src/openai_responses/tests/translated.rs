//! Words of other dialects, and bytes of nobody.

use llm_core::completion::{Candidate, Finish, FinishReason};
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{
    CacheMark, JsonSchema, Media, MediaSource, Message, OutputFormat, Part, PartKind,
    ReasoningSpec, Role, Tool, ToolCall, ToolKind, ToolResult,
};
use llm_core::raw::{Raw, RawNumber};
use proptest::prelude::*;

use super::*;

fn say(role: Role, parts: Vec<Part>) -> Message {
    Message { role, parts, extra: Extra::default() }
}

fn media(source: MediaSource, mime: &'static str) -> Media {
    Media { mime: Some(mime.into()), ..Media::new(source) }
}

/// A conversation as Anthropic has it, with everything that this dialect has not.
fn foreign() -> Request {
    let mut words = Request { model: "m".into(), ..Request::default() };
    words.system.push(Message::text(Role::System, "Be brief."));
    let cached = Part { cache: Some(CacheMark { ttl: Some("1h".into()) }), ..Part::text("look") };
    let image = PartKind::Image(media(MediaSource::Base64("iVBO".into()), "image/png"));
    let file = PartKind::File(media(MediaSource::Text("plain".into()), "text/plain"));
    let video = PartKind::Video(media(MediaSource::Url("v".into()), "video/mp4"));
    words
        .messages
        .push(say(Role::User, vec![cached, Part::new(image), Part::new(file), Part::new(video)]));
    let call = |id: &'static str, custom| {
        let arguments = if custom { "free" } else { "" };
        PartKind::ToolCall(ToolCall {
            id: id.into(),
            name: id.into(),
            arguments: arguments.into(),
            custom,
        })
    };
    words.messages.push(say(
        Role::Assistant,
        vec![
            Part::text("a"),
            Part::text("b"),
            Part::new(call("c1", false)),
            Part::new(call("c2", true)),
        ],
    ));
    let result = |id: &'static str, content, is_error| {
        let result = ToolResult { call_id: id.into(), name: None, content, is_error };
        Part::new(PartKind::ToolResult(result))
    };
    let picture = PartKind::Image(media(MediaSource::Url("https://e.com/i".into()), "image/png"));
    words.messages.push(say(
        Role::User,
        vec![
            result("c1", vec![Part::text("sunny")], Some(true)),
            result("c2", vec![Part::text("t"), Part::new(picture)], None),
            Part::text("thanks"),
        ],
    ));
    words.messages.push(Message::text(Role::Developer, "now in Korean"));
    let schema = Raw::parse(r#"{"type":"object","properties":{"a":{"type":"string"}}}"#).unwrap();
    let tool = |name: &'static str, kind| Tool {
        name: name.into(),
        description: None,
        kind,
        cache: None,
        extra: Extra::default(),
    };
    words.tools.push(tool("c1", ToolKind::Function { schema: Some(schema.clone()), strict: None }));
    words.tools.push(tool("c2", ToolKind::Custom));
    words.sampling.top_k = RawNumber::parse("40");
    words.output.stop = vec!["END".into()];
    words.output.tokens_max = RawNumber::parse("8");
    let json = JsonSchema { name: None, description: None, schema, strict: Some(true) };
    words.output.format = Some(OutputFormat::Schema(json));
    words.reasoning = Some(ReasoningSpec {
        budget: RawNumber::parse("4096"),
        visible: Some(true),
        ..ReasoningSpec::default()
    });
    words.user = Some("u".into());
    words.extra = Extra::new(DialectId::Anthropic);
    words.extra.push("container", Raw::parse("\"x\"").unwrap());
    words
}

#[test]
fn a_foreign_conversation_becomes_items() {
    let sent = sent(&foreign());
    let body = value(&sent.body);
    assert_eq!(body["instructions"], "Be brief.");
    let items: Vec<String> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| format!("{} {}", i["type"].as_str().unwrap(), i["role"].as_str().unwrap_or("-")))
        .collect();
    let wanted = [
        "message user",
        "message assistant",
        "function_call -",
        "custom_tool_call -",
        "function_call_output -",
        "custom_tool_call_output -",
        "message user",
        "message developer",
    ];
    assert_eq!(items, wanted);
    let input = &body["input"];
    assert_eq!(input[0]["content"][0]["prompt_cache_breakpoint"]["mode"], "explicit");
    assert_eq!(input[0]["content"][1]["image_url"], "data:image/png;base64,iVBO");
    assert_eq!(input[1]["content"].as_array().unwrap().len(), 2);
    assert_eq!(input[2]["arguments"], "{}");
    assert_eq!(input[4]["output"], "sunny");
    assert_eq!(input[5]["output"][1]["type"], "input_image");
    assert_eq!(body["tools"][0]["strict"], false);
    assert_eq!(body["text"]["format"]["name"], "answer");
    assert_eq!(body["text"]["format"]["schema"]["additionalProperties"], false);
    assert_eq!(body["reasoning"], serde_json::json!({"effort": "medium", "summary": "auto"}));
    assert_eq!((&body["store"], &body["max_output_tokens"]), (&false.into(), &16.into()));
    let lost: Vec<String> =
        sent.losses.iter().map(|l| format!("{:?} {}", l.reason, l.path)).collect();
    for wanted in [
        "Dropped messages.0.parts.0.cache.ttl",
        "Approximated messages.0.parts.2",
        "Dropped messages.0.parts.3",
        "Dropped messages.2.parts.0.is_error",
        "Dropped sampling.top_k",
        "Dropped output.stop",
        "Approximated output.tokens_max",
        "Approximated reasoning.budget",
        "Dropped container",
    ] {
        assert!(lost.iter().any(|l| l == wanted), "{wanted} is missing in {lost:?}");
    }
}

#[test]
fn a_model_is_not_asked_for_what_it_refuses() {
    let mut words = foreign();
    words.sampling.temperature = RawNumber::parse("0.70");
    let capability = Capability { reasoning: false, sampling: false, ..Capability::ALL };
    let cx = SendCx { model: "up", stream: true, usage_frame: true, capability: &capability };
    let sent = Responses.encode(&Prompt::Chat(words.clone()), &cx).unwrap();
    let body = value(&sent.body);
    assert!(body["temperature"].is_null() && body["reasoning"].is_null());
    assert_eq!((&body["model"], &body["stream"]), (&"up".into(), &true.into()));
    let counted = Responses.encode(&Prompt::CountTokens(words), &cx).unwrap();
    let body = value(&counted.body);
    assert!(
        body["stream"].is_null() && body["store"].is_null() && body["max_output_tokens"].is_null()
    );
}

/// A foreign answer, for a caller.
fn answer(reason: FinishReason) -> Completion {
    let picture = PartKind::Image(media(MediaSource::Base64("iVBO".into()), "image/webp"));
    let parts = vec![
        Part::new(PartKind::Reasoning("hm".into())),
        Part::text("Hello "),
        Part::text("you"),
        Part::new(picture),
        Part::new(PartKind::Video(media(MediaSource::Url("v".into()), "video/mp4"))),
    ];
    let candidate = Candidate { parts, finish: Some(Finish::new(reason)) };
    let mut extra = Extra::new(DialectId::OpenaiChat);
    extra.push("system_fingerprint", Raw::parse("\"fp\"").unwrap());
    Completion {
        id: Some("chatcmpl-1".into()),
        model: Some("up".into()),
        candidates: vec![candidate.clone(), candidate],
        ended: true,
        extra,
        ..Completion::default()
    }
}

#[test]
fn a_foreign_answer_has_all_that_clients_require() {
    let whole = rendered(&answer(FinishReason::Length));
    let body = value(&whole.body);
    for name in [
        "id",
        "object",
        "created_at",
        "model",
        "output",
        "parallel_tool_calls",
        "tool_choice",
        "tools",
        "status",
        "error",
        "incomplete_details",
        "instructions",
        "metadata",
        "temperature",
        "top_p",
        "usage",
    ] {
        assert!(body.get(name).is_some(), "{name} is missing");
    }
    assert_eq!((&body["id"], &body["created_at"]), (&"resp_chatcmpl-1".into(), &7.into()));
    assert_eq!(body["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(body["output"][1]["content"][1]["annotations"], serde_json::json!([]));
    assert_eq!(body["output"][2]["result"], "iVBO");
    let lost: Vec<String> = whole.losses.iter().map(|l| l.path.to_string()).collect();
    assert_eq!(lost, ["candidates.0.parts.4", "system_fingerprint", "candidates.1"]);
    let streamed = streamed(&answer(FinishReason::Length));
    let last = frames(&streamed).pop().unwrap();
    assert_eq!(last.0, "response.incomplete");
    assert_eq!(last.1["response"]["output"].as_array().unwrap().len(), 3);
    assert_eq!(last.1["response"]["output"][1]["status"], "completed");
}

#[test]
fn foreign_endings_have_a_status() {
    let status = |reason| {
        let body = value(&rendered(&answer(reason)).body);
        format!("{} {}", body["status"], body["incomplete_details"]["reason"])
    };
    assert_eq!(status(FinishReason::ToolCalls), "\"completed\" null");
    assert_eq!(status(FinishReason::ContentFilter), "\"incomplete\" \"content_filter\"");
    assert_eq!(status(FinishReason::Refusal), "\"incomplete\" \"content_filter\"");
    assert_eq!(status(FinishReason::Paused), "\"incomplete\" \"max_output_tokens\"");
    assert_eq!(status(FinishReason::Failed), "\"failed\" null");
    let failed = value(&rendered(&answer(FinishReason::Failed)).body);
    assert!(failed["error"]["message"].is_string());
    let last = frames(&streamed(&answer(FinishReason::Failed))).pop().unwrap();
    assert_eq!(last.0, "response.failed");
}

const WORDS: &[&str] = &[
    "message",
    "reasoning",
    "function_call",
    "custom_tool_call",
    "image_generation_call",
    "function_call_output",
    "output_text",
    "input_text",
    "summary_text",
    "refusal",
    "completed",
    "incomplete",
    "failed",
    "assistant",
    "user",
    "error",
    "Z3cx",
    "response.output_text.delta",
    "response.output_item.added",
    "response.output_item.done",
    "response.completed",
    "response.content_part.added",
    "response.function_call_arguments.delta",
    "response.reasoning_summary_part.added",
    "response.refusal.delta",
    "response.created",
];

const NAMES: &[&str] = &[
    "type",
    "role",
    "content",
    "summary",
    "text",
    "id",
    "call_id",
    "name",
    "arguments",
    "input",
    "output",
    "item",
    "part",
    "response",
    "delta",
    "output_index",
    "content_index",
    "summary_index",
    "status",
    "error",
    "usage",
    "model",
    "tools",
    "tool_choice",
    "reasoning",
    "encrypted_content",
    "annotations",
    "logprobs",
    "instructions",
    "format",
];

/// JSON in the words of this dialect, right and wrong.
fn odd_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(WORDS).prop_map(|w| format!("{w:?}")),
        Just("null".to_owned()),
        Just("true".to_owned()),
        (0u32..4).prop_map(|n| n.to_string()),
        Just("-1.5".to_owned()),
    ];
    leaf.prop_recursive(4, 48, 6, move |inner| {
        let member = (prop::sample::select(NAMES), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|v| format!("[{}]", v.join(","))),
            prop::collection::vec(member, 0..7).prop_map(|v| {
                let members: Vec<_> = v.iter().map(|(n, j)| format!("{n:?}:{j}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_bytes_make_a_panic(frames in prop::collection::vec(odd_json(), 1..6), noise in any::<Vec<u8>>()) {
        let mut stream = Vec::new();
        for frame in &frames {
            stream.extend_from_slice(b"data: ");
            stream.extend_from_slice(frame.as_bytes());
            stream.extend_from_slice(b"\n\n");
            let body = bytes(frame);
            let _ = Responses.decode(&Route::new(Operation::Chat), Body::json(&body));
            if let Ok(Answer::Chat(words)) = Responses.decode_answer(Operation::Chat, Body::json(&body)) {
                let _ = rendered(&words);
                let _ = streamed(&words);
            }
        }
        stream.extend_from_slice(&noise);
        let words = collect(&events(&stream, 13));
        let _ = streamed(&words);
        let body = Bytes::from(noise);
        let _ = Responses.decode(&Route::new(Operation::Chat), Body::json(&body));
        let _ = Responses.decode_answer(Operation::Chat, Body::json(&body));
    }
}
