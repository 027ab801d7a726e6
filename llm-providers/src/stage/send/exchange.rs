//! One exchange with an upstream, until something worth reading has come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use llm_core::Str;
use llm_core::call::{Call, Operation};
use llm_core::dialect::{Framing, UpstreamDialect};
use llm_core::error::{Error, Kind};
use llm_core::extra::Losses;
use llm_core::fault::Fault;
use llm_core::provider::Credential;
use llm_core::seam::{BoxFuture, Clock, TransportError, TransportPhase, WireBody};
use llm_core::trace;

use super::Upstream;
use super::passing::Passing;
use super::request::{Built, build};
use super::whole;
use crate::reply::{CacheState, Paced, Reply, ReplyBody, ReplyHead};
use crate::seam::Wait;
use crate::stage::gate::Armed;
use crate::stage::reserve::Metered;
use crate::stage::route::Attempt;
use crate::stage::{Either, race};

/// What an error answer may hold that is worth reading.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// An error that is not there by then has nothing to say.
const ERROR_WAIT: Duration = Duration::from_secs(2);

/// However late it is, nobody answers sooner than this.
const BEGIN_WAIT_MIN: Duration = Duration::from_millis(250);

/// When a wait ends, and what it then means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) at: Instant,
    /// Whether it is the caller's own deadline.
    pub(super) callers: bool,
}

impl Limit {
    /// The lesser of an own limit and the caller's deadline.
    pub(super) fn new(own: Instant, callers: Instant) -> Self {
        Self { at: own.min(callers), callers: callers <= own }
    }

    pub(super) fn error(self, what: &'static str) -> Error {
        if self.callers {
            return Error::new(Kind::DeadlinePassed, "the deadline of the call has passed");
        }
        Error::new(Kind::Timeout, what)
    }
}

/// How long an attempt may wait for something worth reading: who is silent must not use up the time
/// in which somebody else could have answered.
struct Patience {
    now: Instant,
    deadline: Instant,
    share: Option<Duration>,
}

impl Patience {
    fn of(attempt: &Attempt, now: Instant) -> Self {
        let call = &attempt.funded.opened().call;
        let deadline = call.deadline.0;
        let left = deadline.saturating_duration_since(now);
        let share = attempt.others.then(|| {
            // A whole answer may be long, and is only then cut short when it takes much longer than
            // is usual here.
            let usual = || attempt.target.health().pace(false).lock().slow();
            let share = match call.peek.stream {
                true => left / 2,
                false => usual().map_or(left / 4 * 3, |usual| (left / 2).max(usual * 3)),
            };
            let begin = call
                .controls
                .begin_by
                .map(|by| (by.saturating_duration_since(now) / 2).max(BEGIN_WAIT_MIN));
            begin.map_or(share, |begin| share.min(begin))
        });
        Self { now, deadline, share }
    }

    fn limit(&self, wait: Duration) -> Limit {
        let wait = self.share.map_or(wait, |share| wait.min(share));
        Limit::new(self.now + wait, self.deadline)
    }
}

/// Says which trace this is part of, and under which span of ours.
fn traced(headers: &mut http::HeaderMap, call: &Call, place: usize) {
    let begun = call.controls.trace.as_deref();
    let parent = trace::written(call.id, begun, place);
    if let Ok(value) = http::HeaderValue::from_bytes(&parent) {
        headers.insert(TRACEPARENT, value);
    }
    let state = begun.and_then(|trace| trace.state.as_deref());
    if let Some(Ok(value)) = state.map(http::HeaderValue::from_str) {
        headers.insert(TRACESTATE, value);
    }
}

const TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");
const TRACESTATE: http::HeaderName = http::HeaderName::from_static("tracestate");

/// A request that is out.
struct Asked {
    answer: BoxFuture<'static, Result<http::Response<WireBody>, TransportError>>,
    metered: Metered,
    dialect: &'static dyn UpstreamDialect,
    losses: Losses,
    patience: Patience,
    key: Arc<Credential>,
    /// How many targets were left behind before.
    fallbacks: u8,
}

/// Builds a request and sends it. No part of what waits: a request is large, and is not waited with.
fn ask(upstream: &Upstream, armed: Armed) -> Result<Asked, Error> {
    let Built { mut request, dialect, losses } = build(&armed, upstream.clock.wall())?;
    let patience = Patience::of(&armed.attempt, upstream.clock.now());
    let Armed { attempt, key, .. } = armed;
    let Attempt { funded, target, number, fallbacks, .. } = attempt;
    let opened = funded.opened();
    let place = opened.record.attempt(&target.id);
    if target.vendor.provider.traced() {
        // After it is signed: a key signs what is said, and not on whose behalf.
        traced(request.headers_mut(), &opened.call, place);
    }
    let metered = funded.dispatch(target, number)?;
    let answer = metered.target().vendor.transport.send(request);
    Ok(Asked { answer, metered, dialect, losses, patience, key, fallbacks })
}

/// Sends, and returns once the answer is committed.
pub(super) async fn exchange(upstream: &Upstream, armed: Armed) -> Result<Reply, Error> {
    let Asked { answer, metered, dialect, losses, patience, key, fallbacks } =
        ask(upstream, armed)?;
    let clock = &upstream.clock;
    let timeouts = metered.target().vendor.timeouts;
    let stream = metered.funded().opened().call.peek.stream;
    let limit = patience.limit(if stream { timeouts.head } else { timeouts.total });
    let response = match race(answer, || Wait::until(&**clock, limit.at)).await {
        Either::First(Ok(response)) => response,
        Either::First(Err(error)) => return Err(broken(metered, error)),
        Either::Second(()) => {
            metered.failed();
            return Err(limit.error("the provider did not answer in time"));
        }
    };
    if !response.status().is_success() {
        // Before its reasons are read: who leaves meanwhile owes nothing for a refusal.
        metered.refused();
        // Boxed: who is answered does not carry it.
        let fault = Box::pin(refusal(clock, response, dialect)).await;
        return Err(Error::upstream(without(fault, &key)));
    }
    let (parts, body) = response.into_parts();
    if let Some(error) = encoded(&parts) {
        metered.failed();
        return Err(error);
    }
    let head = Box::new(head(&metered, fallbacks, parts, dialect, losses));
    let receipt = Arc::clone(metered.funded().opened().record.receipt());
    let body = match head.framing {
        None => {
            // Asked for a stream and answered whole: a first word does not come before the last.
            let limit = patience.limit(timeouts.total);
            whole::read(clock, body, metered, &head, limit, dialect).await?
        }
        Some(framing) => {
            // Who has said that a stream will come may think for long, if thinking is what it does.
            let thinks = metered.target().capability.reasoning;
            let limit = patience.limit(if thinks { timeouts.total } else { timeouts.first_token });
            Passing::commit(upstream, body, metered, framing, limit, dialect).await?
        }
    };
    Ok(Reply { head, body: ReplyBody::new(body), receipt })
}

/// What a head says of an answer.
fn head(
    metered: &Metered,
    fallbacks: u8,
    parts: http::response::Parts,
    dialect: &'static dyn UpstreamDialect,
    losses: Losses,
) -> ReplyHead {
    let target = metered.target();
    let operation = metered.funded().opened().call.operation;
    let content_type = text(&parts.headers, http::header::CONTENT_TYPE);
    let framing = dialect.framing(content_type.as_deref().unwrap_or_default());
    // An answer that is one piece of JSON looks like a stream of one element, and is none unless
    // it can be one.
    let chats = operation == Operation::Chat;
    let framing = framing.filter(|framing| chats || *framing != Framing::JsonArray);
    let content_type = content_type.unwrap_or_else(|| Str::from_static("application/json"));
    ReplyHead {
        operation,
        dialect: dialect.id(),
        framing,
        content_type,
        target: target.id.clone(),
        attempts: metered.number().saturating_add(1),
        fallbacks,
        cache: CacheState::Bypass,
        paced: Paced::default(),
        limits: target.vendor.provider.limits(&parts.headers),
        losses,
        headers: passed(parts.headers),
    }
}

/// The exchange broke before a head came.
fn broken(metered: Metered, error: TransportError) -> Error {
    match error.phase {
        TransportPhase::Connect => {
            metered.refused();
            Error::new(Kind::ConnectFailed, "no connection to the provider").because(error)
        }
        // The request may have arrived: somebody may bill it.
        TransportPhase::Exchange | TransportPhase::Body => {
            metered.failed();
            Error::new(Kind::UpstreamFailed, "the provider broke the connection").because(error)
        }
    }
}

async fn refusal(
    clock: &Arc<dyn Clock>,
    response: http::Response<WireBody>,
    dialect: &'static dyn UpstreamDialect,
) -> Fault {
    let (parts, body) = response.into_parts();
    let read = head_of(body);
    let bytes = match race(read, || clock.sleep(ERROR_WAIT)).await {
        Either::First(bytes) => bytes,
        Either::Second(()) => Bytes::new(),
    };
    if parts.status.is_redirection() {
        let class = llm_core::fault::FaultClass::Server;
        let text = "the provider answered with a redirect, which is not followed";
        return Fault::new(parts.status.as_u16(), class, text);
    }
    dialect.decode_error(&parts, &bytes)
}

/// The first bytes of a body.
async fn head_of(mut body: WireBody) -> Bytes {
    let mut bytes = BytesMut::new();
    while let Some(Ok(chunk)) = body.next().await {
        let room = ERROR_BYTES_MAX - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == ERROR_BYTES_MAX {
            break;
        }
    }
    bytes.freeze()
}

/// The fault without the key that was used: providers quote keys, and this one we know exactly.
fn without(mut fault: Fault, key: &Credential) -> Fault {
    let Some(key) = key.key.as_ref().map(|k| k.expose().as_str()) else { return fault };
    if key.len() < KEY_BYTES_MIN {
        return fault;
    }
    if fault.message.contains(key) {
        fault.message = Str::from(fault.message.replace(key, "…"));
    }
    if memchr::memmem::find(&fault.body, key.as_bytes()).is_some() {
        fault.body = Bytes::new();
    }
    fault
}

/// A shorter key is a placeholder, and may be any word of the message.
const KEY_BYTES_MIN: usize = 8;

/// We ask for plain bytes. Whoever packs them all the same could unpack to anything.
fn encoded(parts: &http::response::Parts) -> Option<Error> {
    let encoding = parts.headers.get(http::header::CONTENT_ENCODING)?;
    let plain = encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    (!plain).then(|| {
        Error::new(Kind::CorruptReply, "the provider sent a content encoding that nobody asked for")
    })
}

fn passed(all: http::HeaderMap) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    // What is there again has no name of its own; the first of several is passed on.
    for (name, value) in all {
        if let Some(name) = name.filter(|name| PASSED_HEADERS.contains(&name.as_str())) {
            headers.insert(name, value);
        }
    }
    headers
}

/// What of an upstream's head may be passed on. Everything else stays behind: cookies, hop-by-hop
/// headers, and whatever somebody may hide in one.
const PASSED_HEADERS: [&str; 4] =
    ["x-request-id", "request-id", "openai-processing-ms", "openai-version"];

fn text(headers: &http::HeaderMap, name: http::HeaderName) -> Option<Str> {
    let text = headers.get(name)?.to_str().ok()?;
    // What nearly everybody sends need not be copied.
    Some(match text {
        "application/json" => Str::from_static("application/json"),
        "text/event-stream" => Str::from_static("text/event-stream"),
        other => Str::from(other),
    })
}
