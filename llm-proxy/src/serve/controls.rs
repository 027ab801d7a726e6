//! What a caller asks of the gateway itself: by headers here, in a body by [`asides`].
//!
//! A header that cannot be read is an error that names it: whoever asks for no cache and is given
//! one has been lied to.

pub(crate) mod asides;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_core::Str;
use llm_core::call::{CacheUse, Controls};
use llm_core::error::{Error, Kind};
use llm_core::principal::{FeatureId, Priority};
use llm_core::trace::Trace;

/// Labels of one call, and bytes of each: they are kept with the record of the call.
const TAGS_MAX: usize = 16;
const WORD_BYTES_MAX: usize = 64;
/// How often a caller may have one target asked again: what it wishes beyond is not refused, since
/// the target's own budget bounds it anyway.
const RETRIES_MAX: u8 = 10;
/// Nobody waits for longer than a day.
const SECONDS_MAX: f64 = 86_400.0;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// What the pipeline is told.
    pub(crate) controls: Controls,
    /// For which purpose.
    pub(crate) feature: FeatureId,
    /// Who waits when not all can be served; no better than what was sold.
    pub(crate) priority: Option<Priority>,
    /// For how long the caller waits.
    pub(crate) within: Option<Duration>,
    /// What is to be answered, without asking anybody.
    pub(crate) mock: Option<Str>,
}

/// Reads the headers.
pub(crate) fn read(headers: &HeaderMap) -> Result<Box<Asked>, Error> {
    let mut asked = Box::<Asked>::default();
    asked.controls.trace = trace(headers);
    for (name, value) in headers {
        let Some(word) = name.as_str().strip_prefix("x-gw-") else {
            if let Some(word) = name.as_str().strip_prefix("x-litellm-") {
                litellm(word, name.as_str(), value, &mut asked)?;
            }
            continue;
        };
        match word {
            "cache" => asked.controls.cache = cache(name.as_str(), value)?,
            "cache-ttl" => asked.controls.cache_ttl = Some(seconds(name.as_str(), value)?),
            "tags" => asked.controls.tags = tags(name.as_str(), value)?,
            "no-fallback" => asked.controls.no_fallback = flag(name.as_str(), value)?,
            "session" => asked.controls.session = Some(word_of(name.as_str(), value)?),
            "resume" => asked.controls.resume = Some(flag(name.as_str(), value)?),
            "feature" => asked.feature = FeatureId(word_of(name.as_str(), value)?),
            "priority" => {
                let word = text(name.as_str(), value)?;
                let wrong = || bad(name.as_str(), "critical, default, batch or sheddable");
                asked.priority = Some(Priority::parse(word).ok_or_else(wrong)?);
            }
            // Ours of the future, or of another version: nothing that changes who pays.
            _ => {}
        }
    }
    Ok(asked)
}

/// The trace that the caller has begun, if it has.
pub(crate) fn trace(headers: &HeaderMap) -> Option<Box<Trace>> {
    let parent = headers.get(TRACEPARENT)?;
    let mut states = headers.get_all(TRACESTATE).iter();
    // One that was split over several lines is not put together: what others noted is theirs.
    let state = states.next().filter(|_| states.next().is_none());
    let state = state.and_then(|state| state.to_str().ok());
    Trace::parse(parent.as_bytes(), state).map(Box::new)
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The same under LiteLLM's names.
fn litellm(word: &str, name: &str, value: &HeaderValue, asked: &mut Asked) -> Result<(), Error> {
    match word {
        "timeout" => {
            let seconds = text(name, value)?.parse().ok().and_then(seconds_of);
            asked.within = Some(seconds.ok_or_else(|| bad(name, "a number of seconds"))?);
        }
        "num-retries" => {
            let wanted = text(name, value)?.parse().map_err(|_| bad(name, "a number"))?;
            asked.controls.retries = Some(retries(wanted));
        }
        "tags" => asked.controls.tags = tags(name, value)?,
        // Who the end user is decides nothing here; whatever else there is was not meant for us.
        _ => {}
    }
    Ok(())
}

/// As often as may be.
fn retries(wanted: u64) -> u8 {
    u8::try_from(wanted).unwrap_or(RETRIES_MAX).min(RETRIES_MAX)
}

/// A number of seconds as a time, if it is one that passes.
fn seconds_of(number: f64) -> Option<Duration> {
    let passes = number.is_finite() && number >= 0.0;
    passes.then(|| Duration::from_secs_f64(number.min(SECONDS_MAX)))
}

fn text<'v>(name: &str, value: &'v HeaderValue) -> Result<&'v str, Error> {
    value.to_str().map(str::trim).map_err(|_| bad(name, "visible ASCII"))
}

fn cache(name: &str, value: &HeaderValue) -> Result<CacheUse, Error> {
    match text(name, value)? {
        "use" => Ok(CacheUse::Use),
        "no-cache" | "off" => Ok(CacheUse::Off),
        "no-store" => Ok(CacheUse::NoStore),
        "refresh" => Ok(CacheUse::Refresh),
        _ => Err(bad(name, "use, no-cache, no-store or refresh")),
    }
}

fn seconds(name: &str, value: &HeaderValue) -> Result<Duration, Error> {
    let number = text(name, value)?.parse().map_err(|_| bad(name, "a number of seconds"))?;
    Ok(Duration::from_secs(number))
}

fn flag(name: &str, value: &HeaderValue) -> Result<bool, Error> {
    match text(name, value)? {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(bad(name, "1 or 0")),
    }
}

fn tags(name: &str, value: &HeaderValue) -> Result<Vec<Str>, Error> {
    let words = text(name, value)?.split(',').map(str::trim).filter(|w| !w.is_empty());
    let tags: Vec<Str> = words.map(Str::from).collect();
    if tags.len() > TAGS_MAX || tags.iter().any(|t| t.len() > WORD_BYTES_MAX) {
        return Err(bad(name, "16 words of 64 bytes at the most"));
    }
    Ok(tags)
}

fn word_of(name: &str, value: &HeaderValue) -> Result<Str, Error> {
    let word = text(name, value)?;
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return Err(bad(name, "a word of 64 bytes at the most"));
    }
    Ok(Str::from(word))
}

fn bad(name: &str, wanted: &str) -> Error {
    let error = Error::new(Kind::BadRequest, format!("header {name}: {wanted} is expected"));
    error.in_field(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(n, v): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(n), HeaderValue::from_static(v))
        };
        all.iter().map(pair).collect()
    }

    #[test]
    fn all_of_them_are_read() {
        let asked = read(&headers(&[
            ("x-gw-cache", "refresh"),
            ("x-gw-cache-ttl", "600"),
            ("x-gw-tags", "a, b,,c"),
            ("x-gw-no-fallback", "1"),
            ("x-gw-priority", "batch"),
            ("x-gw-feature", "chat"),
            ("x-gw-tomorrow", "?"),
            ("x-litellm-timeout", "1.5"),
            ("x-litellm-num-retries", "99"),
            ("x-litellm-call-id", "?"),
        ]));
        let asked = asked.unwrap();
        assert_eq!(asked.controls.cache, CacheUse::Refresh);
        assert_eq!(asked.controls.cache_ttl, Some(Duration::from_secs(600)));
        assert_eq!(asked.controls.tags, ["a", "b", "c"].map(Str::from));
        assert!(asked.controls.no_fallback);
        assert_eq!(asked.priority, Some(Priority::Batch));
        assert_eq!(asked.feature, FeatureId::from("chat"));
        assert_eq!(asked.within, Some(Duration::from_millis(1_500)));
        assert_eq!(asked.controls.retries, Some(RETRIES_MAX));
        let tags = read(&headers(&[("x-litellm-tags", "a,b")])).unwrap().controls.tags;
        assert_eq!(tags, ["a", "b"].map(Str::from));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (name, value) in [
            ("x-gw-cache", "never"),
            ("x-gw-cache-ttl", "1h"),
            ("x-gw-no-fallback", "yes"),
            ("x-gw-priority", "high"),
            ("x-gw-feature", ""),
            ("x-litellm-timeout", "-1"),
            ("x-litellm-num-retries", "many"),
        ] {
            let error = read(&headers(&[(name, value)])).unwrap_err();
            assert_eq!(error.param(), Some(name), "{name}");
            assert_eq!(error.kind(), Kind::BadRequest);
        }
    }
}
