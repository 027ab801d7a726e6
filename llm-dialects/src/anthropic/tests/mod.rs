//! The dialect's laws, on small words of our own and on recorded traffic where there is some.

use bytes::{Bytes, BytesMut};
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{
    Body, CallerDialect, Dialect, Encoded, Framing, RenderCx, Route, SendCx, UpstreamDialect,
};
use llm_core::event::{Event, laws};
use llm_core::extra::{Extra, LossReason, Losses};
use llm_core::prompt::{Opaque, Part, PartKind, Prompt, Request, ToolCall};
use llm_core::raw::Raw;
use serde_json::{Value, json};

use super::{Anthropic, ID};
use crate::drive::Driver;

mod errors;
mod questions;
mod recorded;
mod replies;
mod requests;
mod streams;
mod usages;

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn route() -> Route {
    Route::new(Operation::Chat)
}

/// A request of this dialect, in words.
fn asked(body: &Value) -> Request {
    let bytes = bytes(body);
    match Anthropic.decode(&route(), Body::json(&bytes)).unwrap() {
        Prompt::Chat(request) => request,
        other => panic!("{other:?}"),
    }
}

fn said(losses: &Losses) -> Vec<String> {
    let mark = |reason| match reason {
        LossReason::Dropped => '-',
        LossReason::Approximated => '~',
        LossReason::Reordered => '=',
    };
    losses.iter().map(|l| format!("{}{}", mark(l.reason), l.path)).collect()
}

/// What is sent for a request, and what is lost.
fn sent_to(request: &Request, capability: &Capability) -> (Value, Vec<String>) {
    let cx =
        SendCx { model: &request.model, stream: request.stream, usage_frame: true, capability };
    let Encoded { body, losses, .. } =
        Anthropic.encode(&Prompt::Chat(request.clone()), &cx).unwrap();
    (parsed(&body), said(&losses))
}

fn sent(request: &Request) -> (Value, Vec<String>) {
    sent_to(request, &Capability::ALL)
}

/// Reads a stream of this dialect, whole.
fn heard(text: &str) -> Vec<Event> {
    heard_in(&[text.as_bytes()])
}

fn heard_in(pieces: &[&[u8]]) -> Vec<Event> {
    let mut driver = Driver::new(Framing::Sse, Anthropic.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    pieces.iter().for_each(|p| driver.feed(Bytes::copy_from_slice(p), &mut out));
    driver.finish(&mut out);
    assert_eq!(laws::check(&out), Ok(()), "{out:?}");
    out
}

/// Frames as they stand on the wire.
fn frames(list: &[Value]) -> String {
    list.iter()
        .map(|f| format!("event: {}\ndata: {f}\n\n", f["type"].as_str().unwrap_or("?")))
        .collect()
}

fn cx() -> RenderCx {
    RenderCx { id: "call1".into(), ..RenderCx::default() }
}

/// Writes events as a stream.
fn told(events: &[Event]) -> (String, Vec<String>) {
    let mut encoder = Anthropic.stream_encoder(&cx());
    let mut out = BytesMut::new();
    events.iter().for_each(|e| encoder.feed(e, &mut out));
    (String::from_utf8(out.to_vec()).unwrap(), said(encoder.losses()))
}

fn read(body: &Value) -> Completion {
    match Anthropic.decode_answer(Operation::Chat, Body::json(&bytes(body))).unwrap() {
        Answer::Chat(completion) => completion,
        other => panic!("{other:?}"),
    }
}

/// What counts as the same answer, however it came: extras lie elsewhere in a stream.
fn words(completion: &Completion) -> Value {
    let candidates = completion.candidates.iter().map(|c| {
        let parts: Vec<_> = c.parts.iter().map(|p| format!("{:?} {:?}", p.kind, p.state)).collect();
        json!({"parts": parts, "finish": c.finish.as_ref().map(|f| format!("{:?}", f.reason))})
    });
    json!({
        "candidates": candidates.collect::<Vec<_>>(),
        "usage": completion.usage.as_ref().map(|u| format!("{:?}", u.usage)),
        "failed": completion.failure.is_some(),
        "ended": completion.ended,
    })
}

fn opaque(origin: llm_core::dialect::DialectId, kind: &'static str, json: &'static str) -> Opaque {
    Opaque { origin, kind: kind.into(), value: Raw::parse(json).unwrap() }
}

fn call(id: &'static str, arguments: &'static str) -> Part {
    let (id, name) = (id.into(), "find".into());
    let call = ToolCall { id, name, arguments: arguments.into(), custom: false };
    Part::new(PartKind::ToolCall(call))
}

/// Gives the text with a few bytes changed, lost or doubled, `times` over.
fn garbled(text: &str, times: usize, mut check: impl FnMut(&[u8])) {
    let mut state = 7u64;
    let mut random = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % n
    };
    for _ in 0..times {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let (at, len) = (random(bytes.len()), random(40));
            let end = (at + len).min(bytes.len());
            match random(3) {
                0 => bytes[at] = b"{}[]\",:0\\n"[random(10)],
                1 => drop(bytes.drain(at..end)),
                _ => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        check(&bytes);
    }
}

#[test]
fn hostile_bodies_end_in_words() {
    let capability = Capability::ALL;
    let cx = SendCx { model: "m", stream: true, usage_frame: true, capability: &capability };
    garbled(requests::EVERYTHING, 3000, |bytes| {
        let body = Bytes::copy_from_slice(bytes);
        let _ = Anthropic.peek(&route(), &body);
        if let Ok(prompt) = Anthropic.decode(&route(), Body::json(&body)) {
            // What is read can be said again, and is read the same.
            let encoded = Anthropic.encode(&prompt, &cx).unwrap();
            assert_eq!(encoded.losses, Losses::default());
            assert!(Anthropic.decode(&route(), Body::json(&encoded.body)).is_ok());
        }
    });
    garbled(&replies::everything().to_string(), 2000, |bytes| {
        let body = Bytes::copy_from_slice(bytes);
        if let Ok(Answer::Chat(completion)) =
            Anthropic.decode_answer(Operation::Chat, Body::json(&body))
        {
            assert_eq!(laws::check(&completion.explode()), Ok(()));
            assert_eq!(collect(&completion.explode()), completion);
            told(&completion.explode());
        }
    });
}

#[test]
fn paths_are_known() {
    let at = |method: http::Method, path| {
        Anthropic.route(&method, path).map(|r| (r.operation, r.model.map(|m| m.to_string())))
    };
    use http::Method;
    assert_eq!(at(Method::POST, "/v1/messages?beta=true"), Some((Operation::Chat, None)));
    assert_eq!(at(Method::POST, "/messages"), Some((Operation::Chat, None)));
    assert_eq!(at(Method::POST, "/v1/messages/count_tokens"), Some((Operation::CountTokens, None)));
    assert_eq!(at(Method::GET, "/v1/models"), Some((Operation::ListModels, None)));
    let one = Some((Operation::ListModels, Some("m".to_owned())));
    assert_eq!(at(Method::GET, "/v1/models/m"), one);
    assert_eq!(at(Method::GET, "/v1/messages"), None);
    assert_eq!(at(Method::POST, "/v1/chat/completions"), None);
    assert_eq!(Anthropic.id(), ID);
}

#[test]
fn facts_are_peeked_and_relayed() {
    let text = r#" {"max_tokens": 7, "model": "a", "metadata": {"user_id": "u"},
        "messages": [{"role": "user", "content": [{"type": "image"}]}], "thinking": {"type": "enabled"}}"#;
    let body = Bytes::from(text);
    let peek = Anthropic.peek(&route(), &body).unwrap();
    assert_eq!((&*peek.model.value, peek.output_tokens_max, peek.stream), ("a", Some(7), false));
    assert_eq!(peek.user.as_ref().map(|u| &*u.value), Some("u"));
    use llm_core::call::Has;
    assert!(peek.has.all(Has::IMAGES | Has::REASONING) && !peek.has.all(Has::TOOLS));
    let capability = Capability::ALL;
    let relayed = |model, stream| {
        let cx = SendCx { model, stream, usage_frame: true, capability: &capability };
        Anthropic.relay(&body, &peek, &cx).unwrap().concat()
    };
    assert_eq!(relayed("a", false), text.as_bytes());
    assert_eq!(relayed("b", false), text.replace("\"a\"", "\"b\"").as_bytes());
    assert_eq!(parsed(&relayed("a", true))["stream"], true);
    let listed = Route { model: Some("m".into()), ..Route::new(Operation::ListModels) };
    assert_eq!(Anthropic.peek(&listed, &Bytes::new()).unwrap().model.value, "m");
}

#[test]
fn models_and_counts_return_as_they_came() {
    let model = json!({"type": "model", "id": "claude-x", "display_name": "X",
        "created_at": "2025-02-19T00:00:00Z", "max_tokens": 5});
    let page = json!({"data": [model], "has_more": false, "first_id": "claude-x", "last_id": null});
    let count = json!({"input_tokens": 14, "context_management": {"original_input_tokens": 20}});
    let cases = [
        (Operation::ListModels, page),
        (Operation::ListModels, model),
        (Operation::CountTokens, count),
    ];
    for (operation, body) in cases {
        let answer = Anthropic.decode_answer(operation, Body::json(&bytes(&body))).unwrap();
        let again = Anthropic.encode_answer(&answer, &cx());
        assert_eq!(parsed(&again.body), body);
        assert!(again.losses.is_empty());
    }
    let mut models = llm_core::answer::Models::default();
    models.models.push(llm_core::answer::ModelInfo { id: "m".into(), ..Default::default() });
    let body = parsed(&Anthropic.encode_answer(&Answer::ListModels(models), &cx()).body);
    assert_eq!(body["data"][0]["created_at"], "1970-01-01T00:00:00Z");
    assert_eq!(body["last_id"], "m");
}
