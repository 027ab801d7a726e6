//! The work of a relay per request and per frame: peek, splice, split.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llm_core::dialect::Framing;
use llm_dialects::frame::Splitter;
use llm_dialects::json::Object;
use llm_dialects::json::peek::peek;
use llm_dialects::json::splice::{Edit, splice};
use llm_dialects::json::write::string;

fn requests(c: &mut Criterion) {
    let body = benches::chat_request();
    let Ok(text) = llm_dialects::json::object::text(&body) else { return };
    c.bench_function("members of an 8 KB chat", |b| {
        b.iter(|| Object::root(black_box(&text)).map(|o| o.names().count()).ok());
    });
    c.bench_function("a string of 8 KB", |b| {
        b.iter(|| {
            let mut out = BytesMut::with_capacity(2 * text.len());
            string(&mut out, black_box(&text));
            out
        });
    });
    c.bench_function("peek at an 8 KB chat", |b| {
        b.iter(|| peek(black_box(&body), &benches::CHAT));
    });
    let Ok(seen) = peek(&body, &benches::CHAT) else { return };
    c.bench_function("splice model and usage into it", |b| {
        b.iter(|| {
            let model = Edit::model(&seen, "gpt-4o-mini-2024-07-18")?;
            let usage = Edit::usage_frame(&seen, &body)?;
            splice(black_box(&body), &mut [model, usage]).ok()
        });
    });
}

fn streams(c: &mut Criterion) {
    const EVENTS: usize = 1000;
    let stream = benches::event_stream(EVENTS);
    let chunks = benches::chunks(&stream);
    let mut group = c.benchmark_group("split");
    group.throughput(Throughput::Elements(EVENTS as u64));
    let mut out = Vec::new();
    group.bench_function("1,000 events in 16 KB chunks", |b| {
        b.iter(|| {
            let mut splitter = Splitter::new(Framing::Sse);
            for chunk in &chunks {
                let fed = splitter.feed(chunk, &mut out);
                debug_assert!(fed.is_ok());
                // As its readers do: frames are gone before the next chunk comes.
                black_box(out.drain(..).count());
            }
            splitter.finish(&mut out);
        });
    });
    group.finish();
}

criterion_group!(benches_json, requests, streams);
criterion_main!(benches_json);
