//! What a response's head says about how it came about.

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use llm_core::quota::Verdict;
use llm_providers::reply::{CacheState, ReplyHead};
use llm_providers::stage::record::Receipts;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CALL_ID: HeaderName = HeaderName::from_static("x-gw-call-id");
const PROVIDER: HeaderName = HeaderName::from_static("x-gw-provider");
const MODEL: HeaderName = HeaderName::from_static("x-gw-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-gw-attempts");
const FALLBACKS: HeaderName = HeaderName::from_static("x-gw-fallbacks");
const LOSSES: HeaderName = HeaderName::from_static("x-gw-losses");
const COST: HeaderName = HeaderName::from_static("x-gw-cost");
const CREDITS: HeaderName = HeaderName::from_static("x-gw-credits");
const CACHE: HeaderName = HeaderName::from_static("x-cache");
/// Says that limits which replicas share are counted here alone: each counts its part of them.
const DEGRADED: HeaderName = HeaderName::from_static("x-gw-degraded");
const AGE: HeaderName = HeaderName::from_static("age");

/// The three headers of a kind of limit, as OpenAI names them.
struct Limit {
    limit: HeaderName,
    remaining: HeaderName,
    reset: HeaderName,
}

const REQUESTS: Limit = Limit {
    limit: HeaderName::from_static("x-ratelimit-limit-requests"),
    remaining: HeaderName::from_static("x-ratelimit-remaining-requests"),
    reset: HeaderName::from_static("x-ratelimit-reset-requests"),
};
const TOKENS: Limit = Limit {
    limit: HeaderName::from_static("x-ratelimit-limit-tokens"),
    remaining: HeaderName::from_static("x-ratelimit-remaining-tokens"),
    reset: HeaderName::from_static("x-ratelimit-reset-tokens"),
};

/// Room for what is written here, so that the map grows once.
pub(crate) const HEADERS: usize = 20;

/// What is known before the body.
pub(crate) fn describe(head: &ReplyHead, now: Timestamp, headers: &mut HeaderMap) {
    let (provider, model) = head.target.0.split_once('/').unwrap_or((&head.target.0, ""));
    word(headers, PROVIDER, provider);
    word(headers, MODEL, model);
    headers.insert(ATTEMPTS, few(head.attempts));
    headers.insert(FALLBACKS, few(head.fallbacks));
    headers.insert(CACHE, HeaderValue::from_static(head.cache.name()));
    match head.cache {
        CacheState::Hit { age_s } | CacheState::Alike { age_s } => {
            headers.insert(AGE, HeaderValue::from(age_s));
        }
        CacheState::Bypass | CacheState::Miss | CacheState::Coalesced => {}
    }
    let losses = head.losses.iter().count();
    if losses > 0 {
        headers.insert(LOSSES, HeaderValue::from(losses));
    }
    limit(headers, REQUESTS, head.paced.requests.as_deref(), now);
    limit(headers, TOKENS, head.paced.tokens.as_deref(), now);
    if head.paced.degraded {
        headers.insert(DEGRADED, few(1));
    }
    for (name, value) in &head.headers {
        headers.insert(name.clone(), value.clone());
    }
}

/// The id under which a caller and we speak of it.
pub(crate) fn name(headers: &mut HeaderMap, theirs: Option<&HeaderValue>, ours: HeaderValue) {
    headers.insert(REQUEST_ID, theirs.cloned().unwrap_or_else(|| ours.clone()));
    headers.insert(CALL_ID, ours);
}

/// The type of what follows.
pub(crate) fn typed(headers: &mut HeaderMap, content_type: &str) {
    word(headers, CONTENT_TYPE, content_type);
}

/// What it cost, of an answer that is there whole.
pub(crate) fn cost(headers: &mut HeaderMap, receipts: &Receipts) {
    if let Some(receipt) = receipts.get() {
        word(headers, COST, &receipt.posted.to_string());
    }
    if let Some(receipt) = receipts.credits() {
        word(headers, CREDITS, &receipt.posted.to_string());
    }
}

fn limit(headers: &mut HeaderMap, names: Limit, verdict: Option<&Verdict>, now: Timestamp) {
    let Some(verdict) = verdict else { return };
    headers.insert(names.limit, number(verdict.limit, ""));
    headers.insert(names.remaining, number(verdict.remaining, ""));
    if let Some(at) = verdict.resets_at {
        let left = at.duration_since(now).max(SignedDuration::ZERO).as_millis();
        // Milliseconds, which clients read as well as OpenAI's `6m0s`.
        headers.insert(names.reset, number(u64::try_from(left).unwrap_or(u64::MAX), "ms"));
    }
}

/// Small numbers, which nearly all are, cost nothing.
fn few(number: u8) -> HeaderValue {
    match number {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        3 => HeaderValue::from_static("3"),
        more => HeaderValue::from(u16::from(more)),
    }
}

/// A number and its unit. By hand, since six of these stand in the head of every answer.
fn number(number: u64, unit: &'static str) -> HeaderValue {
    const DIGITS: usize = 20;
    let mut text = [b'0'; DIGITS + 2];
    let (mut at, mut left) = (DIGITS, number);
    while at == DIGITS || left > 0 {
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    let end = DIGITS + unit.len().min(2);
    text[DIGITS..end].copy_from_slice(&unit.as_bytes()[..end - DIGITS]);
    HeaderValue::from_bytes(&text[at..end]).unwrap_or(HeaderValue::from_static("0"))
}

/// A header whose value comes from configuration or from an upstream: what cannot stand in a head
/// is left out.
fn word(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_anyone_would() {
        for n in [0, 7, 10, 99, 1_000_000, u64::MAX - 1, u64::MAX] {
            assert_eq!(number(n, ""), n.to_string());
            assert_eq!(number(n, "ms"), format!("{n}ms"));
        }
        for n in 0..=u8::MAX {
            assert_eq!(few(n), n.to_string());
        }
    }
}
