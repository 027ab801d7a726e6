//! OpenAI responses.

use serde_json::Value;

use super::openai_parts::{invalid, json_schema, missing, range, tool_choice, tools, whole};
use super::{Checked, given, list, text};
use crate::upstream::refusal::Refusal;

const ROLES: [&str; 4] = ["assistant", "system", "developer", "user"];

pub(super) fn create(body: &Value) -> Checked {
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(missing("model"));
    };
    if let Some(id) = given(body, "previous_response_id").and_then(Value::as_str) {
        // Nothing is stored here, which every client must be able to live with.
        let message = format!("Previous response with id '{id}' not found.");
        let refusal = Refusal::field("previous_response_id", message);
        return Err(refusal.coded("previous_response_not_found"));
    }
    match body.get("input") {
        Some(Value::String(_)) => {}
        Some(Value::Array(items)) => input(items)?,
        None if given(body, "prompt").is_some() || given(body, "conversation").is_some() => {}
        _ => return Err(missing("input")),
    }
    tools(list(body, "tools"), true)?;
    tool_choice(body, true)?;
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    whole(body, "max_output_tokens", 16, i64::MAX)?;
    if super::openai::is_reasoning(model) && given(body, "temperature").is_some() {
        let message = "Unsupported parameter: 'temperature' is not supported with this model.";
        return Err(Refusal::field("temperature", message));
    }
    format(&body["text"]["format"])
}

fn format(format: &Value) -> Checked {
    match text(format, "type") {
        "json_schema" => json_schema(format, "text.format"),
        "" | "text" | "json_object" => Ok(()),
        _ => Err(invalid(
            "text.format.type",
            &format["type"],
            "'json_object', 'json_schema', and 'text'",
        )),
    }
}

fn input(items: &[Value]) -> Checked {
    let mut calls: Vec<&str> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let role = text(item, "role");
        match text(item, "type") {
            "" | "message" => {
                if !ROLES.contains(&role) {
                    let wanted = "'assistant', 'system', 'developer', and 'user'";
                    return Err(invalid(&format!("input[{n}].role"), &item["role"], wanted));
                }
                content(item, role, n)?;
            }
            "function_call" | "custom_tool_call" => calls.push(text(item, "call_id")),
            "function_call_output" | "custom_tool_call_output" => {
                let id = text(item, "call_id");
                if !calls.contains(&id) {
                    let message =
                        format!("No tool call found for function call output with call_id {id}.");
                    return Err(Refusal::field("input", message));
                }
            }
            _ => {}
        }
    }
    let outputs: Vec<&str> = items.iter().map(output_id).collect();
    match calls.iter().find(|id| !outputs.contains(id)) {
        Some(id) => {
            let message = format!("No tool output found for function call {id}.");
            Err(Refusal::field("input", message))
        }
        None => Ok(()),
    }
}

fn output_id(item: &Value) -> &str {
    if text(item, "type").ends_with("_call_output") { text(item, "call_id") } else { "" }
}

/// Words of the person and words of the model have different types.
fn content(item: &Value, role: &str, n: usize) -> Checked {
    let allowed: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        _ => &["input_text", "input_image", "input_file", "input_audio"],
    };
    for (p, part) in list(item, "content").iter().enumerate() {
        if !allowed.contains(&text(part, "type")) {
            let wanted: Vec<_> = allowed.iter().map(|a| format!("'{a}'")).collect();
            let at = format!("input[{n}].content[{p}]");
            return Err(invalid(&at, &part["type"], &wanted.join(", ")));
        }
    }
    Ok(())
}
