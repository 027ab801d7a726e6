use std::time::Duration;

use llm_core::dialect::BadRequest;
use llm_core::error::{Error, Kind};
use llm_core::fault::FaultClass;

use super::*;

#[test]
fn an_error_answer_is_understood() {
    let head = |status: u16, headers: &[(&'static str, &'static str)]| {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into_parts().0
    };
    let limited = Responses.decode_error(
        &head(429, &[("retry-after-ms", "270"), ("retry-after", "1")]),
        &bytes(r#"{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}"#),
    );
    assert_eq!(limited.class, FaultClass::RateLimited);
    assert_eq!(limited.retry_after, Some(Duration::from_millis(270)));
    let empty = Responses.decode_error(
        &head(429, &[]),
        &bytes(r#"{"error":{"message":"quota","type":"insufficient_quota","code":"insufficient_quota"}}"#),
    );
    assert_eq!((empty.class, empty.retryable), (FaultClass::QuotaExhausted, false));
    let html = Responses.decode_error(&head(502, &[]), &bytes("<html><title>Bad</title></html>"));
    assert_eq!(html.class, FaultClass::Server);
}

#[test]
fn a_caller_is_told_in_its_own_shape() {
    let error = Error::new(Kind::UnknownModel, "There is no model `x`.");
    let response = Responses.encode_error(&error, &RenderCx::default());
    assert_eq!(response.status(), 404);
    assert_eq!(value(response.body())["error"]["code"], "model_not_found");
}

#[test]
fn other_operations_are_refused() {
    let prompt = Prompt::Embed(llm_core::prompt::EmbedRequest::default());
    let cx = SendCx { model: "m", stream: false, usage_frame: false, capability: &Capability::ALL };
    let refused: BadRequest = Responses.encode(&prompt, &cx).unwrap_err();
    assert_eq!(refused.reason, llm_core::dialect::BadReason::Unsupported);
}
