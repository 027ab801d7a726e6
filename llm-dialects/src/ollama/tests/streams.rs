//! Streams say what whole answers say, however they are cut, and carry what is not theirs.

use llm_core::completion::{Candidate, Finish, FinishReason};
use llm_core::dialect::TapCx;
use llm_core::prompt::{Part, PartKind, ToolCall};

use super::*;
use crate::frame::Splitter;

const STREAM: &str = r#"{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"","thinking":"H"},"done":false}
{"model":"m","created_at":"x","message":{"role":"assistant","content":"","thinking":"m."},"done":false}
{"status":"x progress","step":3}
{"model":"m","message":{"role":"assistant","content":"한국"},"done":false}

{"model":"m","message":{"role":"assistant","content":"\n🙂"},"logprobs":[{"token":"🙂","logprob":-1}],"done":false}
{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a": 1}}}]},"done":false}
{"model":"m","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":9,"eval_count":7,"context":[1]}
"#;

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    let whole = events(STREAM, usize::MAX);
    for cut in 1..40 {
        assert_eq!(events(STREAM, cut), whole, "{cut}");
    }
    let folded = collect(&whole);
    let same = completion(
        r#"{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","thinking":"Hm.",
            "content":"한국\n🙂","tool_calls":[{"function":{"name":"f","arguments":{"a": 1}}}]},
            "logprobs":[{"token":"🙂","logprob":-1}],"done_reason":"stop","done":true,
            "prompt_eval_count":9,"eval_count":7,"context":[1]}"#,
    );
    assert_eq!(folded, same);
}

#[test]
fn an_end_is_never_made_up() {
    let cut = STREAM.split_inclusive('\n').take(4).collect::<String>();
    let failure = collect(&events(&cut, 7)).failure.unwrap();
    assert_eq!(failure.kind(), llm_core::error::Kind::BrokenStream);
    let broken = events("{\"model\":\"m\",\"message\":{\"content\":7},\"done\":false}\n", 9);
    assert!(
        matches!(broken.last(), Some(Event::Failure(e)) if e.kind() == llm_core::error::Kind::CorruptReply)
    );
    let twice = events("{\"done\":false,\"done\":true}\n", 9);
    assert!(matches!(twice.last(), Some(Event::Failure(_))));
    let said = format!("{}{{\"error\":\"out of memory\"}}\n{{\"done\":true}}\n", &cut);
    let failed = collect(&events(&said, 5));
    assert_eq!(failed.failure.unwrap().message(), "out of memory");
    assert_eq!(failed.candidates[0].parts.len(), 2);
}

/// Everything that a message may hold, with state of another provider.
fn answer() -> Completion {
    let with = |kind, state| Part { state, ..Part::new(kind) };
    let call = |id: &'static str, arguments: &'static str| {
        PartKind::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: arguments.into(),
            custom: false,
        })
    };
    Completion {
        model: Some("m".into()),
        created: Some(1_767_225_600),
        candidates: vec![Candidate {
            parts: vec![
                with(PartKind::Reasoning("생각".into()), Some(state("signature"))),
                with(PartKind::Reasoning("".into()), Some(state("redacted_thinking"))),
                with(PartKind::Text(llm_core::prompt::Text::new("one")), Some(state("t"))),
                with(PartKind::Text(llm_core::prompt::Text::new("two")), None),
                with(call("c.1", r#"{"a": [1]}"#), Some(state("thoughtSignature"))),
                with(call("c2", "{}"), None),
            ],
            finish: Some(Finish::new(FinishReason::ToolCalls)),
        }],
        ended: true,
        ..Completion::default()
    }
}

/// Kinds with their words, and state.
fn words(completion: &Completion) -> Vec<(PartKind, Option<Opaque>)> {
    completion.candidates[0].parts.iter().map(|p| (p.kind.clone(), p.state.clone())).collect()
}

#[test]
fn what_a_caller_is_streamed_reads_back() {
    let (text, losses) = streamed("/api/chat", &answer());
    assert_eq!(losses, [""; 0]);
    let back = read_back(&text);
    assert_eq!(words(&back), words(&answer()));
    assert_eq!(back.candidates[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    assert_eq!((back.created, back.ended), (Some(1_767_225_600), true));
    let (text, _) = streamed("/api/generate", &answer());
    assert_eq!(words(&read_back(&text)), words(&answer()));
    let (text, _) = streamed("/api/chat", &completion(super::answers::FULL));
    assert_eq!(words(&read_back(&text)), words(&completion(super::answers::FULL)));
}

#[test]
fn state_comes_back_with_the_next_question() {
    let rendered = caller("/api/chat").encode_answer(&Answer::Chat(answer()), &RenderCx::default());
    let body = json(&rendered.body);
    assert_eq!(body["created_at"], "2026-01-01T00:00:00Z");
    let question = serde_json::json!({"model": "m", "messages": [
        body["message"], {"role": "tool", "content": "r", "tool_call_id": body["message"]["tool_calls"][0]["id"]}]});
    let request = chat(&question.to_string());
    let parts = &request.messages[0].parts;
    let states: Vec<bool> = parts.iter().map(|p| p.state.is_some()).collect();
    assert_eq!(states, [true, true, true, true, false]);
    assert_eq!(parts[0].kind, PartKind::Reasoning("생각".into()));
    let PartKind::ToolResult(result) = &request.messages[1].parts[0].kind else { panic!() };
    assert_eq!(result.call_id, "c.1");
    // Ollama itself has no use for it.
    let encoded = sent("/api/chat", &Prompt::Chat(request), true);
    assert!(!String::from_utf8_lossy(&encoded.body).contains("signature"));
    let lost = shown(&encoded.losses);
    assert_eq!(lost.len(), 4, "{lost:?}");
    assert_eq!(lost[0], "Dropped messages.0.parts.0.state");
}

#[test]
fn arguments_that_are_no_json_are_said_beside_an_object() {
    let mut cut = answer();
    let PartKind::ToolCall(call) = &mut cut.candidates[0].parts[5].kind else { panic!() };
    call.arguments = "{\"a\": [".into();
    let (text, losses) = streamed("/api/chat", &cut);
    assert_eq!(losses, ["Approximated parts.5.arguments"]);
    let PartKind::ToolCall(call) = &words(&read_back(&text))[5].0 else { panic!() };
    assert_eq!((&*call.arguments, call.custom), ("{\"a\": [", true));
}

#[test]
fn a_tap_sees_what_matters() {
    let mut frames = Vec::new();
    let mut splitter = Splitter::new(Framing::Ndjson);
    splitter.feed(&Bytes::from_static(STREAM.as_bytes()), &mut frames).unwrap();
    splitter.finish(&mut frames);
    let mut tap = upstream("/api/chat").tap(TapCx::default());
    for frame in &frames {
        assert_eq!(tap.see(frame), llm_core::dialect::Keep::Forward);
    }
    let seen = tap.observed();
    assert_eq!(seen.usage.map(|u| (u.input, u.output)), Some((9, 7)));
    assert_eq!(seen.finish, Some(FinishReason::ToolCalls));
    assert!(seen.ended && seen.failure.is_none());
    assert_eq!(seen.deltas, 6);
}
