//! How often the hot paths allocate. Counts do not depend on the machine, so that these are tests
//! and not figures.

use allocation_counter::measure;
use benches::pipeline::{Canned, call, gateway, grant};
use benches::streams::{DELTAS, all};
use futures_util::StreamExt;
use llm_core::call::Operation;
use llm_core::dialect::{DialectId, Framing};
use llm_dialects::drive::Driver;
use llm_dialects::frame::Splitter;
use llm_dialects::json::peek::peek;
use llm_dialects::json::splice::{Edit, splice};

#[test]
fn a_peek_allocates_nothing() {
    let body = benches::chat_request();
    assert!((7_500..9_000).contains(&body.len()), "{}", body.len());
    // The first clone of bytes that were a `Vec` allocates their count; a body from the network
    // has it already.
    let _owner = body.clone();
    let count = measure(|| {
        peek(&body, &benches::CHAT).unwrap();
    });
    assert_eq!(count.count_total, 0, "{count:?}");
}

#[test]
fn a_splice_of_a_constant_allocates_nothing() {
    let body = benches::chat_request();
    let _owner = body.clone();
    let seen = peek(&body, &benches::CHAT).unwrap();
    let count = measure(|| {
        let usage = Edit::usage_frame(&seen, &body).unwrap();
        splice(&body, &mut [usage]).unwrap();
    });
    assert_eq!(count.count_total, 0, "{count:?}");
}

#[test]
fn a_thousand_events_allocate_only_where_chunks_cut_them() {
    let stream = benches::event_stream(1000);
    let chunks = benches::chunks(&stream);
    let mut out = Vec::with_capacity(2000);
    let count = measure(|| {
        let mut splitter = Splitter::new(Framing::Sse);
        for chunk in &chunks {
            splitter.feed(chunk, &mut out).unwrap();
        }
        splitter.finish(&mut out);
    });
    assert_eq!(out.len(), 1000);
    // The held beginning with room for the rest, and the count of its slices.
    let cut = chunks.len() as u64 - 1;
    assert!(count.count_total <= 2 * cut, "{count:?} for {cut} cuts");
}

#[test]
fn a_delta_allocates_a_known_number_of_times() {
    // The first and last frames of a stream included. One delta in five has an escape, and text
    // that is unescaped is copied twice: that alone is 0.4. OpenAI's chunk holds a list of
    // choices, Gemini's a list of candidates, a list of parts and a running usage.
    let most = [
        (DialectId::OpenaiChat, 1.7),
        (DialectId::OpenaiResponses, 2.0),
        (DialectId::Anthropic, 0.9),
        (DialectId::Gemini, 3.9),
        (DialectId::Cohere, 0.6),
        (DialectId::Ollama, 0.6),
    ];
    for stream in all() {
        let upstream = llm_dialects::upstream(stream.dialect).unwrap();
        let mut out = Vec::with_capacity(16);
        let count = measure(|| {
            let decoder = upstream.stream_decoder(Operation::Chat);
            let mut driver = Driver::new(stream.framing, decoder);
            for piece in &stream.pieces {
                driver.feed(piece.clone(), &mut out);
                out.clear();
            }
            driver.finish(&mut out);
        });
        let each = count.count_total as f64 / DELTAS as f64;
        println!("{}: {} allocations, {each:.2} a delta", stream.dialect, count.count_total);
        let (_, most) = most.iter().find(|(id, _)| *id == stream.dialect).unwrap();
        assert!(each <= *most, "{}: {each:.2} allocations a delta", stream.dialect);
    }
}

/// The whole stack, limits, account and metrics included, on the relay path.
#[test]
fn a_call_allocates_a_known_number_of_times() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let forms = [
        ("whole", benches::whole_request(), Canned::whole(), 60),
        ("stream of 200", benches::chat_request(), Canned::stream(200), 130),
    ];
    for (name, body, canned, most) in forms {
        let (gateway, grant) = (gateway(canned), grant());
        let once = |number| {
            runtime.block_on(async {
                let call = call(&gateway, &grant, &body, number).unwrap();
                let mut reply = gateway.send(call).await.unwrap();
                while let Some(piece) = reply.body.next().await {
                    piece.unwrap();
                }
            });
        };
        once(1);
        let count = measure(|| once(2));
        println!("{name}: {} allocations, {} bytes", count.count_total, count.bytes_total);
        assert!(count.count_total <= most, "{name}: {count:?}");
    }
}
