//! The error body that OpenAI made and everybody copied: `{"error":{message,type,param,code}}`.
//!
//! Shared by the dialects that speak it: writing one for a caller, and reading what an upstream
//! says into plain words. What those words mean is decided in `classify`, and when somebody may
//! retry is decided by who made the [`Error`]; nothing here judges.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use llm_core::Str;
use llm_core::error::{Advice, Error, Kind, Language};
use llm_core::secret::redact;

use crate::json::{Field, JsonKind, Object, ObjectWriter, object, write};

/// Official clients of OpenAI retry each 429 and 5xx unless this header says `false`.
const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// The same hint as `retry-after`, finer.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// What a caller should wait when a retry may help and nobody said when.
const WAIT_USUAL: Duration = Duration::from_secs(1);
/// An upstream's text for a caller: whole HTML pages come as errors, too.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The words of an error body, as an upstream wrote them. Empty when the body is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// `message`, or whatever text stands in its place.
    pub message: Str,
    /// `type`.
    pub kind: Option<Str>,
    /// `code`, a number as its digits.
    pub code: Option<Str>,
    /// `param`.
    pub param: Option<Str>,
    /// `code` or `status`, where it is a number that can be an HTTP status.
    pub number: Option<u16>,
    /// `status`, where it is a word (hosts that translate Google's errors keep it).
    pub status: Option<Str>,
    /// Seconds to wait, where the body says so (`metadata.headers`, `retry_after`).
    pub retry_after_s: Option<u64>,
}

/// Reads the body of an error answer. Never fails: a body that is no JSON (HTML of an edge proxy,
/// nothing at all) gives no words but its own text.
pub fn read(body: &Bytes) -> ErrorBody {
    let Ok(text) = object::text(body) else { return ErrorBody::default() };
    let Ok(field) = Field::root(&text) else {
        return ErrorBody { message: plain(&text), ..ErrorBody::default() };
    };
    read_field(field)
}

/// Reads an error that stands inside something else: a frame of a stream, a response object.
/// Takes the object with the member `error` as well as what that member holds.
pub fn read_field(field: Field<'_>) -> ErrorBody {
    match field.kind() {
        JsonKind::String => {
            ErrorBody { message: field.str().unwrap_or_default(), ..ErrorBody::default() }
        }
        // Google's OpenAI endpoint wraps its errors in a list.
        JsonKind::Array => {
            let first = field.array().ok().and_then(|items| items.first().copied());
            first
                .filter(|f| f.kind() == JsonKind::Object)
                .map_or_else(Default::default, read_object)
        }
        JsonKind::Object => read_object(field),
        JsonKind::Null | JsonKind::Bool | JsonKind::Number => ErrorBody::default(),
    }
}

fn read_object(field: Field<'_>) -> ErrorBody {
    let Ok(mut outer) = field.object() else { return ErrorBody::default() };
    let inner = outer.take_if("error", JsonKind::Object).and_then(|f| f.object().ok());
    let mut said = inner.map(members).unwrap_or_default();
    // xAI: `{"code":"invalid-argument","error":"Incorrect API key …"}`.
    let text = outer.take_if("error", JsonKind::String).and_then(|f| f.str().ok());
    let around = members(outer);
    if said.message.is_empty() {
        said.message = text.unwrap_or(around.message);
    }
    said.kind = said.kind.or(around.kind.filter(|kind| kind != "error"));
    said.code = said.code.or(around.code);
    said.param = said.param.or(around.param);
    said.number = said.number.or(around.number);
    said.status = said.status.or(around.status);
    said.retry_after_s = said.retry_after_s.or(around.retry_after_s);
    said
}

fn members(mut o: Object<'_>) -> ErrorBody {
    let (code, number) = word_or_number(&mut o, "code");
    let (status, status_number) = word_or_number(&mut o, "status");
    let retry = o.take_if("retry_after", JsonKind::Number);
    ErrorBody {
        message: message(&mut o),
        kind: text_of(&mut o, "type"),
        code,
        param: text_of(&mut o, "param"),
        number: number.or(status_number),
        status: status.filter(|_| status_number.is_none()),
        retry_after_s: retry.and_then(|f| f.u64().ok()),
    }
}

/// `message`, or what frameworks write instead (`detail` of FastAPI, a string or a list).
fn message(o: &mut Object<'_>) -> Str {
    if let Some(text) = text_of(o, "message").or_else(|| text_of(o, "detail")) {
        return text;
    }
    o.take_if("detail", JsonKind::Array).map(|f| f.raw().text().clone()).unwrap_or_default()
}

fn text_of(o: &mut Object<'_>, name: &str) -> Option<Str> {
    o.take_if(name, JsonKind::String).and_then(|f| f.str().ok())
}

fn word_or_number(o: &mut Object<'_>, name: &str) -> (Option<Str>, Option<u16>) {
    let number = o.take_if(name, JsonKind::Number).and_then(|f| f.number().ok());
    let word = match &number {
        Some(n) => Some(Str::from(n.get())),
        None => text_of(o, name),
    };
    // Azure writes the status as a string: `"code":"401"`.
    let status = word.as_ref().and_then(|w| w.parse().ok()).filter(|n| (100..600).contains(n));
    (word, status)
}

/// Text of a body that is no JSON, without the mark-up of an HTML page.
fn plain(text: &Str) -> Str {
    let text = text.trim();
    if !text.starts_with('<') {
        return cut(text).into();
    }
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map(|(title, _)| cut(title.trim()).into()).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(MESSAGE_BYTES_MAX);
    text.get(..end).unwrap_or_default()
}

/// The whole answer for a caller: status, hints and body.
pub fn response(error: &Error) -> http::Response<Bytes> {
    let mut response = http::Response::new(body(error).freeze());
    *response.status_mut() = http::StatusCode::from_u16(error.kind().status())
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match wait(error) {
        Wait::Never => {
            headers.insert(X_SHOULD_RETRY, HeaderValue::from_static("false"));
        }
        Wait::For(time) => {
            // Rounded up: who comes back too early is refused again.
            let seconds = time.as_millis().div_ceil(1000);
            for (name, n) in [(RETRY_AFTER, seconds), (RETRY_AFTER_MS, time.as_millis())] {
                headers.insert(name, HeaderValue::from(u64::try_from(n).unwrap_or(u64::MAX)));
            }
        }
        Wait::Unsaid => {}
    }
    response
}

/// `{"error":{…}}`
pub fn body(error: &Error) -> BytesMut {
    write::object(|o| members_of(error, &mut o.object("error")))
}

/// The members of the object `error`. Ours are added to OpenAI's, never put in their place.
pub fn members_of(error: &Error, o: &mut ObjectWriter<'_>) {
    let words = words(error);
    o.str("message", &redact(cut(error.message())));
    o.str("type", words.kind).str_or_null("param", param(error)).str("code", words.code);
    o.bool("retryable", matches!(wait(error), Wait::For(_)));
    if let Some((provider, _)) = error.target().and_then(|t| t.0.split_once('/')) {
        o.str("provider", provider);
    }
    let sentence = |language| error.kind().user_message(language);
    o.object("user_message")
        .str("en", sentence(Language::English))
        .str("ko", sentence(Language::Korean));
}

/// The code a caller sees.
pub fn code(error: &Error) -> &str {
    words(error).code
}

/// The field that is to blame.
pub fn param(error: &Error) -> Option<&str> {
    match (error.param(), error.kind()) {
        (None, Kind::UnknownModel) => Some("model"),
        (param, _) => param,
    }
}

/// `type` and `code` of a kind of error.
struct Words<'a> {
    kind: &'static str,
    code: &'a str,
}

fn words(error: &Error) -> Words<'_> {
    let (kind, code) = match error.kind() {
        Kind::BadRequest => {
            // The upstream's own code says more than ours: clients look for `invalid_image_url`.
            let said = error.fault().and_then(|f| f.code.as_deref()).filter(|c| is_word(c));
            return Words {
                kind: "invalid_request_error",
                code: said.unwrap_or("invalid_request"),
            };
        }
        Kind::Unsupported => ("invalid_request_error", "unsupported_parameter"),
        Kind::TooLarge => ("invalid_request_error", "request_too_large"),
        Kind::ContextOverflow => ("invalid_request_error", "context_length_exceeded"),
        Kind::ContentFiltered => ("invalid_request_error", "content_policy_violation"),
        Kind::UnknownModel => ("invalid_request_error", "model_not_found"),
        Kind::Unauthenticated => ("authentication_error", "invalid_api_key"),
        Kind::Forbidden => ("permission_error", "permission_denied"),
        Kind::CreditExhausted => ("insufficient_quota", "insufficient_quota"),
        Kind::QuotaExceeded => ("insufficient_quota", "quota_exceeded"),
        Kind::RateLimited | Kind::UpstreamRateLimited => {
            ("rate_limit_error", "rate_limit_exceeded")
        }
        Kind::Busy => ("service_unavailable", "server_busy"),
        Kind::LedgerUnavailable => ("service_unavailable", "ledger_unavailable"),
        Kind::UpstreamOverloaded => ("service_unavailable", "overloaded_error"),
        Kind::UpstreamKeyRejected => ("upstream_error", "upstream_credentials_rejected"),
        Kind::UpstreamQuota => ("upstream_error", "upstream_credentials_exhausted"),
        Kind::UpstreamFailed => ("upstream_error", "upstream_failed"),
        Kind::ConnectFailed => ("upstream_error", "upstream_unreachable"),
        Kind::BrokenStream => ("upstream_error", "stream_broken"),
        Kind::CorruptReply => ("upstream_error", "upstream_reply_corrupt"),
        Kind::Timeout => ("timeout_error", "upstream_timeout"),
        Kind::DeadlinePassed => ("timeout_error", "deadline_passed"),
        Kind::Cancelled => ("invalid_request_error", "cancelled"),
        Kind::Internal => ("server_error", "internal_error"),
    };
    Words { kind, code }
}

/// Codes are words; anything else an upstream puts there is not passed on.
fn is_word(code: &str) -> bool {
    !code.is_empty()
        && code.len() <= 64
        && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !code.bytes().all(|b| b.is_ascii_digit())
}

/// How long a caller should wait, where a retry may help.
pub fn retry_after(error: &Error) -> Option<Duration> {
    match wait(error) {
        Wait::For(time) => Some(time),
        Wait::Never | Wait::Unsaid => None,
    }
}

/// When a caller may come back.
enum Wait {
    /// Asking again cannot help, though the status looks as if it could.
    Never,
    /// Not before.
    For(Duration),
    /// The status alone says it.
    Unsaid,
}

fn wait(error: &Error) -> Wait {
    let hint = error.fault().and_then(|f| f.hint());
    match error.kind() {
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::ContextOverflow
        | Kind::ContentFiltered
        | Kind::UnknownModel
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::Cancelled => Wait::Unsaid,
        Kind::CreditExhausted
        | Kind::QuotaExceeded
        | Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::DeadlinePassed
        | Kind::Internal => Wait::Never,
        // Ours to say, and whoever made the error said it in the advice.
        Kind::RateLimited | Kind::Busy | Kind::LedgerUnavailable => match error.advice() {
            Advice::Again { after } => Wait::For(after.unwrap_or(WAIT_USUAL)),
            Advice::Elsewhere { rest } | Advice::OtherKey { rest } => Wait::For(rest),
            Advice::Stop | Advice::Bigger(_) | Advice::Spent => Wait::For(WAIT_USUAL),
        },
        Kind::UpstreamRateLimited
        | Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::Timeout
        | Kind::BrokenStream
        | Kind::CorruptReply => match error.advice() {
            Advice::Again { after } => Wait::For(after.or(hint).unwrap_or(WAIT_USUAL)),
            Advice::Elsewhere { .. } => Wait::For(hint.unwrap_or(WAIT_USUAL)),
            // Our attempts are spent; a provider's own hint is still the caller's to follow, but
            // without one a retry there would only multiply ours.
            Advice::Spent => hint.map_or(Wait::Never, Wait::For),
            Advice::Stop | Advice::Bigger(_) | Advice::OtherKey { .. } => Wait::Never,
        },
    }
}

#[cfg(test)]
mod tests;
