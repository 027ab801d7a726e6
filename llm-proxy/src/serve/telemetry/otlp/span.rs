//! Calls as spans: one for the request, and below it one for each attempt, in the words of
//! OpenTelemetry's conventions for generative AI.
//!
//! A call goes on in the trace that its caller has begun. Where there is none, the trace has the id of
//! its call, so that whoever has a request's id has its trace.

use std::time::{Duration, SystemTime};

use llm_core::Str;
use llm_core::call::Operation;
use llm_core::store::{CallRecord, Outcome, Tried};
use llm_core::trace;
use serde_json::{Value, json};

/// What is said of this proxy with all of them.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) service: String,
    pub(super) environment: Option<Str>,
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const FAILED: u8 = 2;

/// A letter with the spans of some calls.
pub(super) fn letter(resource: &Resource, calls: &[CallRecord]) -> Vec<u8> {
    let mut of = vec![
        text("service.name", &resource.service),
        text("service.version", env!("CARGO_PKG_VERSION")),
    ];
    if let Some(environment) = &resource.environment {
        of.push(text("deployment.environment.name", environment));
    }
    let spans: Vec<Value> = calls.iter().flat_map(spans).collect();
    let scope = json!({"name": "llm-proxy", "version": env!("CARGO_PKG_VERSION")});
    let whole = json!({"resourceSpans": [{
        "resource": {"attributes": of},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }]});
    whole.to_string().into_bytes()
}

fn spans(call: &CallRecord) -> Vec<Value> {
    let attempts = call.tried.iter().enumerate();
    let mut all = vec![request(call)];
    all.extend(attempts.map(|(n, tried)| attempt(call, n, tried)));
    all
}

fn request(call: &CallRecord) -> Value {
    let (operation, begun) = (operation(call.operation), call.trace.as_deref());
    let mut of = asked(call, operation);
    of.extend(used(call));
    let status = match call.outcome {
        Outcome::Done => json!({}),
        Outcome::Left => {
            of.push(text("error.type", "caller_left"));
            json!({})
        }
        Outcome::Failed(kind) => {
            of.push(text("error.type", kind.name()));
            json!({"code": FAILED, "message": kind.name()})
        }
    };
    json!({
        "traceId": trace(call),
        "spanId": span(call, 0),
        "parentSpanId": begun.map(|trace| format!("{:016x}", trace.parent)).unwrap_or_default(),
        "traceState": begun.and_then(|trace| trace.state.as_deref()).unwrap_or_default(),
        "name": format!("{operation} {}", call.model),
        "kind": SERVER,
        "startTimeUnixNano": nanos(call.at, Duration::ZERO),
        "endTimeUnixNano": nanos(call.at, call.total),
        "attributes": of,
        "status": status,
    })
}

/// What was asked for, of whom, and by which key.
fn asked(call: &CallRecord, operation: &str) -> Vec<Value> {
    let mut of = vec![
        text("gen_ai.operation.name", operation),
        text("gen_ai.request.model", &call.model),
        text("gw.request_id", &call.id.to_string()),
        text("gw.key", &call.principal.key.0),
        flag("gw.stream", call.stream),
        flag("gw.cached", call.cached),
        number("gw.attempts", call.attempts.into()),
    ];
    if let Some(target) = &call.target {
        let (provider, model) = parts(&target.0);
        of.push(text("gen_ai.provider.name", provider));
        of.push(text("gen_ai.response.model", model));
    }
    if let Some(dialect) = call.dialect {
        of.push(text("gw.dialect", dialect.name()));
    }
    of
}

/// What it took.
fn used(call: &CallRecord) -> Vec<Value> {
    let usage = &call.usage;
    let written = usage.cache_write + usage.cache_write_1h;
    let mut of = vec![
        number("gen_ai.usage.input_tokens", usage.input + usage.cache_read + written),
        number("gen_ai.usage.output_tokens", usage.output + usage.reasoning),
        number("gw.cost_nanos", u64::try_from(call.charged.0).unwrap_or(0)),
    ];
    if usage.cache_read > 0 {
        of.push(number("gen_ai.usage.cache_read.input_tokens", usage.cache_read));
    }
    if written > 0 {
        of.push(number("gen_ai.usage.cache_creation.input_tokens", written));
    }
    if let Some(first) = call.first_byte {
        let seconds = json!({"doubleValue": first.as_secs_f64()});
        of.push(json!({"key": "gen_ai.server.time_to_first_token", "value": seconds}));
    }
    of
}

fn attempt(call: &CallRecord, place: usize, tried: &Tried) -> Value {
    let operation = operation(call.operation);
    let (provider, model) = parts(&tried.target.0);
    let mut of = vec![
        text("gen_ai.operation.name", operation),
        text("gen_ai.provider.name", provider),
        text("gen_ai.request.model", model),
    ];
    let status = match tried.failed {
        None => json!({}),
        Some(kind) => {
            of.push(text("error.type", kind.name()));
            json!({"code": FAILED, "message": kind.name()})
        }
    };
    json!({
        "traceId": trace(call),
        "spanId": span(call, place + 1),
        "parentSpanId": span(call, 0),
        "name": format!("{operation} {model}"),
        "kind": CLIENT,
        "startTimeUnixNano": nanos(call.at, tried.began),
        "endTimeUnixNano": nanos(call.at, tried.ended.unwrap_or(call.total)),
        "attributes": of,
        "status": status,
    })
}

/// The convention's word, where it has one.
fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Embed => "embeddings",
        Operation::Image | Operation::Speech => "generate_content",
        other => other.name(),
    }
}

fn parts(target: &str) -> (&str, &str) {
    target.split_once('/').unwrap_or(("", target))
}

fn trace(call: &CallRecord) -> String {
    format!("{:032x}", trace::of(call.id, call.trace.as_deref()))
}

fn span(call: &CallRecord, place: usize) -> String {
    format!("{:016x}", trace::span(call.id, place))
}

/// As text: JSON's numbers are not that long.
fn nanos(at: SystemTime, after: Duration) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + after;
    since.as_nanos().to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

fn flag(key: &str, value: bool) -> Value {
    json!({"key": key, "value": {"boolValue": value}})
}
