use llm_core::fault::{Fault, FaultClass};
use llm_core::provider::TargetId;

use super::*;

fn said(body: &str) -> ErrorBody {
    read(&Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn every_shape_of_body_gives_its_words() {
    let full = said(r#"{"error":{"message":"no","type":"t","param":"p","code":"c"}}"#);
    assert_eq!((&*full.message, full.kind.as_deref()), ("no", Some("t")));
    assert_eq!((full.code.as_deref(), full.param.as_deref()), (Some("c"), Some("p")));
    let text = said(r#"{"code":"invalid-argument","error":"Wrong key"}"#);
    assert_eq!((&*text.message, text.code.as_deref()), ("Wrong key", Some("invalid-argument")));
    let number = said(r#"{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}"#);
    assert_eq!((number.number, number.status.as_deref()), (Some(429), Some("RESOURCE_EXHAUSTED")));
    assert_eq!(said(r#"{"error":{"code":"401","message":"x"}}"#).number, Some(401));
    let flat = said(r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#);
    assert_eq!((&*flat.message, flat.number), ("bad", Some(400)));
    assert_eq!(said(r#"[{"error":{"message":"in a list"}}]"#).message, "in a list");
    assert_eq!(said(r#"{"detail":"Not Found"}"#).message, "Not Found");
}

#[test]
fn what_is_no_error_body_still_reads() {
    let html = said("<html>\r\n<head><title>413 Too Large</title></head></html>");
    assert_eq!(html.message, "413 Too Large");
    assert_eq!(said(""), ErrorBody::default());
    assert_eq!(said("upstream timed out").message, "upstream timed out");
    for odd in ["7", "null", "[]", "[3]", r#"{"error":null}"#, r#"{"error":{"message":{}}}"#] {
        assert_eq!(said(odd).message, "", "{odd}");
    }
    assert_eq!(read(&Bytes::from_static(b"\xff\xfe")), ErrorBody::default());
}

fn shown(error: &Error) -> (http::Response<Bytes>, serde_json::Value) {
    let response = response(error);
    let body = serde_json::from_slice(response.body()).unwrap();
    (response, body)
}

#[test]
fn a_spent_budget_is_never_retried_and_a_limit_says_when() {
    let (spent, body) = shown(&Error::new(Kind::CreditExhausted, "No credit is left."));
    assert_eq!(spent.status(), 429);
    assert_eq!(spent.headers()["x-should-retry"], "false");
    assert!(!spent.headers().contains_key("retry-after"));
    assert_eq!(body["error"]["code"], "insufficient_quota");
    assert_eq!(body["error"]["retryable"], false);
    assert!(body["error"]["user_message"]["ko"].is_string());

    let mut fault = Fault::new(429, FaultClass::RateLimited, "slow down");
    fault.retry_after = Some(Duration::from_millis(1270));
    let error = Error::upstream(fault).at(TargetId("acme/small".into()));
    let mut absurd = Fault::new(429, FaultClass::RateLimited, "come back next year");
    absurd.retry_after = Some(Duration::MAX);
    assert_eq!(shown(&Error::upstream(absurd)).0.headers()["retry-after"], "60");
    for error in [error.clone(), error.advise(Advice::Spent)] {
        let (limited, body) = shown(&error);
        assert_eq!(limited.headers()["retry-after"], "2");
        assert_eq!(limited.headers()["retry-after-ms"], "1270");
        assert!(!limited.headers().contains_key("x-should-retry"));
        assert_eq!(body["error"]["type"], "rate_limit_error");
        assert_eq!(body["error"]["provider"], "acme");
    }
}

#[test]
fn an_upstreams_code_reaches_the_caller_when_it_is_a_word() {
    let mut fault = Fault::new(400, FaultClass::InvalidRequest, "Error while downloading.");
    fault.code = Some("invalid_image_url".into());
    fault.param = Some("input".into());
    let (_, body) = shown(&Error::upstream(fault.clone()));
    assert_eq!(body["error"]["code"], "invalid_image_url");
    assert_eq!(body["error"]["param"], "input");
    fault.code = Some("400".into());
    let (response, body) = shown(&Error::upstream(fault));
    assert_eq!(body["error"]["code"], "invalid_request");
    assert_eq!(response.status(), 400);
}

#[test]
fn an_unknown_model_names_the_field() {
    let (response, body) = shown(&Error::new(Kind::UnknownModel, "There is no model `x`."));
    assert_eq!((response.status().as_u16(), &body["error"]["param"]), (404, &"model".into()));
}
