use llm_core::completion::FinishReason;
use llm_core::prompt::PartKind;
use llm_core::usage::Usage;

use super::super::usage::{Counts, disjoint};
use super::*;

const FULL: &str = r#"{"id":"resp_1","object":"response","created_at":1746812334,"status":"completed",
 "error":null,"incomplete_details":null,"instructions":null,"model":"gpt-x","x":{"y":1},
 "output":[
  {"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"why"}],"encrypted_content":"gAAA"},
  {"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search"}},
  {"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[
    {"type":"output_text","text":"Hello","annotations":[{"type":"file_citation","file_id":"f","index":3,"filename":"n"}],"logprobs":[]},
    {"type":"refusal","refusal":"no"}]},
  {"id":"ig_1","type":"image_generation_call","status":"completed","output_format":"webp","result":"UklG"},
  {"id":"fc_1","type":"function_call","status":"completed","call_id":"c1","name":"f","arguments":"{}"}],
 "parallel_tool_calls":true,"tool_choice":"auto","tools":[],"metadata":{},
 "usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":20,"cache_write_tokens":30},
  "output_tokens":50,"output_tokens_details":{"reasoning_tokens":40,"x":1},"total_tokens":150}}"#;

#[test]
fn a_reply_returns_as_it_came() {
    let small = [
        r#"{"id":"resp_1","object":"response","created_at":1.5,"status":"incomplete","model":"m",
            "incomplete_details":{"reason":"max_output_tokens","x":1},"output":[],"usage":null}"#,
        r#"{"id":"r","status":"queued","model":"m","output":[],"error":null}"#,
        r#"{"output":[{"type":"message","role":"assistant","content":[]}],"status":"cancelled"}"#,
        r#"{"output":[{"type":"message","role":"assistant","content":[
            {"type":"output_text","text":"a","annotations":[]},{"type":"odd","x":1}]}],"status":"completed"}"#,
        r#"{"output":[{"type":"reasoning","id":"r","summary":[{"type":"odd"}]}],"status":"completed","status_details":null}"#,
    ];
    for text in small.into_iter().chain([FULL]) {
        let words = reply(text);
        assert_eq!(collect(&words.explode()), words, "{text}");
        laws::check(&words.explode()).unwrap();
        let again = rendered(&words);
        assert!(again.losses.is_empty(), "{text}: {:?}", again.losses);
        assert_eq!(value(&again.body), value(text.as_bytes()), "{text}");
    }
}

#[test]
fn the_words_of_a_reply() {
    let words = reply(FULL);
    assert!(words.ended && words.failure.is_none());
    let parts = &words.candidates[0].parts;
    assert_eq!(parts.len(), 6);
    assert!(parts[0].state.is_some());
    assert!(
        matches!(&parts[4].kind, PartKind::Image(m) if m.mime.as_deref() == Some("image/webp"))
    );
    assert_eq!(words.candidates[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let usage = words.usage.unwrap().usage;
    assert_eq!((usage.input, usage.cache_read, usage.cache_write), (50, 20, 30));
    assert_eq!((usage.output, usage.reasoning), (10, 40));
}

#[test]
fn endings_have_their_reasons() {
    let reason = |status: &str, why: &str| {
        let details = match why {
            "" => "null".to_owned(),
            why => format!(r#"{{"reason":"{why}"}}"#),
        };
        let text = format!(r#"{{"status":"{status}","incomplete_details":{details},"output":[]}}"#);
        reply(&text).candidates.first().and_then(|c| c.finish.clone()).map(|f| f.reason)
    };
    assert_eq!(reason("completed", ""), Some(FinishReason::Stop));
    assert_eq!(reason("incomplete", "max_output_tokens"), Some(FinishReason::Length));
    assert_eq!(reason("incomplete", "content_filter"), Some(FinishReason::ContentFilter));
    assert_eq!(reason("incomplete", "new"), Some(FinishReason::Other("new".into())));
    assert_eq!(reason("cancelled", ""), Some(FinishReason::Other("cancelled".into())));
    assert_eq!(reason("in_progress", ""), None);
    assert_eq!(reason("queued", ""), None);
}

#[test]
fn a_failed_reply_says_why_and_keeps_what_came() {
    let text = r#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"},
        "output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"half"}]}]}"#;
    let words = reply(text);
    assert!(!words.ended);
    assert_eq!(words.text(0), "half");
    let fault = words.failure.as_ref().unwrap().fault().unwrap();
    assert_eq!((fault.status, fault.class.name()), (200, "rate_limited"));
    laws::check(&words.explode()).unwrap();
    assert_eq!(value(&rendered(&words).body), value(text.as_bytes()));
    let bare = reply(r#"{"error":{"message":"nope","type":"server_error"}}"#);
    assert!(bare.failure.is_some());
}

#[test]
fn counts_become_disjoint() {
    let counts = |input, cached, written, output, reasoning, total| Counts {
        input: Some(input),
        cached,
        written,
        output: Some(output),
        reasoning,
        total: Some(total),
    };
    let usage = |input, cache_read, cache_write, output, reasoning| Usage {
        input,
        cache_read,
        cache_write,
        output,
        reasoning,
        ..Usage::default()
    };
    let golden = [
        (counts(100, 0, 0, 10, 0, 110), usage(100, 0, 0, 10, 0)),
        (counts(1220, 0, 1217, 100, 54, 1320), usage(3, 0, 1217, 46, 54)),
        (counts(2941, 1920, 0, 1249, 1024, 4190), usage(1021, 1920, 0, 225, 1024)),
        // xAI leaves reasoning out of the output.
        (counts(32, 6, 0, 9, 230, 271), usage(26, 6, 0, 9, 230)),
        // Nonsense never makes a count negative.
        (counts(5, 9, 9, 1, 7, 6), usage(0, 5, 0, 0, 1)),
    ];
    for (counts, wanted) in golden {
        assert_eq!(disjoint(counts), wanted, "{counts:?}");
    }
    let unsaid = disjoint(Counts { output: Some(3), ..Counts::default() });
    assert!(unsaid.unknown.input && !unsaid.unknown.output);
}
