//! How routes of applications answer, all in one place: under `/api/v1` an answer is
//! `{success, data, message, timestamp}` and a refusal
//! `{success: false, error: {code, message, details}, timestamp}`.
//!
//! A route's function knows nothing of it: it answers as every other does, and what it answers is
//! put inside here. Messages are for the person in front of the application, in Korean or in
//! English, as `accept-language` has it; `details` are for whoever writes the application.
//! Deliberately absent: streams and other things that are no JSON, which go out as they are.

use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use llm_core::error::{Kind, Language};
use serde::Serialize;
use serde_json::value::RawValue;

use super::admin::refusal::{Answered, Refusal};
use super::admin::told;
use super::body::Body;
use super::call;
use super::house::House;
use super::web::thousandths;

/// How their paths begin.
const PATHS: &str = "/api/v1/";

/// Whether a path is one of theirs.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(PATHS)
}

/// Whom an answer is told to, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    language: Language,
    at: Timestamp,
}

#[derive(Serialize)]
struct Done<'a> {
    success: bool,
    data: Option<&'a RawValue>,
    message: &'static str,
    timestamp: String,
}

#[derive(Serialize)]
struct NotDone<'a> {
    success: bool,
    error: Why<'a>,
    timestamp: String,
}

#[derive(Serialize)]
struct Why<'a> {
    code: &'static str,
    message: &'a str,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    /// Always in English.
    reason: &'a str,
    /// The field or parameter that is wrong.
    param: Option<&'a str>,
}

impl Told {
    /// Whoever asks; `None` where it is no application's path.
    pub(crate) fn to(house: &House, head: &Parts) -> Option<Self> {
        let theirs = is_path(head.uri.path());
        theirs.then(|| Self { language: language(&head.headers), at: call::now(house) })
    }

    /// An answer as applications read it.
    pub(crate) async fn answer(self, answered: Answered) -> Response<Body> {
        match answered {
            Ok(response) => self.done(response).await,
            Err(refusal) => self.refused(&refusal),
        }
    }

    async fn done(self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let json = HeaderValue::from_static("application/json");
        if head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind != json) {
            return Response::from_parts(head, body);
        }
        let Ok(body) = body.collect().await;
        let bytes = body.to_bytes();
        let data =
            if bytes.is_empty() { Ok(None) } else { serde_json::from_slice(&bytes).map(Some) };
        let Ok(data) = data else { return Response::from_parts(head, Body::from(bytes)) };
        let message = match self.language {
            Language::English => "Done.",
            Language::Korean => "완료되었습니다.",
        };
        let done = Done { success: true, data, message, timestamp: self.at.to_string() };
        // An answer without a body has none to say this in.
        let status =
            if head.status == StatusCode::NO_CONTENT { StatusCode::OK } else { head.status };
        let (fresh, body) = told(status, &done).into_parts();
        head.status = fresh.status;
        head.headers.extend(fresh.headers);
        Response::from_parts(head, body)
    }

    /// Why not.
    pub(crate) fn refused(self, refusal: &Refusal) -> Response<Body> {
        let reason = refusal.message();
        let message = match self.language {
            Language::English => reason,
            Language::Korean => korean(refusal),
        };
        let details = Details { reason, param: refusal.param() };
        let error = Why { code: refusal.code(), message, details };
        let not = NotDone { success: false, error, timestamp: self.at.to_string() };
        told(refusal.status(), &not)
    }

    /// There is no such path.
    pub(crate) fn nothing(self) -> Response<Body> {
        let text = "there is nothing here";
        self.refused(&Refusal::new(StatusCode::NOT_FOUND, "not_found", text))
    }
}

/// What a Korean is told: the sentence of the gateway's own error where it is one, or else of the
/// status.
fn korean(refusal: &Refusal) -> &'static str {
    if let Some(kind) = refusal.kind() {
        return kind.user_message(Language::Korean);
    }
    match refusal.status() {
        StatusCode::NOT_FOUND => "요청한 항목을 찾을 수 없습니다.",
        StatusCode::CONFLICT => "현재 상태에서는 처리할 수 없는 요청입니다.",
        StatusCode::NOT_IMPLEMENTED => "지원하지 않는 기능입니다.",
        status => {
            let kind = match status {
                StatusCode::UNAUTHORIZED => Kind::Unauthenticated,
                StatusCode::FORBIDDEN => Kind::Forbidden,
                StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
                StatusCode::TOO_MANY_REQUESTS => Kind::RateLimited,
                StatusCode::SERVICE_UNAVAILABLE => Kind::Busy,
                status if status.is_client_error() => Kind::BadRequest,
                _ => Kind::Internal,
            };
            kind.user_message(Language::Korean)
        }
    }
}

/// The language that is liked best of the two, English where it is not said.
fn language(headers: &HeaderMap) -> Language {
    let said = headers.get(ACCEPT_LANGUAGE).and_then(|said| said.to_str().ok()).unwrap_or_default();
    let mut best = (Language::English, 0);
    for part in said.split(',') {
        let (tag, weight) = part.split_once(';').unwrap_or((part, ""));
        let tag = tag.trim().split('-').next().unwrap_or_default();
        let language = match tag {
            tag if tag.eq_ignore_ascii_case("ko") => Language::Korean,
            tag if tag.eq_ignore_ascii_case("en") => Language::English,
            _ => continue,
        };
        let weight = thousandths(weight);
        // Of two that are liked equally, the first one.
        if weight > best.1 {
            best = (language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_in_their_language() {
        let of = |said: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, said.parse().unwrap());
            language(&headers)
        };
        assert_eq!(of("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7"), Language::Korean);
        assert_eq!(of("en-US,en;q=0.9,ko;q=0.8"), Language::English);
        assert_eq!(of("fr, KO;q=0.3"), Language::Korean);
        assert_eq!(of("en;q=0.2, ko;q=0.8"), Language::Korean);
        assert_eq!(of("ko;q=0"), Language::English);
        assert_eq!(of("fr"), Language::English);
        assert_eq!(language(&HeaderMap::new()), Language::English);
    }

    #[tokio::test]
    async fn an_answer_is_put_inside_as_it_was_written() {
        let told = Told { language: Language::Korean, at: Timestamp::UNIX_EPOCH };
        let text = async |response: Response<Body>| {
            let Ok(body) = response.into_body().collect().await;
            String::from_utf8(body.to_bytes().to_vec()).unwrap()
        };
        let answer =
            super::super::door::json(StatusCode::CREATED, r#"{"usd":0.10000000000000000001}"#);
        let answer = told.answer(Ok(answer)).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        let wanted = r#"{"success":true,"data":{"usd":0.10000000000000000001},"message":"완료되었습니다.","timestamp":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(text(answer).await, wanted);
        let refusal = Refusal::wrong("rule", "what is 5?");
        let answer = told.answer(Err(refusal)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let wanted = r#"{"success":false,"error":{"code":"invalid_request","message":"요청이 올바르지 않습니다.","details":{"reason":"what is 5?","param":"rule"}},"timestamp":"1970-01-01T00:00:00Z"}"#;
        assert_eq!(text(answer).await, wanted);
        let mut events = Response::new(Body::from("data: x\n\n"));
        events.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        assert_eq!(text(told.answer(Ok(events)).await).await, "data: x\n\n");
    }
}
