//! Gemini generateContent: protobuf in JSON, where an unknown name is an error wherever it stands.

use serde_json::Value;

use super::{Checked, given};
use crate::upstream::refusal::{Problem, Refusal};

const REQUEST: [&str; 11] = [
    "model",
    "systemInstruction",
    "contents",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "labels",
    "serviceTier",
    "store",
];
const PART: [&str; 17] = [
    "text",
    "inlineData",
    "functionCall",
    "functionResponse",
    "fileData",
    "executableCode",
    "codeExecutionResult",
    "videoMetadata",
    "thought",
    "thoughtSignature",
    "partMetadata",
    "mediaResolution",
    "toolCall",
    "toolResponse",
    "audioTranscription",
    "mediaProcessing",
    "speechMetadata",
];
const CONFIG: [&str; 26] = [
    "candidateCount",
    "stopSequences",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseJsonSchemaOrdered",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "responseModalities",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
    "audioTimestamp",
    "responseFormat",
    "routingConfig",
    "enableAffectiveDialog",
    "modelSelectionConfig",
];
/// JSON Schema words that Google's own schema type has not are refused in `parameters` and
/// `responseSchema`, and welcome in `parametersJsonSchema` and `responseJsonSchema`.
const SCHEMA: [&str; 22] = [
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "maxItems",
    "minItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "anyOf",
    "propertyOrdering",
    "default",
];

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(Problem::BadRequest, message)
}

/// A member under either of the two spellings that protobuf's JSON allows.
fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    given(value, name).or_else(|| given(value, &snake(name)))
}

fn members<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    member(value, name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn known(value: &Value, names: &[&str], at: &str) -> Checked {
    for (name, _) in value.as_object().into_iter().flatten() {
        if !names.iter().any(|n| *n == name || snake(n) == *name) {
            let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            return Err(bad(format!(
                "Invalid JSON payload received. Unknown name \"{name}\"{place}: Cannot find field."
            )));
        }
    }
    Ok(())
}

pub(super) fn generate(body: &Value) -> Checked {
    known(body, &REQUEST, "")?;
    contents(members(body, "contents"))?;
    for (n, tool) in members(body, "tools").iter().enumerate() {
        for (f, function) in members(tool, "functionDeclarations").iter().enumerate() {
            declaration(function, &format!("tools[{n}].function_declarations[{f}]"))?;
        }
    }
    let Some(config) = member(body, "generationConfig") else { return Ok(()) };
    known(config, &CONFIG, "generation_config")?;
    let temperature = member(config, "temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
        return Err(bad(
            "* GenerateContentRequest.generation_config.temperature: temperature must \
                        be in the range [0.0, 2.0].",
        ));
    }
    let count = member(config, "candidateCount").and_then(Value::as_i64);
    if count.is_some_and(|n| !(1..=8).contains(&n)) {
        return Err(bad(
            "* GenerateContentRequest.generation_config.candidate_count: must be in the \
                        range [1, 8].",
        ));
    }
    let Some(schema) = member(config, "responseSchema") else { return Ok(()) };
    if member(config, "responseMimeType").and_then(Value::as_str) != Some("application/json") {
        return Err(bad(
            "* GenerateContentRequest.generation_config.response_schema: only allowed \
                        with response_mime_type application/json",
        ));
    }
    self::schema(schema, "generation_config.response_schema")
}

fn contents(contents: &[Value]) -> Checked {
    if contents.is_empty() {
        return Err(bad("* GenerateContentRequest.contents: contents is not specified\n"));
    }
    let mut calls = 0;
    for (n, content) in contents.iter().enumerate() {
        known(content, &["parts", "role"], &format!("contents[{n}]"))?;
        match content.get("role").and_then(Value::as_str) {
            None | Some("user" | "model" | "function") => {}
            Some(_) => return Err(bad("Please use a valid role: user, model.")),
        }
        let parts = members(content, "parts");
        if parts.is_empty() {
            let at = format!("* GenerateContentRequest.contents[{n}].parts");
            return Err(bad(format!("{at}: contents.parts must not be empty.\n")));
        }
        for (p, part) in parts.iter().enumerate() {
            known(part, &PART, &format!("contents[{n}].parts[{p}]"))?;
        }
        let count = |name| parts.iter().filter(|p| member(p, name).is_some()).count();
        let responses = count("functionResponse");
        if responses != calls {
            return Err(bad(
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn.",
            ));
        }
        calls = count("functionCall");
        if calls > 0 && n == 0 {
            return Err(bad(
                "Please ensure that function call turn comes immediately after a user turn or \
                 after a function response turn.",
            ));
        }
    }
    Ok(())
}

fn declaration(function: &Value, at: &str) -> Checked {
    let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b));
    if !first || !rest || name.len() > 64 {
        return Err(bad(format!(
            "* GenerateContentRequest.{at}.name: Invalid function name. Must start with a letter \
             or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), \
             colons (:), or dashes (-), with a maximum length of 64."
        )));
    }
    match member(function, "parameters") {
        Some(schema) => self::schema(schema, &format!("{at}.parameters")),
        None => Ok(()),
    }
}

fn schema(value: &Value, at: &str) -> Checked {
    known(value, &SCHEMA, at)?;
    if value.get("type").is_some_and(Value::is_array) {
        return Err(bad(format!(
            "Invalid value at '{at}.type' (TYPE_ENUM), expected a single value, not a list."
        )));
    }
    if let Some(items) = member(value, "items") {
        schema(items, &format!("{at}.items"))?;
    }
    for (n, inner) in members(value, "anyOf").iter().enumerate() {
        schema(inner, &format!("{at}.any_of[{n}]"))?;
    }
    let properties = member(value, "properties").and_then(Value::as_object);
    for (n, (_, inner)) in properties.into_iter().flatten().enumerate() {
        schema(inner, &format!("{at}.properties[{n}].value"))?;
    }
    Ok(())
}
