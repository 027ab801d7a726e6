//! Cohere v2: unknown nested fields have a status of their own, 422.

use serde_json::Value;

use super::{Checked, given, list, text, unknown};
use crate::upstream::refusal::{Problem, Refusal};

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Problem::BadRequest, message)
}

fn known(value: &Value, names: &[&str], at: &str) -> Checked {
    match unknown(value, names) {
        Some(name) => {
            let message = format!("unknown field: parameter '{at}{name}' is not a valid field");
            Err(Refusal::new(Problem::Unprocessable, message))
        }
        None => Ok(()),
    }
}

pub(super) fn chat(body: &Value) -> Checked {
    if text(body, "model").is_empty() {
        return Err(bad("invalid request: model is required."));
    }
    let messages = list(body, "messages");
    if messages.is_empty() {
        return Err(bad("invalid request: list of messages must have at least one element."));
    }
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let at = format!("messages[{n}].");
        match text(message, "role") {
            "system" | "developer" | "user" => known(message, &["role", "content"], &at)?,
            "assistant" => {
                let names = ["role", "content", "tool_calls", "tool_plan", "citations"];
                known(message, &names, &at)?;
                open = calls(message, &at)?;
            }
            "tool" => {
                known(message, &["role", "tool_call_id", "content"], &at)?;
                let id = text(message, "tool_call_id");
                if !open.contains(&id) {
                    return Err(bad(format!(
                        "invalid request: tool_call_id '{id}' at messages[{n}] does not match any \
                         tool call of the assistant message before it."
                    )));
                }
            }
            role => return Err(bad(format!("invalid role '{role}' at messages[{n}]."))),
        }
        if text(message, "role") == "user" && given(message, "content").is_none() {
            return Err(bad(format!("invalid request: messages[{n}] must have content.")));
        }
    }
    tools(list(body, "tools"))?;
    match given(body, "tool_choice").map(Value::as_str) {
        None | Some(Some("REQUIRED" | "NONE")) => {}
        Some(_) => return Err(bad("invalid tool_choice: must be one of REQUIRED, NONE")),
    }
    if given(body, "temperature").and_then(Value::as_f64).is_some_and(|t| !(0.0..=1.0).contains(&t))
    {
        return Err(bad("invalid request: temperature must be between 0 and 1.0 inclusive."));
    }
    Ok(())
}

fn calls<'m>(message: &'m Value, at: &str) -> Result<Vec<&'m str>, Refusal> {
    for (n, call) in list(message, "tool_calls").iter().enumerate() {
        let at = format!("{at}tool_calls[{n}].");
        known(call, &["id", "type", "function"], &at)?;
        known(&call["function"], &["name", "arguments"], &format!("{at}function."))?;
    }
    Ok(list(message, "tool_calls").iter().map(|call| text(call, "id")).collect())
}

fn tools(tools: &[Value]) -> Checked {
    for (n, tool) in tools.iter().enumerate() {
        let at = format!("tools[{n}].");
        known(tool, &["type", "function"], &at)?;
        let function = &tool["function"];
        known(function, &["name", "description", "parameters"], &format!("{at}function."))?;
        if text(function, "name").is_empty() {
            return Err(bad(format!("invalid request: {at}function.name is required.")));
        }
        if text(&function["parameters"], "type") != "object" {
            return Err(bad(format!(
                "invalid request: {at}function.parameters must be a JSON schema of type object."
            )));
        }
    }
    Ok(())
}

pub(super) fn embed(body: &Value) -> Checked {
    if text(body, "model").is_empty() {
        return Err(bad("invalid request: model is required."));
    }
    if text(body, "input_type").is_empty() {
        return Err(bad(
            "invalid request: valid input_type must be provided with the provided model",
        ));
    }
    let inputs = ["texts", "images", "inputs"].map(|k| list(body, k).len());
    let total: usize = inputs.iter().sum();
    if total == 0 {
        return Err(bad("invalid request: one of texts, images or inputs must be provided."));
    }
    if total > 96 {
        return Err(bad("invalid request: at most 96 texts can be embedded at once."));
    }
    Ok(())
}

pub(super) fn rerank(body: &Value) -> Checked {
    for (name, empty) in [
        ("model", text(body, "model").is_empty()),
        ("query", text(body, "query").is_empty()),
        ("documents", list(body, "documents").is_empty()),
    ] {
        if empty {
            return Err(bad(format!("invalid request: {name} must not be empty")));
        }
    }
    Ok(())
}
