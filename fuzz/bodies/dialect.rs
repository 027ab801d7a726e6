//! What every dialect owes, whatever bytes come: an answer or a typed error, events that keep the
//! grammar, and words that can be written again.

use bytes::{Bytes, BytesMut};
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::capability::Capability;
use llm_core::completion::Collector;
use llm_core::dialect::{Body, DialectId, Framing, RenderCx, Route, SendCx};
use llm_core::event::Event;
use llm_core::event::laws::{self, Violation};
use llm_dialects::drive::Driver;
use llm_dialects::{caller, upstream};

use super::frame::pieces;

/// Reads the input as a request, and as a whole answer; writes again what could be read.
pub(super) fn decode(id: DialectId, input: &[u8]) {
    let bytes = Bytes::copy_from_slice(input);
    request(id, &bytes);
    answer(id, &bytes);
}

fn request(id: DialectId, bytes: &Bytes) {
    let Some(caller) = caller(id) else { return };
    let route = Route { model: Some("m".into()), ..Route::new(Operation::Chat) };
    let peek = caller.peek(&route, bytes);
    let prompt = caller.decode(&route, Body::json(bytes));
    let Some(upstream) = upstream(id) else { return };
    let capability = Capability::ALL;
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &capability };
    if let Ok(encoded) = prompt.and_then(|prompt| upstream.encode(&prompt, &cx)) {
        must_be_json(&encoded.body);
        let _ = caller.decode(&route, Body::json(&encoded.body));
    }
    if let Ok(chunks) = peek.and_then(|peek| upstream.relay(bytes, &peek, &cx)) {
        must_be_json(&chunks.concat());
    }
}

fn answer(id: DialectId, bytes: &Bytes) {
    let Some(upstream) = upstream(id) else { return };
    let Ok(answer) = upstream.decode_answer(Operation::Chat, Body::json(bytes)) else { return };
    if let Answer::Chat(completion) = &answer {
        lawful(&completion.explode());
    }
    let Some(caller) = caller(id) else { return };
    let rendered = caller.encode_answer(&answer, &RenderCx::default());
    must_be_json(&rendered.body);
    let _ = upstream.decode_answer(Operation::Chat, Body::json(&rendered.body));
}

/// Reads the input as a streamed answer, at once and in pieces, and writes its events again.
pub(super) fn stream(id: DialectId, input: &[u8]) {
    let Some(upstream) = upstream(id) else { return };
    let (stream, pieces) = pieces(input);
    for framing in CONTENT_TYPES.iter().filter_map(|t| upstream.framing(t)) {
        let whole = drive(id, framing, [stream]);
        let cut = drive(id, framing, pieces.iter().copied());
        assert_eq!(whole, cut, "cuts change the events");
        lawful(&whole);
        let over = |e: &Event| matches!(e, Event::End | Event::Failure(_));
        assert_eq!(whole.iter().position(over), whole.len().checked_sub(1));
        let mut collector = Collector::default();
        let mut encoder = caller(id).map(|c| c.stream_encoder(&RenderCx::default()));
        let mut written = BytesMut::new();
        for event in &whole {
            collector.feed(event);
            if let Some(encoder) = &mut encoder {
                encoder.feed(event, &mut written);
            }
        }
        lawful(&collector.finish().explode());
        drive(id, framing, [&written[..]]);
    }
}

fn drive<'a>(
    id: DialectId,
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Event> {
    let mut out = Vec::new();
    let Some(upstream) = upstream(id) else { return out };
    let mut driver = Driver::new(framing, upstream.stream_decoder(Operation::Chat));
    for piece in pieces {
        driver.feed(Bytes::copy_from_slice(piece), &mut out);
    }
    driver.finish(&mut out);
    out
}

/// The grammar, but for what a model itself may break: arguments that are no JSON.
fn lawful(events: &[Event]) {
    let checked = laws::check(events);
    let forgiven = matches!(checked, Ok(()) | Err(Violation::Arguments(_)));
    assert!(forgiven, "{checked:?} in {events:?}");
}

fn must_be_json(bytes: &[u8]) {
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
    assert!(parsed.is_ok(), "{parsed:?}: {}", String::from_utf8_lossy(bytes));
}

const CONTENT_TYPES: &[&str] =
    &["text/event-stream", "application/x-ndjson", "application/stream+json", "application/json"];
