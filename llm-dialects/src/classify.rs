//! Decides what an upstream's error means.
//!
//! Each dialect reads its own error body into [`Said`]; the meaning is found here, once, because
//! the words that providers use are shared across their wire formats (OpenAI's codes on every
//! compatible host, Google's status words behind two dialects). The first rule that matches
//! counts, and the rules stand from the most telling to the least: a code or a sentence about the
//! prompt's length says more than the 400 or 429 it came with. There is no clock here: a date is
//! read relative to the answer's own `date`.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use llm_core::Str;
use llm_core::fault::{Fault, FaultClass};

mod hint;

/// An error as a dialect read it, before anyone has said what it means.
#[derive(Clone, Debug, Default)]
pub struct Said<'a> {
    /// Status of the exchange; 200 when the error came inside an answer.
    pub http: u16,
    /// Status that goes with the words: the exchange's own when that is an error, a number in the
    /// body otherwise, 0 when nothing said one.
    pub status: u16,
    /// `error.code`, numbers as text.
    pub code: Option<Str>,
    /// `error.type`.
    pub kind: Option<Str>,
    /// A status word (`RESOURCE_EXHAUSTED`).
    pub word: Option<Str>,
    /// Reasons in the details (`API_KEY_INVALID`).
    pub reasons: Vec<Str>,
    /// The message.
    pub message: Option<Str>,
    /// The field of the request it blames.
    pub param: Option<Str>,
    /// A wait that the body names (Gemini's `RetryInfo`).
    pub retry_delay: Option<Duration>,
    /// The headers of an error answer; none for an error inside an answer.
    pub headers: Option<&'a HeaderMap>,
    /// The body, or the frame.
    pub body: Bytes,
}

impl<'a> Said<'a> {
    /// An error answer.
    pub fn answer(head: &'a http::response::Parts, body: &Bytes) -> Self {
        let status = head.status.as_u16();
        let headers = Some(&head.headers);
        Self { http: status, status, headers, body: body.clone(), ..Self::default() }
    }

    /// An error inside an answer that began well.
    pub fn inside(body: &Bytes) -> Self {
        Self { http: 200, body: body.clone(), ..Self::default() }
    }

    /// Whether one of the provider's own words is one of `list`.
    fn has(&self, list: &[&str]) -> bool {
        let words = [&self.code, &self.kind, &self.word].into_iter().flatten().chain(&self.reasons);
        words.into_iter().any(|w| list.iter().any(|l| w.eq_ignore_ascii_case(l)))
    }

    /// The status that decides. Hosts write it into `code` where a stream has no other place.
    fn deciding_status(&self) -> u16 {
        let written = || self.code.as_ref().and_then(|c| c.parse().ok()).unwrap_or(0);
        match self.status {
            0..400 => Some(written()).filter(|n| (400..600).contains(n)).unwrap_or(0),
            status => status,
        }
    }
}

/// What was said, understood.
pub fn fault(said: Said<'_>) -> Fault {
    let text = said.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let status = said.deciding_status();
    let class = class(&said, status, &text);
    let retryable = should_retry(said.headers).unwrap_or_else(|| {
        // No wait makes the request smaller, though it is counted as a rate.
        let never = class == FaultClass::RateLimited && text.contains("request too large");
        class.retryable() && !never
    });
    let hint = || hint::retry_after(said.headers, said.retry_delay, &text);
    Fault {
        status: said.http,
        class,
        retryable,
        retry_after: if class.retryable() { hint() } else { None },
        message: said.message.unwrap_or_default(),
        code: said.code,
        kind: said.kind,
        param: said.param,
        body: said.body,
    }
}

fn class(said: &Said<'_>, status: u16, text: &str) -> FaultClass {
    if is_overflow(said, text) {
        FaultClass::ContextOverflow
    } else if is_empty_account(said, status, text) {
        FaultClass::QuotaExhausted
    } else if is_filtered(said, text) {
        FaultClass::ContentFiltered
    } else if said.has(&KEY_WORDS) || status == 401 || is_wrong_key(text) {
        FaultClass::Authentication
    } else if said.has(&["permission_error", "permission_denied"]) || status == 403 {
        FaultClass::Permission
    } else if said.has(&MISSING_WORDS) || status == 404 {
        FaultClass::NotFound
    } else if said.has(&["request_too_large"]) || status == 413 {
        FaultClass::TooLarge
    } else if said.has(&RATE_WORDS) || status == 429 {
        FaultClass::RateLimited
    } else if said.has(&["overloaded_error", "unavailable"]) || matches!(status, 503 | 529) {
        FaultClass::Overloaded
    } else if said.has(&["timeout_error", "deadline_exceeded"]) || matches!(status, 408 | 504) {
        FaultClass::Timeout
    } else if said.has(&["cancelled"]) || status == 499 {
        // Nobody of ours cancelled, or there would be nobody to read this.
        FaultClass::Server
    } else if said.has(&CALLER_WORDS) || (400..500).contains(&status) || status == 501 {
        FaultClass::InvalidRequest
    } else if said.has(&SERVER_WORDS) || status >= 500 {
        FaultClass::Server
    } else {
        FaultClass::Unknown
    }
}

const KEY_WORDS: [&str; 4] =
    ["invalid_api_key", "api_key_invalid", "authentication_error", "unauthenticated"];
const MISSING_WORDS: [&str; 4] =
    ["model_not_found", "not_found_error", "not_found", "DeploymentNotFound"];
const RATE_WORDS: [&str; 3] = ["rate_limit_exceeded", "rate_limit_error", "resource_exhausted"];
/// The last two blame the model's own tool call (Groq, Cohere), `not_supported_error` what was
/// asked for: the same request has no better chance with another key.
const CALLER_WORDS: [&str; 6] = [
    "invalid_request_error",
    "invalid_argument",
    "failed_precondition",
    "not_supported_error",
    "invalid_tool_generation",
    "tool_use_failed",
];
const SERVER_WORDS: [&str; 5] =
    ["api_error", "server_error", "internal", "internal_error", "internal_server_error"];

fn is_overflow(said: &Said<'_>, text: &str) -> bool {
    const CODES: [&str; 3] =
        ["context_length_exceeded", "too_many_tokens", "exceed_context_size_error"];
    /// Anthropic and Gemini have no code for it, only a sentence; so have most hosts.
    const SENTENCES: [&str; 10] = [
        "prompt is too long",
        "prompt too long",
        "context window",
        "maximum context length",
        "max context length",
        // Anthropic, when only the answer's room is missing: "input length and `max_tokens`
        // exceed context limit".
        "exceed context limit",
        // xAI.
        "maximum prompt length",
        // llama.cpp.
        "available context size",
        "too many tokens",
        "exceeds the maximum number of tokens",
    ];
    said.has(&CODES) || SENTENCES.iter().any(|s| text.contains(s))
}

/// xAI answers a wrong key with 400 and a sentence, and so does Google where its reason is lost.
fn is_wrong_key(text: &str) -> bool {
    text.contains("incorrect api key") || text.contains("api key not valid")
}

fn is_empty_account(said: &Said<'_>, status: u16, text: &str) -> bool {
    // 402 is "Payment Required": DeepSeek and OpenRouter send it with a sentence alone.
    if status == 402 || said.has(&["insufficient_quota", "billing_error"]) {
        return true;
    }
    // Anthropic says it with a 400 of type invalid_request_error.
    if text.contains("credit balance is too low") {
        return true;
    }
    // Google names a limit of nothing at all where the project has no plan. Its "exceeded your
    // current quota" is no sign: a per-minute limit reads the same.
    memchr::memmem::find(&said.body, br#""quota_limit_value": "0""#).is_some()
        || memchr::memmem::find(&said.body, br#""quota_limit_value":"0""#).is_some()
}

fn is_filtered(said: &Said<'_>, text: &str) -> bool {
    const CODES: [&str; 4] = [
        "content_filter",
        "content_policy_violation",
        "ResponsibleAIPolicyViolation",
        "moderation_blocked",
    ];
    // DeepSeek's whole sentence for it.
    said.has(&CODES) || text == "content exists risk"
}

/// What the provider itself says about asking again: it overrides what we think of the class.
fn should_retry(headers: Option<&HeaderMap>) -> Option<bool> {
    match headers?.get("x-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
