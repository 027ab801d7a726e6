use super::*;
use crate::fault::HINT_MAX;

fn advice(class: FaultClass, after: Option<Duration>) -> Advice {
    let fault = Fault { retry_after: after, ..Fault::new(400, class, "") };
    Error::upstream(fault).advice()
}

#[test]
fn a_short_wait_is_waited_and_a_long_one_is_spent_elsewhere() {
    let (short, long) = (Duration::from_millis(900), Duration::from_secs(48));
    let limited = |after| advice(FaultClass::RateLimited, after);
    assert_eq!(limited(Some(short)), Advice::Again { after: Some(short) });
    assert_eq!(limited(Some(long)), Advice::Elsewhere { rest: long });
    assert_eq!(limited(None), Advice::Elsewhere { rest: RATE_REST });
}

#[test]
fn no_hint_closes_a_target_for_long() {
    for class in [FaultClass::RateLimited, FaultClass::Overloaded, FaultClass::Server] {
        for absurd in [Duration::from_secs(1_000_000_000), Duration::MAX] {
            assert_eq!(advice(class, Some(absurd)), Advice::Elsewhere { rest: HINT_MAX });
        }
    }
}

#[test]
fn what_a_request_names_cannot_send_a_target_or_a_key_to_rest() {
    assert_eq!(advice(FaultClass::NotFound, None), Advice::Elsewhere { rest: Duration::ZERO });
    assert_eq!(advice(FaultClass::Permission, None), Advice::OtherKey { rest: Duration::ZERO });
    assert_eq!(advice(FaultClass::Authentication, None), Advice::OtherKey { rest: KEY_REST });
}

#[test]
fn no_key_is_shown_wherever_the_provider_quotes_it() {
    const KEY: &str = "sk-proj-0123456789abcdef0123";
    let mut fault = Fault::new(401, FaultClass::Authentication, KEY);
    fault.param = Some(KEY.into());
    fault.body = bytes::Bytes::from_static(KEY.as_bytes());
    let shown = format!("{fault:?}");
    assert!(!shown.contains("0123456789") && shown.contains("401"), "{shown}");
    let error = Error::upstream(fault);
    assert_eq!((error.message(), error.param()), ("sk-…", Some("sk-…")));
    assert!(!format!("{error:?} {error}").contains("0123456789"));
}

#[test]
fn a_refusal_says_when_to_come_back_or_that_it_is_no_use() {
    let after = Some(Duration::from_secs(7));
    let rule = Refusal {
        rule: "key 30/hour".into(),
        limit: 30,
        used: 30,
        reserved: 0,
        resets_at: None,
        retry_after: after,
    };
    let error = Error::new(Kind::RateLimited, "too fast").refused(rule.clone());
    assert_eq!((error.advice(), error.refusal()), (Advice::Again { after }, Some(&rule)));
    let never = error.clone().refused(Refusal { retry_after: None, ..rule });
    assert_eq!(never.advice(), Advice::Stop);
    assert_ne!(never, error);
}
