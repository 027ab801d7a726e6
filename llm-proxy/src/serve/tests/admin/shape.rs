//! Whether an answer is what the table says that it is: the document and the answers cannot part.

use super::super::super::routes::{self, Found};
use super::*;

/// Holds an answer against its route's shape, and a refusal against that of errors.
pub(super) fn holds(method: &Method, path: &str, status: StatusCode, answer: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let Some(Found::Here(route, _)) = routes::find(method, path) else { return };
    if status.is_success() {
        fits(&routes::openapi::answer(route), answer, path);
    } else {
        let error = &answer["error"];
        let theirs = crate::serve::app::is_path(path);
        let names = if theirs { ["message", "code", "code"] } else { ["message", "type", "code"] };
        assert!(!theirs || answer["success"] == false, "{path}: {answer}");
        for name in names {
            assert!(error[name].is_string(), "{path}: {answer}");
        }
    }
}

fn fits(schema: &Value, value: &Value, place: &str) {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let same = kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number");
    assert!(same, "{place} is no {kinds:?}: {value}");
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    for (at, one) in value.as_array().into_iter().flatten().enumerate() {
        fits(&schema["items"], one, &format!("{place}[{at}]"));
    }
    let (Some(known), Some(fields)) = (schema["properties"].as_object(), value.as_object()) else {
        return;
    };
    for (name, field) in fields {
        let of = known.get(name).unwrap_or_else(|| panic!("{place} has a {name} that nobody told"));
        fits(of, field, &format!("{place}.{name}"));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(fields.contains_key(name.as_str().unwrap()), "{place} has no {name}");
    }
}
