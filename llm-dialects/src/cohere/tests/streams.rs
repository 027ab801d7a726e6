//! Streams say what whole answers say, however they are cut, and carry what is not theirs.

use llm_core::completion::{Candidate, Finish, FinishReason};
use llm_core::dialect::TapCx;
use llm_core::fault::FaultClass;
use llm_core::prompt::{Citation, Part, PartKind, Text, ToolCall};

use super::*;
use crate::frame::Splitter;

const START: &str = r#"{"type":"message-start","id":"a","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}"#;
const END: &str = r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":9,"output_tokens":7}},"x":1}}"#;

fn whole_stream() -> String {
    sse(&[
        START,
        r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will"}}}"#,
        r#"{"delta":{"message":{"tool_plan":" look."}},"type":"tool-plan-delta"}"#,
        r#"{"type":"x-progress","step":3}"#,
        r#"{"index":0,"type":"content-start","delta":{"message":{"content":{"thinking":"","type":"thinking"}}}}"#,
        r#"{"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm."}}}}"#,
        r#"{"type":"content-end","index":0}"#,
        r#"{"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":"한"}}}}"#,
        r#"{"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"국\n🙂"}}},"logprobs":{"token_ids":[1],"text":"국","logprobs":[-1]}}"#,
        r#"{"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2,"text":"한국","sources":[]}}}}"#,
        r#"{"type":"citation-end","index":0}"#,
        r#"{"type":"content-end","index":1}"#,
        r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"c1","type":"function","function":{"name":"f","arguments":""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}}"#,
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":": 1}"}}}}}"#,
        r#"{"type":"tool-call-end","index":0}"#,
        r#"{"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"c2","type":"function","function":{"name":"g","arguments":"nu"}}}}}"#,
        r#"{"type":"tool-call-delta","index":1,"delta":{"message":{"tool_calls":{"function":{"arguments":"ll"}}}}}"#,
        r#"{"type":"tool-call-end","index":1}"#,
        END,
    ])
}

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    let text = whole_stream();
    let whole = events(&text, usize::MAX);
    for cut in (1..30).chain([100, 1000]) {
        assert_eq!(events(&text, cut), whole, "{cut}");
    }
    let folded = collect(&whole);
    let same = completion(
        r#"{"id":"a","message":{"role":"assistant","tool_plan":"I will look.","content":[
            {"type":"thinking","thinking":"Hm."},{"type":"text","text":"한국\n🙂"}],
            "citations":[{"start":0,"end":2,"text":"한국","sources":[]}],
            "tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},
            {"id":"c2","type":"function","function":{"name":"g","arguments":"null"}}]},
            "logprobs":[{"token_ids":[1],"text":"국","logprobs":[-1]}],
            "finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":9,"output_tokens":7}}}"#,
    );
    assert_eq!(words(&folded), words(&same));
    assert_eq!((&folded.id, &folded.usage), (&same.id, &same.usage));
}

/// Kinds with their words, and state.
fn words(completion: &Completion) -> Vec<(PartKind, Option<Opaque>)> {
    completion.candidates[0].parts.iter().map(|p| (p.kind.clone(), p.state.clone())).collect()
}

#[test]
fn an_end_is_never_made_up() {
    let text = whole_stream();
    let cut = text.split_inclusive("\n\n").take(9).collect::<String>();
    let failure = collect(&events(&cut, 7)).failure.unwrap();
    assert_eq!(failure.kind(), llm_core::error::Kind::BrokenStream);
    let corrupt = |event: &str| {
        let events = events(&format!("data: {START}\n\ndata: {event}\n\n"), 50);
        assert!(
            matches!(events.last(), Some(Event::Failure(e)) if e.kind() == llm_core::error::Kind::CorruptReply),
            "{event}"
        );
    };
    corrupt(r#"{"type":"content-delta","index":0}"#);
    corrupt(r#"{"type":"content-delta","index":"0"}"#);
    corrupt(
        r#"{"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"x"}}}}}"#,
    );
    corrupt(r#"{"type":"message-end","delta":{}}"#);
    corrupt(r#"{"type":"message-end","type":"content-end"}"#);
}

#[test]
fn an_answer_may_fail_at_its_end() {
    for (event, class, message) in [
        (
            r#"{"type":"message-end","delta":{"finish_reason":"ERROR","usage":{},"error":"bad tool","error_type":"INVALID_TOOL_GENERATION"}}"#,
            FaultClass::InvalidRequest,
            "bad tool",
        ),
        (
            r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"broke"}}"#,
            FaultClass::Server,
            "broke",
        ),
        (r#"{"type":"message-end","delta":{"finish_reason":"TIMEOUT"}}"#, FaultClass::Timeout, ""),
        (r#"{"message":"too many tokens"}"#, FaultClass::ContextOverflow, "too many tokens"),
    ] {
        let completion = collect(&events(&format!("data: {START}\n\ndata: {event}\n\n"), 50));
        let failure = completion.failure.unwrap();
        let fault = failure.fault().unwrap();
        assert_eq!((fault.class, &*fault.message, fault.status), (class, message, 200));
        assert!(!completion.ended);
    }
}

fn answer() -> Completion {
    let with = |kind, state| Part { state, ..Part::new(kind) };
    let call = |id: &'static str, arguments: &'static str, custom| {
        let (id, name, arguments) = (id.into(), "f".into(), arguments.into());
        PartKind::ToolCall(ToolCall { id, name, arguments, custom })
    };
    let wire =
        Opaque { origin: DialectId::OpenaiChat, kind: "x".into(), value: Raw::parse("1").unwrap() };
    let citation = Citation {
        start: Some(0),
        end: Some(3),
        url: Some("u".into()),
        wire: Some(wire),
        ..Citation::default()
    };
    Completion {
        candidates: vec![Candidate {
            parts: vec![
                with(PartKind::Reasoning("생각".into()), Some(state("signature"))),
                with(PartKind::Reasoning("".into()), Some(state("redacted_thinking"))),
                with(
                    PartKind::Text(Text { citations: vec![citation], ..Text::new("one") }),
                    Some(state("t")),
                ),
                with(call("c.1", r#"{"a": [1]}"#, false), Some(state("thoughtSignature"))),
                with(PartKind::Text(Text::new("two")), None),
                with(call("c2", "free text", true), None),
            ],
            finish: Some(Finish::new(FinishReason::ToolCalls)),
        }],
        ended: true,
        ..Completion::default()
    }
}

#[test]
fn what_a_caller_is_streamed_reads_back() {
    let (text, losses) = streamed(&answer());
    assert_eq!(losses, [""; 0]);
    let back = read_back(&text);
    let without_citations = |mut words: Vec<(PartKind, Option<Opaque>)>| {
        if let PartKind::Text(text) = &mut words[2].0 {
            let url = text.citations.pop().and_then(|c| c.url);
            assert_eq!(url.as_deref(), Some("u"));
        }
        words
    };
    assert_eq!(without_citations(words(&back)), without_citations(words(&answer())));
    assert_eq!(back.candidates[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    assert_eq!((back.id.as_deref(), back.ended), (Some("gw"), true));
    assert!(text.ends_with("\n\ndata: [DONE]\n\n"));
    let (text, _) = streamed(&completion(super::answers::FULL));
    let back = words(&read_back(&text));
    // What only Cohere's whole answers have is the block of a new kind.
    let mut want = words(&completion(super::answers::FULL));
    want.retain(|(kind, _)| !matches!(kind, PartKind::Opaque(_)));
    assert_eq!(back, want);
}

#[test]
fn state_comes_back_with_the_next_question() {
    let rendered = caller().encode_answer(&Answer::Chat(answer()), &RenderCx::default());
    let body = json(&rendered.body);
    let call = &body["message"]["tool_calls"][0];
    let question = serde_json::json!({"model": "m", "messages": [
        body["message"], {"role": "tool", "content": "r", "tool_call_id": call["id"]}]});
    let request = chat(&question.to_string());
    let states: Vec<bool> = request.messages[0].parts.iter().map(|p| p.state.is_some()).collect();
    // Calls stand behind the content.
    assert_eq!(states, [true, true, true, false, true, false]);
    let PartKind::ToolResult(result) = &request.messages[1].parts[0].kind else { panic!() };
    assert_eq!(result.call_id, "c.1");
    let encoded = sent(&Prompt::Chat(request), false);
    assert!(!String::from_utf8_lossy(&encoded.body).contains("Z3cx"));
    assert!(shown(&encoded.losses).contains(&"Dropped messages.0.parts.0.state".to_owned()));
}

#[test]
fn a_failure_ends_the_stream() {
    let mut failed = answer();
    failed.candidates[0].parts.truncate(1);
    failed.candidates[0].finish = None;
    failed.ended = false;
    failed.failure = Some(llm_core::error::Error::new(llm_core::error::Kind::BrokenStream, "cut"));
    let (text, _) = streamed(&failed);
    assert!(
        text.ends_with("\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"cut\"}}\n\n"),
        "{text}"
    );
    assert_eq!(read_back(&text).failure.unwrap().message(), "cut");
}

#[test]
fn a_tap_sees_what_matters() {
    let mut frames = Vec::new();
    let mut splitter = Splitter::new(Framing::Sse);
    splitter.feed(&whole_stream().into(), &mut frames).unwrap();
    splitter.finish(&mut frames);
    let mut tap = upstream().tap(TapCx::default());
    for frame in &frames {
        assert_eq!(tap.see(frame), llm_core::dialect::Keep::Forward);
    }
    let seen = tap.observed();
    assert_eq!(seen.usage.map(|u| (u.input, u.output)), Some((9, 7)));
    assert_eq!(seen.finish, Some(FinishReason::ToolCalls));
    assert!(seen.ended && seen.failure.is_none());
    assert_eq!(seen.deltas, 7);
}
