//! Each fault of a script ends as it says.

use std::time::Duration;

use llm_sim::Simulator;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use serde_json::Value;

use crate::vendors::{ask, good, start};
use crate::wire::{Got, post_for};

/// Asks for ten words under one act.
async fn under(sim: &Simulator, vendor: Vendor, act: &str, stream: bool) -> Got {
    let rule = format!("{{\"do\":{act}}}");
    let rules = Script::parse(rule.as_bytes()).unwrap_or_else(|e| panic!("{act}: {e}"));
    sim.upstream(vendor).unwrap().script(rules);
    let (path, headers, body) = good(vendor, "Write 10 words", stream);
    let patience = Duration::from_millis(1_500);
    post_for(sim.address(vendor).unwrap(), path, &headers, &body.to_string(), patience).await
}

fn deltas(got: &Got) -> usize {
    got.text().matches("\"delta\":\"").count()
}

/// An act, the status it ends in, and what stands where in the body.
type Case = (&'static str, u16, &'static str, &'static str);

async fn shapes(vendor: Vendor, cases: &[Case]) {
    let sim = start().await;
    for (act, status, pointer, word) in cases {
        let got = under(&sim, vendor, act, true).await;
        let body: Value = serde_json::from_str(&got.text()).unwrap();
        let found = body.pointer(pointer).and_then(Value::as_str);
        assert_eq!((got.status, found), (*status, Some(*word)), "{act}: {body}");
    }
}

#[tokio::test]
async fn errors_have_the_shape_of_openai() {
    let cases: [Case; 7] = [
        (r#"{"error":"rate_limit"}"#, 429, "/error/code", "rate_limit_exceeded"),
        (r#"{"error":"insufficient_quota"}"#, 429, "/error/type", "insufficient_quota"),
        (r#"{"error":"overloaded"}"#, 503, "/error/type", "server_error"),
        (r#"{"status":500}"#, 500, "/error/type", "server_error"),
        (r#"{"error":"invalid_key"}"#, 401, "/error/code", "invalid_api_key"),
        (r#"{"error":"context_length"}"#, 400, "/error/code", "context_length_exceeded"),
        (r#"{"error":"content_filter"}"#, 400, "/error/code", "content_filter"),
    ];
    shapes(Vendor::OpenAi, &cases).await;
    let sim = start().await;
    let soon = r#"{"error":"rate_limit","retry_after_ms":1270}"#;
    let got = under(&sim, Vendor::OpenAi, soon, false).await;
    assert_eq!(
        (got.header("retry-after"), got.header("retry-after-ms")),
        (Some("2"), Some("1270"))
    );
    let odd = r#"{"status":429,"retry_after":"Fri, 31 Dec 2027 23:59:59 GMT"}"#;
    let got = under(&sim, Vendor::OpenAi, odd, false).await;
    assert_eq!(got.header("retry-after"), Some("Fri, 31 Dec 2027 23:59:59 GMT"));
}

#[tokio::test]
async fn errors_have_the_shape_of_the_others() {
    let anthropic: [Case; 4] = [
        (r#"{"error":"rate_limit"}"#, 429, "/error/type", "rate_limit_error"),
        (r#"{"error":"overloaded"}"#, 529, "/error/type", "overloaded_error"),
        (r#"{"status":502}"#, 502, "/error/type", "api_error"),
        (r#"{"error":"invalid_key"}"#, 401, "/error/type", "authentication_error"),
    ];
    shapes(Vendor::Anthropic, &anthropic).await;
    let late = r#"{"error":"rate_limit","retry_after_ms":48000}"#;
    let gemini: [Case; 3] = [
        (late, 429, "/error/details/1/retryDelay", "48s"),
        (r#"{"error":"overloaded"}"#, 503, "/error/status", "UNAVAILABLE"),
        (r#"{"error":"invalid_key"}"#, 400, "/error/details/0/reason", "API_KEY_INVALID"),
    ];
    shapes(Vendor::Gemini, &gemini).await;
    let plain = r#"{"status":503,"message":"busy"}"#;
    shapes(Vendor::Cohere, &[(plain, 503, "/message", "busy")]).await;
    shapes(Vendor::Ollama, &[(plain, 503, "/error", "busy")]).await;
}

#[tokio::test]
async fn strange_bodies() {
    let sim = start().await;
    let html = under(&sim, Vendor::OpenAi, r#"{"error":"html","status":504}"#, false).await;
    assert_eq!((html.status, html.header("content-type")), (504, Some("text/html")));
    let empty = under(&sim, Vendor::OpenAi, r#"{"error":"empty"}"#, false).await;
    assert_eq!((empty.status, empty.body.len(), empty.complete), (502, 0, true));
    let huge = under(&sim, Vendor::OpenAi, r#"{"status":500,"error_bytes":3000000}"#, false).await;
    assert_eq!((huge.status, huge.body.len()), (500, 3_000_000));
    let away =
        under(&sim, Vendor::OpenAi, r#"{"redirect":"http://169.254.169.254/"}"#, false).await;
    assert_eq!((away.status, away.header("location")), (307, Some("http://169.254.169.254/")));
    let act = r#"{"headers":{"content-encoding":"gzip","content-type":"","x-odd":"1"}}"#;
    let odd = under(&sim, Vendor::OpenAi, act, false).await;
    assert_eq!((odd.header("content-encoding"), odd.header("content-type")), (Some("gzip"), None));
}

#[tokio::test]
async fn hangs_and_cuts() {
    let sim = start().await;
    let none = under(&sim, Vendor::OpenAi, r#"{"hang":"before_head"}"#, true).await;
    assert_eq!(none.status, 0);
    let head = under(&sim, Vendor::OpenAi, r#"{"hang":"after_head"}"#, true).await;
    assert_eq!((head.status, head.body.len(), head.complete), (200, 0, false));
    let some = under(&sim, Vendor::OpenAi, r#"{"hang":{"after_frames":3}}"#, true).await;
    assert_eq!((deltas(&some), some.complete, some.reset), (3, false, false));
    assert!(some.total >= Duration::from_millis(1_400));

    let reset = under(&sim, Vendor::OpenAi, r#"{"cut":{"after_frames":4}}"#, true).await;
    assert_eq!((deltas(&reset), reset.complete, reset.reset), (4, false, true));
    let fin = under(&sim, Vendor::OpenAi, r#"{"cut":{"after_frames":4,"how":"fin"}}"#, true).await;
    assert_eq!((deltas(&fin), fin.complete, fin.reset), (4, false, false));
    let clean =
        under(&sim, Vendor::OpenAi, r#"{"cut":{"after_frames":4,"how":"clean"}}"#, true).await;
    assert_eq!((deltas(&clean), clean.complete), (4, true));
    assert!(!clean.text().contains("[DONE]"));
    let byte = under(&sim, Vendor::OpenAi, r#"{"cut":{"at_byte":25,"how":"fin"}}"#, true).await;
    assert_eq!((byte.body.len(), byte.complete), (25, false));
    let whole = under(&sim, Vendor::OpenAi, r#"{"cut":{"at_byte":9,"how":"fin"}}"#, false).await;
    assert_eq!((whole.body.len(), whole.complete), (9, false));
    let gone = under(&sim, Vendor::OpenAi, r#"{"cut":{"before_head":true}}"#, true).await;
    assert_eq!((gone.status, gone.reset), (0, true));
}

#[tokio::test]
async fn slow_and_split() {
    let sim = start().await;
    let slow = under(&sim, Vendor::OpenAi, r#"{"first_byte_ms":200,"chunk_ms":20}"#, true).await;
    assert!(slow.head_after >= Duration::from_millis(200), "{slow:?}");
    assert!(slow.total >= slow.head_after + Duration::from_millis(200), "{slow:?}");
    assert_eq!(deltas(&slow), 10);
    let drip = under(&sim, Vendor::OpenAi, r#"{"drip":{"bytes":1,"every_ms":20}}"#, true).await;
    assert!(!drip.complete && (20..=90).contains(&drip.body.len()), "{}", drip.body.len());
    let plain = ask(&sim, Vendor::OpenAi, "Write 10 words", true).await;
    let split = under(&sim, Vendor::OpenAi, r#"{"split":1}"#, true).await;
    assert_eq!(split.body, plain.body);
    assert_eq!(split.chunks, split.body.len());
}

#[tokio::test]
async fn broken_frames() {
    let sim = start().await;
    let json = under(&sim, Vendor::OpenAi, r#"{"corrupt":{"frame":2,"with":"json"}}"#, true).await;
    let third = json.text().split("\n\n").nth(2).unwrap().to_owned();
    assert!(third.starts_with("data: {") && !third.ends_with('}'), "{third}");
    let utf8 = under(&sim, Vendor::OpenAi, r#"{"corrupt":{"frame":1,"with":"utf8"}}"#, true).await;
    assert!(std::str::from_utf8(&utf8.body).is_err());
    let nul = under(&sim, Vendor::OpenAi, r#"{"corrupt":{"with":"nul"}}"#, false).await;
    assert!(nul.body.contains(&0));
    let act = r#"{"corrupt":{"frame":1,"with":"long_line","bytes":1500000}}"#;
    let long = under(&sim, Vendor::OpenAi, act, true).await;
    assert!(long.body.split(|b| *b == b'\n').any(|l| l.len() > 1_500_000));
}

#[tokio::test]
async fn errors_inside_an_answer() {
    let sim = start().await;
    let act = r#"{"error":"overloaded","error_in_200":{"frame":3}}"#;
    for (vendor, mark) in [
        (Vendor::OpenAi, "data: {\"error\":"),
        (Vendor::Anthropic, "event: error\ndata: "),
        (Vendor::Cohere, "\"finish_reason\":\"ERROR\""),
        (Vendor::Ollama, "{\"error\":"),
    ] {
        let got = under(&sim, vendor, act, true).await;
        // Anthropic's first frame says what was read.
        let before = if vendor == Vendor::Anthropic { 2 } else { 3 };
        assert_eq!((got.status, deltas(&got), got.complete), (200, before, true), "{vendor}");
        assert!(got.text().contains(mark) && !got.text().contains("[DONE]"), "{}", got.text());
    }
    let whole = under(&sim, Vendor::Anthropic, act, false).await;
    assert_eq!(whole.status, 200);
    assert!(whole.text().starts_with("{\"error\":") && whole.complete);
}

#[tokio::test]
async fn false_usage() {
    let sim = start().await;
    for (word, there, gone) in [
        ("absent", "\"text\"", "\"usage\""),
        ("zero", "\"out\":0", "\"out\":10"),
        ("negative", "\"out\":-11", "\"out\":10"),
        ("float", "\"out\":10.5", "\"out\":10,"),
        ("string", "\"out\":\"10\"", "\"out\":10"),
        ("huge", "\"out\":18446744073709551615", "\"out\":10"),
    ] {
        let got = under(&sim, Vendor::OpenAi, &format!("{{\"usage\":\"{word}\"}}"), false).await;
        assert!(got.text().contains(there) && !got.text().contains(gone), "{word}: {}", got.text());
    }
}

#[tokio::test]
async fn things_said_twice_or_never_heard_of() {
    let sim = start().await;
    let count = |got: &Got, word: &str| got.text().matches(word).count();
    let twice = under(&sim, Vendor::OpenAi, r#"{"usage":"twice"}"#, true).await;
    assert_eq!(count(&twice, "\"usage\""), 2);
    let twice = under(&sim, Vendor::OpenAi, r#"{"usage":"twice"}"#, false).await;
    assert_eq!(count(&twice, "\"usage\""), 2);
    let done = under(&sim, Vendor::OpenAi, r#"{"double_done":true}"#, true).await;
    assert_eq!(count(&done, "[DONE]"), 2);
    let late = under(&sim, Vendor::OpenAi, r#"{"text_after_finish":true}"#, true).await;
    assert!(late.text().split("[DONE]").nth(1).unwrap().contains("delta"));
    let odd = under(&sim, Vendor::OpenAi, r#"{"unknown":true}"#, true).await;
    assert!(odd.text().contains("event: sim.unknown") && odd.text().contains("sim_unknown"));
    let text = under(&sim, Vendor::OpenAi, r#"{"text":"fixed"}"#, false).await;
    assert!(text.text().contains("\"fixed\""));
    let long = under(&sim, Vendor::OpenAi, r#"{"output_tokens":500}"#, true).await;
    assert_eq!(deltas(&long), 500);
}

#[tokio::test]
async fn a_prompt_may_ask_for_faults_only_where_it_is_let() {
    let asked = "please [[sim: {\"status\": 418, \"message\": \"tea\"}]]";
    let sim = start().await;
    assert_eq!(ask(&sim, Vendor::OpenAi, asked, false).await.status, 200);
    let options = llm_sim::Options {
        dialects: crate::pidgin::caller,
        prompt_faults: true,
        ..llm_sim::Options::default()
    };
    let sim = Simulator::start(options).await.unwrap();
    let got = ask(&sim, Vendor::OpenAi, asked, false).await;
    assert_eq!(got.status, 418);
    assert!(got.text().contains("tea"));
    let wrong = ask(&sim, Vendor::OpenAi, "[[sim: {\"statsu\": 418}]]", false).await;
    assert!(wrong.status == 400 && wrong.text().contains("statsu"), "{}", wrong.text());
}
