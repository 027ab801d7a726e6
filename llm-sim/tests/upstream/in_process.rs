//! The simulated providers in process, in virtual time.

use std::time::Duration;

use bytes::Bytes;
use llm_core::dialect::Chunks;
use llm_core::seam::{Transport, TransportPhase};
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use tokio::time::{Instant, timeout};

use crate::pidgin;

fn transport() -> SimTransport {
    SimTransport::new(&Options { dialects: pidgin::caller, ..Options::default() })
}

fn request(host: &str) -> http::Request<Chunks> {
    let body =
        r#"{"model":"gpt","stream":true,"messages":[{"role":"user","content":"Write 10 words"}]}"#;
    let (a, b) = body.split_at(20);
    http::Request::post(format!("http://{host}/v1/chat/completions"))
        .header("authorization", "Bearer k")
        .body(Chunks::from_iter([Bytes::from(a), Bytes::from(b)]))
        .unwrap()
}

fn script(transport: &SimTransport, act: &str) {
    let rules = Script::parse(format!("{{\"do\":{act}}}").as_bytes()).unwrap();
    transport.upstream(Vendor::OpenAi).unwrap().script(rules);
}

/// All pieces of a body, and how it ended.
async fn read(
    response: http::Response<llm_core::seam::WireBody>,
) -> (Vec<Bytes>, Option<TransportPhase>) {
    let mut body = response.into_body();
    let mut out = Vec::new();
    loop {
        match std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            Some(Ok(bytes)) => out.push(bytes),
            Some(Err(error)) => return (out, Some(error.phase)),
            None => return (out, None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waits_take_virtual_time_only() {
    let sim = transport();
    script(&sim, r#"{"first_byte_ms":60000,"chunk_ms":1000}"#);
    let start = Instant::now();
    let response = sim.send(request("openai.sim")).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 60);
    let (pieces, end) = read(response).await;
    assert_eq!((pieces.len(), end), (12, None));
    assert_eq!(start.elapsed().as_secs(), 71);
}

#[tokio::test(start_paused = true)]
async fn faults_end_in_their_phase() {
    let sim = transport();
    script(&sim, r#"{"cut":{"after_frames":2}}"#);
    let (pieces, end) = read(sim.send(request("api.openai.com")).await.unwrap()).await;
    assert_eq!((pieces.len(), end), (2, Some(TransportPhase::Body)));
    script(&sim, r#"{"cut":{"before_head":true}}"#);
    let error = sim.send(request("openai.sim")).await.err().unwrap();
    assert_eq!(error.phase, TransportPhase::Exchange);
    let error = sim.send(request("example.com")).await.err().unwrap();
    assert_eq!(error.phase, TransportPhase::Connect);
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_has_left() {
    let sim = transport();
    script(&sim, r#"{"hang":"before_head"}"#);
    let gone = timeout(Duration::from_secs(30), sim.send(request("openai.sim"))).await;
    assert!(gone.is_err());
    let record = sim.upstream(Vendor::OpenAi).unwrap().requests().pop().unwrap();
    assert!(record.done && record.left_early && record.status.is_none());
}
