//! Ollama: lenient about what it does not know, as strict as Go about types.

use serde_json::Value;

use super::{Checked, given, list, text};
use crate::upstream::refusal::{Problem, Refusal};

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Problem::BadRequest, message)
}

fn mismatch(value: &Value, field: &str, wanted: &str) -> Refusal {
    let kind = match value {
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Bool(_) | Value::Null => "bool",
    };
    bad(format!("json: cannot unmarshal {kind} into Go struct field {field} of type {wanted}"))
}

pub(super) fn chat(body: &Value) -> Checked {
    if text(body, "model").is_empty() {
        return Err(bad("model is required"));
    }
    for message in list(body, "messages") {
        let role = text(message, "role");
        if !matches!(role, "system" | "user" | "assistant" | "tool" | "developer") {
            return Err(bad(format!(
                "invalid role: \"{role}\"; must be one of [\"system\", \"user\", \"assistant\", \
                 \"tool\"]"
            )));
        }
        match given(message, "content") {
            None | Some(Value::String(_)) => {}
            Some(other) => {
                return Err(mismatch(other, "ChatRequest.messages.content", "string"));
            }
        }
        for call in list(message, "tool_calls") {
            let arguments = &call["function"]["arguments"];
            if !arguments.is_object() && !arguments.is_null() {
                let field = "ChatRequest.messages.tool_calls.function.arguments";
                return Err(mismatch(arguments, field, "map[string]interface {}"));
            }
        }
    }
    for (field, value) in body["options"].as_object().into_iter().flatten() {
        let number = matches!(field.as_str(), "temperature" | "top_p" | "num_predict" | "top_k");
        if number && !value.is_number() {
            return Err(bad(format!("option \"{field}\" must be of type float32")));
        }
    }
    Ok(())
}
