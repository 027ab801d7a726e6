//! What Ollama's codecs promise, on small bodies of our own. Recorded traffic is read by the
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

use super::{CALLER, UPSTREAM, generate};

mod answers;
mod crossing;
mod hostile;
mod requests;
mod streams;

const CAPABLE: Capability = Capability::ALL;

fn caller(path: &str) -> &'static dyn CallerDialect {
    let half =
        if matches!(path, "/api/generate" | "/api/embeddings") { generate::CALLER } else { CALLER };
    half.unwrap()
}

fn upstream(path: &str) -> &'static dyn UpstreamDialect {
    let half = if matches!(path, "/api/generate" | "/api/embeddings") {
        generate::UPSTREAM
    } else {
        UPSTREAM
    };
    half.unwrap()
}

fn asked(path: &str, body: &str) -> Prompt {
    let route = caller(path).route(&Method::POST, path).unwrap();
    let bytes = Bytes::from(body.to_owned());
    caller(path).decode(&route, Body::json(&bytes)).unwrap()
}

fn chat(body: &str) -> Request {
    match asked("/api/chat", body) {
        Prompt::Chat(request) => request,
        other => panic!("{other:?}"),
    }
}

fn sent(path: &str, prompt: &Prompt, stream: bool) -> Encoded {
    let cx = SendCx { model: "m", stream, usage_frame: false, capability: &CAPABLE };
    upstream(path).encode(prompt, &cx).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    // A map would hide a field that stands twice.
    let once = crate::json::object::text(&Bytes::copy_from_slice(bytes)).unwrap();
    no_twins(crate::json::Field::root(&once).unwrap());
    serde_json::from_slice(bytes).unwrap()
}

fn no_twins(field: crate::json::Field<'_>) {
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

fn said(path: &str, operation: Operation, body: &str) -> Answer {
    let bytes = Bytes::from(body.to_owned());
    upstream(path).decode_answer(operation, Body::json(&bytes)).unwrap()
}

fn completion(body: &str) -> Completion {
    match said("/api/chat", Operation::Chat, body) {
        Answer::Chat(completion) => completion,
        other => panic!("{other:?}"),
    }
}

fn events(text: &str, cut: usize) -> Vec<Event> {
    let decoder = upstream("/api/chat").stream_decoder(Operation::Chat);
    let mut driver = Driver::new(Framing::Ndjson, decoder);
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(cut.max(1)) {
        driver.feed(Bytes::copy_from_slice(chunk), &mut out);
    }
    driver.finish(&mut out);
    laws::check(&out).unwrap();
    out
}

/// What a caller is streamed, and what we could not say.
fn streamed(path: &str, completion: &Completion) -> (String, Vec<String>) {
    let cx = RenderCx { id: "gw".into(), created: 1_700_000_000, ..RenderCx::default() };
    let mut encoder = caller(path).stream_encoder(&cx);
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
