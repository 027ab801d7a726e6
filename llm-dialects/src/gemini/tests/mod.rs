use bytes::{Bytes, BytesMut};
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{
    Body, CallerDialect, Encoded, Framing, RenderCx, Route, SendCx, UpstreamDialect,
};
use llm_core::event::Event;
use llm_core::prompt::Prompt;
use serde_json::Value;

use super::Gemini;
use crate::drive::Driver;

mod answers;
mod beside;
mod bytes_of_all_kinds;
mod errors;
mod foreign;
mod recorded;
mod requests;
mod routes;
mod streams;
mod watch;

/// The route of a method on a model.
fn route(verb: &str) -> Route {
    let path = format!("/v1beta/models/gemini-2.5-flash:{verb}");
    Gemini.route(&http::Method::POST, &path).expect("a path of ours")
}

fn decode(verb: &str, body: &str) -> Prompt {
    let body = Bytes::from(body.to_owned());
    Gemini.decode(&route(verb), Body::json(&body)).expect("a request")
}

fn encode_for(prompt: &Prompt, model: &str) -> Encoded {
    let capability = Capability::ALL;
    let cx = SendCx { model, stream: false, usage_frame: false, capability: &capability };
    Gemini.encode(prompt, &cx).expect("can be said")
}

/// A request as Gemini is sent it, with what was lost.
fn sent(prompt: &Prompt, model: &str) -> (Value, Vec<String>) {
    let encoded = encode_for(prompt, model);
    let losses = encoded.losses.iter().map(|l| format!("{} {:?}", l.path, l.reason)).collect();
    (json(&encoded.body), losses)
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(bytes)))
}

/// Reads a whole answer.
fn answer(body: &str) -> Completion {
    let body = Bytes::from(body.to_owned());
    match Gemini.decode_answer(Operation::Chat, Body::json(&body)).expect("an answer") {
        Answer::Chat(done) => done,
        other => panic!("not a completion: {other:?}"),
    }
}

fn shown(done: &Completion, cx: &RenderCx) -> (Value, Vec<String>) {
    let rendered = Gemini.encode_answer(&Answer::Chat(done.clone()), cx);
    let losses = rendered.losses.iter().map(|l| l.path.to_string()).collect();
    (json(&rendered.body), losses)
}

/// Events of a stream's bytes.
fn events(framing: Framing, stream: &str) -> Vec<Event> {
    let mut driver = Driver::new(framing, Gemini.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    driver.feed(Bytes::from(stream.to_owned()), &mut out);
    driver.finish(&mut out);
    out
}

/// An event stream of these frames.
fn sse(frames: &[&str]) -> String {
    frames.iter().map(|f| format!("data: {f}\r\n\r\n")).collect()
}

fn read(frames: &[&str]) -> Completion {
    collect(&events(Framing::Sse, &sse(frames)))
}

/// What a client is streamed.
fn streamed(events: &[Event], cx: &RenderCx) -> String {
    let mut encoder = Gemini.stream_encoder(cx);
    let mut out = BytesMut::new();
    events.iter().for_each(|e| encoder.feed(e, &mut out));
    String::from_utf8(out.to_vec()).expect("text")
}
