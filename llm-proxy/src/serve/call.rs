//! One call of a model: from a request's bytes to the bytes of its answer, in the caller's dialect
//! from end to end, errors too.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use hyper::body::Incoming;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::{Call, CallId, Deadline, Operation, Payload, Peek};
use llm_core::dialect::{Body as DialectBody, CallerDialect, DialectId, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_providers::edge::{Render, Rendered, render};
use llm_providers::stage::record::ReceiptCell;

use super::body::Body;
use super::controls::{self, Asked, asides};
use super::house::House;
use super::idempotency::Claim;
use super::responses::Turn;
use super::tongue::Spoken;
use super::vendors::own;
use super::{bearer, estimate, heads, idempotency, mock, models, responses, telemetry, upload};

/// A caller who says nothing of how long they wait. A model's own limit is shorter.
const WITHIN: Duration = Duration::from_hours(1);
/// Ids of callers that we repeat: what is longer, or not to be printed, is not repeated.
const ID_BYTES_MAX: usize = 128;
/// What callers may say to providers in a head, by the dialect that both speak. Everything else
/// stays here: a key, a cookie, an address.
const ANTHROPIC: [HeaderName; 2] =
    [HeaderName::from_static("anthropic-version"), HeaderName::from_static("anthropic-beta")];
const OPENAI: [HeaderName; 1] = [HeaderName::from_static("openai-beta")];

/// A request that a dialect understands.
pub(crate) async fn answer(
    house: &Arc<House>,
    head: &Parts,
    body: Incoming,
    spoken: Spoken,
) -> Response<Body> {
    let id = new_id(house);
    let (dialect, operation) = (spoken.dialect, spoken.route.operation);
    let mut response = match served(house, head, body, spoken, id).await {
        Ok(response) => response,
        Err(error) => {
            turned_away(house, dialect, operation, &error, id);
            refused(dialect, &error.of(id))
        }
    };
    let theirs = head.headers.get(heads::REQUEST_ID).filter(|id| id.len() <= ID_BYTES_MAX);
    heads::name_call(response.headers_mut(), theirs, id);
    response
}

/// A line for whoever did not come as far as the records of calls.
fn turned_away(
    house: &House,
    dialect: &dyn CallerDialect,
    operation: Operation,
    error: &Error,
    id: CallId,
) {
    if error.call().is_some() {
        return;
    }
    house.telemetry.answered(&telemetry::Request {
        id: Some(&id.to_string()),
        route: dialect.id().name(),
        operation: operation.name(),
        status: StatusCode::from_u16(error.kind().status()).unwrap_or_default(),
        error: error.kind().name(),
        total: None,
    });
}

/// An error, in the caller's words.
pub(crate) fn refused(dialect: &dyn CallerDialect, error: &Error) -> Response<Body> {
    let response = dialect.encode_error(error, &RenderCx::default());
    response.map(Body::from)
}

async fn served(
    house: &Arc<House>,
    head: &Parts,
    body: Incoming,
    spoken: Spoken,
    id: CallId,
) -> Result<Response<Body>, Error> {
    // Who asks comes first: nobody's body is read who may not ask.
    let key = bearer::shown(&head.headers, &head.uri).ok_or_else(no_key)?;
    let grant = house.keys.grant(&key).await?;
    drop(key);
    let mut asked = controls::read(&head.headers)?;
    asked.controls.own_keys = own::read(house, &head.headers, &grant)?;
    let once = idempotency::key(head)?;
    if spoken.route.operation == Operation::ListModels && head.method == Method::GET {
        return models::list(house, &grant, &spoken);
    }
    // What is sent again may have its answer already, and a count of tokens costs nobody anything.
    let counted = !matches!(spoken.route.operation, Operation::ListModels | Operation::CountTokens);
    if once.is_none()
        && counted
        && let Err(refused) = house.gateway.glance(&grant, asked.priority)
    {
        Box::pin(upload::discard(&head.headers, body, &*house.clock)).await;
        return Err(refused);
    }
    let bytes = upload::read(&head.headers, body, house.bytes_max, &*house.clock).await?;
    if spoken.route.operation == Operation::ListModels {
        return models::show(house, &grant, spoken, &bytes);
    }
    let once = once.map(|key| Box::new(idempotency::claim(head, key, &bytes, &grant)));
    let asker = Asker { id, grant, asked, once };
    let ready = ready(house, &head.headers, bytes, &spoken, asker)?;
    answered(house, ready, spoken).await
}

/// Who asks, and for what beside an answer.
#[derive(Debug)]
pub(crate) struct Asker {
    /// The call.
    pub(crate) id: CallId,
    /// Who pays.
    pub(crate) grant: Arc<Grant>,
    /// What is asked of the gateway. Boxed, since it is handed on.
    pub(crate) asked: Box<Asked>,
    /// Under which key it was sent, where it may be sent again. Boxed, since few calls have one.
    pub(crate) once: Option<Box<Claim>>,
}

/// A call that can be sent, and what few calls have beside it.
#[derive(Debug)]
pub(crate) struct Ready {
    call: Box<Call>,
    once: Option<Box<Claim>>,
    mock: Option<Str>,
}

/// Makes a call of what was sent: over a socket, or as a line of a batch. Apart from what answers it,
/// so that nothing that waits carries what was sent as well.
pub(crate) fn ready(
    house: &House,
    headers: &HeaderMap,
    mut bytes: Bytes,
    spoken: &Spoken,
    mut asker: Asker,
) -> Result<Ready, Error> {
    let mut peek = spoken.dialect.peek(&spoken.route, &bytes)?;
    if !peek.asides.is_empty()
        && let Some(rest) = asides::take(&bytes, &peek, &mut asker.asked)?
    {
        bytes = rest;
        peek = spoken.dialect.peek(&spoken.route, &bytes)?;
    }
    if peek.model.value.is_empty() && spoken.route.operation == Operation::Moderate {
        peek.model.value = models::moderator(house)?;
    }
    let (once, mock) = (asker.once.take(), asker.asked.mock.take());
    Ok(Ready { call: called(house, headers, (bytes, peek), spoken, asker), once, mock })
}

/// Answers a call.
pub(crate) async fn answered(
    house: &Arc<House>,
    Ready { mut call, once, mock }: Ready,
    spoken: Spoken,
) -> Result<Response<Body>, Error> {
    // Boxed, like what else few calls need: the futures of all others stay small.
    let turn = match responses::concern(&spoken) {
        true => Box::pin(begun(house, &spoken, &mut call)).await?,
        false => None,
    };
    let (stream, dialect) = (call.peek.stream, spoken.dialect);
    let cx = render_cx(&call, &spoken);
    if let Some(text) = mock {
        return mock::answer(house, &call, dialect, &cx, text);
    }
    if call.operation == Operation::CountTokens
        && let Some(counted) = Box::pin(estimate::answer(house, &call, &spoken, &cx)).await?
    {
        return Ok(counted);
    }
    if let Some(claim) = once {
        return Box::pin(idempotency::answer(house, claim, call, cx, dialect, turn)).await;
    }
    let Sent { mut headers, rendered, native, .. } = sent(house, call, cx, dialect).await?;
    let body = match turn {
        Some(turn) => Box::pin(turn.keep(house, rendered.body, stream, native, &mut headers)).await,
        None => Body::Answer(rendered.body),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    Ok(response)
}

/// Takes up the conversation that a call goes on from, which may change what it says.
async fn begun(house: &House, spoken: &Spoken, call: &mut Call) -> Result<Option<Turn>, Error> {
    let Payload::Raw { bytes, content_type, route, .. } = &call.payload else { return Ok(None) };
    let (mut bytes, content_type, route) = (bytes.clone(), content_type.clone(), route.clone());
    let turn = responses::begin(house, spoken, &mut bytes, &mut call.peek, &call.grant).await?;
    call.payload = Payload::raw(bytes, content_type, route);
    Ok(turn)
}

/// An answer on its way.
pub(super) struct Sent {
    /// All that its head says.
    pub(super) headers: HeaderMap,
    /// Its type and its body.
    pub(super) rendered: Rendered,
    /// Where what it cost will stand.
    pub(super) receipt: ReceiptCell,
    /// Whether its provider speaks the caller's dialect.
    pub(super) native: bool,
}

/// A call, sent.
pub(super) async fn sent(
    house: &House,
    call: Box<Call>,
    cx: RenderCx,
    dialect: &'static dyn CallerDialect,
) -> Result<Sent, Error> {
    let stream = call.peek.stream;
    let reply = house.gateway.send(call).await?;
    let mut headers = heads::describe(&reply.head, &cx.id, now(house));
    let receipt = Arc::clone(&reply.receipt);
    let clock = Arc::clone(&house.clock);
    let native = reply.head.dialect == dialect.id();
    let came = reply.head.content_type.clone();
    let rendered = render(reply, Render { caller: dialect, cx, stream, clock }).await?;
    if rendered.content_type != came {
        heads::typed(&mut headers, &rendered.content_type);
    }
    heads::cost(&mut headers, &receipt);
    Ok(Sent { headers, rendered, receipt, native })
}

pub(super) fn called(
    house: &House,
    headers: &HeaderMap,
    (bytes, peek): (Bytes, Peek),
    spoken: &Spoken,
    asker: Asker,
) -> Box<Call> {
    let Spoken { dialect, route } = spoken;
    let Asker { id, grant, asked, once: _ } = asker;
    let Asked { controls, feature, priority, within, mock: _ } = *asked;
    let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(Str::from);
    // What was sold is the best there is; whoever asks for less is given less.
    let sold = grant.plan.priority;
    Box::new(Call {
        id,
        operation: route.operation,
        dialect: dialect.id(),
        payload: Payload::raw(bytes, content_type, route.clone()),
        peek,
        priority: priority.map_or(sold, |wanted| wanted.max(sold)),
        grant,
        feature,
        deadline: Deadline(house.clock.now() + within.unwrap_or(WITHIN)),
        controls,
        headers: passed_on(dialect.id(), headers),
    })
}

/// How the answer is to be written.
fn render_cx(call: &Call, spoken: &Spoken) -> RenderCx {
    let created = call.id.as_u128() >> 80;
    RenderCx {
        id: call.id.to_string().into(),
        model: Some(call.peek.model.value.clone()),
        created: u64::try_from(created / 1_000).unwrap_or_default(),
        include_usage: call.peek.wants_usage_frame,
        framing: spoken.route.framing,
        format: format_of(call, spoken),
    }
}

/// The form in which the answer is wanted, of operations that have several: rare enough that their
/// words are read for it.
fn format_of(call: &Call, spoken: &Spoken) -> Option<Str> {
    if !matches!(call.operation, Operation::Embed | Operation::Transcribe | Operation::Translate) {
        return None;
    }
    let Payload::Raw { bytes, content_type, route, canonical } = &call.payload else { return None };
    let body = DialectBody { bytes, content_type: content_type.as_deref() };
    let words = canonical.get_or_init(|| spoken.dialect.decode(route, body));
    words.as_ref().ok().and_then(llm_core::prompt::Prompt::answer_format)
}

fn passed_on(dialect: DialectId, headers: &HeaderMap) -> HeaderMap {
    let names: &[HeaderName] = match dialect {
        DialectId::Anthropic => &ANTHROPIC,
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            &OPENAI
        }
        DialectId::Gemini
        | DialectId::Cohere
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => &[],
    };
    let mut passed = HeaderMap::new();
    for name in names {
        if let Some(value) = headers.get(name) {
            passed.insert(name.clone(), value.clone());
        }
    }
    passed
}

/// A new id of a call.
pub(crate) fn new_id(house: &House) -> CallId {
    let since = house.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let entropy = house.gateway.entropy();
    let bits = u128::from(entropy.next_u64()) << 64 | u128::from(entropy.next_u64());
    CallId::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX), bits)
}

pub(crate) fn now(house: &House) -> Timestamp {
    Timestamp::try_from(house.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
}

pub(crate) fn no_key() -> Error {
    let text = "no API key: send `authorization: Bearer sk-…`, or the header your client uses";
    Error::new(Kind::Unauthenticated, text)
}
