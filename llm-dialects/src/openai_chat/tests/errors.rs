use llm_core::fault::FaultClass;

use super::*;

fn fault(status: u16, body: &'static str) -> llm_core::fault::Fault {
    let head = http::Response::builder().status(status).body(()).unwrap().into_parts().0;
    OpenaiChat.decode_error(&head, &Bytes::from_static(body.as_bytes()))
}

#[test]
fn bodies_of_all_kinds_are_understood() {
    use FaultClass::*;
    for (status, body, class) in [
        (
            400,
            r#"{"error":{"message":"m","type":"invalid_request_error","param":"p","code":"context_length_exceeded"}}"#,
            ContextOverflow,
        ),
        (
            400,
            r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#,
            Authentication,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            Authentication,
        ),
        (401, r#"{"error":{"code":"401","message":"Access denied"}}"#, Authentication),
        (422, r#"{"detail":[{"msg":"bad"}]}"#, InvalidRequest),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            QuotaExhausted,
        ),
        (413, "<html><head><title>413 Too Large</title></head></html>", TooLarge),
        (504, "", Timeout),
        (500, r#"{"error":{"code":500,"message":"x","type":"server_error"}}"#, Server),
    ] {
        let fault = fault(status, body);
        assert_eq!((fault.class, fault.status), (class, status), "{body}");
        assert!(!fault.message.is_empty() && fault.retryable == class.retryable());
    }
    let named = fault(400, r#"{"error":{"message":"m","param":"p","code":"c","type":"t"}}"#);
    assert_eq!(
        (named.param.as_deref(), named.code.as_deref(), named.kind.as_deref()),
        (Some("p"), Some("c"), Some("t"))
    );
}
