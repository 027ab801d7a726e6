use llm_core::dialect::{Keep, TapCx};

use super::*;
use crate::frame::Splitter;

fn watch(frames: &[&str], hide_usage: bool) -> (Vec<Keep>, llm_core::dialect::Observed) {
    let mut splitter = Splitter::new(Framing::Sse);
    let mut cut = Vec::new();
    splitter.feed(Bytes::from(sse(frames)), &mut cut).unwrap();
    let mut tap = OpenaiChat.tap(TapCx { hide_usage, ..TapCx::default() });
    let kept = cut.iter().map(|f| tap.see(f)).collect();
    (kept, tap.observed().clone())
}

const TEXT: &str = r#"{"id":"c","choices":[{"index":0,"delta":{"content":"say \"usage\" and \"finish_reason\":\"x\""},"finish_reason":null}],"usage":null}"#;
const STOP: &str =
    r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}"#;
const USAGE: &str =
    r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;

#[test]
fn facts_are_seen_and_only_our_usage_is_hidden() {
    let (kept, seen) = watch(&[TEXT, TEXT, STOP, USAGE, "[DONE]"], true);
    assert_eq!(kept, [Keep::Forward, Keep::Forward, Keep::Forward, Keep::Hide, Keep::Forward]);
    assert_eq!(seen.usage.unwrap().output, 2);
    assert_eq!((seen.deltas, seen.ended), (2, true));
    assert_eq!(seen.delta_bytes, 2 * TEXT.len() as u64);
    assert_eq!(seen.finish, Some(llm_core::completion::FinishReason::Stop));
    let (kept, _) = watch(&[USAGE], false);
    assert_eq!(kept, [Keep::Forward]);
    // A host that counts beside the last words.
    let both = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let (kept, seen) = watch(&[both], true);
    assert_eq!((kept, seen.deltas), (vec![Keep::Forward], 1));
}

#[test]
fn a_cut_stream_has_not_ended_and_a_failed_one_says_so() {
    let (_, seen) = watch(&[TEXT], false);
    assert!(!seen.ended && seen.finish.is_none() && seen.failure.is_none());
    let other = r#"{"choices":[{"index":1,"delta":{"content":"x"},"finish_reason":null}]}"#;
    let (_, seen) = watch(&[STOP, other], false);
    assert!(!seen.ended);
    let (_, seen) = watch(&[TEXT, r#"{"error":{"message":"m","code":500}}"#], false);
    assert!(seen.failure.is_some());
}
