//! The laws of the dialect, each on small words of our own, and all of them on what was recorded.

use bytes::{Bytes, BytesMut};
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{
    Body, CallerDialect, Encoded, Framing, RenderCx, Rendered, Route, SendCx, UpstreamDialect,
};
use llm_core::event::{Event, laws};
use llm_core::prompt::{Prompt, Request};
use serde_json::Value;

use super::Responses;
use crate::drive::Driver;

mod errors;
mod recorded;
mod replies;
mod requests;
mod state;
mod streams;
mod translated;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn request(text: &str) -> Request {
    let route = Route::new(Operation::Chat);
    let body = bytes(text);
    match Responses.decode(&route, Body::json(&body)) {
        Ok(Prompt::Chat(request)) => request,
        other => panic!("{text}: {other:?}"),
    }
}

fn sent(request: &Request) -> Encoded {
    let cx = SendCx {
        model: &request.model,
        stream: request.stream,
        usage_frame: false,
        capability: &Capability::ALL,
    };
    Responses.encode(&Prompt::Chat(request.clone()), &cx).unwrap()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn reply(text: &str) -> Completion {
    let body = bytes(text);
    match Responses.decode_answer(Operation::Chat, Body::json(&body)) {
        Ok(Answer::Chat(completion)) => completion,
        other => panic!("{text}: {other:?}"),
    }
}

fn rendered(completion: &Completion) -> Rendered {
    let cx = RenderCx { id: "gw-1".into(), created: 7, ..RenderCx::default() };
    Responses.encode_answer(&Answer::Chat(completion.clone()), &cx)
}

/// Reads a stream, cut into pieces of `cut` bytes.
fn events(stream: &[u8], cut: usize) -> Vec<Event> {
    let mut driver = Driver::new(Framing::Sse, Responses.stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    for piece in stream.chunks(cut.max(1)) {
        driver.feed(Bytes::copy_from_slice(piece), &mut out);
    }
    driver.finish(&mut out);
    laws::check(&out).unwrap();
    out
}

/// Writes a completion as a stream.
fn streamed(completion: &Completion) -> String {
    let cx = RenderCx { id: "gw-1".into(), created: 7, ..RenderCx::default() };
    let mut encoder = Responses.stream_encoder(&cx);
    let mut out = BytesMut::new();
    completion.explode().iter().for_each(|e| encoder.feed(e, &mut out));
    String::from_utf8(out.to_vec()).unwrap()
}

/// Writes a completion as a stream, and reads it back.
fn back(completion: &Completion) -> Completion {
    collect(&events(streamed(completion).as_bytes(), usize::MAX))
}

/// The frames of a stream, as names and data.
fn frames(stream: &str) -> Vec<(Str, Value)> {
    stream
        .split("\n\n")
        .filter(|f| !f.is_empty())
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap().to_owned();
            (name.into(), serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap())
        })
        .collect()
}
