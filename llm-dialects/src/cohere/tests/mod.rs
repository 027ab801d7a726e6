//! What Cohere's codecs promise, on small bodies of our own. Recorded traffic is read by the
//! simulator's tests.

use bytes::{Bytes, BytesMut};
use http::Method;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{
    Body, CallerDialect, DialectId, Encoded, Framing, RenderCx, SendCx, UpstreamDialect,
};
use llm_core::event::{Event, laws};
use llm_core::extra::Losses;
use llm_core::prompt::{Opaque, Prompt, Request};
use llm_core::raw::Raw;
use serde_json::Value;

use crate::drive::Driver;
use crate::json::{Field, object};

use super::{CALLER, UPSTREAM};

mod answers;
mod crossing;
mod hostile;
mod requests;
mod streams;
mod version_one;

const CAPABLE: Capability = Capability::ALL;

fn caller() -> &'static dyn CallerDialect {
    CALLER.unwrap()
}

fn upstream() -> &'static dyn UpstreamDialect {
    UPSTREAM.unwrap()
}

fn asked(path: &str, body: &str) -> Prompt {
    let route = caller().route(&Method::POST, path).unwrap();
    caller().decode(&route, Body::json(&Bytes::from(body.to_owned()))).unwrap()
}

fn chat(body: &str) -> Request {
    match asked("/v2/chat", body) {
        Prompt::Chat(request) => request,
        other => panic!("{other:?}"),
    }
}

fn sent(prompt: &Prompt, stream: bool) -> Encoded {
    let cx = SendCx { model: "m", stream, usage_frame: false, capability: &CAPABLE };
    upstream().encode(prompt, &cx).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    // A map would hide a field that stands twice.
    no_twins(Field::root(&object::text(&Bytes::copy_from_slice(bytes)).unwrap()).unwrap());
    serde_json::from_slice(bytes).unwrap()
}

fn no_twins(field: Field<'_>) {
    if let Ok(o) = field.object() {
        let mut names: Vec<&str> = o.names().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|w| w[0] != w[1]), "twice in {names:?}");
        o.members().for_each(|(_, f)| no_twins(f));
    } else if let Ok(list) = field.array() {
        list.into_iter().for_each(no_twins);
    }
}

fn shown(losses: &Losses) -> Vec<String> {
    losses.iter().map(|l| format!("{:?} {}", l.reason, l.path)).collect()
}

fn said(operation: Operation, body: &str) -> Answer {
    upstream().decode_answer(operation, Body::json(&Bytes::from(body.to_owned()))).unwrap()
}

fn completion(body: &str) -> Completion {
    match said(Operation::Chat, body) {
        Answer::Chat(completion) => completion,
        other => panic!("{other:?}"),
    }
}

fn events(text: &str, cut: usize) -> Vec<Event> {
    let mut driver = Driver::new(Framing::Sse, upstream().stream_decoder(Operation::Chat));
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(cut.max(1)) {
        driver.feed(Bytes::copy_from_slice(chunk), &mut out);
    }
    driver.finish(&mut out);
    laws::check(&out).unwrap();
    out
}

/// What a caller is streamed, and what we could not say.
fn streamed(completion: &Completion) -> (String, Vec<String>) {
    let cx = RenderCx { id: "gw".into(), ..RenderCx::default() };
    let mut encoder = caller().stream_encoder(&cx);
    let mut out = BytesMut::new();
    completion.explode().iter().for_each(|e| encoder.feed(e, &mut out));
    (String::from_utf8(out.to_vec()).unwrap(), shown(encoder.losses()))
}

fn read_back(text: &str) -> Completion {
    collect(&events(text, usize::MAX))
}

fn state(kind: &'static str) -> Opaque {
    let value = Raw::parse("\"c2ln/+==\"").unwrap();
    Opaque { origin: DialectId::Anthropic, kind: Str::from_static(kind), value }
}

/// A stream of events as Cohere frames them.
fn sse(events: &[&str]) -> String {
    let kind = |e: &str| json(e.as_bytes())["type"].as_str().unwrap_or_default().to_owned();
    let mut out: String =
        events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", kind(e))).collect();
    out.push_str("data: [DONE]\n\n");
    out
}
