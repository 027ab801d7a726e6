//! Errors: what Google says, and how we say ours in Google's way.
//!
//! The shape is that of `google.rpc.Status`: a code, a status word, a message, and details of
//! which three matter: a reason (`API_KEY_INVALID` comes with a 400), how long to wait, and which
//! field is wrong.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use llm_core::Str;
use llm_core::error::{Error, Kind};
use llm_core::fault::Fault;

use crate::classify::{Said, fault};
use crate::json::{Field, JsonKind, Object, ObjectWriter, object, write};
use crate::openai_error;

/// Reads an error answer.
pub(super) fn decode(head: &Parts, body: &Bytes) -> Fault {
    let mut said = Said::answer(head, body);
    let Ok(text) = object::text(body) else { return fault(said) };
    match Field::root(&text) {
        Ok(field) => read(field, &mut said),
        // An edge proxy's page.
        Err(_) => said.message = Some(openai_error::read(body).message),
    }
    fault(said)
}

/// Reads an error inside an answer that began well.
pub(super) fn inside(frame: &Bytes, field: Field<'_>) -> Fault {
    let mut said = Said::inside(frame);
    read(field, &mut said);
    fault(said)
}

/// Takes the object, or a list of which it is the first: errors of a stream come so.
fn read(field: Field<'_>, said: &mut Said<'_>) {
    let first = match field.kind() {
        JsonKind::Array => field.array().ok().and_then(|list| list.first().copied()),
        _ => Some(field),
    };
    let Some(mut outer) = first.and_then(|f| f.object().ok()) else { return };
    match outer.take_if("error", JsonKind::Object).and_then(|f| f.object().ok()) {
        Some(inner) => status(inner, said),
        None => {
            // OAuth answers with a word there, and a sentence beside it.
            said.word = word(&mut outer, "error");
            let text =
                word(&mut outer, "error_description").or_else(|| word(&mut outer, "message"));
            said.message = text.or_else(|| said.word.clone());
        }
    }
}

fn status(mut o: Object<'_>, said: &mut Said<'_>) {
    if let Some(code) = o.take_if("code", JsonKind::Number) {
        said.code = Some(code.text().to_owned().into());
        if said.status < 400 {
            said.status = code.u64().ok().and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        }
    }
    said.word = word(&mut o, "status");
    said.kind = said.word.clone();
    said.message = word(&mut o, "message");
    let details = o.take_if("details", JsonKind::Array);
    for detail in details.and_then(|f| f.array().ok()).unwrap_or_default() {
        if let Ok(detail) = detail.object() {
            read_detail(detail, said);
        }
    }
}

fn read_detail(mut o: Object<'_>, said: &mut Said<'_>) {
    said.reasons.extend(word(&mut o, "reason"));
    if let Some(delay) = word(&mut o, "retryDelay").and_then(|d| seconds(&d)) {
        said.retry_delay = Some(delay);
    }
    let violations = o.take_if("fieldViolations", JsonKind::Array);
    for violation in violations.and_then(|f| f.array().ok()).unwrap_or_default() {
        if let Ok(mut violation) = violation.object() {
            said.param = said.param.take().or_else(|| word(&mut violation, "field"));
        }
    }
}

fn word(o: &mut Object<'_>, name: &str) -> Option<Str> {
    o.take_if(name, JsonKind::String).and_then(|f| f.str().ok())
}

/// A duration as proto's JSON writes it: `48s`, `1.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    Duration::try_from_secs_f64(number.parse().ok().filter(|_| plain)?).ok()
}

/// Seconds since 1970 of a timestamp as proto's JSON writes it: `2026-11-21T03:11:00.5Z`.
pub(super) fn timestamp(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|n| n.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut time = time.split('.').next()?.splitn(3, ':').map(|n| n.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1970..10_000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days of the civil calendar, counted in years that begin in March.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1;
    days.checked_sub(719_468).map(|days| days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Our error as an answer: Google's body, and the hints that every client of ours gets.
pub(super) fn encode(error: &Error) -> http::Response<Bytes> {
    openai_error::response(error).map(|_| body(error).freeze())
}

/// `{"error":{…}}`
pub(super) fn body(error: &Error) -> BytesMut {
    write::object(|o| members(error, &mut o.object("error")))
}

fn members(error: &Error, o: &mut ObjectWriter<'_>) {
    let kind = error.kind();
    o.u64("code", u64::from(kind.status()));
    o.str("message", &llm_core::secret::redact(error.message()));
    o.str("status", status_word(kind));
    let wait = openai_error::retry_after(error);
    let mut details = o.array("details");
    let mut info = details.object();
    info.str("@type", "type.googleapis.com/google.rpc.ErrorInfo");
    info.str("reason", &reason(error)).str("domain", "gateway");
    drop(info);
    if let Some(field) = openai_error::param(error) {
        let mut bad = details.object();
        bad.str("@type", "type.googleapis.com/google.rpc.BadRequest");
        bad.array("fieldViolations").object().str("field", field);
    }
    if let Some(wait) = wait {
        let mut retry = details.object();
        retry.str("@type", "type.googleapis.com/google.rpc.RetryInfo");
        retry.str("retryDelay", &format!("{}s", wait.as_secs_f64()));
    }
}

/// Google writes reasons in capitals.
fn reason(error: &Error) -> String {
    openai_error::code(error).to_ascii_uppercase()
}

fn status_word(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest | Kind::TooLarge | Kind::ContextOverflow | Kind::ContentFiltered => {
            "INVALID_ARGUMENT"
        }
        Kind::Unsupported => "FAILED_PRECONDITION",
        Kind::Unauthenticated => "UNAUTHENTICATED",
        Kind::Forbidden => "PERMISSION_DENIED",
        Kind::UnknownModel => "NOT_FOUND",
        Kind::CreditExhausted
        | Kind::QuotaExceeded
        | Kind::RateLimited
        | Kind::UpstreamRateLimited => "RESOURCE_EXHAUSTED",
        Kind::Busy | Kind::LedgerUnavailable | Kind::UpstreamOverloaded => "UNAVAILABLE",
        Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::BrokenStream
        | Kind::CorruptReply
        | Kind::Internal => "INTERNAL",
        Kind::Timeout | Kind::DeadlinePassed => "DEADLINE_EXCEEDED",
        Kind::Cancelled => "CANCELLED",
    }
}
