//! Any HTTP API behind `/passthrough/NAME/…`: callers show a virtual key, and the API is shown its
//! own.
//!
//! What a key may use is said as for models (`passthrough/NAME`), and the limits of its owners
//! hold: a request is admitted like a call, and its slot is given back when the answer has ended.
//! Answers are passed on as they come, within a bound and without pauses that are too long; one
//! that breaks off breaks off here, too. Deliberately absent: money, since nobody knows what such
//! a request costs; and any reading of what passes.

mod heads;
mod passing;
mod path;
mod shelf;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AGE, AUTHORIZATION, CONTENT_LENGTH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::dialect::{Chunks, DialectId};
use llm_core::error::{Error, Kind};
use llm_core::principal::Grant;
use llm_core::seam::{Clock, Transport, TransportError, TransportPhase, WireBody};
use llm_providers::transport::{Connections, DirectTransport};
use llm_store::deposits::Owner;
use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::body::Body;
use super::house::House;
use super::store::NotOpened;
use super::web::Elsewhere;
use super::{bearer, call, controls, door, upload};
use crate::config::{Auth, Config, Passthrough};
use passing::{Journal, Passing};
use path::NotPassed;
use shelf::Shelf;

const BEGIN: &str = "/passthrough/";
/// Before the first repetition; twice as long before each further one.
const BACKOFF: Duration = Duration::from_millis(200);
/// Nobody waits longer for an API that asks to be left alone.
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// A key limited to some models uses no API unless it says so under this.
const SCOPE: &str = "passthrough";

/// The APIs there are.
#[derive(Debug)]
pub(crate) struct Passages(HashMap<Str, Passage>);

/// One of them.
#[derive(Debug)]
struct Passage {
    name: Str,
    rules: Passthrough,
    way: Arc<dyn Transport>,
    places: Arc<tokio::sync::Semaphore>,
    shelf: Arc<Shelf>,
    counted: Counted,
}

/// What is counted of all of them, by names of the configuration.
#[derive(Clone, Debug)]
struct Counted {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Passages {
    /// Those of a configuration.
    pub(crate) fn new(config: &Config, registry: &Registry) -> Result<Self, NotOpened> {
        let problem = |text: String| {
            NotOpened::Problems(vec![llm_providers::settings::Problem::new(SCOPE, text)].into())
        };
        let counted = Counted::new(registry).map_err(|error| problem(error.to_string()))?;
        let mut passages = HashMap::new();
        for (name, rules) in &config.inbound.passthrough {
            let way = DirectTransport::new(&Connections::default());
            let way = Arc::new(way.map_err(|error| problem(error.to_string()))?);
            let (places, rules) = (tokio::sync::Semaphore::new(rules.in_flight), rules.clone());
            let (places, shelf) = (Arc::new(places), Arc::default());
            let (counted, name) = (counted.clone(), name.clone());
            let passage = Passage { name: name.clone(), rules, way, places, shelf, counted };
            passages.insert(name, passage);
        }
        Ok(Self(passages))
    }
}

impl Counted {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            prometheus::Opts::new("gw_passthrough_requests_total", "Requests passed through"),
            &["api", "outcome"],
        )?;
        let seconds = HistogramVec::new(
            prometheus::HistogramOpts::new(
                "gw_passthrough_seconds",
                "Seconds until the end of an answer that was passed through",
            ),
            &["api"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { requests, seconds })
    }
}

/// The parameters of a query.
fn parameters(asked: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    asked.split('&').filter_map(move |pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name), decoded(value)))
    })
}

/// Whether a path is one of these.
pub(crate) fn knows(path: &str) -> bool {
    path.starts_with(BEGIN)
}

/// Passes a request on.
pub(crate) async fn answer(house: &Arc<House>, head: Parts, body: Incoming) -> Response<Body> {
    let id = call::new_id(house);
    let ours = HeaderValue::from_str(&id.to_string()).unwrap_or(HeaderValue::from_static("-"));
    let mut response = match Box::pin(passed(house, id, &head, body)).await {
        Ok(mut response) => {
            response.extensions_mut().insert(Elsewhere);
            response
        }
        Err(error) => match llm_dialects::caller(DialectId::OpenaiChat) {
            Some(dialect) => {
                let mut response = call::refused(dialect, &error);
                if error.param() == Some("method") {
                    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                } else if error.param() == Some("path") {
                    *response.status_mut() = StatusCode::NOT_FOUND;
                }
                response
            }
            None => door::empty(StatusCode::BAD_GATEWAY),
        },
    };
    let theirs = head.headers.get(super::heads::REQUEST_ID);
    super::heads::name(response.headers_mut(), theirs, ours);
    response
}

async fn passed(
    house: &Arc<House>,
    id: llm_core::call::CallId,
    head: &Parts,
    body: Incoming,
) -> Result<Response<Body>, Error> {
    let key = bearer::shown(&head.headers, &head.uri).ok_or_else(call::no_key)?;
    let grant = house.keys.grant(&key).await?;
    let rest = head.uri.path().strip_prefix(BEGIN).unwrap_or_default();
    let (name, rest) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let passage = house.passages.0.get(name).ok_or_else(|| nowhere("there is no such API here"))?;
    let scope = Str::from(format!("{SCOPE}/{name}"));
    if !grant.allows(&scope) {
        return Err(Error::new(Kind::Forbidden, format!("this key may not use {scope}")));
    }
    let rules = &passage.rules;
    if !rules.methods.contains(&head.method) {
        let text = format!("{} may not be asked for here", head.method);
        return Err(Error::new(Kind::BadRequest, text).in_field("method"));
    }
    path::check(rest, &rules.paths).map_err(|why| match why {
        NotPassed::Twisted => Error::new(Kind::BadRequest, "this path is not passed on"),
        NotPassed::Closed => nowhere("this path may not be asked for"),
    })?;
    let to = passage.address(rest, head.uri.query(), &key)?;
    let headers = passage.signed(heads::onwards(&head.headers))?;
    drop(key);
    let bytes = upload::read(&head.headers, body, rules.body_max, &*house.clock).await?;
    let deadline = house.clock.now() + rules.timeout;
    let slot = house.gateway.admit(&grant, &scope, deadline, bytes.len()).await?;
    let place = Arc::clone(&passage.places).try_acquire_owned().map_err(|_| {
        Error::new(Kind::Busy, format!("{scope} has as many requests as it may have"))
    })?;
    let call = (id, controls::trace(&head.headers));
    let journal = Journal::new(house, call, &grant, scope, (slot, place), passage);
    let asked = Question { method: head.method.clone(), to, headers, bytes };
    passage.ask(house, &grant, asked, journal).await
}

fn nowhere(text: &'static str) -> Error {
    Error::new(Kind::BadRequest, text).in_field("path")
}

/// A request as the API will see it.
struct Question {
    method: Method,
    to: Uri,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Question {
    /// Whether asking twice is asking once.
    fn may_repeat(&self) -> bool {
        self.method.is_idempotent()
    }
}

impl Passage {
    /// Where it goes. What shows the caller to us does not go along, nor what would stand in the
    /// place of our own key.
    fn address(&self, rest: &str, query: Option<&str>, key: &str) -> Result<Uri, Error> {
        let mut to = format!("{}{rest}", self.rules.base_url);
        let own = match &self.rules.auth {
            Some(Auth::Query(name, key)) => Some((&**name, key)),
            Some(Auth::Header(..) | Auth::Bearer(_)) | None => None,
        };
        let mut gap = '?';
        let mut put = |pair: &str| {
            to.push(gap);
            to.push_str(pair);
            gap = '&';
        };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let said = parameters(pair).next();
            let stays = said.is_some_and(|(name, value)| {
                value == key || own.is_some_and(|(own, _)| own == name)
            });
            if !stays && own.is_none_or(|(own, _)| own != pair) {
                put(pair);
            }
        }
        if let Some((name, key)) = own {
            let escaped = |text: &str| {
                let set = percent_encoding::NON_ALPHANUMERIC;
                percent_encoding::utf8_percent_encode(text, set).to_string()
            };
            put(&format!("{}={}", escaped(name), escaped(key.secret.expose())));
        }
        to.parse().map_err(|_| Error::new(Kind::BadRequest, "this path is not passed on"))
    }

    /// With the API's key.
    fn signed(&self, mut headers: HeaderMap) -> Result<HeaderMap, Error> {
        let (name, text) = match &self.rules.auth {
            Some(Auth::Bearer(key)) => (AUTHORIZATION, format!("Bearer {}", key.secret.expose())),
            Some(Auth::Header(name, key)) => (name.clone(), key.secret.expose().clone()),
            Some(Auth::Query(..)) | None => return Ok(headers),
        };
        let mut value = HeaderValue::from_str(text.trim())
            .map_err(|_| Error::new(Kind::Internal, "the key of this API fits no header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(headers)
    }

    async fn ask(
        &self,
        house: &House,
        grant: &Grant,
        asked: Question,
        journal: Journal,
    ) -> Result<Response<Body>, Error> {
        let clock = &house.clock;
        let owner = Owner::of(&grant.principal);
        let ttl = self.rules.cache_ttl.filter(|_| asked.method == Method::GET);
        let question = ttl
            .and_then(|_| shelf::question(owner.as_str(), &asked.to.to_string(), &asked.headers));
        if let Some(kept) = question.as_ref().and_then(|q| self.shelf.get(q, clock.now())) {
            let age = clock.now().saturating_duration_since(kept.at).as_secs();
            let mut response = Response::new(Body::from(kept.body));
            *response.headers_mut() = kept.headers;
            response.headers_mut().insert(AGE, HeaderValue::from(age));
            journal.over(StatusCode::OK, true);
            return Ok(response);
        }
        let (head, body) = match self.sent(house, &asked).await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                journal.failed(error.kind());
                return Err(error);
            }
        };
        let headers = heads::back(&head.headers, &self.rules.base_url, &self.name);
        let keeps = question.zip(ttl).filter(|_| shelf::may_keep(head.status, &head.headers));
        let keep = keeps.map(|(question, ttl)| passing::Keep {
            shelf: Arc::clone(&self.shelf),
            question,
            ttl,
            headers: headers.clone(),
        });
        let bare = asked.method == Method::HEAD
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        let length = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let standing = (head.status, if bare { Some(0) } else { length });
        let passing = Passing::new(body, standing, &self.rules, Arc::clone(clock), keep, journal);
        let mut response = Response::new(Body::Pieces(Box::pin(passing)));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// Asks, and again where that may help and does no harm.
    async fn sent(&self, house: &House, asked: &Question) -> Result<Response<WireBody>, Error> {
        let mut tries = 0;
        loop {
            let left = tries < self.rules.retries;
            let answer = self.once(&*house.clock, asked).await;
            let wait = match &answer {
                Ok(response) if left && asked.may_repeat() => later(response, tries),
                Ok(_) => None,
                Err(NotSent::Broken(error)) if left => {
                    let unsent = error.phase == TransportPhase::Connect;
                    (unsent || asked.may_repeat()).then(|| backoff(tries))
                }
                Err(NotSent::Late) if left && asked.may_repeat() => Some(backoff(tries)),
                Err(NotSent::Broken(_) | NotSent::Late) => None,
            };
            let Some(wait) = wait else { return answer.map_err(|why| why.told(&self.name)) };
            drop(answer);
            tries += 1;
            let jitter = house.gateway.entropy().next_u64() % 100;
            house.clock.sleep(wait + Duration::from_millis(jitter)).await;
        }
    }

    async fn once(
        &self,
        clock: &dyn Clock,
        asked: &Question,
    ) -> Result<Response<WireBody>, NotSent> {
        let mut chunks = Chunks::new();
        if !asked.bytes.is_empty() {
            chunks.push(asked.bytes.clone());
        }
        let mut request = Request::new(chunks);
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.to.clone();
        *request.headers_mut() = asked.headers.clone();
        tokio::select! {
            answer = self.way.send(request) => answer.map_err(NotSent::Broken),
            () = clock.sleep(self.rules.timeout) => Err(NotSent::Late),
        }
    }
}

/// Why there is no answer.
enum NotSent {
    Broken(TransportError),
    Late,
}

impl NotSent {
    fn told(self, name: &str) -> Error {
        match self {
            Self::Late => Error::new(Kind::Timeout, format!("{name} did not answer in time")),
            Self::Broken(error) => {
                let connected = error.phase != TransportPhase::Connect;
                let kind = if connected { Kind::UpstreamFailed } else { Kind::ConnectFailed };
                Error::new(kind, format!("{name} could not be asked")).because(error)
            }
        }
    }
}

/// After how long an answer that is none may be better.
fn later(response: &Response<WireBody>, tries: u8) -> Option<Duration> {
    let again = [502, 503, 504, 429].contains(&response.status().as_u16());
    let said = response.headers().get(http::header::RETRY_AFTER);
    let said = said.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let wait = said.map_or_else(|| backoff(tries), Duration::from_secs);
    // Longer than a caller would wait here: it is told instead.
    (again && wait <= BACKOFF_MAX).then_some(wait)
}

fn backoff(tries: u8) -> Duration {
    BACKOFF.saturating_mul(1 << tries.min(8)).min(BACKOFF_MAX)
}

/// The instant that is too late.
fn until(now: Instant, patience: Duration) -> Instant {
    now.checked_add(patience).unwrap_or(now)
}
