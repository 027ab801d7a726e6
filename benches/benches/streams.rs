//! What a stream costs: decoding it, writing it in another dialect, watching it pass.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llm_core::call::Operation;
use llm_core::dialect::{DialectId, RenderCx, StreamEncoder, TapCx};
use llm_core::event::Event;
use llm_dialects::drive::Driver;
use llm_dialects::frame::Splitter;

use benches::streams::{DELTAS, Stream, all};

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode 200 deltas");
    for stream in all() {
        let mut out = Vec::new();
        group.bench_function(stream.dialect.name(), |b| {
            b.iter(|| {
                drive(black_box(&stream), &mut out);
                black_box(out.drain(..).count())
            });
        });
    }
    group.finish();
}

/// As the edge does: events are gone before the next piece comes.
fn drive(stream: &Stream, out: &mut Vec<Event>) {
    let Some(upstream) = llm_dialects::upstream(stream.dialect) else { return };
    let mut driver = Driver::new(stream.framing, upstream.stream_decoder(Operation::Chat));
    for piece in &stream.pieces {
        driver.feed(piece.clone(), out);
    }
    driver.finish(out);
}

fn encode(c: &mut Criterion) {
    let mut events = Vec::new();
    if let Some(stream) = all().first() {
        drive(stream, &mut events);
    }
    let mut group = c.benchmark_group("encode 200 deltas");
    for stream in all() {
        group.bench_function(stream.dialect.name(), |b| {
            let mut out = BytesMut::with_capacity(1 << 17);
            b.iter(|| {
                out.clear();
                if let Some(mut encoder) = encoder(stream.dialect) {
                    events.iter().for_each(|e| encoder.feed(e, &mut out));
                }
                black_box(out.len())
            });
        });
    }
    group.finish();
}

fn encoder(dialect: DialectId) -> Option<Box<dyn StreamEncoder>> {
    let cx = RenderCx { id: "gw-1".into(), include_usage: true, ..RenderCx::default() };
    llm_dialects::caller(dialect).map(|caller| caller.stream_encoder(&cx))
}

fn tap(c: &mut Criterion) {
    let mut group = c.benchmark_group("tap");
    group.throughput(Throughput::Elements(DELTAS as u64));
    for stream in all() {
        let Some(upstream) = llm_dialects::upstream(stream.dialect) else { continue };
        let mut frames = Vec::new();
        let mut splitter = Splitter::new(stream.framing);
        for piece in &stream.pieces {
            let fed = splitter.feed(piece, &mut frames);
            debug_assert!(fed.is_ok());
        }
        splitter.finish(&mut frames);
        group.bench_function(stream.dialect.name(), |b| {
            b.iter(|| {
                let mut tap = upstream.tap(TapCx { hide_usage: true, ..TapCx::default() });
                for frame in &frames {
                    black_box(tap.see(black_box(frame)));
                }
                black_box(tap.observed().deltas)
            });
        });
    }
    group.finish();
}

criterion_group!(benches_streams, decode, encode, tap);
criterion_main!(benches_streams);
