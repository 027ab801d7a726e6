//! What a response's head says about how it came about.

mod usual;

use std::fmt;
use std::io::Write as _;

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::quota::Verdict;
use llm_providers::reply::{CacheState, ReplyHead};
use llm_providers::stage::record::Receipts;

use super::web::{NO_STORE, NOSNIFF};
use usual::{Place, Said};

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

/// Of nearly every answer.
const JSON: &str = "application/json";
/// What is said of each kind of limit.
const LIMITS: [[Place; 3]; 2] = [
    [Place::Requests, Place::RequestsLeft, Place::RequestsReset],
    [Place::Tokens, Place::TokensLeft, Place::TokensReset],
];
/// In the place of what cannot stand in a head.
const UNSAID: HeaderValue = HeaderValue::from_static("-");

/// What is known before the body; `id` is the call's.
pub(crate) fn describe(head: &ReplyHead, id: &Str, now: Timestamp) -> HeaderMap {
    let (provider, model) = head.target.0.split_once('/').unwrap_or((&head.target.0, ""));
    let (mut request, mut call) = (word(id), word(id));
    let (mut provider, mut model, mut kind) =
        (word(provider), word(model), kind(&head.content_type));
    let unsaid = [
        provider.is_none().then_some(PROVIDER),
        model.is_none().then_some(MODEL),
        kind.is_none().then_some(CONTENT_TYPE),
    ];
    let mut said = Said::USUAL;
    let limits = [head.paced.requests.as_deref(), head.paced.tokens.as_deref()];
    for (verdict, [limit, left, reset]) in limits.into_iter().zip(LIMITS) {
        let Some(verdict) = verdict else { continue };
        said.and(limit);
        said.and(left);
        if verdict.resets_at.is_some() {
            said.and(reset);
        }
    }
    if head.framing.is_none() {
        // Of an answer that is all there it is known what it cost before anything of it is sent.
        said.and(Place::Cost);
    }
    let of = |verdict: Option<&Verdict>, number: fn(&Verdict) -> u64| {
        verdict.map_or(UNSAID, |verdict| counted(number(verdict), ""))
    };
    // Milliseconds, which clients read as well as OpenAI's `6m0s`.
    let resets = |verdict: Option<&Verdict>| counted(verdict.map_or(0, |v| left(v, now)), "ms");
    let [requests, tokens] = limits;
    let mut headers = said.head(|place| match place {
        // Two copies: shares in one are counted by operations that cost more than a few bytes.
        Place::RequestId => request.take().unwrap_or(UNSAID),
        Place::CallId => call.take().unwrap_or(UNSAID),
        Place::Provider => provider.take().unwrap_or(UNSAID),
        Place::Model => model.take().unwrap_or(UNSAID),
        Place::Attempts => few(head.attempts),
        Place::Fallbacks => few(head.fallbacks),
        Place::Cache => HeaderValue::from_static(head.cache.name()),
        // Every answer says these, and is made to further out; here they have their places already.
        Place::Nosniff => NOSNIFF,
        Place::NoStore => NO_STORE,
        // As it came; whoever writes it otherwise says so.
        Place::Type => kind.take().unwrap_or(UNSAID),
        Place::Requests => of(requests, |verdict| verdict.limit),
        Place::RequestsLeft => of(requests, |verdict| verdict.remaining),
        Place::RequestsReset => resets(requests),
        Place::Tokens => of(tokens, |verdict| verdict.limit),
        Place::TokensLeft => of(tokens, |verdict| verdict.remaining),
        Place::TokensReset => resets(tokens),
        // Its place, for when it is known.
        Place::Cost => few(0),
    });
    // What cannot stand in a head is left out.
    for name in unsaid.into_iter().flatten() {
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
    if let Some(value) = kind(content_type) {
        headers.insert(CONTENT_TYPE, value);
    }
}

fn kind(content_type: &str) -> Option<HeaderValue> {
    match content_type {
        JSON => Some(HeaderValue::from_static(JSON)),
        other => word(other),
    }
}

/// What it cost, of an answer that is there whole.
pub(crate) fn cost(headers: &mut HeaderMap, receipts: &Receipts) {
    match receipts.get().and_then(|receipt| amount(&receipt.posted)) {
        Some(posted) => headers.insert(COST, posted),
        None => headers.remove(COST),
    };
    if let Some(posted) = receipts.credits().and_then(|receipt| amount(&receipt.posted)) {
        headers.insert(CREDITS, posted);
    }
}

/// An amount, as it is written.
fn amount(amount: &impl fmt::Display) -> Option<HeaderValue> {
    // As many digits as 64 bits may have, a sign and a point.
    let mut text = [0; 24];
    let mut rest = &mut text[..];
    write!(rest, "{amount}").ok()?;
    let left = rest.len();
    HeaderValue::from_bytes(&text[..text.len() - left]).ok()
}

/// In how many milliseconds a limit begins anew.
fn left(verdict: &Verdict, now: Timestamp) -> u64 {
    let left = verdict.resets_at.map(|at| at.duration_since(now).max(SignedDuration::ZERO));
    let left = left.unwrap_or_default().as_millis();
    u64::try_from(left).unwrap_or(u64::MAX)
}

/// Small numbers, which nearly all are, cost nothing.
fn few(number: u8) -> HeaderValue {
    match number {
        0 => HeaderValue::from_static("0"),
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        3 => HeaderValue::from_static("3"),
        more => counted(u64::from(more), ""),
    }
}

/// A number and its unit. By hand, since six of these stand in the head of every answer, and what the
/// crate makes of a number is allocated twice and shared.
fn counted(number: u64, unit: &str) -> HeaderValue {
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
    HeaderValue::from_bytes(&text[at..end]).unwrap_or(UNSAID)
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
            assert_eq!(counted(n, "ms"), format!("{n}ms"));
            assert_eq!(counted(n, ""), n.to_string());
        }
        for n in 0..=u8::MAX {
            assert_eq!(few(n), n.to_string());
        }
    }
}
