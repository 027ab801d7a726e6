use llm_core::dialect::{Keep, TapCx};

use super::*;
use crate::frame::Splitter;

fn watch(frames: &[&str], hide_usage: bool) -> (Vec<Keep>, llm_core::dialect::Observed) {
    let mut splitter = Splitter::new(Framing::Sse);
    let mut cut = Vec::new();
    splitter.feed(&Bytes::from(sse(frames)), &mut cut).unwrap();
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
    assert_eq!((seen.written, seen.guessed), (2 * 14, true));
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

fn several(frames: &[&str], candidates: u16) -> llm_core::dialect::Observed {
    let mut splitter = Splitter::new(Framing::Sse);
    let mut cut = Vec::new();
    splitter.feed(&Bytes::from(sse(frames)), &mut cut).unwrap();
    let mut tap = OpenaiChat.tap(TapCx { candidates, ..TapCx::default() });
    for frame in &cut {
        tap.see(frame);
    }
    tap.observed().clone()
}

/// The finish of one choice is not the end of the others, even where each chunk counts as well.
#[test]
fn several_choices_end_together() {
    let says = |n: u8| {
        format!(
            r#"{{"choices":[{{"index":{n},"delta":{{"content":"x"}},"finish_reason":null}}],"usage":{{"prompt_tokens":1,"completion_tokens":1}}}}"#
        )
    };
    let stops = |n: u8, why: &str| {
        format!(r#"{{"choices":[{{"index":{n},"delta":{{}},"finish_reason":"{why}"}}]}}"#)
    };
    let (a, b) = (says(0), says(1));
    let seen = several(&[&a, &b, &stops(0, "stop"), &b], 2);
    assert!(!seen.ended, "the second choice was in the middle");
    let seen = several(&[&a, &b, &stops(0, "content_filter"), &b, &stops(1, "stop")], 2);
    assert!(seen.ended);
    // Of several words the worst stands.
    assert_eq!(seen.finish, Some(llm_core::completion::FinishReason::ContentFilter));
}

/// A refusal in words ends like any answer, and is none to keep.
#[test]
fn refusals_and_searches_are_seen() {
    use llm_core::completion::FinishReason::Refusal;
    let refuses =
        r#"{"choices":[{"index":0,"delta":{"refusal":"I cannot"},"finish_reason":null}]}"#;
    let seen = several(&[refuses, STOP, "[DONE]"], 1);
    assert_eq!((seen.finish, seen.deltas), (Some(Refusal), 1));
    let whole = br#"{"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal": "No."},"finish_reason":"stop"}]}"#;
    let body = Bytes::from_static(whole);
    let seen = OpenaiChat.glance(Operation::Chat, Body { bytes: &body, content_type: None });
    assert_eq!(seen.unwrap().seen.finish, Some(Refusal));
    let cites = r#"{"choices":[{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"url":"https://a.example"}}]},"finish_reason":null}]}"#;
    assert_eq!(several(&[cites, STOP], 1).searches, 1);
}

/// The pass over a whole answer sees what a search through it would.
#[test]
fn whole_answers_tell_of_refusals_and_searches_without_being_searched() {
    let look = |members: &str| {
        let body = format!(
            r#"{{"choices":[{{"message":{{"role":"assistant",{members}}},"finish_reason":"stop"}}],"model":"m"}}"#
        );
        let body = Bytes::from(body);
        let seen = OpenaiChat.glance(Operation::Chat, Body { bytes: &body, content_type: None });
        let seen = seen.unwrap().seen;
        let refuses = seen.finish == Some(llm_core::completion::FinishReason::Refusal);
        assert_eq!(refuses, crate::openai_chat::tap::refuses(&body), "{members}");
        assert_eq!(seen.searches == 1, crate::openai_chat::tap::cites(&body), "{members}");
        (refuses, seen.searches)
    };
    for (members, expected) in [
        (r#""content":"Yes.","refusal":null"#, (false, 0)),
        (r#""content":"Yes.","refusal":"""#, (false, 0)),
        (r#""content":null,"refusal" : "No.""#, (true, 0)),
        (r#""content":[{"type":"refusal","refusal":"No."}]"#, (true, 0)),
        (r#""content":[{"type":"refusal"},"No."]"#, (false, 0)),
        (r#""refusal":["No."]"#, (false, 0)),
        (r#""refusal":{"why":"No."}"#, (false, 0)),
        (r#""content":"a \"refusal\": \"No.\" of a \"url_citation\" in words""#, (false, 0)),
        (r#""annotations":[{"type":"url_citation"}]"#, (false, 1)),
        (r#""annotations":[{"url_citation":{"url":"u"}}]"#, (false, 1)),
        (r#""annotations":[{"type":"file_citation"}]"#, (false, 0)),
    ] {
        assert_eq!(look(members), expected, "{members}");
        // What breaks the pass is searched.
        assert_eq!(look(&format!(r#""tool":1}},"\u0061":2,"x":{{{members}"#)), expected);
    }
}

/// Other operations stream in events of their own.
#[test]
fn transcripts_and_pictures_end_with_their_own_word() {
    let look = |frames: &[&str]| {
        let mut splitter = Splitter::new(Framing::Sse);
        let mut cut = Vec::new();
        splitter.feed(&Bytes::from(sse(frames)), &mut cut).unwrap();
        let mut tap =
            OpenaiChat.tap(TapCx { operation: Operation::Transcribe, ..TapCx::default() });
        for frame in &cut {
            tap.see(frame);
        }
        tap.observed().clone()
    };
    let (delta, done) = (
        r#"{"type":"transcript.text.delta","delta":"I"}"#,
        r#"{"type":"transcript.text.done","text":"I see","usage":{"type":"tokens","input_tokens":3,"output_tokens":2,"total_tokens":5}}"#,
    );
    let seen = look(&[delta]);
    assert!(seen.deltas == 1 && !seen.ended);
    let seen = look(&[delta, done]);
    assert!(seen.ended && seen.usage.is_some_and(|u| u.output == 2), "{seen:?}");
    assert!(look(&[delta, r#"{"error":{"message":"m"}}"#]).failure.is_some());
}

/// What a frame says does not depend on what the one before it looked like.
#[test]
fn each_frame_counts_as_if_it_were_alone() {
    let around = |delta: &str, more: &str| {
        format!(
            r#"{{"id":"c","choices":[{{"index":0,"delta":{{{delta}}},"finish_reason":null}}]{more}}}"#
        )
    };
    let word = |text: &str| around(&format!(r#""content":"{text}""#), "");
    let hidden = |text: &str, noise: &str| {
        around(
            &format!(r#""content":"{text}""#),
            &format!(r#","usage":null,"obfuscation":"{noise}""#),
        )
    };
    let frames = [
        around(r#""role":"assistant","content":"""#, ""),
        word("Hi"),
        word(" there, how are you today?"),
        word(r#" \"so\" \u00e9 \\"#),
        word(""),
        word("한국어로 말합니다"),
        hidden("a", "x7"),
        hidden(" longer one", ""),
        hidden("b", "x"),
        around(r#""reasoning":"let me see""#, ""),
        around(r#""reasoning":"some more of it","content":"and this""#, ""),
        around(r#""reasoning":"some more and more of it","content":"and this""#, ""),
        around(r#""content":"x","refusal":null"#, ""),
        around(r#""content":"yz","refusal":"No, no.""#, ""),
        around(r#""content":"yz","refusal":"No, I can not.""#, ""),
        word("so"),
        around(r#""tool_calls":[{"function":{"name":"get","arguments":"{\"a\":1}"}}]"#, ""),
        word("after a call"),
        TEXT.to_owned(),
        word("behind it"),
        STOP.to_owned(),
        USAGE.to_owned(),
    ];
    let frames: Vec<&str> = frames.iter().map(String::as_str).collect();
    let all = several(&frames, 1);
    let alone: Vec<_> = frames.iter().map(|frame| several(&[frame], 1)).collect();
    assert_eq!(all.written, alone.iter().map(|seen| seen.written).sum::<u64>());
    assert_eq!(all.deltas, alone.iter().map(|seen| seen.deltas).sum::<u32>());
    assert!(all.ended && all.usage.is_some());
    // Whoever goes on behind the end has not ended, however alike.
    let on = several(&[&word("a"), &word("b"), STOP, &word("c")], 1);
    assert_eq!((on.ended, on.deltas), (false, 3));
}
