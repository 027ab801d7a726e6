//! What passes is seen, and nothing is touched.

use bytes::Bytes;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Framing, Keep, Observed, TapCx, UpstreamDialect};

use super::{Gemini, sse};
use crate::frame::Splitter;

fn watched(frames: &str) -> Observed {
    let (mut splitter, mut out) = (Splitter::new(Framing::Sse), Vec::new());
    splitter.feed(&Bytes::from(frames.to_owned()), &mut out).unwrap();
    splitter.finish(&mut out);
    let mut tap = Gemini.tap(TapCx { hide_usage: true, ..TapCx::default() });
    out.iter().for_each(|frame| assert_eq!(tap.see(frame), Keep::Forward));
    tap.observed().clone()
}

const WORD: &str = r#"{"candidates":[{"content":{"parts":[{"text":"say \"usageMetadata\": {"}]}}],"usageMetadata": {"promptTokenCount":3,"candidatesTokenCount":1},"modelVersion":"m"}"#;

#[test]
fn counts_and_ends_are_seen() {
    let last = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9}}"#;
    let cut = watched(&sse(&[WORD]));
    assert_eq!(cut.usage.unwrap().output, 1);
    assert!(!cut.ended && cut.deltas == 1 && cut.written >= 1);
    let whole = watched(&sse(&[WORD, last]));
    assert_eq!(whole.usage.unwrap().output, 9);
    assert_eq!(whole.finish, Some(FinishReason::ToolCalls));
    assert!(whole.ended && whole.failure.is_none());
}

#[test]
fn blocks_and_failures_are_seen() {
    let blocked = watched(&sse(&[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#]));
    assert_eq!(blocked.finish, Some(FinishReason::ContentFilter));
    assert!(blocked.ended);
    let tail =
        "{\n\"error\": {\"code\": 503, \"message\": \"m\", \"status\": \"UNAVAILABLE\"}\n}\n";
    let failed = watched(&format!("{}{tail}", sse(&[WORD])));
    assert_eq!(failed.failure.unwrap().fault().unwrap().class.name(), "overloaded");
    let frame = watched(&sse(&[r#"{"error":{"code":500,"status":"INTERNAL"}}"#]));
    assert!(frame.failure.is_some());
}
