//! Errors, both ways.

use llm_core::error::{Error, Kind};
use llm_core::fault::{Fault, FaultClass};

use super::*;

fn fault(status: u16, body: &Value) -> Fault {
    let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    Anthropic.decode_error(&head, &bytes(body))
}

#[test]
fn upstream_errors_are_understood() {
    let said = |status, kind: &str, message: &str| {
        let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"});
        let fault = fault(status, &body);
        assert_eq!(&*fault.message, message);
        (fault.class, fault.retryable)
    };
    use FaultClass::*;
    assert_eq!(said(529, "overloaded_error", "Overloaded"), (Overloaded, true));
    assert_eq!(said(429, "rate_limit_error", "slow down"), (RateLimited, true));
    assert_eq!(said(401, "authentication_error", "invalid x-api-key"), (Authentication, false));
    assert_eq!(said(404, "not_found_error", "model: x"), (NotFound, false));
    let low = "Your credit balance is too low to access the Anthropic API.";
    assert_eq!(said(400, "invalid_request_error", low), (QuotaExhausted, false));
    let long = "prompt is too long: 215000 tokens > 200000 maximum";
    assert_eq!(said(400, "invalid_request_error", long), (ContextOverflow, false));
    assert_eq!(said(500, "api_error", "oops"), (Server, true));
}

#[test]
fn callers_get_one_of_the_apis_own_types() {
    let answered = |error: &Error| {
        let response = Anthropic.encode_error(error, &cx());
        let retry =
            response.headers().get("x-should-retry").map(|v| v.to_str().unwrap().to_owned());
        (response.status().as_u16(), parsed(response.body()), retry)
    };
    let (status, body, retry) = answered(&Error::new(Kind::CreditExhausted, "no credit"));
    assert_eq!((status, retry.as_deref()), (429, Some("false")));
    let want = json!({"type": "error", "request_id": "call1",
        "error": {"type": "billing_error", "message": "no credit"}});
    assert_eq!(body, want);
    let (status, body, _) = answered(&Error::new(Kind::UnknownModel, ""));
    assert_eq!((status, &body["error"]["type"]), (404, &json!("not_found_error")));
    assert_ne!(body["error"]["message"], "");
    let leak = "Incorrect API key provided: sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let (_, body, _) =
        answered(&Error::upstream(Fault::new(401, FaultClass::Authentication, leak)));
    assert!(!body.to_string().contains("AAAAAAAA"), "{body}");
}
