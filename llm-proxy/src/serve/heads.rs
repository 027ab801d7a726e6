//! What a response's head says about how it came about.

mod usual;

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::quota::Verdict;
use llm_providers::reply::{CacheState, ReplyHead};
use llm_providers::stage::record::Receipts;

use super::web::{NO_STORE, NOSNIFF};
use usual::{Place, Usual};

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

/// Of nearly every answer.
const JSON: &str = "application/json";
/// In the place of what cannot stand in a head.
const UNSAID: HeaderValue = HeaderValue::from_static("-");

/// What is known before the body; `id` is the call's.
pub(crate) fn describe(head: &ReplyHead, id: &Str, now: Timestamp) -> HeaderMap {
    let (provider, model) = head.target.0.split_once('/').unwrap_or((&head.target.0, ""));
    let id = HeaderValue::from_maybe_shared(id.as_bytes().clone()).unwrap_or(UNSAID);
    let (provider, model) = (word(provider), word(model));
    let unsaid = (provider.is_none(), model.is_none());
    let mut usual = Usual::new();
    usual.say(Place::RequestId, id.clone());
    usual.say(Place::CallId, id);
    usual.say(Place::Provider, provider.unwrap_or(UNSAID));
    usual.say(Place::Model, model.unwrap_or(UNSAID));
    usual.say(Place::Attempts, few(head.attempts));
    usual.say(Place::Fallbacks, few(head.fallbacks));
    usual.say(Place::Cache, HeaderValue::from_static(head.cache.name()));
    // Every answer says these, and is made to further out; here they have their places already.
    usual.say(Place::Nosniff, NOSNIFF);
    usual.say(Place::NoStore, NO_STORE);
    let places = [Place::Requests, Place::RequestsLeft, Place::RequestsReset];
    left(&mut usual, places, head.paced.requests.as_deref(), now);
    let places = [Place::Tokens, Place::TokensLeft, Place::TokensReset];
    left(&mut usual, places, head.paced.tokens.as_deref(), now);
    let mut headers = usual.head();
    // What cannot stand in a head is left out.
    for name in [unsaid.0.then_some(PROVIDER), unsaid.1.then_some(MODEL)].into_iter().flatten() {
        headers.remove(name);
    }
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
    if head.paced.degraded {
        headers.insert(DEGRADED, few(1));
    }
    // The name under which a call is spoken of here is ours: a provider may write anything into its own.
    for (name, value) in head.headers.iter().filter(|(name, _)| **name != REQUEST_ID) {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

/// The id under which a caller and we speak of it.
pub(crate) fn name(headers: &mut HeaderMap, theirs: Option<&HeaderValue>, ours: HeaderValue) {
    headers.insert(REQUEST_ID, theirs.cloned().unwrap_or_else(|| ours.clone()));
    headers.insert(CALL_ID, ours);
}

/// The same of a call, whose answer says our id already where it comes from a model.
pub(crate) fn name_call(headers: &mut HeaderMap, theirs: Option<&HeaderValue>, id: CallId) {
    if !headers.contains_key(CALL_ID) {
        let ours = HeaderValue::from_str(&id.to_string()).unwrap_or(UNSAID);
        name(headers, theirs, ours);
    } else if let Some(theirs) = theirs {
        headers.insert(REQUEST_ID, theirs.clone());
    }
}

/// The type of what follows. One that cannot stand in a head is left out.
pub(crate) fn typed(headers: &mut HeaderMap, content_type: &str) {
    let value = match content_type {
        JSON => HeaderValue::from_static(JSON),
        other => match word(other) {
            Some(value) => value,
            None => return,
        },
    };
    headers.insert(CONTENT_TYPE, value);
}

/// What it cost, of an answer that is there whole.
pub(crate) fn cost(headers: &mut HeaderMap, receipts: &Receipts) {
    let receipt = receipts.get().map(|receipt| receipt.posted.to_string());
    let credits = receipts.credits().map(|receipt| receipt.posted.to_string());
    for (name, posted) in [(COST, receipt), (CREDITS, credits)] {
        if let Some(value) = posted.as_deref().and_then(word) {
            headers.insert(name, value);
        }
    }
}

fn left(usual: &mut Usual, places: [Place; 3], verdict: Option<&Verdict>, now: Timestamp) {
    let Some(verdict) = verdict else { return };
    let [limit, remaining, reset] = places;
    usual.say(limit, number(verdict.limit, ""));
    usual.say(remaining, number(verdict.remaining, ""));
    if let Some(at) = verdict.resets_at {
        let left = at.duration_since(now).max(SignedDuration::ZERO).as_millis();
        // Milliseconds, which clients read as well as OpenAI's `6m0s`.
        usual.say(reset, number(u64::try_from(left).unwrap_or(u64::MAX), "ms"));
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

/// What comes from configuration or from an upstream, if it can stand in a head.
fn word(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
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
