//! The frames of an answer, seen from outside: where one ends, and the JSON inside.
//!
//! Faults are done to bytes and not to words, because no dialect of ours would write them.

use bytes::Bytes;
use llm_core::dialect::{DialectId, Framing};
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::script::UsageFault;

/// Members under which the vendors report what was used.
const USAGE: [&str; 7] = [
    "usage",
    "usageMetadata",
    "billed_units",
    "meta",
    "prompt_eval_count",
    "eval_count",
    "usage_metadata",
];

/// Cuts what an encoder wrote for one event into single frames.
pub(crate) fn cut(bytes: &Bytes, framing: Framing, out: &mut Vec<Bytes>) {
    let mut rest = bytes.clone();
    while !rest.is_empty() {
        let end = match framing {
            Framing::Sse => after(&rest, b"\r\n\r\n").or_else(|| after(&rest, b"\n\n")),
            Framing::Ndjson => after(&rest, b"\n"),
            Framing::JsonArray => None,
        };
        out.push(rest.split_to(end.unwrap_or(rest.len())));
    }
}

fn after(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|w| w == mark).map(|at| at + mark.len())
}

/// Writes a payload as a frame; `None` is a whole answer.
pub(crate) fn dress(framing: Option<Framing>, event: Option<&str>, data: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + 32);
    match framing {
        Some(Framing::Sse) => {
            if let Some(event) = event {
                out.extend(format!("event: {event}\n").bytes());
            }
            out.extend(b"data: ");
            out.extend(data);
            out.extend(b"\n\n");
        }
        Some(Framing::Ndjson) => {
            out.extend(data);
            out.push(b'\n');
        }
        Some(Framing::JsonArray) | None => out.extend(data),
    }
    out.into()
}

/// Changes the JSON object inside a frame; a frame without one stays as it is.
pub(crate) fn edit(frame: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let Some((start, end)) = object(frame) else { return frame.clone() };
    let Ok(mut value) = serde_json::from_slice(&frame[start..end]) else { return frame.clone() };
    change(&mut value);
    let mut out = frame[..start].to_vec();
    out.extend(value.to_string().bytes());
    out.extend(&frame[end..]);
    out.into()
}

fn object(frame: &[u8]) -> Option<(usize, usize)> {
    let start = frame.iter().position(|b| *b == b'{')?;
    let end = frame.iter().rposition(|b| *b == b'}')? + 1;
    (start < end).then_some((start, end))
}

/// Adds members that nobody knows.
pub(crate) fn add_unknown(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert("sim_unknown".into(), json!({"nested": [1, {"deep": null}], "text": "안녕"}));
    }
}

/// Whether a frame says anything of usage.
pub(crate) fn has_usage(frame: &Bytes) -> bool {
    let mut found = false;
    edit(frame, |value| visit(value, &mut |v| found |= !v.is_null()));
    found
}

/// Falsifies what a frame says of usage.
pub(crate) fn falsify(frame: &Bytes, fault: UsageFault) -> Bytes {
    if fault == UsageFault::Absent {
        return edit(frame, remove_usage);
    }
    edit(frame, |value| visit(value, &mut |usage| numbers(usage, fault)))
}

/// Says the usage of a whole answer twice: the same member stands in the object two times.
pub(crate) fn doubled(body: &Bytes) -> Bytes {
    let Some((start, end)) = object(body) else { return body.clone() };
    let Ok(value) = serde_json::from_slice::<Value>(&body[start..end]) else { return body.clone() };
    let found = USAGE.iter().find_map(|name| Some((name, value.get(*name)?)));
    let Some((name, usage)) = found else { return body.clone() };
    let mut out = format!("{{\"{name}\":{usage},").into_bytes();
    out.extend(&body[start + 1..]);
    out.into()
}

fn remove_usage(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !USAGE.contains(&name.as_str()));
            object.values_mut().for_each(remove_usage);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_usage),
        _ => {}
    }
}

fn visit(value: &mut Value, on_usage: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object.iter_mut() {
                if USAGE.contains(&name.as_str()) {
                    on_usage(inner);
                } else {
                    visit(inner, on_usage);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|i| visit(i, on_usage)),
        _ => {}
    }
}

fn numbers(value: &mut Value, fault: UsageFault) {
    match value {
        Value::Object(object) => object.values_mut().for_each(|v| numbers(v, fault)),
        Value::Array(items) => items.iter_mut().for_each(|v| numbers(v, fault)),
        Value::Number(n) => {
            let number = n.as_i64().unwrap_or(0);
            *value = match fault {
                UsageFault::Zero => json!(0),
                UsageFault::Negative => json!(-1 - number),
                UsageFault::Float => json!(number as f64 + 0.5),
                UsageFault::String => json!(number.to_string()),
                UsageFault::Huge => json!(u64::MAX),
                UsageFault::Absent | UsageFault::Twice => return,
            };
        }
        _ => {}
    }
}

/// The frame by which a vendor fails inside a stream.
pub(crate) fn error(refusal: &Refusal, dialect: DialectId, framing: Option<Framing>) -> Bytes {
    let body = refusal.body(dialect);
    let plain = |event: Option<&str>| dress(framing, event, body.to_string().as_bytes());
    match dialect {
        _ if framing.is_none() => plain(None),
        DialectId::Anthropic => plain(Some("error")),
        DialectId::OpenaiResponses => failed_response(&body["error"], framing),
        DialectId::Cohere | DialectId::CohereV1 => {
            let data = json!({
                "type": "message-end", "id": "simulated",
                "delta": {"finish_reason": "ERROR", "error": refusal.message}
            });
            dress(framing, Some("message-end"), data.to_string().as_bytes())
        }
        // Google's front end writes the error behind the events, outside their framing.
        DialectId::Gemini if framing == Some(Framing::Sse) => {
            let mut text = serde_json::to_string_pretty(&body).unwrap_or_default();
            text.push('\n');
            text.into()
        }
        DialectId::Gemini => format!(",{body}]").into(),
        _ => plain(None),
    }
}

/// Responses fail twice: an event of their own, and the response that failed.
fn failed_response(error: &Value, framing: Option<Framing>) -> Bytes {
    let (code, message) = (&error["code"], &error["message"]);
    let first = json!({
        "type": "error", "sequence_number": 9_000, "code": code, "message": message, "param": null
    });
    let second = json!({
        "type": "response.failed", "sequence_number": 9_001,
        "response": {
            "id": "resp_simulated", "object": "response", "created_at": crate::model::CREATED,
            "status": "failed", "error": {"code": code, "message": message}, "output": [],
            "model": "simulated", "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
            "incomplete_details": null, "instructions": null, "metadata": {}, "usage": null
        }
    });
    let mut out = dress(framing, Some("error"), first.to_string().as_bytes()).to_vec();
    out.extend(dress(framing, Some("response.failed"), second.to_string().as_bytes()));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_they_end() {
        let mut out = Vec::new();
        cut(&Bytes::from_static(b"data: 1\n\ndata: 2\n\n"), Framing::Sse, &mut out);
        cut(&Bytes::from_static(b"{}\n{}\n"), Framing::Ndjson, &mut out);
        assert_eq!(out.len(), 4);
    }

    #[test]
    fn usage_is_falsified_wherever_it_stands() {
        let frame =
            Bytes::from_static(b"data: {\"x\":{\"usage\":{\"a\":1,\"b\":{\"c\":2}}},\"n\":3}\n\n");
        let text = |fault| String::from_utf8(falsify(&frame, fault).to_vec()).unwrap();
        assert_eq!(text(UsageFault::Absent), "data: {\"n\":3,\"x\":{}}\n\n");
        assert!(text(UsageFault::Negative).contains("\"c\":-3"));
        assert!(
            text(UsageFault::Zero)
                .ends_with("\"n\":3,\"x\":{\"usage\":{\"a\":0,\"b\":{\"c\":0}}}}\n\n")
                || text(UsageFault::Zero).contains("\"a\":0")
        );
        assert!(text(UsageFault::Huge).contains("18446744073709551615"));
        assert!(has_usage(&frame));
    }
}
