//! Errors, both ways.

use std::time::Duration;

use bytes::Bytes;
use llm_core::dialect::{CallerDialect, RenderCx, UpstreamDialect};
use llm_core::error::{Advice, Error, Kind};
use llm_core::fault::{Fault, FaultClass};

use super::{Gemini, json};

fn fault(status: u16, body: &'static str) -> Fault {
    let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    Gemini.decode_error(&head, &Bytes::from(body))
}

#[test]
fn what_google_says_is_understood() {
    let key = fault(
        400,
        r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
    );
    assert_eq!((key.class, key.retryable), (FaultClass::Authentication, false));
    let wait = fault(
        429,
        r#"[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"t","retryDelay":"48.5s"}]}}]"#,
    );
    assert_eq!((wait.class, wait.retryable), (FaultClass::RateLimited, true));
    assert_eq!(wait.retry_after, Some(Duration::from_millis(48_500)));
    assert_eq!(wait.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
    let field = fault(
        400,
        r#"{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"contents"}]}]}}"#,
    );
    assert_eq!(
        (field.class, field.param.as_deref()),
        (FaultClass::InvalidRequest, Some("contents"))
    );
    let long = fault(
        400,
        r#"{"error":{"code":400,"message":"The input token count (9) exceeds the maximum number of tokens allowed (1).","status":"INVALID_ARGUMENT"}}"#,
    );
    assert_eq!(long.class, FaultClass::ContextOverflow);
    assert_eq!(fault(502, "<html><title>Bad Gateway</title>").class, FaultClass::Server);
    assert_eq!(fault(504, "").class, FaultClass::Timeout);
    assert_eq!(fault(503, "[]").class, FaultClass::Overloaded);
    assert_eq!(fault(401, r#"{"error":"invalid_token","error_description":"d"}"#).message, "d");
}

#[test]
fn ours_is_said_in_googles_way() {
    let shown = |error: &Error| Gemini.encode_error(error, &RenderCx::default());
    let limited = Error::new(Kind::RateLimited, "slow down")
        .advise(Advice::Again { after: Some(Duration::from_millis(1500)) });
    let response = shown(&limited);
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "2");
    let body = &json(response.body())["error"];
    assert_eq!((&body["code"], &body["status"]), (&429.into(), &"RESOURCE_EXHAUSTED".into()));
    assert_eq!(body["message"], "slow down");
    assert_eq!(body["details"][1]["retryDelay"], "1.5s");
    let empty = shown(&Error::new(Kind::CreditExhausted, "no credit"));
    assert_eq!(empty.headers()["x-should-retry"], "false");
    assert!(empty.headers().get("retry-after").is_none());
    let key = shown(&Error::new(Kind::Unauthenticated, "who are you"));
    assert_eq!(json(key.body())["error"]["status"], "UNAUTHENTICATED");
    assert_eq!(json(key.body())["error"]["details"][0]["reason"], "INVALID_API_KEY");
    // An upstream reads what we wrote as what we meant.
    let read = fault_of(&response);
    assert_eq!((read.class, read.retryable), (FaultClass::RateLimited, true));
}

fn fault_of(response: &http::Response<Bytes>) -> Fault {
    let (head, body) = response.clone().into_parts();
    Gemini.decode_error(&head, &body)
}
