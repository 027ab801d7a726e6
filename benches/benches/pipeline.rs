//! What a call costs inside the gateway: every stage, limits and metrics on, an account that pays.

use std::hint::black_box;

use benches::pipeline::{Canned, call, gateway, grant};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::StreamExt;

fn calls(c: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return;
    };
    let forms = [
        ("a whole answer of 1.2 KB", benches::whole_request(), Canned::whole()),
        ("a stream of 200 frames", benches::chat_request(), Canned::stream(200)),
    ];
    for (name, body, canned) in forms {
        let (gateway, grant) = (gateway(canned), grant());
        let mut number = 0;
        c.bench_function(&format!("through all stages: {name}"), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    number += 1;
                    let call = call(&gateway, &grant, &body, number)?;
                    let mut reply = gateway.send(call).await.ok()?;
                    let mut bytes = 0;
                    while let Some(piece) = reply.body.next().await {
                        bytes += piece.ok()?.len();
                    }
                    black_box(Some(bytes))
                })
            });
        });
    }
}

criterion_group!(benches_pipeline, calls);
criterion_main!(benches_pipeline);
