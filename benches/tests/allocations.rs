//! How often the hot paths allocate. Counts do not depend on the machine, so that these are tests
//! and not figures.

use allocation_counter::measure;
use llm_core::dialect::Framing;
use llm_dialects::frame::Splitter;
use llm_dialects::json::peek::peek;
use llm_dialects::json::splice::{Edit, splice};

#[test]
fn a_peek_allocates_only_the_stack_of_the_parser() {
    let body = benches::chat_request();
    assert!((7_500..9_000).contains(&body.len()), "{}", body.len());
    // The first clone of bytes that were a `Vec` allocates their count; a body from the network
    // has it already.
    let _owner = body.clone();
    let count = measure(|| {
        peek(&body, &benches::CHAT).unwrap();
    });
    // Where it notes which brackets are open in what it skips.
    assert_eq!(count.count_total, 1, "{count:?}");
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
            splitter.feed(chunk.clone(), &mut out).unwrap();
        }
        splitter.finish(&mut out);
    });
    assert_eq!(out.len(), 1000);
    // The held beginning with room for the rest, and the count of its slices.
    let cut = chunks.len() as u64 - 1;
    assert!(count.count_total <= 2 * cut, "{count:?} for {cut} cuts");
}
