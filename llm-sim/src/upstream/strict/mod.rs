//! Refuses what the real APIs refuse, in their words.
//!
//! A gateway that only ever met a lenient simulator would break on its first day. The checks read
//! plain JSON and no dialect of ours, so that a mistake in a dialect cannot hide itself here. What
//! is not checked is what no gateway could get wrong: prices, regions, ages of models.

use http::HeaderMap;
use llm_core::call::Operation;
use llm_core::dialect::DialectId;
use serde_json::Value;

use super::refusal::{Problem, Refusal};
use super::vendor::Vendor;

mod anthropic;
mod cohere;
mod gemini;
mod ollama;
mod openai;
mod openai_parts;
mod responses;

type Checked = Result<(), Refusal>;

/// Checks a JSON body.
pub(crate) fn check(
    vendor: Vendor,
    dialect: DialectId,
    operation: Operation,
    headers: &HeaderMap,
    body: &Value,
) -> Checked {
    if !body.is_object() {
        return Err(Refusal::new(Problem::BadRequest, "the body must be a JSON object"));
    }
    match (dialect, operation) {
        // Ollama is lenient in OpenAI's dialect: it reads what it knows and forgets the rest.
        (DialectId::OpenaiChat | DialectId::OpenaiResponses, _) if vendor == Vendor::Ollama => {
            Ok(())
        }
        (DialectId::OpenaiChat, Operation::Chat) => openai::chat(body),
        (DialectId::OpenaiChat, Operation::Embed) => openai::embeddings(body),
        (DialectId::OpenaiCompletions, Operation::Chat) => openai::completions(body),
        (DialectId::OpenaiResponses, Operation::Chat) => responses::create(body),
        (DialectId::Anthropic, Operation::Chat) => anthropic::messages(headers, body, true),
        (DialectId::Anthropic, Operation::CountTokens) => anthropic::messages(headers, body, false),
        (DialectId::Gemini, Operation::Chat) => gemini::generate(body),
        (DialectId::Cohere, Operation::Chat) => cohere::chat(body),
        (DialectId::Cohere, Operation::Embed) => cohere::embed(body),
        (DialectId::Cohere, Operation::Rerank) => cohere::rerank(body),
        (DialectId::Ollama, Operation::Chat) => ollama::chat(body),
        _ => Ok(()),
    }
}

/// Checks what no body says.
pub(crate) fn check_headers(dialect: DialectId, headers: &HeaderMap) -> Checked {
    match dialect {
        DialectId::Anthropic => anthropic::version(headers),
        _ => Ok(()),
    }
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A member that is there and not null.
fn given<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    value.get(key).filter(|v| !v.is_null())
}

/// The first member that is not in the list.
fn unknown<'v>(value: &'v Value, known: &[&str]) -> Option<&'v str> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
}

/// `^[a-zA-Z0-9_-]{1,max}$`, which several APIs ask of names.
fn is_name(name: &str, max: usize) -> bool {
    (1..=max).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
