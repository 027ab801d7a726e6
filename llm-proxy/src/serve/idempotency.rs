//! `Idempotency-Key`: a request that is sent again is answered again, and paid once.
//!
//! The rules are `llm_core`'s, and what a call does between its claim and its end is the library's
//! [`Once`]; here is where a request's key, its owner and its print come from, and what a caller is
//! told. A request without the header passes none of this.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use llm_core::Str;
use llm_core::call::{Call, CallId};
use llm_core::dialect::{CallerDialect, RenderCx};
use llm_core::error::{Error, Kind};
use llm_core::idempotency::{
    Answer, Asked, Fingerprint, Form, HEADER, HEADER_OURS, IdempotencyKey, IdempotencyStore, Kept,
    Refused, Slot,
};
use llm_core::principal::{Grant, KeyId};
use llm_core::seam::Clock;
use llm_providers::edge::once::{self, Begun, Once, Run, Said};
use llm_store::idempotency::MemorySlots;
use llm_store::idempotency::sql::SqlSlots;

use super::body::{Body, gathered};
use super::call::{Sent, refused, sent};
use super::house::House;
use super::responses::Turn;
use super::seal;
use super::store::{NotOpened, Store};
use crate::config::Config;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// As names, which are compared without being read first: every call is asked for them.
const KEYS: [HeaderName; 2] =
    [HeaderName::from_static(HEADER), HeaderName::from_static(HEADER_OURS)];

/// Opens the records, over the store that was chosen.
pub(super) fn open(
    config: &Config,
    store: &Store,
    clock: Arc<dyn Clock>,
) -> Result<Once, NotOpened> {
    let slots: Arc<dyn IdempotencyStore> = match store.database() {
        Some(database) => Arc::new(SqlSlots::new(database.clone(), seal::chest(config)?)),
        None => Arc::new(MemorySlots::default()),
    };
    let (who, owners) = store.owners();
    let once = Once::new(slots, owners, who, clock);
    tokio::spawn(once.sweep());
    Ok(once)
}

/// The key that a request was sent with.
pub(super) fn key(head: &Parts) -> Result<Option<IdempotencyKey>, Error> {
    // One after the other: to look two names up costs more than to look at the few there are.
    if !head.headers.keys().any(|name| KEYS.contains(name)) {
        return Ok(None);
    }
    IdempotencyKey::of(&head.method, &head.headers)
        .map_err(|why| Error::new(Kind::BadRequest, why.to_string()).in_field(HEADER))
}

/// A request's key, and what the request was.
#[derive(Debug)]
pub(crate) struct Claim {
    slot: Slot,
    print: Fingerprint,
}

/// What a request claims. Over the body as it came: what the gateway takes out of it and puts into
/// it is its own affair.
pub(super) fn claim(head: &Parts, key: IdempotencyKey, body: &[u8], grant: &Grant) -> Claim {
    let print = print(head, body, &grant.principal.key);
    Claim { slot: Slot::of(&grant.principal, key), print }
}

/// Answers a request with a key.
pub(super) async fn answer(
    house: &House,
    claim: Box<Claim>,
    call: Box<Call>,
    cx: RenderCx,
    dialect: &'static dyn CallerDialect,
    turn: Option<Turn>,
) -> Result<Response<Body>, Error> {
    let id = call.id;
    let claim = *claim;
    let run = match house.once.begin(claim.slot, claim.print, id).await? {
        Begun::Again(answer) => return Ok(again(answer)),
        Begun::Refused(why) => return Ok(told(why, dialect, id)),
        Begun::Run(run) => run,
    };
    let form = if call.peek.stream { Form::Stream } else { Form::Whole };
    match sent(house, call, cx, dialect).await {
        Ok(sent) => Ok(kept(house, run, sent, form, turn).await),
        Err(error) => {
            let response = dialect.encode_error(&error.of(id), &RenderCx::default());
            let (head, body) = response.into_parts();
            run.failed(said(&head.headers, head.status, Form::Whole, body.clone())).await;
            Ok(Response::from_parts(head, Body::from(body)))
        }
    }
}

/// An answer on its way, written down before its end is given away.
async fn kept(
    house: &House,
    run: Run,
    sent: Sent,
    form: Form,
    turn: Option<Turn>,
) -> Response<Body> {
    let Sent { mut headers, rendered, receipt, native } = sent;
    let content_type = rendered.content_type.clone();
    let said = Said { status: StatusCode::OK.as_u16(), content_type, form };
    let body = run.keep(said, rendered.body, receipt);
    let body = match (turn, form) {
        (Some(turn), form) => {
            turn.keep(house, body, form == Form::Stream, native, &mut headers).await
        }
        (None, Form::Stream) => Body::Kept(Box::new(body)),
        // It is all here: written down now, whether or not its caller is still there to read it.
        (None, Form::Whole) => Body::from(gathered(body).await),
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

fn said(headers: &HeaderMap, status: StatusCode, form: Form, body: Bytes) -> Answer {
    let typed = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Answer::new(status.as_u16(), Str::from(typed.unwrap_or("application/json")), form, body)
}

/// What was said before, said again.
fn again(answer: Answer) -> Response<Body> {
    let Answer { status, content_type, body, form: _ } = answer;
    let bytes = match body {
        Kept::Body(bytes) => bytes,
        // Such a one is refused before it comes here.
        Kept::Dropped => Bytes::new(),
    };
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    super::heads::typed(headers, &content_type);
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Why it is not run, in the caller's dialect.
fn told(why: Refused, dialect: &dyn CallerDialect, id: CallId) -> Response<Body> {
    let mut response = refused(dialect, &once::refused(why).of(id));
    // No kind of error has these two.
    *response.status_mut() = StatusCode::from_u16(why.status()).unwrap_or(StatusCode::CONFLICT);
    let headers = response.headers_mut();
    headers.insert(CODE, HeaderValue::from_static(why.code()));
    if why.retry_after().is_none() {
        // Clients repeat any 409 on their own unless they are told not to.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    response
}

const CODE: HeaderName = HeaderName::from_static("x-gw-code");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What was asked, by whom.
pub(super) fn print(head: &Parts, body: &[u8], by: &KeyId) -> Fingerprint {
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let path = head.uri.path();
    // A key in a query is a credential, and may be another one next time.
    let query = head.uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> = query.filter(|p| !p.is_empty() && !p.starts_with("key=")).collect();
    let path = if query.is_empty() { path.into() } else { format!("{path}?{}", query.join("&")) };
    Fingerprint::of(&Asked { asker: &by.0, method: &head.method, path: &path, content_type, body })
}
