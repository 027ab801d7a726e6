//! From a call to the bytes that go upstream.

use std::time::{Duration, SystemTime};

use llm_core::Str;
use llm_core::call::Payload;
use llm_core::dialect::{Chunks, Encoded, SendCx, UpstreamDialect};
use llm_core::error::{Advice, Error, Kind};
use llm_core::extra::Losses;
use llm_core::prompt::Prompt;

use super::{lacks, words};
use crate::model::LossPolicy;
use crate::stage::gate::Armed;

/// A request that is ready to be sent.
pub(super) struct Built {
    pub(super) request: http::Request<Chunks>,
    pub(super) dialect: &'static dyn UpstreamDialect,
    pub(super) losses: Losses,
}

/// Builds the request of an attempt. In its one caller's place, which would else move it three times.
#[inline(always)]
pub(super) fn build(armed: &Armed, now: SystemTime) -> Result<Built, Error> {
    let attempt = &armed.attempt;
    let (call, target) = (&attempt.funded.opened().call, &*attempt.target);
    let provider = &*target.vendor.provider;
    let way = target
        .way(call.operation, call.peek.stream)
        .ok_or_else(|| elsewhere(lacks("this provider has no such operation")))?;
    let dialect = way.dialect;
    let uri =
        way.uri.clone().ok_or_else(|| elsewhere(lacks("this provider has no such operation")))?;
    let (chunks, content_type, losses) = body(armed, dialect)?;
    let (mut parts, ()) = http::Request::new(()).into_parts();
    (parts.method, parts.uri) = (way.method.clone(), uri);
    let headers = &mut parts.headers;
    headers.extend(call.headers.iter().map(|(n, v)| (n.clone(), v.clone())));
    headers.insert(http::header::CONTENT_TYPE, content_type);
    // A tap reads what passes; what the caller can decode is our edge's business.
    headers.insert(http::header::ACCEPT_ENCODING, IDENTITY);
    provider.sign(&mut parts, &chunks, &armed.key, now).map_err(|e| {
        Error::new(Kind::UpstreamKeyRejected, "the request cannot be signed").because(e)
    })?;
    if losses.is_empty() || attempt.funded.opened().model.policy.losses == LossPolicy::Allow {
        return Ok(Built { request: http::Request::from_parts(parts, chunks), dialect, losses });
    }
    let lost = losses.iter().next().map_or_else(Str::default, |l| l.path.clone());
    let text = format!("{} cannot be said to this model's provider", lost);
    Err(elsewhere(Error::new(Kind::Unsupported, text).in_field(lost)))
}

const IDENTITY: http::HeaderValue = http::HeaderValue::from_static("identity");
const JSON: http::HeaderValue = http::HeaderValue::from_static("application/json");

/// Another target may be able to; this one is not the worse for it.
fn elsewhere(error: Error) -> Error {
    error.advise(Advice::Elsewhere { rest: Duration::ZERO })
}

type Written = (Chunks, http::HeaderValue, Losses);

fn body(armed: &Armed, dialect: &'static dyn UpstreamDialect) -> Result<Written, Error> {
    let attempt = &armed.attempt;
    let (call, target) = (&attempt.funded.opened().call, &*attempt.target);
    let cx = SendCx {
        model: &target.model,
        stream: call.peek.stream,
        usage_frame: target.capability.stream_options,
        capability: &target.capability,
    };
    if let Payload::Raw { bytes, content_type, .. } = &call.payload
        && call.dialect == dialect.id()
        && attempt.prefix.is_none()
        && !target.vendor.adjusts
        && !llm_dialects::state::carries_token(bytes, &call.peek)
    {
        let chunks = dialect.relay(bytes, &call.peek, &cx).map_err(Error::from)?;
        let own = match content_type.as_deref() {
            None | Some("application/json") => JSON,
            Some(own) => http::HeaderValue::from_str(own).unwrap_or(JSON),
        };
        return Ok((chunks, own, Losses::default()));
    }
    let mut losses = Losses::default();
    let encoded = match &attempt.prefix {
        None if !target.vendor.adjusts => {
            dialect.encode(words(call)?, &cx).map_err(|bad| elsewhere(bad.into()))?
        }
        prefix => {
            let mut prompt = words(call)?.clone();
            if let (Some(prefix), Prompt::Chat(request)) = (prefix, &mut prompt) {
                prefix.put(request);
            }
            target.vendor.provider.adjust(&mut prompt, &mut losses);
            dialect.encode(&prompt, &cx).map_err(|bad| elsewhere(bad.into()))?
        }
    };
    let Encoded { body, content_type, losses: more } = encoded;
    more.iter().for_each(|l| losses.push(l.path.clone(), l.reason));
    let own = http::HeaderValue::from_str(&content_type).unwrap_or(JSON);
    Ok((Chunks::from_iter([body]), own, losses))
}
