//! What applications' routes under `/api/v1` answer in: one envelope for all of them,
//! `{success, data, message, timestamp}`, and `{success, error: {code, message, details}, timestamp}`.
//!
//! It is put around an answer where routes are dispatched, so that their functions answer as all
//! others do, and what is refused before they run is in it as well. What a person may read is in
//! Korean or in English, as the request's head says. Deliberately absent: answers that are no JSON,
//! such as streams of events, which go out as they are.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use llm_core::quota::Zone;
use serde::Serialize;
use serde_json::{Value, json};

use super::admin::refusal::{Answered, Refusal};
use super::admin::told;
use super::body::Body;
use super::web::thousandths;

/// How the paths of these routes begin.
const BASE: &str = "/api/v1/";
/// Those at which others tell of what has happened, which are answered alike.
const TOLD_OF: &str = "/webhooks/";
/// Languages of a head that are looked at; beyond it nobody means what is said.
const LANGUAGES_MAX: usize = 16;

/// Whether a path is one of theirs.
pub(crate) fn is_path(path: &str) -> bool {
    [BASE, TOLD_OF].iter().any(|base| path.starts_with(base))
}

/// Why an application is refused, where calls of operators have no word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A key of nobody in particular.
    NoWallet,
    /// No code that was ever made.
    NoSuchCode,
    /// A code that is used up, over or withdrawn.
    NotRedeemed,
    /// What a payment provider sent is no payment.
    NotAPayment,
    /// It was signed by somebody else, or long ago.
    NotSigned,
}

impl Refused {
    /// The word for it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoWallet => "no_wallet",
            Self::NoSuchCode => "no_such_code",
            Self::NotRedeemed => "not_redeemed",
            Self::NotAPayment => "not_a_payment",
            Self::NotSigned => "not_signed",
        }
    }

    /// The status that goes with it.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoWallet => StatusCode::FORBIDDEN,
            Self::NoSuchCode => StatusCode::NOT_FOUND,
            Self::NotRedeemed => StatusCode::CONFLICT,
            Self::NotAPayment => StatusCode::BAD_REQUEST,
            Self::NotSigned => StatusCode::UNAUTHORIZED,
        }
    }

    /// A refusal that says what exactly was wrong.
    pub(crate) fn because(self, why: impl Into<String>) -> Refusal {
        Refusal::new(self.status(), self.code(), why)
    }
}

/// What people are told, by the code of a refusal: in Korean, and in English. Codes beyond these are
/// told by their status.
const TOLD: &[(&str, Words)] = &[
    ("no_wallet", ["이 키에는 지갑이 없습니다.", "This key has no wallet."]),
    ("no_such_code", ["존재하지 않는 코드입니다.", "There is no such code."]),
    ("not_redeemed", ["사용할 수 없는 코드입니다.", "This code cannot be redeemed."]),
    ("not_a_payment", ["결제 내용을 읽을 수 없습니다.", "This is no payment that can be read."]),
    ("not_signed", ["서명이 올바르지 않습니다.", "The signature is not right."]),
    ("insufficient_credits", ["크레딧이 부족합니다.", "There are not enough credits."]),
    (
        "consent_required",
        ["내용 저장에 대한 동의가 필요합니다.", "Nothing may be kept without your consent."],
    ),
    ("no_store", ["이 서버는 데이터를 저장하지 않습니다.", "This server keeps nothing."]),
];

/// What people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// English, where nothing else is asked for.
    English,
    /// Korean.
    Korean,
}

/// The same in Korean and in English.
pub(crate) type Words = [&'static str; 2];

/// Of an answer that comes bit by bit.
pub(crate) const BROKE_OFF: Words = ["응답이 중간에 끊어졌습니다.", "The answer broke off."];
const DONE: Words = ["완료되었습니다.", "done"];

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: Why<'a>,
    timestamp: &'a str,
}

#[derive(Serialize)]
struct Why<'a> {
    code: String,
    message: &'a str,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    /// The field or parameter that is wrong.
    param: Option<&'a str>,
    /// In English, whatever the message is in: for whoever writes the application.
    reason: &'a str,
    #[serde(flatten)]
    limit: Option<Limited<'a>>,
}

/// The limit that said no.
#[derive(Serialize)]
struct Limited<'a> {
    rule: &'a str,
    limit: u64,
    used: u64,
    /// In the operator's time zone.
    resets_at: Option<String>,
    /// In so many seconds.
    retry_after: Option<u64>,
}

impl Language {
    /// What a head asks for: the language that it likes best of those that there are.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let said = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let (mut best, mut most) = (Self::English, 0);
        for one in said.unwrap_or_default().split(',').take(LANGUAGES_MAX) {
            let (tag, weight) = one.split_once(';').unwrap_or((one, ""));
            let language = match tag.trim().split('-').next() {
                Some(tag) if tag.eq_ignore_ascii_case("ko") => Self::Korean,
                Some(tag) if tag.eq_ignore_ascii_case("en") || tag == "*" => Self::English,
                Some(_) | None => continue,
            };
            let weight = thousandths(weight);
            if weight > most {
                (best, most) = (language, weight);
            }
        }
        best
    }

    /// The words of this language.
    pub(crate) fn says(self, [korean, english]: Words) -> &'static str {
        match self {
            Self::English => english,
            Self::Korean => korean,
        }
    }
}

/// An answer in its envelope.
pub(crate) fn enveloped(
    answered: Answered,
    language: Language,
    zone: &Zone,
    now: Timestamp,
) -> Response<Body> {
    let at = format!("{now:.3}");
    match answered {
        Ok(response) => wrapped(response, language, &at),
        Err(refusal) => refused(&refusal, language, zone, &at),
    }
}

fn wrapped(response: Response<Body>, language: Language, at: &str) -> Response<Body> {
    let (head, body) = response.into_parts();
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = kind.is_none_or(|kind| kind.starts_with("application/json"));
    let body = match body {
        Body::Whole(data) if is_json => Body::from(around(data, language.says(DONE), at)),
        as_it_is @ (Body::Whole(_) | Body::Answer(_) | Body::Kept(_) | Body::Pieces(_)) => as_it_is,
    };
    Response::from_parts(head, body)
}

/// The data as they were written: they are not read again for this.
fn around(data: Option<Bytes>, message: &str, at: &str) -> Bytes {
    let data = data.unwrap_or(Bytes::from_static(b"null"));
    let tail = json!({"message": message, "timestamp": at}).to_string();
    let head = b"{\"success\":true,\"data\":";
    let mut whole = BytesMut::with_capacity(head.len() + data.len() + tail.len());
    whole.put_slice(head);
    whole.put(data);
    // Its members go on where the first ones end.
    whole.put_slice(b",");
    whole.put_slice(tail.trim_start_matches('{').as_bytes());
    whole.freeze()
}

fn refused(refusal: &Refusal, language: Language, zone: &Zone, at: &str) -> Response<Body> {
    let reason = refusal.message();
    let message = sentence(refusal, language, zone);
    let limit = refusal.limit().map(|limit| Limited {
        rule: &limit.rule,
        limit: limit.limit,
        used: limit.used.saturating_add(limit.reserved),
        resets_at: limit.resets_at.map(|at| zone.show(at)),
        // Beyond it: whoever comes a moment early would come in vain.
        retry_after: limit.retry_after.map(|wait| wait.as_secs() + 1),
    });
    let details = Details { param: refusal.param(), reason, limit };
    let code = refusal.code().to_ascii_uppercase();
    let error = Why { code, message: &message, details };
    let body = Failure { success: false, error, timestamp: at };
    refusal.hinted(told(refusal.status(), &body))
}

/// Why not, for people. Where a limit says no, when it allows more is what they want to know: by
/// the clock on their wall.
pub(crate) fn sentence(refusal: &Refusal, language: Language, zone: &Zone) -> Cow<'static, str> {
    let Some(limit) = refusal.limit() else {
        return Cow::Borrowed(language.says(words(refusal.code(), refusal.status())));
    };
    let rule = &limit.rule;
    Cow::Owned(match (language, limit.resets_at.map(|at| zone.tell(at))) {
        (Language::Korean, Some(at)) => {
            format!("한도({rule})를 초과했습니다. {at} 이후에 다시 시도해 주세요.")
        }
        (Language::Korean, None) => format!("한도({rule})를 초과했습니다."),
        (Language::English, Some(at)) => {
            format!("The limit of {rule} is reached. Please try again after {at}.")
        }
        (Language::English, None) => format!("The limit of {rule} is reached."),
    })
}

/// Why not, for people; programs read the code, and their authors the reason.
fn words(code: &str, status: StatusCode) -> Words {
    if let Some((_, words)) = TOLD.iter().find(|(known, _)| *known == code) {
        return *words;
    }
    match status {
        StatusCode::UNAUTHORIZED => ["API 키가 올바르지 않습니다.", "The API key is not valid."],
        StatusCode::FORBIDDEN => ["권한이 없습니다.", "This key may not do that."],
        StatusCode::NOT_FOUND => ["찾을 수 없습니다.", "There is no such thing."],
        StatusCode::METHOD_NOT_ALLOWED => ["지원하지 않는 메서드입니다.", "Not with this method."],
        StatusCode::CONFLICT => ["이미 처리된 요청과 다릅니다.", "This contradicts what was done."],
        StatusCode::PAYLOAD_TOO_LARGE => ["요청이 너무 큽니다.", "The request is too large."],
        StatusCode::TOO_MANY_REQUESTS => ["요청이 너무 많습니다.", "There are too many requests."],
        status if status.is_client_error() => ["잘못된 요청입니다.", "The request is not right."],
        _ => ["잠시 후 다시 시도해 주세요.", "Please try again in a while."],
    }
}

/// The schema of an answer in its envelope.
pub(crate) fn told_schema(data: &Value) -> Value {
    json!({"type": "object", "required": ["success", "data", "message", "timestamp"],
    "additionalProperties": false, "properties": {
        "success": {"type": "boolean", "const": true},
        "data": data,
        "message": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
    }})
}

/// The schema of a refusal in its envelope.
pub(crate) fn refused_schema() -> Value {
    let details = json!({"type": "object", "required": ["reason"], "properties": {
        "param": {"type": ["string", "null"]},
        "reason": {"type": "string", "description": "in English, whatever the message is in"},
        "rule": {"type": "string", "description": "the limit that said no"},
        "limit": {"type": "integer"},
        "used": {"type": "integer"},
        "resets_at": {"type": ["string", "null"], "description": "in the operator's time zone"},
        "retry_after": {"type": ["integer", "null"], "description": "in seconds"},
    }});
    json!({"type": "object", "required": ["success", "error", "timestamp"],
    "additionalProperties": false, "properties": {
        "success": {"type": "boolean", "const": false},
        "error": {"type": "object", "required": ["code", "message", "details"], "properties": {
            "code": {"type": "string"},
            "message": {"type": "string"},
            "details": details,
        }},
        "timestamp": {"type": "string", "format": "date-time"},
    }})
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_liked_best() {
        use Language::{English, Korean};
        for (said, language) in [
            ("", English),
            ("ko", Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Korean),
            ("en-US,en;q=0.9,ko;q=0.8", English),
            ("fr, ko;q=0.5, en;q=0.25", Korean),
            ("ko;q=0, en;q=0.1", English),
            ("ko;q=0", English),
            ("*;q=0.5,KO-kr;q=0.501", Korean),
            ("de", English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(said).unwrap());
            assert_eq!(Language::of(&headers), language, "{said}");
        }
    }

    #[test]
    fn data_stay_as_they_were_written() {
        let data = Some(Bytes::from_static(br#"{"a":1.10}"#));
        let whole = around(data, "그래", "2026-01-01T00:00:00.000Z");
        let text = str::from_utf8(&whole).unwrap();
        assert!(text.starts_with(r#"{"success":true,"data":{"a":1.10},"#), "{text}");
        let read: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(read["message"], "그래");
        assert_eq!(read["timestamp"], "2026-01-01T00:00:00.000Z");
        let none: Value = serde_json::from_slice(&around(None, "x", "y")).unwrap();
        assert!(none["data"].is_null());
    }
}
