//! What chat completions and responses check alike: messages, tools, schemas, numbers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Checked, given, is_name, list, text};
use crate::upstream::refusal::Refusal;

const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];
const PARTS: [&str; 5] = ["text", "image_url", "input_audio", "file", "refusal"];

pub(super) fn missing(name: &str) -> Refusal {
    let message = format!("Missing required parameter: '{name}'.");
    Refusal::field(name, message).coded("missing_required_parameter")
}

pub(super) fn invalid(param: &str, value: &Value, supported: &str) -> Refusal {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message = format!("Invalid value: '{value}'. Supported values are: {supported}.");
    Refusal::field(param, message).coded("invalid_value")
}

pub(super) fn range(body: &Value, key: &str, low: f64, high: f64) -> Checked {
    let Some(value) = given(body, key) else { return Ok(()) };
    let Some(number) = value.as_f64() else {
        let message =
            format!("Invalid type for '{key}': expected a decimal, but got {value} instead.");
        return Err(Refusal::field(key, message).coded("invalid_type"));
    };
    let (side, code, bound, sign) = match number {
        n if n < low => ("below minimum", "decimal_below_min_value", low, ">="),
        n if n > high => ("above maximum", "decimal_above_max_value", high, "<="),
        _ => return Ok(()),
    };
    let message = format!(
        "Invalid '{key}': decimal {side} value. Expected a value {sign} {bound}, but got {value} instead."
    );
    Err(Refusal::field(key, message).coded(code))
}

pub(super) fn whole(body: &Value, key: &str, low: i64, high: i64) -> Checked {
    let Some(value) = given(body, key) else { return Ok(()) };
    let Some(number) = value.as_i64() else {
        let message =
            format!("Invalid type for '{key}': expected an integer, but got {value} instead.");
        return Err(Refusal::field(key, message).coded("invalid_type"));
    };
    let (side, code, bound, sign) = match number {
        n if n < low => ("below minimum", "integer_below_min_value", low, ">="),
        n if n > high => ("above maximum", "integer_above_max_value", high, "<="),
        _ => return Ok(()),
    };
    let message = format!(
        "Invalid '{key}': integer {side} value. Expected a value {sign} {bound}, but got {value} instead."
    );
    Err(Refusal::field(key, message).coded(code))
}

pub(super) fn messages(body: &Value) -> Checked {
    let Some(messages) = body.get("messages") else { return Err(missing("messages")) };
    let messages = messages.as_array().map_or(&[][..], Vec::as_slice);
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, \
                       but got an empty array instead.";
        return Err(Refusal::field("messages", message).coded("empty_array"));
    }
    let mut open: BTreeSet<&str> = BTreeSet::new();
    for (n, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if !ROLES.contains(&role) {
            let wanted = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'";
            return Err(invalid(&format!("messages[{n}].role"), &message["role"], wanted));
        }
        content(message, role, n)?;
        if role == "tool" {
            if !open.remove(text(message, "tool_call_id")) {
                let message = "Invalid parameter: messages with role 'tool' must be a response to \
                               a preceeding message with 'tool_calls'.";
                return Err(Refusal::field(format!("messages.[{n}].role"), message));
            }
            continue;
        }
        unanswered(&open, n)?;
        open = list(message, "tool_calls").iter().map(|call| text(call, "id")).collect();
    }
    unanswered(&open, messages.len())
}

fn unanswered(open: &BTreeSet<&str>, at: usize) -> Checked {
    if open.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = open.iter().copied().collect();
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    );
    Err(Refusal::field(format!("messages.[{at}].role"), message))
}

fn content(message: &Value, role: &str, n: usize) -> Checked {
    let at = format!("messages[{n}].content");
    match given(message, "content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => {
            for (p, part) in parts.iter().enumerate() {
                if !PARTS.contains(&text(part, "type")) {
                    let wanted = "'text', 'image_url', 'input_audio', 'refusal', and 'file'";
                    return Err(invalid(&format!("{at}[{p}].type"), &part["type"], wanted));
                }
            }
            Ok(())
        }
        Some(other) => {
            let message = format!(
                "Invalid type for '{at}': expected one of a string or array of objects, but got \
                 {other} instead."
            );
            Err(Refusal::field(at, message).coded("invalid_type"))
        }
        None => {
            let speaks = ["tool_calls", "function_call", "refusal", "audio"];
            if role == "assistant" && speaks.iter().any(|k| given(message, k).is_some()) {
                return Ok(());
            }
            let message = "Invalid value for 'content': expected a string, got null.";
            Err(Refusal::field(format!("messages.[{n}].content"), message))
        }
    }
}

/// Tools; `flat` is the responses' way of writing them.
pub(super) fn tools(tools: &[Value], flat: bool) -> Checked {
    for (n, tool) in tools.iter().enumerate() {
        let at = format!("tools[{n}]");
        let kind = text(tool, "type");
        if kind.is_empty() {
            return Err(missing(&format!("{at}.type")));
        }
        if kind != "function" {
            if !flat && kind != "custom" {
                return Err(invalid(
                    &format!("{at}.type"),
                    &tool["type"],
                    "'function' and 'custom'",
                ));
            }
            continue;
        }
        let (function, at) = match flat {
            true => (tool, at),
            false => (&tool["function"], format!("{at}.function")),
        };
        let name = text(function, "name");
        if name.is_empty() {
            return Err(missing(&format!("{at}.name")));
        }
        if !is_name(name, 64) {
            let message = format!(
                "Invalid '{at}.name': string does not match pattern. Expected a string that matches \
                 the pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters."
            );
            return Err(Refusal::field(format!("{at}.name"), message).coded("invalid_value"));
        }
        let Some(schema) = given(function, "parameters") else { continue };
        let bad = |why: String| {
            let message = format!("Invalid schema for function '{name}': {why}");
            Err(Refusal::field(format!("{at}.parameters"), message)
                .coded("invalid_function_parameters"))
        };
        if text(schema, "type") != "object" {
            return bad(format!(
                "schema must be a JSON Schema of 'type: \"object\"', got 'type: {}'.",
                schema.get("type").unwrap_or(&Value::Null)
            ));
        }
        if function.get("strict") == Some(&Value::Bool(true))
            && let Err(why) = strict_schema(schema, &mut Vec::new())
        {
            return bad(why);
        }
    }
    Ok(())
}

pub(super) fn tool_choice(body: &Value, flat: bool) -> Checked {
    let tools = list(body, "tools");
    for key in ["tool_choice", "parallel_tool_calls"] {
        let harmless = flat || text(body, key) == "none";
        if given(body, key).is_some() && tools.is_empty() && !harmless {
            let message = format!(
                "Invalid value for '{key}': '{key}' is only allowed when 'tools' are specified."
            );
            return Err(Refusal::field(key, message));
        }
    }
    let Some(choice) = given(body, "tool_choice") else { return Ok(()) };
    if let Some(word) = choice.as_str() {
        return match word {
            "auto" | "none" | "required" => Ok(()),
            _ => Err(invalid("tool_choice", choice, "'none', 'auto', and 'required'")),
        };
    }
    if text(choice, "type") != "function" {
        return Ok(());
    }
    let inner = |v: &Value| if flat { v.clone() } else { v["function"].clone() };
    let name = inner(choice);
    if tools.iter().any(|t| text(&inner(t), "name") == text(&name, "name")) {
        return Ok(());
    }
    let message = format!("Tool choice '{}' not found in 'tools' parameter.", text(&name, "name"));
    Err(Refusal::field("tool_choice", message))
}

pub(super) fn response_format(body: &Value, format: &Value) -> Checked {
    match text(format, "type") {
        "text" => Ok(()),
        "json_object" => {
            let said = body["messages"].to_string().to_lowercase();
            if said.contains("json") {
                return Ok(());
            }
            let message = "'messages' must contain the word 'json' in some form, to use \
                           'response_format' of type 'json_object'.";
            Err(Refusal::field("messages", message))
        }
        "json_schema" => json_schema(&format["json_schema"], "response_format"),
        _ => Err(invalid(
            "response_format.type",
            &format["type"],
            "'json_object', 'json_schema', and 'text'",
        )),
    }
}

pub(super) fn json_schema(wanted: &Value, at: &str) -> Checked {
    let name = text(wanted, "name");
    if name.is_empty() {
        return Err(missing(&format!("{at}.json_schema.name")));
    }
    if !is_name(name, 64) {
        let message = format!("Invalid '{at}.json_schema.name': string does not match pattern.");
        return Err(
            Refusal::field(format!("{at}.json_schema.name"), message).coded("invalid_value")
        );
    }
    let Some(schema) = given(wanted, "schema") else { return Ok(()) };
    if wanted.get("strict") != Some(&Value::Bool(true)) {
        return Ok(());
    }
    let mut result = strict_schema(schema, &mut Vec::new());
    if text(schema, "type") != "object" {
        result = Err("schema must be a JSON Schema of 'type: \"object\"'.".to_owned());
    }
    result.map_err(|why| {
        let message = format!("Invalid schema for response_format '{name}': {why}");
        Refusal::field(at, message)
    })
}

/// The rules of strict schemas: no member unnamed, no named member optional.
fn strict_schema(schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let context = || {
        let steps: Vec<_> = path.iter().map(|p| format!("'{p}'")).collect();
        format!("In context=({})", steps.join(", "))
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    if text(schema, "type") == "object" || properties.is_some() {
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            let rule = "'additionalProperties' is required to be supplied and to be false.";
            return Err(format!("{}, {rule}", context()));
        }
        let required: Vec<&str> =
            list(schema, "required").iter().filter_map(Value::as_str).collect();
        let optional =
            properties.into_iter().flatten().find(|(k, _)| !required.contains(&k.as_str()));
        if let Some((name, _)) = optional {
            return Err(format!(
                "{}, 'required' is required to be supplied and to be an array including every key \
                 in properties. Missing '{name}'.",
                context()
            ));
        }
    }
    for key in ["properties", "$defs", "definitions"] {
        for (name, inner) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
            path.extend([key.to_owned(), name.clone()]);
            strict_schema(inner, path)?;
            path.truncate(path.len() - 2);
        }
    }
    if let Some(items) = schema.get("items").filter(|i| i.is_object()) {
        path.push("items".to_owned());
        strict_schema(items, path)?;
        path.pop();
    }
    for (n, inner) in list(schema, "anyOf").iter().enumerate() {
        path.extend(["anyOf".to_owned(), n.to_string()]);
        strict_schema(inner, path)?;
        path.truncate(path.len() - 2);
    }
    Ok(())
}
