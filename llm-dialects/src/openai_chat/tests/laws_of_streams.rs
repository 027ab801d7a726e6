use llm_core::completion::{Candidate, Finish, FinishReason};
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, Part, PartKind, Text, ToolCall};
use llm_core::raw::Raw;

use super::*;

fn state(kind: &'static str) -> Opaque {
    Opaque {
        origin: DialectId::Anthropic,
        kind: kind.into(),
        value: Raw::parse("\"s/+=\"").unwrap(),
    }
}

fn answer() -> Completion {
    let thought = |text: &'static str, kind| Part {
        state: Some(state(kind)),
        ..Part::new(PartKind::Reasoning(text.into()))
    };
    let call = |id: &'static str| {
        let (id, name, arguments) = (id.into(), "f".into(), r#"{"a":"한"}"#.into());
        Part::new(PartKind::ToolCall(ToolCall { id, name, arguments, custom: false }))
    };
    let finish = |reason| Some(Finish::new(reason));
    let (first, second) = (FinishReason::ToolCalls, FinishReason::Length);
    Completion {
        candidates: vec![
            Candidate {
                parts: vec![
                    thought("one\n", "signature"),
                    thought("two", "signature"),
                    thought("", "redacted_thinking"),
                    Part::text("te\"xt"),
                    call("toolu_1"),
                    call("toolu_2"),
                ],
                finish: finish(first),
            },
            Candidate {
                parts: vec![Part::new(PartKind::Refusal(Text::new("no")))],
                finish: finish(second),
            },
        ],
        usage: Some(llm_core::answer::UsageReport {
            usage: llm_core::usage::Usage {
                input: 5,
                cache_read: 2,
                output: 3,
                reasoning: 1,
                ..Default::default()
            },
            extra: Extra::default(),
        }),
        ended: true,
        ..Completion::default()
    }
}

#[test]
fn what_is_streamed_reads_back() {
    let done = answer();
    let again = collect(&events(&streamed(&done.explode(), &cx())));
    assert!(again.ended);
    assert_eq!(again.usage.as_ref().unwrap().usage, done.usage.as_ref().unwrap().usage);
    for (a, b) in again.candidates.iter().zip(&done.candidates) {
        let words = |c: &Candidate| {
            c.parts.iter().map(|p| (p.kind.clone(), p.state.clone())).collect::<Vec<_>>()
        };
        assert_eq!(words(a), words(b));
        assert_eq!(a.finish.as_ref().unwrap().reason, b.finish.as_ref().unwrap().reason);
    }
}

#[test]
fn what_is_answered_whole_reads_back() {
    let done = answer();
    let again = complete(&shown(&done, &cx()).to_string());
    for (a, b) in again.candidates.iter().zip(&done.candidates) {
        let words = |c: &Candidate| {
            c.parts.iter().map(|p| (p.kind.clone(), p.state.clone())).collect::<Vec<_>>()
        };
        assert_eq!(words(a), words(b));
    }
}

#[test]
fn role_finish_usage_and_end_come_once_and_in_order() {
    let text = streamed(&answer().explode(), &cx());
    assert_eq!(text.matches("\"role\"").count(), 2);
    assert_eq!(text.matches("\"finish_reason\":\"").count(), 2);
    let usage = text.find("\"choices\":[],\"usage\":{").unwrap();
    assert!(usage > text.rfind("\"finish_reason\":\"").unwrap());
    assert!(text.ends_with("data: [DONE]\n\n"));
    let silent = streamed(&answer().explode(), &RenderCx { include_usage: false, ..cx() });
    assert!(!silent.contains("usage"));
}

#[test]
fn after_a_failure_nothing_comes() {
    let failed = Event::Failure(Error::new(Kind::UpstreamOverloaded, "busy"));
    let mut all: Vec<Event> = answer().explode().into_iter().take(4).collect();
    all.extend([failed, Event::End]);
    let text = streamed(&all, &cx());
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    let body = json(last.strip_prefix("data: ").unwrap().as_bytes());
    assert_eq!(body["error"]["type"], "service_unavailable");
    assert!(!text.contains("[DONE]"));
}

#[test]
fn a_made_id_waits_for_the_state_it_carries() {
    let id = crate::state::call_id::make(&[b"1"]);
    let signature = Opaque {
        origin: DialectId::Gemini,
        kind: crate::state::THOUGHT_SIGNATURE.into(),
        value: Raw::parse("\"AB+/\"").unwrap(),
    };
    let call = ToolCall { id: id.clone(), name: "f".into(), arguments: "{}".into(), custom: false };
    let part = Part { state: Some(signature.clone()), ..Part::new(PartKind::ToolCall(call)) };
    let done = Completion {
        candidates: vec![Candidate {
            parts: vec![part],
            finish: Some(Finish::new(FinishReason::ToolCalls)),
        }],
        ended: true,
        ..Completion::default()
    };
    let text = streamed(&done.explode(), &cx());
    assert!(
        text.contains(&format!("{id}.Z3cx")) && text.contains("\"thought_signature\":\"AB+/\"")
    );
    let again = collect(&events(&text));
    assert_eq!(again.candidates[0].parts[0].state, Some(signature));
    assert!(matches!(&again.candidates[0].parts[0].kind, PartKind::ToolCall(c) if c.id == id));
}
