//! When to come back: from headers, from the body, or from the sentence itself.

use std::time::Duration;

use http::HeaderMap;

/// The provider's hint. `text` is the message in lower case.
pub(super) fn retry_after(
    headers: Option<&HeaderMap>,
    delay: Option<Duration>,
    text: &str,
) -> Option<Duration> {
    headers.and_then(from_headers).or(delay).or_else(|| from_text(text))
}

fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    // OpenAI's own header is exact where `retry-after` is rounded.
    if let Some(ms) = text("retry-after-ms").and_then(number) {
        return duration(ms / 1000.0);
    }
    let value = text("retry-after")?;
    if let Some(seconds) = number(value) {
        return duration(seconds);
    }
    let (then, now) = (http_date(value)?, http_date(text("date")?)?);
    Some(Duration::from_secs(u64::try_from(then - now).unwrap_or(0)))
}

/// Digits and dots only: `inf`, `1e9` and signs are no hints.
fn number(text: &str) -> Option<f64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if plain { text.parse().ok() } else { None }
}

fn duration(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// "Please try again in 1m20.5s", "retry in 300ms", "retry after 20 seconds": OpenAI, Groq, Gemini
/// and Azure say it so where headers were stripped on the way.
fn from_text(text: &str) -> Option<Duration> {
    const LEADS: [&str; 4] = ["try again in ", "retry in ", "try again after ", "retry after "];
    LEADS.iter().find_map(|lead| {
        let (_, rest) = text.split_once(lead)?;
        span(rest)
    })
}

/// A number with a unit, or several in a row.
fn span(mut text: &str) -> Option<Duration> {
    let mut total = None;
    loop {
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (amount, rest) = text.split_at_checked(digits)?;
        let Some(amount) = number(amount.trim_end_matches('.')) else { return total };
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, rest) = rest.split_at_checked(letters)?;
        let seconds = match unit {
            "ms" | "millisecond" | "milliseconds" => amount / 1000.0,
            "s" | "sec" | "second" | "seconds" => amount,
            "m" | "min" | "minute" | "minutes" => amount * 60.0,
            "h" | "hour" | "hours" => amount * 3600.0,
            _ => return total,
        };
        total = Some(total.unwrap_or_default() + duration(seconds)?.min(LONGEST));
        text = rest;
    }
}

/// A sentence that asks for more is no hint but a refusal; the cap also keeps sums finite.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Seconds since 1970 of a date in one of HTTP's three forms: `Sun, 06 Nov 1994 08:49:37 GMT`,
/// `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
fn http_date(text: &str) -> Option<i64> {
    let mut words = text.split([' ', ',', '-']).filter(|w| !w.is_empty()).skip(1);
    let (first, second, third) = (words.next()?, words.next()?, words.next()?);
    let (day, month, year, time) = if first.as_bytes().first()?.is_ascii_digit() {
        (first, second, third, words.next()?)
    } else {
        (second, first, words.next()?, third)
    };
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    let day: i64 = day.parse().ok().filter(|d| (1..=31).contains(d))?;
    let year: i64 = match year.parse().ok()? {
        short @ 0..70 => 2000 + short,
        short @ 70..100 => 1900 + short,
        year @ 1970..10_000 => year,
        _ => return None,
    };
    let mut clock = time.splitn(3, ':').map(|n| n.parse::<i64>().ok().filter(|n| *n < 62));
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    let days = days_before(year, month) + day - 1;
    Some(days * 86_400 + h * 3600 + m * 60 + s)
}

/// Days from 1970-01-01 to the first of a month (0 = January).
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let leaps = |y: i64| y / 4 - y / 100 + y / 400;
    let days = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    days + BEFORE.get(month).copied().unwrap_or(0) + i64::from(leap && month > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_a_date_are_one_moment() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("Tue, 29 Feb 2028 00:00:00 GMT"), Some(1_835_395_200));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for text in ["", "soon", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49"] {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn sentences_name_spans() {
        let ms = |t| from_text(t).map(|d| d.as_millis());
        assert_eq!(ms("please try again in 20s. contact us"), Some(20_000));
        assert_eq!(ms("please try again in 270ms."), Some(270));
        assert_eq!(ms("try again in 1m20.5s"), Some(80_500));
        assert_eq!(ms("please retry in 48.03s."), Some(48_030));
        assert_eq!(ms("please retry after 20 seconds."), Some(20_000));
        assert_eq!(ms("try again in a while"), None);
        assert_eq!(ms("try again in 5 parsecs"), None);
    }
}
