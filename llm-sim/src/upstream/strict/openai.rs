//! OpenAI chat completions, embeddings and legacy completions.

use serde_json::Value;

use super::openai_parts::{
    invalid, messages, missing, range, response_format, tool_choice, tools, whole,
};
use super::{Checked, given, list, unknown};
use crate::upstream::refusal::Refusal;

/// All parameters of the call. OpenAI refuses any other, which is how a gateway learns that it
/// forwarded a field of its own.
const CHAT: [&str; 37] = [
    "model",
    "messages",
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
    "moderation",
];

/// Models that think, and therefore sample as they like.
pub(super) fn is_reasoning(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"].iter().any(|p| model.starts_with(p)) && !model.contains("chat")
}

pub(super) fn chat(body: &Value) -> Checked {
    let Some(model) = body.get("model").and_then(Value::as_str) else {
        return Err(missing("model"));
    };
    if let Some(name) = unknown(body, &CHAT) {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(Refusal::field(name, message));
    }
    messages(body)?;
    tools(list(body, "tools"), false)?;
    tool_choice(body, false)?;
    sampling(body)?;
    if is_reasoning(model) {
        reasoning(body)?;
    }
    for key in ["max_tokens", "max_completion_tokens"] {
        whole(body, key, 1, i64::MAX)?;
    }
    if let Some(format) = given(body, "response_format") {
        response_format(body, format)?;
    }
    if given(body, "stream_options").is_some() && body.get("stream") != Some(&Value::Bool(true)) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::field("stream_options", message));
    }
    stop(body)
}

fn sampling(body: &Value) -> Checked {
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    range(body, "frequency_penalty", -2.0, 2.0)?;
    range(body, "presence_penalty", -2.0, 2.0)?;
    whole(body, "n", 1, 128)?;
    whole(body, "top_logprobs", 0, 20)?;
    let wants = body.get("logprobs") == Some(&Value::Bool(true));
    if given(body, "top_logprobs").is_some() && !wants {
        let message = "'top_logprobs' is only allowed when 'logprobs' is enabled.";
        return Err(Refusal::field("top_logprobs", message));
    }
    Ok(())
}

fn reasoning(body: &Value) -> Checked {
    if given(body, "max_tokens").is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        return Err(Refusal::field("max_tokens", message).coded("unsupported_parameter"));
    }
    for key in ["temperature", "top_p"] {
        if given(body, key).and_then(Value::as_f64).is_some_and(|n| n != 1.0) {
            let message = format!(
                "Unsupported value: '{key}' does not support {} with this model. Only the default \
                 (1) value is supported.",
                body[key]
            );
            return Err(Refusal::field(key, message).coded("unsupported_value"));
        }
    }
    Ok(())
}

fn stop(body: &Value) -> Checked {
    if list(body, "stop").len() > 4 {
        let message = "Invalid 'stop': array too long. Expected an array with maximum length 4.";
        return Err(Refusal::field("stop", message).coded("array_above_max_length"));
    }
    Ok(())
}

pub(super) fn embeddings(body: &Value) -> Checked {
    if body.get("model").and_then(Value::as_str).is_none() {
        return Err(missing("model"));
    }
    match body.get("input") {
        None => return Err(missing("input")),
        Some(Value::String(text)) if text.is_empty() => {
            return Err(Refusal::field("input", "'input' cannot be an empty string."));
        }
        Some(Value::Array(items)) if items.is_empty() => {
            return Err(Refusal::field("input", "'input' cannot be an empty array."));
        }
        Some(Value::Array(items)) if items.len() > 2_048 => {
            return Err(Refusal::field("input", "'input' has too many items (maximum 2048)."));
        }
        Some(Value::String(_) | Value::Array(_)) => {}
        Some(_) => return Err(Refusal::field("input", "'input' must be a string or an array.")),
    }
    let known = ["model", "input", "dimensions", "encoding_format", "user"];
    if let Some(name) = unknown(body, &known) {
        let message = format!("Unrecognized request argument supplied: {name}");
        return Err(Refusal::field(name, message));
    }
    match given(body, "encoding_format").map(|f| f.as_str()) {
        None | Some(Some("float" | "base64")) => whole(body, "dimensions", 1, 3_072),
        Some(_) => {
            Err(invalid("encoding_format", &body["encoding_format"], "'float' and 'base64'"))
        }
    }
}

pub(super) fn completions(body: &Value) -> Checked {
    if body.get("model").and_then(Value::as_str).is_none() {
        return Err(missing("model"));
    }
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    whole(body, "n", 1, 128)?;
    whole(body, "max_tokens", 0, i64::MAX)?;
    stop(body)
}
