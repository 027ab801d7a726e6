use bytes::{Bytes, BytesMut};
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{Body, CallerDialect, Encoded, Framing, RenderCx, SendCx, UpstreamDialect};
use llm_core::event::{Event, laws};
use llm_core::prompt::{Prompt, Request};
use serde_json::Value;

use super::OpenaiChat;
use crate::drive::Driver;

mod errors;
mod foreign;
mod hostile;
mod laws_of_streams;
mod operations;
mod replies;
mod requests;
mod routes;
mod streams;
mod taps;
mod usages;

fn decode(body: &str) -> Request {
    let route = OpenaiChat.route(&http::Method::POST, "/v1/chat/completions").unwrap();
    match OpenaiChat.decode(&route, Body::json(&Bytes::from(body.to_owned()))) {
        Ok(Prompt::Chat(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn encode_for(request: &Request, capability: &Capability) -> Encoded {
    let cx =
        SendCx { model: &request.model, stream: request.stream, usage_frame: false, capability };
    OpenaiChat.encode(&Prompt::Chat(request.clone()), &cx).unwrap()
}

fn encode(request: &Request) -> (Value, Vec<String>) {
    let encoded = encode_for(request, &Capability::ALL);
    let losses = encoded.losses.iter().map(|l| format!("{:?} {}", l.reason, l.path)).collect();
    (json(&encoded.body), losses)
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(body)))
}

fn complete(body: &str) -> Completion {
    let body = Bytes::from(body.to_owned());
    match OpenaiChat.decode_answer(Operation::Chat, Body::json(&body)) {
        Ok(Answer::Chat(done)) => {
            assert_eq!(collect(&done.explode()), done);
            laws::check(&done.explode()).unwrap();
            done
        }
        other => panic!("{other:?}"),
    }
}

fn shown(done: &Completion, cx: &RenderCx) -> Value {
    json(&OpenaiChat.encode_answer(&Answer::Chat(done.clone()), cx).body)
}

/// The events of a stream; the driver checks the grammar.
fn events(text: &str) -> Vec<Event> {
    let mut driver = Driver::new(Framing::Sse, OpenaiChat.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    driver.feed(Bytes::from(text.to_owned()), &mut out);
    driver.finish(&mut out);
    out
}

/// Frames of a stream from the JSON of their deltas.
fn sse(frames: &[&str]) -> String {
    frames.iter().map(|f| format!("data: {f}\n\n")).collect()
}

fn streamed(events: &[Event], cx: &RenderCx) -> String {
    let mut encoder = OpenaiChat.stream_encoder(cx);
    let mut out = BytesMut::new();
    events.iter().for_each(|e| encoder.feed(e, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

fn cx() -> RenderCx {
    RenderCx { id: "gw-1".into(), created: 7, include_usage: true, ..RenderCx::default() }
}
