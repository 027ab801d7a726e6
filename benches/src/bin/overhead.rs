//! What a call costs inside the gateway, in CPU time of this thread: other work on the machine does
//! not enter. Prints the making of a call (the proxy's edge: peek), the whole way, and the
//! difference, which is the pipeline's own. `overhead N` makes N calls a round, for whoever looks at it
//! through a profiler.

#![expect(clippy::print_stdout, reason = "figures are what this program is for")]

use std::hint::black_box;
use std::time::Duration;

use benches::pipeline::{Canned, call, gateway, grant};
use bytes::Bytes;
use futures_util::StreamExt;

const CALLS_USUAL: u32 = 20_000;
const ROUNDS: usize = 7;

fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn each(calls: u32, mut work: impl FnMut(u128) -> Option<usize>) -> Option<f64> {
    let mut rounds = Vec::with_capacity(ROUNDS);
    let mut number = 0u128;
    for _ in 0..ROUNDS {
        let before = cpu()?;
        for _ in 0..calls {
            number += 1;
            black_box(work(number)?);
        }
        rounds.push((cpu()? - before).as_secs_f64() * 1e6 / f64::from(calls));
    }
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied()
}

fn figures(calls: u32, name: &str, body: &Bytes, canned: Canned) -> Option<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    let (gateway, grant) = (gateway(canned), grant());
    let edge = each(calls, |n| call(&gateway, &grant, body, n).map(|c| c.peek.members_start))?;
    let whole = each(calls, |n| {
        runtime.block_on(async {
            let mut reply = gateway.send(call(&gateway, &grant, body, n)?).await.ok()?;
            let mut bytes = 0;
            while let Some(piece) = reply.body.next().await {
                bytes += piece.ok()?.len();
            }
            Some(bytes)
        })
    })?;
    println!("{name}: edge {edge:.1} µs, all {whole:.1} µs, pipeline {:.1} µs", whole - edge);
    Some(())
}

fn main() {
    let said = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let calls = said.unwrap_or(CALLS_USUAL);
    let small = Bytes::from_static(
        br#"{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Say hello."}]}"#,
    );
    let figures = [
        figures(calls, "a small request, answered whole", &small, Canned::whole()),
        figures(calls, "8 KB, answered whole", &benches::whole_request(), Canned::whole()),
        figures(
            calls,
            "8 KB, a stream of 200 frames",
            &benches::chat_request(),
            Canned::stream(200),
        ),
    ];
    if figures.contains(&None) {
        println!("no figures: this system does not tell a thread's CPU time, or a call failed");
    }
}
