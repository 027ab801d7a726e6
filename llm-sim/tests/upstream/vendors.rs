//! What every vendor does, and the calls that control it.

use llm_sim::upstream::Vendor;
use llm_sim::{Options, Simulator};
use serde_json::{Value, json};

use crate::pidgin;
use crate::wire::{self, Got, post};

pub(crate) async fn start() -> Simulator {
    let options = Options { dialects: pidgin::caller, ..Options::default() };
    Simulator::start(options).await.unwrap()
}

/// A good request to a vendor.
pub(crate) fn good(
    vendor: Vendor,
    text: &str,
    stream: bool,
) -> (&'static str, Vec<(&'static str, &'static str)>, Value) {
    let messages = json!([{"role": "user", "content": text}]);
    match vendor {
        Vendor::OpenAi => (
            "/v1/chat/completions",
            vec![("authorization", "Bearer sk-test")],
            json!({"model": "gpt-4o-mini", "messages": messages, "stream": stream}),
        ),
        Vendor::Anthropic => (
            "/v1/messages",
            vec![("x-api-key", "k"), ("anthropic-version", "2023-06-01")],
            json!({"model": "claude", "max_tokens": 100, "messages": messages, "stream": stream}),
        ),
        Vendor::Gemini => (
            "/v1beta/models/gemini-2.5-flash:generateContent",
            vec![("x-goog-api-key", "k")],
            json!({"contents": [{"role": "user", "parts": [{"text": text}]}]}),
        ),
        Vendor::Cohere => (
            "/v2/chat",
            vec![("authorization", "Bearer k")],
            json!({"model": "command-a", "messages": messages, "stream": stream}),
        ),
        Vendor::Ollama => (
            "/api/chat",
            vec![],
            json!({"model": "llama3.2", "messages": messages, "stream": stream}),
        ),
    }
}

pub(crate) async fn ask(sim: &Simulator, vendor: Vendor, text: &str, stream: bool) -> Got {
    let (path, headers, body) = good(vendor, text, stream);
    post(sim.address(vendor).unwrap(), path, &headers, &body.to_string()).await
}

#[tokio::test]
async fn every_vendor_answers_and_records() {
    let sim = start().await;
    for vendor in Vendor::ALL {
        let whole = ask(&sim, vendor, "hello there", false).await;
        assert_eq!(whole.status, 200, "{vendor}: {}", whole.text());
        assert!(whole.text().contains("hello there"), "{vendor}: {}", whole.text());
        assert!(whole.complete);
        let kept = sim.upstream(vendor).unwrap().requests();
        assert_eq!((kept.len(), kept[0].status, kept[0].accepted), (1, Some(200), Some(true)));
        assert!(kept[0].done && !kept[0].left_early);
        assert_eq!(kept[0].bytes_sent as usize, whole.body.len());
        assert!(kept[0].output_tokens > 0);
    }
    sim.shutdown().await;
}

#[tokio::test]
async fn streams_carry_one_delta_a_token() {
    let sim = start().await;
    let got = ask(&sim, Vendor::OpenAi, "Tell a story in 20 words", true).await;
    assert_eq!(got.header("content-type"), Some("text/event-stream"));
    let deltas = got.text().matches("\"delta\"").count();
    assert_eq!(deltas, 20);
    assert!(got.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn control_calls() {
    let sim = start().await;
    let address = sim.address(Vendor::OpenAi).unwrap();
    let bad = post(address, "/__sim/script", &[], r#"{"do":{"nope":1}}"#).await;
    assert_eq!(bad.status, 400);
    assert!(bad.text().contains("nope"));
    for path in ["/__sim/script", "/__sim"] {
        let set = post(address, path, &[], r#"[{"do":{"status":503}}]"#).await;
        assert_eq!((set.status, set.text()), (200, r#"{"rules":1}"#.to_owned()));
    }
    assert_eq!(ask(&sim, Vendor::OpenAi, "x", false).await.status, 503);
    assert_eq!(ask(&sim, Vendor::OpenAi, "x", false).await.status, 200);
    let page = wire::get(address, "/__sim/requests?since=1").await;
    let page: Value = serde_json::from_str(&page.text()).unwrap();
    assert_eq!(page["requests"].as_array().unwrap().len(), 1);
    assert_eq!(page["attempts"], json!({"gpt-4o-mini": 2}));
    assert_eq!(page["last"], 2);
    let first = &page["requests"][0];
    assert_eq!(
        (first["operation"].as_str(), first["stream"].as_bool()),
        (Some("chat"), Some(false))
    );
    assert!(!page.to_string().contains("sk-test"), "a key was recorded");
    post(address, "/__sim/reset", &[], "").await;
    let page = wire::get(address, "/__sim/requests").await;
    assert!(page.text().contains("\"requests\":[]"));
}

#[tokio::test]
async fn a_caller_who_leaves_is_noticed() {
    let sim = start().await;
    let upstream = sim.upstream(Vendor::OpenAi).unwrap();
    upstream
        .script(llm_sim::script::Script::parse(br#"{"do":{"hang":{"after_frames":2}}}"#).unwrap());
    let (path, headers, body) = good(Vendor::OpenAi, "hello", true);
    let address = sim.address(Vendor::OpenAi).unwrap();
    wire::leave_after(address, path, &headers, &body.to_string(), 10).await;
    for _ in 0..100 {
        if upstream.requests()[0].done {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let record = &upstream.requests()[0];
    assert!(record.done && record.left_early && record.bytes_sent > 0, "{record:?}");
}

#[tokio::test]
async fn a_busy_port_is_an_error_that_names_it() {
    let sim = start().await;
    let port = sim.address(Vendor::OpenAi).unwrap().port();
    let options = Options { port_base: port, ..Options::default() };
    let error = Simulator::start(options).await.unwrap_err().to_string();
    assert!(error.contains(&port.to_string()) && error.contains("openai"), "{error}");
}

#[tokio::test]
async fn ollama_says_that_it_is_there() {
    let sim = start().await;
    let got = wire::get(sim.address(Vendor::Ollama).unwrap(), "/").await;
    assert_eq!((got.status, got.text().as_str()), (200, "Ollama is running"));
}
