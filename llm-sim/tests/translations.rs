//! Every fixture in every other dialect, as snapshots a person can review: a dialect is reviewed by
//! reading its folder.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says what is wrong by failing"
)]

use bytes::Bytes;
use http::Method;
use llm_core::answer::Answer;
use llm_core::capability::Capability;
use llm_core::dialect::{Body, CallerDialect, DialectId, RenderCx, SendCx};
use llm_core::error::Error;
use llm_core::event::Event;
use llm_core::extra::Losses;
use llm_core::prompt::Prompt;
use llm_dialects::drive::Driver;
use llm_sim::testkit::fixtures::{self, Fixture, Reply};
use llm_sim::testkit::rendering::stream_text;
use serde_json::Value;

/// A model that is no default anywhere, so that a snapshot shows where the name goes.
const MODEL: &str = "target-model";

#[test]
fn every_case_stands_in_every_dialect_or_says_why_not() {
    let all = fixtures::all().unwrap();
    for dialect in fixtures::DIALECTS {
        let unsupported = fixtures::unsupported(dialect).unwrap();
        for case in fixtures::names(&all) {
            let there = all.iter().any(|f| f.dialect == dialect && f.case == case);
            let excused = unsupported.contains_key(&case);
            assert!(there != excused, "{dialect}/{case}: there {there}, excused {excused}");
        }
    }
}

#[test]
fn requests_in_every_upstream_dialect() {
    for fixture in fixtures::all().unwrap() {
        let Some(request) = &fixture.request else { continue };
        let prompt = decoded(&fixture, request);
        for target in fixtures::DIALECTS {
            let upstream = llm_dialects::upstream(target).unwrap();
            let (_, stream) = (0, is_stream(&prompt));
            let capability = Capability { output_tokens_max: 4096, ..Capability::ALL };
            let cx = SendCx { model: MODEL, stream, usage_frame: stream, capability: &capability };
            let shown = match upstream.encode(&prompt, &cx) {
                Ok(encoded) => format!("{}\n{}", pretty(&encoded.body), losses(&encoded.losses)),
                Err(bad) => {
                    format!("refused: {:?} {}\nparam: {:?}\n", bad.reason, bad.message, bad.param)
                }
            };
            snapshot("requests", target, &fixture, &shown);
        }
    }
}

#[test]
fn replies_in_every_caller_dialect() {
    for fixture in fixtures::all().unwrap() {
        let Some(reply) = &fixture.reply else { continue };
        for target in fixtures::DIALECTS {
            let caller = llm_dialects::caller(target).unwrap();
            let shown = match reply {
                Reply::Whole(body) => whole(&fixture, body, caller),
                Reply::Stream(framing, bytes) => {
                    let upstream = llm_dialects::upstream(fixture.dialect).unwrap();
                    let decoder = upstream.stream_decoder(fixture.operation);
                    let mut driver = Driver::new(*framing, decoder);
                    let mut events = Vec::new();
                    driver.feed(bytes.clone(), &mut events);
                    driver.finish(&mut events);
                    streamed(&events, caller)
                }
                Reply::Refused(status, body) => {
                    let upstream = llm_dialects::upstream(fixture.dialect).unwrap();
                    let head = http::Response::builder().status(*status).body(()).unwrap();
                    let fault = upstream.decode_error(&head.into_parts().0, body);
                    refused(caller, &Error::upstream(fault))
                }
            };
            snapshot("replies", target, &fixture, &shown);
        }
    }
}

fn decoded(fixture: &Fixture, request: &Bytes) -> Prompt {
    let caller = llm_dialects::caller(fixture.dialect).unwrap();
    let stream = fixture.case.starts_with("stream");
    let path = fixtures::path(fixture.dialect, fixture.operation, stream)
        .unwrap_or_else(|| panic!("{}/{}: no path", fixture.dialect, fixture.case));
    let route = caller.route(&Method::POST, path).expect("its own path");
    caller
        .decode(&route, Body::json(request))
        .unwrap_or_else(|e| panic!("{}/{}: {e}", fixture.dialect, fixture.case))
}

fn is_stream(prompt: &Prompt) -> bool {
    matches!(prompt, Prompt::Chat(request) if request.stream)
}

fn cx() -> RenderCx {
    RenderCx {
        id: "gw-1".into(),
        created: 1_700_000_000,
        include_usage: true,
        ..RenderCx::default()
    }
}

fn whole(fixture: &Fixture, body: &Bytes, caller: &dyn CallerDialect) -> String {
    let upstream = llm_dialects::upstream(fixture.dialect).unwrap();
    let answer = upstream
        .decode_answer(fixture.operation, Body::json(body))
        .unwrap_or_else(|e| panic!("{}/{}: {e}", fixture.dialect, fixture.case));
    if let Answer::Chat(completion) = &answer
        && let Some(error) = &completion.failure
    {
        return refused(caller, error);
    }
    let rendered = caller.encode_answer(&answer, &cx());
    format!("{}\n{}", pretty(&rendered.body), losses(&rendered.losses))
}

fn streamed(events: &[Event], caller: &dyn CallerDialect) -> String {
    let mut encoder = caller.stream_encoder(&cx());
    let mut out = bytes::BytesMut::new();
    events.iter().for_each(|e| encoder.feed(e, &mut out));
    assert_eq!(String::from_utf8_lossy(&out), stream_text(caller, events, &cx()));
    // Line ends of the framing are no matter of taste, so they must be seen.
    let text = String::from_utf8(out.to_vec()).unwrap().replace('\r', "␍");
    format!("{text}\n{}", losses(encoder.losses()))
}

fn refused(caller: &dyn CallerDialect, error: &Error) -> String {
    let response = caller.encode_error(error, &cx());
    let mut headers: Vec<String> =
        response.headers().iter().map(|(k, v)| format!("{k}: {}", v.to_str().unwrap())).collect();
    headers.sort();
    let status = response.status().as_u16();
    format!("status {status}\n{}\n{}\n", headers.join("\n"), pretty(response.body()))
}

/// JSON over several lines, in the order in which it was written.
fn pretty(body: &[u8]) -> String {
    let value: Result<Value, _> = serde_json::from_slice(body);
    assert!(value.is_ok(), "not JSON: {}", String::from_utf8_lossy(body));
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0usize, false, false);
    for c in std::str::from_utf8(body).unwrap().chars() {
        if quoted {
            out.push(c);
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '"' => quoted = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            c if c.is_whitespace() => continue,
            _ => {}
        }
        if matches!(c, '}' | ']') {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        }
        out.push(c);
        if matches!(c, '{' | '[' | ',') {
            out.push('\n');
            out.push_str(&"  ".repeat(depth));
        } else if c == ':' {
            out.push(' ');
        }
    }
    out
}

fn losses(losses: &Losses) -> String {
    losses.iter().map(|l| format!("loss: {:?} {}\n", l.reason, l.path)).collect()
}

fn snapshot(kind: &str, target: DialectId, fixture: &Fixture, shown: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("snapshots/{kind}/{target}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(format!("{}__{}", fixture.dialect, fixture.case), shown);
    });
}
