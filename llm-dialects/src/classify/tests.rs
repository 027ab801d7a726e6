use http::Response;

use super::*;

fn said(status: u16, code: &str, kind: &str, message: &'static str) -> Said<'static> {
    let some = |t: &str| (!t.is_empty()).then(|| Str::from(t.to_owned()));
    Said {
        http: if status == 0 { 200 } else { status },
        status,
        code: some(code),
        kind: some(kind),
        message: some(message),
        ..Said::default()
    }
}

#[track_caller]
fn check(said: Said<'_>, class: FaultClass, retryable: bool) {
    let fault = fault(said);
    assert_eq!((fault.class, fault.retryable), (class, retryable), "{fault:?}");
}

#[test]
fn the_most_telling_sign_counts() {
    use FaultClass::*;
    check(
        said(400, "context_length_exceeded", "invalid_request_error", ""),
        ContextOverflow,
        false,
    );
    check(
        said(400, "", "invalid_request_error", "prompt is too long: 9 tokens > 8"),
        ContextOverflow,
        false,
    );
    check(said(429, "insufficient_quota", "insufficient_quota", ""), QuotaExhausted, false);
    check(said(400, "", "", "Your credit balance is too low to access"), QuotaExhausted, false);
    check(said(402, "", "", "Insufficient Balance"), QuotaExhausted, false);
    check(said(400, "content_filter", "", ""), ContentFiltered, false);
    check(said(400, "", "", "Incorrect API key provided: xx"), Authentication, false);
    check(said(401, "", "", ""), Authentication, false);
    check(said(403, "", "", ""), Permission, false);
    check(said(400, "model_not_found", "", ""), NotFound, false);
    check(said(413, "", "", ""), TooLarge, false);
    check(said(429, "", "", ""), RateLimited, true);
    check(
        said(429, "rate_limit_exceeded", "tokens", "Request too large for x"),
        RateLimited,
        false,
    );
    check(said(529, "", "overloaded_error", ""), Overloaded, true);
    check(said(504, "", "", ""), Timeout, true);
    check(said(422, "", "", ""), InvalidRequest, false);
    check(said(418, "", "", ""), InvalidRequest, false);
    check(said(501, "", "not_supported_error", ""), InvalidRequest, false);
    check(said(500, "", "", ""), Server, true);
}

#[test]
fn inside_a_stream_the_words_decide() {
    use FaultClass::*;
    check(said(0, "", "overloaded_error", "Overloaded"), Overloaded, true);
    check(said(0, "", "server_error", ""), Server, true);
    check(said(0, "429", "", ""), RateLimited, true);
    check(said(0, "400", "", "Token limit reached"), InvalidRequest, false);
    check(said(0, "1305", "", "Foobar"), Unknown, false);
}

#[test]
fn google_says_it_in_reasons_and_in_limits() {
    let key = Said {
        word: Some("INVALID_ARGUMENT".into()),
        reasons: vec!["API_KEY_INVALID".into()],
        ..said(400, "400", "", "API key not valid.")
    };
    check(key, FaultClass::Authentication, false);
    let minute = Said {
        word: Some("RESOURCE_EXHAUSTED".into()),
        retry_delay: Some(Duration::from_secs(48)),
        ..said(429, "429", "", "You exceeded your current quota")
    };
    assert_eq!(fault(minute.clone()).retry_after, Some(Duration::from_secs(48)));
    check(minute.clone(), FaultClass::RateLimited, true);
    let body = Bytes::from_static(br#"{"quota_limit_value": "0"}"#);
    check(Said { body, ..minute }, FaultClass::QuotaExhausted, false);
}

#[test]
fn headers_say_when_and_whether() {
    let head = |headers: &[(&'static str, &str)]| {
        let response =
            headers.iter().fold(Response::builder().status(429), |r, (n, v)| r.header(*n, *v));
        response.body(()).unwrap().into_parts().0
    };
    let wait = |headers: &[(&'static str, &str)]| {
        let head = head(headers);
        fault(Said::answer(&head, &Bytes::new())).retry_after.map(|d| d.as_millis())
    };
    assert_eq!(wait(&[("retry-after-ms", "270"), ("retry-after", "1")]), Some(270));
    assert_eq!(wait(&[("retry-after", "17")]), Some(17_000));
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), date]), Some(30_000));
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:49:07 GMT"), date]), Some(0));
    assert_eq!(wait(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), None);
    assert_eq!(wait(&[("retry-after", "-3")]), None);
    let head = head(&[("x-should-retry", "false")]);
    assert!(!fault(Said::answer(&head, &Bytes::new())).retryable);
}
