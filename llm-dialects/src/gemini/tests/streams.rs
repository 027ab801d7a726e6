//! Streams, both ways.

use llm_core::completion::{Completion, FinishReason, collect};
use llm_core::dialect::{Framing, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::event::{Event, laws};
use llm_core::prompt::{Part, PartKind};

use super::{answer, events, read, sse, streamed};

const TEXT: [&str; 3] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3},"modelVersion":"m","responseId":"r"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"a\n"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":4}}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"b"},{"text":"","thoughtSignature":"QQ=="}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":1,"totalTokenCount":6,"serviceTier":"x"}}"#,
];

fn kinds(done: &Completion) -> Vec<&'static str> {
    let kind = |p: &Part| match &p.kind {
        PartKind::Text(_) => "text",
        PartKind::Reasoning(_) => "reasoning",
        PartKind::ToolCall(_) => "call",
        PartKind::Image(_) => "image",
        PartKind::Opaque(_) => "opaque",
        _ => "other",
    };
    done.candidates[0].parts.iter().map(kind).collect()
}

#[test]
fn pieces_of_a_kind_are_one_part_and_a_signature_ends_it() {
    let done = read(&TEXT);
    assert_eq!(kinds(&done), ["reasoning", "text"]);
    assert_eq!(done.text(0), "a\nb");
    assert!(done.candidates[0].parts[1].state.is_some());
    assert_eq!((done.id.as_deref(), done.model.as_deref()), (Some("r"), Some("m")));
    let report = done.usage.as_ref().unwrap();
    assert_eq!((report.usage.output, report.usage.reasoning), (2, 1));
    assert!(report.extra.get("serviceTier").is_some());
    assert!(done.ended && done.failure.is_none());
}

#[test]
fn the_end_waits_for_the_end_of_the_bytes() {
    let one = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    let two =
        r#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS"}]}"#;
    let done = read(&[one, two]);
    assert_eq!(done.text(0), "ab");
    assert_eq!(done.candidates[0].finish.as_ref().unwrap().reason, FinishReason::Length);
    let error = "{\n  \"error\": {\n    \"code\": 499,\n    \"message\": \"gone\",\n    \"status\": \"CANCELLED\"\n  }\n}\n";
    let done = collect(&events(Framing::Sse, &format!("{}{error}", sse(&[one]))));
    assert_eq!(done.failure.as_ref().unwrap().fault().unwrap().message, "gone");
    assert!(!done.ended && done.candidates[0].finish.is_none());
    let frame = r#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#;
    let all = events(Framing::Sse, &sse(&[one, frame]));
    assert!(matches!(all.last(), Some(Event::Failure(_))));
}

#[test]
fn a_cut_stream_has_no_end() {
    for cut in [&TEXT[..1], &TEXT[..2], &[]] {
        let done = read(cut);
        assert!(!done.ended && done.failure.is_some(), "{cut:?}");
    }
}

#[test]
fn a_blocked_prompt_ends_without_candidates() {
    let blocked =
        r#"{"promptFeedback":{"blockReason":"NEW_WORD"},"usageMetadata":{"promptTokenCount":3}}"#;
    let done = read(&[blocked]);
    assert_eq!(done.candidates[0].finish.as_ref().unwrap().reason, FinishReason::ContentFilter);
    assert!(done.ended);
    let text = streamed(&done.explode(), &RenderCx::default());
    assert!(
        text.contains("\"blockReason\":\"NEW_WORD\"") && !text.contains("candidates"),
        "{text}"
    );
}

#[test]
fn calls_pictures_code_and_several_candidates() {
    let frame = r#"{"candidates":[
        {"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"1"}},{"functionCall":{"name":"f","args":{"a":[1]}},"thoughtSignature":"QQ=="},{"functionCall":{"name":"f"}}]},"finishReason":1},
        {"index":1,"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"text":"x","partMetadata":{"k":1}},{"thoughtSignature":"Qg=="}]},"finishReason":"STOP"}],"responseId":"r"}"#;
    let done = read(&[&frame.replace('\n', "")]);
    assert_eq!(kinds(&done), ["opaque", "call", "call"]);
    assert_eq!(done.candidates[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    assert_eq!(done.candidates[1].finish.as_ref().unwrap().reason, FinishReason::Stop);
    assert_eq!(done.candidates[1].parts.len(), 3);
    // The whole answer makes the same ids.
    let whole = answer(frame);
    let ids = |done: &Completion| -> Vec<String> {
        let id = |p: &Part| match &p.kind {
            PartKind::ToolCall(call) => Some(call.id.to_string()),
            _ => None,
        };
        done.candidates[0].parts.iter().filter_map(id).collect()
    };
    assert_eq!(ids(&done), ids(&whole));
    assert_ne!(ids(&done)[0], ids(&done)[1]);
}

#[test]
fn arrays_are_streams_too() {
    let array = format!("[{}\n,\r\n{}\n,\r\n{}\n]", TEXT[0], TEXT[1], TEXT[2]);
    let done = collect(&events(Framing::JsonArray, &array));
    assert_eq!(done, read(&TEXT));
    let error = r#"[{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}]"#;
    assert!(matches!(events(Framing::JsonArray, error)[..], [Event::Failure(_)]));
}

#[test]
fn frames_nobody_knows_and_frames_that_are_broken() {
    let all = events(Framing::Sse, &sse(&[r#"{"what":1}"#, TEXT[2]]));
    assert!(all.iter().any(|e| matches!(e, Event::Unmodelled(_))));
    assert!(matches!(all.last(), Some(Event::End)));
    for broken in [
        r#"{"candidates":7}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":7}]}}]}"#,
        r#"{"candidates":[{"index":4000000000}]}"#,
        r#"[1]"#,
        "7",
    ] {
        let all = events(Framing::Sse, &sse(&[broken, TEXT[2]]));
        let Some(Event::Failure(error)) = all.last() else { panic!("{broken}: {all:?}") };
        assert_eq!(error.kind(), Kind::CorruptReply, "{broken}");
    }
}

/// What must read back: everything but how pieces were cut.
pub(super) fn words(done: &Completion) -> Vec<String> {
    let mut out = Vec::new();
    for candidate in &done.candidates {
        out.push(format!("{:?}", candidate.finish.as_ref().map(|f| &f.reason)));
        let mut last = "";
        for part in &candidate.parts {
            let (kind, text) = match &part.kind {
                PartKind::Text(t) => ("text", t.text.to_string()),
                PartKind::Reasoning(t) => ("reasoning", t.to_string()),
                other => ("", format!("{other:?}")),
            };
            if text.is_empty() && part.state.is_none() {
                continue;
            }
            let state = part.state.as_ref().map(|s| format!("{s:?}")).unwrap_or_default();
            match out.last_mut() {
                Some(open) if kind == last && !kind.is_empty() => {
                    open.push_str(&text);
                    open.push_str(&state);
                }
                _ => out.push(format!("{kind} {text}{state}")),
            }
            last = kind;
        }
    }
    out.push(format!("{:?} {:?}", done.id, done.usage.as_ref().map(|u| u.usage)));
    out
}

/// A completion streamed to a client of ours and read again.
pub(super) fn reads_back(done: &Completion, framing: Framing) {
    let cx = RenderCx { framing: Some(framing), ..RenderCx::default() };
    let all = done.explode();
    laws::check(&all).unwrap();
    let text = streamed(&all, &cx);
    let again = collect(&events(framing, &text));
    assert_eq!(words(&again), words(done), "{text}");
    assert_eq!((again.ended, again.failure.is_some()), (done.ended, false), "{text}");
}

#[test]
fn what_is_streamed_reads_back() {
    let calls = r#"{"candidates":[{"content":{"parts":[{"text":"so","thought":true,"thoughtSignature":"QQ=="},{"text":"x"},{"functionCall":{"id":"1","name":"f","args":{"a":1}},"thoughtSignature":"Qg=="},{"functionCall":{"name":"g"}},{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK"}}],"role":"model"},"finishReason":"STOP","index":0}],"responseId":"r","usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":2,"totalTokenCount":7}}"#;
    for done in [read(&TEXT), answer(calls)] {
        reads_back(&done, Framing::Sse);
        reads_back(&done, Framing::JsonArray);
    }
}

#[test]
fn the_framing_is_googles() {
    let cx = RenderCx { id: "gw".into(), ..RenderCx::default() };
    let done =
        read(&[r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#]);
    assert_eq!(
        streamed(&done.explode(), &cx),
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}],\"responseId\":\"gw\"}\r\n\r\n\
         data: {\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0}],\"responseId\":\"gw\"}\r\n\r\n"
    );
    let cx = RenderCx { framing: Some(Framing::JsonArray), ..RenderCx::default() };
    assert_eq!(
        streamed(&done.explode(), &cx),
        "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}]}\n,\r\n\
         {\"candidates\":[{\"finishReason\":\"STOP\",\"index\":0}]}\n]"
    );
}

#[test]
fn a_failure_is_the_last_thing_said() {
    let mut all = read(&TEXT).explode();
    all.pop();
    all.push(Event::Failure(Error::new(Kind::BrokenStream, "cut")));
    for framing in [Framing::Sse, Framing::JsonArray] {
        let cx = RenderCx { framing: Some(framing), ..RenderCx::default() };
        let again = collect(&events(framing, &streamed(&all, &cx)));
        assert_eq!(again.text(0), "a\nb");
        assert!(again.failure.unwrap().message().contains("cut"));
        // Nor was there an end before it.
        assert!(again.candidates[0].finish.is_none());
    }
}
