//! What vendors say of their limits in the heads of answers.

use std::time::Duration;

use http::HeaderMap;
use llm_core::provider::LimitHint;

/// Reads them; `None` when there are none. One pass over what there is: most heads say nothing of
/// limits, and a look-up for each spelling would cost more than the rest of the head.
pub(super) fn read(headers: &HeaderMap) -> Option<LimitHint> {
    let mut hint = LimitHint::default();
    for (name, value) in headers {
        let name = name.as_str();
        let (of, anthropic) = match name.strip_prefix("x-ratelimit-") {
            Some(of) => (of, false),
            None => match name.strip_prefix("anthropic-ratelimit-") {
                Some(of) => (of, true),
                None => continue,
            },
        };
        let Ok(text) = value.to_str() else { continue };
        let number = || text.trim().parse().ok();
        match (of, anthropic) {
            ("limit-requests", false) => hint.requests_limit = number(),
            ("limit-tokens", false) => hint.tokens_limit = number(),
            ("remaining-requests", false) => hint.requests_left = number(),
            ("remaining-tokens", false) => hint.tokens_left = number(),
            ("reset-requests", false) => hint.requests_reset = duration(text),
            ("reset-tokens", false) => hint.tokens_reset = duration(text),
            ("requests-limit", true) => hint.requests_limit = number(),
            ("tokens-limit", true) => hint.tokens_limit = number(),
            ("requests-remaining", true) => hint.requests_left = number(),
            ("tokens-remaining", true) => hint.tokens_left = number(),
            _ => {}
        }
    }
    (hint != LimitHint::default()).then_some(hint)
}

/// Reads `6m0s`, `1s`, `20ms`, `1h2m3.5s` and bare seconds.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if let Ok(seconds) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, tail) = rest.split_at(digits);
        let unit = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(unit);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        let number: f64 = number.parse().ok()?;
        sum = sum.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = tail;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_vendors_write_them() {
        let cases = [
            ("6m0s", Some(360_000)),
            ("1s", Some(1_000)),
            ("20ms", Some(20)),
            ("1h2m3.5s", Some(3_723_500)),
            ("0.25", Some(250)),
            ("soon", None),
            ("5 parsecs", None),
            ("", Some(0)),
        ];
        for (text, millis) in cases {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn both_spellings_are_known_and_nonsense_is_nothing() {
        let mut headers = HeaderMap::new();
        assert_eq!(read(&headers), None);
        headers.insert("x-ratelimit-remaining-requests", "59".parse().unwrap());
        headers.insert("x-ratelimit-reset-tokens", "6m0s".parse().unwrap());
        let hint = read(&headers).unwrap();
        assert_eq!(hint.requests_left, Some(59));
        assert_eq!(hint.tokens_reset, Some(Duration::from_secs(360)));
        let mut headers = HeaderMap::new();
        headers.insert("anthropic-ratelimit-tokens-remaining", "-4".parse().unwrap());
        assert_eq!(read(&headers), None);
    }
}
