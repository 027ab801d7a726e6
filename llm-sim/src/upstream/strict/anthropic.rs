//! Anthropic messages and their token count.

use base64::Engine as _;
use http::HeaderMap;
use serde_json::Value;

use super::{Checked, given, is_name, list, text, unknown};
use crate::upstream::refusal::Refusal;

/// The version from which on sampling is the model's own affair.
const NO_SAMPLING: &str = "2026-10-21";
const KNOWN: [&str; 27] = [
    "model",
    "messages",
    "max_tokens",
    "cache_control",
    "container",
    "context_management",
    "inference_geo",
    "mcp_servers",
    "metadata",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
    "betas",
    "fallbacks",
    "diagnostics",
    "user_profile_id",
    "workspace_id",
];
const BLOCKS: [&str; 18] = [
    "text",
    "image",
    "document",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "search_result",
    "server_tool_use",
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "tool_search_tool_result",
];

pub(super) fn version(headers: &HeaderMap) -> Checked {
    match headers.get("anthropic-version") {
        Some(_) => Ok(()),
        None => Err(bad("anthropic-version: header is required")),
    }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(crate::upstream::refusal::Problem::BadRequest, message)
}

/// `answers` is false for the token count, which needs no `max_tokens`.
pub(super) fn messages(headers: &HeaderMap, body: &Value, answers: bool) -> Checked {
    for name in ["model", "messages", "max_tokens"] {
        if given(body, name).is_none() && (answers || name != "max_tokens") {
            return Err(bad(format!("{name}: Field required")));
        }
    }
    if let Some(name) = unknown(body, &KNOWN) {
        return Err(bad(format!("{name}: Extra inputs are not permitted")));
    }
    if answers && body["max_tokens"].as_i64().is_none_or(|n| n < 1) {
        return Err(bad("max_tokens: Input should be greater than or equal to 1"));
    }
    sampling(headers, body)?;
    turns(list(body, "messages"))?;
    tools(body)
}

fn sampling(headers: &HeaderMap, body: &Value) -> Checked {
    let newest = headers.get("anthropic-version").is_some_and(|v| v == NO_SAMPLING);
    for name in ["temperature", "top_p", "top_k"] {
        if newest && given(body, name).is_some() {
            return Err(bad(format!("{name}: Extra inputs are not permitted")));
        }
    }
    for name in ["temperature", "top_p"] {
        if given(body, name).and_then(Value::as_f64).is_some_and(|n| !(0.0..=1.0).contains(&n)) {
            return Err(bad(format!("{name}: range: 0..1")));
        }
    }
    let thinking = &body["thinking"];
    if text(thinking, "type") != "enabled" {
        return Ok(());
    }
    let budget = thinking["budget_tokens"].as_i64().unwrap_or(0);
    if budget < 1_024 {
        let message =
            "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024";
        return Err(bad(message));
    }
    if body["max_tokens"].as_i64().is_some_and(|max| max <= budget) {
        return Err(bad("`max_tokens` must be greater than `thinking.budget_tokens`."));
    }
    if given(body, "temperature").and_then(Value::as_f64).is_some_and(|t| t != 1.0) {
        return Err(bad("`temperature` may only be set to 1 when thinking is enabled."));
    }
    Ok(())
}

fn turns(messages: &[Value]) -> Checked {
    if messages.is_empty() {
        return Err(bad("messages: at least one message is required"));
    }
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if role != "user" && role != "assistant" {
            return Err(bad(format!(
                "messages.{n}.role: Unexpected role \"{role}\". The Messages API accepts a \
                 top-level `system` parameter, not \"system\" as an input message role."
            )));
        }
        if n == 0 && role != "user" {
            return Err(bad("messages: first message must use the \"user\" role"));
        }
        blocks(message, n)?;
        let answered = results(message, n, &open)?;
        if let Some(id) = open.iter().find(|id| !answered.contains(id)) {
            return Err(bad(format!(
                "messages.{n}: `tool_use` ids were found without `tool_result` blocks immediately \
                 after: {id}. Each `tool_use` block must have a corresponding `tool_result` block \
                 in the next message."
            )));
        }
        let uses = list(message, "content").iter().filter(|b| text(b, "type") == "tool_use");
        open = uses.map(|b| text(b, "id")).collect();
    }
    match open.first() {
        Some(id) => Err(bad(format!(
            "messages.{}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}.",
            messages.len()
        ))),
        None => trailing(messages),
    }
}

fn trailing(messages: &[Value]) -> Checked {
    let Some(last) = messages.last().filter(|m| text(m, "role") == "assistant") else {
        return Ok(());
    };
    let end = match last["content"].as_array().and_then(|c| c.last()) {
        Some(block) => text(block, "text"),
        None => text(last, "content"),
    };
    if end.ends_with(char::is_whitespace) {
        return Err(bad("messages: final assistant content cannot end with trailing whitespace"));
    }
    Ok(())
}

fn blocks(message: &Value, n: usize) -> Checked {
    match &message["content"] {
        Value::String(said) if said.is_empty() => {
            Err(bad("messages: text content blocks must be non-empty"))
        }
        Value::String(_) => Ok(()),
        Value::Array(blocks) => {
            blocks.iter().enumerate().try_for_each(|(b, block)| self::block(block, n, b))
        }
        _ => Err(bad(format!("messages.{n}.content: Field required"))),
    }
}

fn block(block: &Value, n: usize, b: usize) -> Checked {
    let at = format!("messages.{n}.content.{b}");
    let kind = text(block, "type");
    if !BLOCKS.contains(&kind) {
        return Err(bad(format!(
            "{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )));
    }
    match kind {
        "text" if text(block, "text").is_empty() => {
            Err(bad("messages: text content blocks must be non-empty"))
        }
        "tool_use" if !block["input"].is_object() => {
            Err(bad(format!("{at}.tool_use.input: Input should be a valid dictionary")))
        }
        "thinking" if block.get("signature").is_none() => {
            Err(bad(format!("{at}.thinking.signature: Field required")))
        }
        "thinking" if !is_ours(text(block, "signature")) => {
            Err(bad(format!("{at}: Invalid `signature` in `thinking` block")))
        }
        _ => Ok(()),
    }
}

/// Signatures that the simulated model wrote; any other was made up or comes from elsewhere.
fn is_ours(signature: &str) -> bool {
    let decoded = base64::engine::general_purpose::STANDARD.decode(signature);
    decoded.is_ok_and(|bytes| bytes.starts_with(b"sim"))
}

/// The results of a message, each of which must answer a call of the message before.
fn results<'m>(message: &'m Value, n: usize, open: &[&str]) -> Result<Vec<&'m str>, Refusal> {
    let mut out = Vec::new();
    for (b, block) in list(message, "content").iter().enumerate() {
        if text(block, "type") != "tool_result" {
            continue;
        }
        let id = text(block, "tool_use_id");
        if !open.contains(&id) {
            return Err(bad(format!(
                "messages.{n}.content.{b}: unexpected `tool_use_id` found in `tool_result` blocks: \
                 {id}. Each `tool_result` block must have a corresponding `tool_use` block in the \
                 previous message."
            )));
        }
        out.push(id);
    }
    Ok(out)
}

fn tools(body: &Value) -> Checked {
    let tools = list(body, "tools");
    for (n, tool) in tools.iter().enumerate() {
        if !matches!(text(tool, "type"), "" | "custom") {
            continue;
        }
        let at = format!("tools.{n}.custom");
        if !is_name(text(tool, "name"), 128) {
            let rule = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
            return Err(bad(format!("{at}.name: {rule}")));
        }
        match given(tool, "input_schema") {
            None => return Err(bad(format!("{at}.input_schema: Field required"))),
            Some(schema) if text(schema, "type") != "object" => {
                return Err(bad(format!("{at}.input_schema.type: Input should be 'object'")));
            }
            Some(_) => {}
        }
    }
    let Some(choice) = given(body, "tool_choice") else { return Ok(()) };
    if !matches!(text(choice, "type"), "auto" | "any" | "tool" | "none") {
        return Err(bad("tool_choice: Input tag does not match any of the expected tags"));
    }
    let name = text(choice, "name");
    if text(choice, "type") == "tool" && !tools.iter().any(|t| text(t, "name") == name) {
        return Err(bad(format!(
            "tool_choice.tool.name: Tool '{name}' not found in provided tools"
        )));
    }
    Ok(())
}
