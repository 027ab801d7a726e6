//! The real dialects, both halves at once: words, written by the upstream half, answered by the
//! simulator through the caller half, and read by the upstream half again, are the model's words.
//!
//! A dialect without a caller half cannot be simulated and is passed over.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, FinishReason, collect};
use llm_core::dialect::{Body, Chunks, DialectId, Encoded, SendCx};
use llm_core::event::Event;
use llm_core::prompt::{Message, PartKind, Prompt, Request, Role, Tool, ToolKind};
use llm_core::raw::Raw;
use llm_core::seam::Transport;
use llm_dialects::drive::Driver;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use serde_json::json;

const MODEL: &str = "sim-model";

/// Sends words to a vendor in one of its dialects and reads what comes back.
struct Line {
    sim: SimTransport,
    vendor: Vendor,
    dialect: DialectId,
}

impl Line {
    fn all() -> Vec<Self> {
        let lines = Vendor::ALL.into_iter().flat_map(|vendor| {
            let spoken = vendor.dialects().iter();
            spoken.map(move |id| (vendor, *id))
        });
        lines
            .filter(|(_, id)| {
                llm_dialects::caller(*id).is_some() && llm_dialects::upstream(*id).is_some()
            })
            .map(|(vendor, dialect)| Self {
                sim: SimTransport::new(&Options::default()),
                vendor,
                dialect,
            })
            .collect()
    }

    async fn send(&self, request: &Request, stream: bool) -> (http::response::Parts, Bytes) {
        let upstream = llm_dialects::upstream(self.dialect).unwrap();
        let cx = SendCx { model: MODEL, stream, usage_frame: true, capability: &Capability::ALL };
        let endpoint = upstream.endpoint(Operation::Chat, MODEL, stream).unwrap();
        let prompt = Prompt::Chat(Request { stream, ..request.clone() });
        let Encoded { body, content_type, .. } = upstream.encode(&prompt, &cx).unwrap();
        let caller = llm_dialects::caller(self.dialect).unwrap();
        let routed = |prefix: &&str| {
            caller.route(&endpoint.method, &format!("{prefix}{}", endpoint.path)).is_some()
        };
        let prefix = ["", "/v1", "/v1beta", "/v2"].into_iter().find(routed).unwrap();
        let request = http::Request::builder()
            .method(endpoint.method)
            .uri(format!("http://{}.sim{prefix}{}", self.vendor, endpoint.path))
            .header("authorization", "Bearer key")
            .header("x-api-key", "key")
            .header("x-goog-api-key", "key")
            .header("anthropic-version", "2023-06-01")
            .header("content-type", &*content_type)
            .body(Chunks::from_iter([body]))
            .unwrap();
        let response = self.sim.send(request).await.unwrap();
        let (parts, mut body) = response.into_parts();
        let mut out = Vec::new();
        while let Some(bytes) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            out.extend(bytes.unwrap());
        }
        (parts, out.into())
    }

    async fn ask(&self, request: &Request, stream: bool) -> Completion {
        let (parts, body) = self.send(request, stream).await;
        let text = String::from_utf8_lossy(&body);
        assert_eq!(parts.status, 200, "{} {}: {text}", self.vendor, self.dialect);
        let upstream = llm_dialects::upstream(self.dialect).unwrap();
        if stream {
            let content_type = parts.headers["content-type"].to_str().unwrap();
            let framing = upstream.framing(content_type).unwrap();
            let mut driver = Driver::new(framing, upstream.stream_decoder(Operation::Chat));
            let mut events: Vec<Event> = Vec::new();
            driver.feed(body.clone(), &mut events);
            driver.finish(&mut events);
            return collect(&events);
        }
        match upstream.decode_answer(Operation::Chat, Body::json(&body)).unwrap() {
            Answer::Chat(whole) => whole,
            other => panic!("{other:?}"),
        }
    }

    fn has_tools(&self) -> bool {
        !matches!(self.dialect, DialectId::OpenaiCompletions | DialectId::OllamaGenerate)
    }
}

fn request(text: &str) -> Request {
    let messages = vec![Message::text(Role::User, text)];
    let mut request = Request { model: MODEL.into(), messages, ..Request::default() };
    // Anthropic insists on it.
    request.output.tokens_max = Some(500u64.into());
    request
}

#[tokio::test]
async fn text_arrives_whole_and_streamed() {
    for line in Line::all() {
        let (at, asked) =
            (line.dialect, request("Reply with exactly: 안녕, \"world\"\\ \u{2028} & <b>"));
        for stream in [false, true] {
            let whole = line.ask(&asked, stream).await;
            assert_eq!(whole.text(0), "안녕, \"world\"\\ \u{2028} & <b>", "{at} {stream}");
            assert!(whole.ended && whole.failure.is_none(), "{at} {stream}: {whole:?}");
            let finish = &whole.candidates[0].finish.as_ref().unwrap().reason;
            assert_eq!(finish, &FinishReason::Stop, "{at} {stream}");
            let usage = whole.usage.unwrap_or_else(|| panic!("{at} {stream}: no usage")).usage;
            let said = llm_sim::model::tokens::tokens("안녕, \"world\"\\ \u{2028} & <b>");
            assert_eq!(usage.output_total(), Some(said), "{at} {stream}");
            assert!(usage.input_total().unwrap() > 0, "{at} {stream}");
        }
    }
}

#[tokio::test]
async fn tool_calls_arrive() {
    for line in Line::all().into_iter().filter(Line::has_tools) {
        let mut asked = request("What is the weather in Paris and Oslo?");
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        asked.tools.push(Tool {
            name: "get_weather".into(),
            description: Some("Weather of a city.".into()),
            kind: ToolKind::Function { schema: Some(Raw::of(&schema).unwrap()), strict: None },
            cache: None,
            extra: Default::default(),
        });
        for stream in [false, true] {
            let whole = line.ask(&asked, stream).await;
            let mut calls = BTreeMap::new();
            for part in &whole.candidates[0].parts {
                if let PartKind::ToolCall(call) = &part.kind {
                    calls.insert(call.arguments.replace(' ', ""), call.name.to_string());
                }
            }
            let wanted = [r#"{"city":"Oslo"}"#, r#"{"city":"Paris"}"#];
            let wanted = wanted.map(|a| (a.to_owned(), "get_weather".to_owned()));
            assert_eq!(calls, BTreeMap::from(wanted), "{} {stream}: {whole:?}", line.dialect);
        }
    }
}

#[tokio::test]
async fn caps_end_as_caps() {
    for line in Line::all() {
        let mut asked = request("Tell a story in 100 words");
        asked.output.tokens_max = Some(20u64.into());
        for stream in [false, true] {
            let whole = line.ask(&asked, stream).await;
            let finish = &whole.candidates[0].finish.as_ref().unwrap().reason;
            assert_eq!(finish, &FinishReason::Length, "{} {stream}", line.dialect);
        }
    }
}

#[tokio::test]
async fn refusals_are_understood() {
    use llm_core::fault::FaultClass as F;
    let cases = [
        (r#"{"error":"rate_limit","retry_after_ms":2000}"#, F::RateLimited),
        (r#"{"error":"overloaded"}"#, F::Overloaded),
        (r#"{"error":"invalid_key"}"#, F::Authentication),
        (r#"{"error":"context_length"}"#, F::ContextOverflow),
        (r#"{"status":500}"#, F::Server),
    ];
    for line in Line::all() {
        let upstream = llm_dialects::upstream(line.dialect).unwrap();
        for (act, class) in cases {
            let rules = Script::parse(format!("{{\"do\":{act}}}").as_bytes()).unwrap();
            line.sim.upstream(line.vendor).unwrap().script(rules);
            let (parts, body) = line.send(&request("x"), false).await;
            let fault = upstream.decode_error(&parts, &body);
            assert_eq!(fault.class, class, "{} {} {act}: {body:?}", line.vendor, line.dialect);
        }
    }
}

#[tokio::test]
async fn failures_inside_a_stream_are_failures() {
    for line in Line::all() {
        let act = br#"{"do":{"error":"overloaded","error_in_200":{"frame":2}}}"#;
        line.sim.upstream(line.vendor).unwrap().script(Script::parse(act).unwrap());
        let whole = line.ask(&request("hello"), true).await;
        assert!(whole.failure.is_some() && !whole.ended, "{}: {whole:?}", line.dialect);
    }
}
