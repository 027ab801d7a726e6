//! What holds for every request and answer, whoever serves it: who may come in from where, what
//! browsers are told, and how bodies are packed.
//!
//! The actors are [`address`] (from where a request comes), the [`guard`] (who may come in, and who
//! has shown too many wrong keys), [`cors`], [`pack`] and [`unpack`]. A request that has nothing to
//! do with any of them pays for two headers and a few comparisons.
//!
//! Deliberately absent: who is who, and every path but the few that are guarded.

pub(crate) mod address;
mod cors;
mod failures;
mod guard;
mod pack;
pub(crate) mod unpack;

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::seam::Clock;
use tokio_rustls::TlsAcceptor;

use super::bearer;
use super::body::Body;
use super::call;
use super::door::{self, empty};
use super::house::House;
use super::listen::tls::{self, NotShown};
use super::routes::Scope;
use super::routes::ask::Operator;
use crate::config::Server;
use crate::config::edge::Edge;
use cors::Cors;
use guard::{Guard, Pass};

pub(super) use pack::thousandths;

/// What is sent is what its type says.
pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// Answers are for whoever asked.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const CLOSE: HeaderValue = HeaderValue::from_static("close");
/// A year, which is what browsers' lists of such hosts want.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What a page of ours may do, unless it says itself what it needs.
const PAGE: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; script-src 'self'; object-src 'none'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'self'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// From where a request comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Who has connected.
    pub(crate) address: SocketAddr,
    /// Whether nobody else could read it on the way here.
    pub(crate) secure: bool,
}

/// What holds for every request.
pub(crate) struct Web {
    /// What the configuration says.
    pub(crate) edge: Edge,
    /// Who encrypts.
    pub(crate) tls: Option<TlsAcceptor>,
    cors: Option<Cors>,
    guard: Guard,
}

impl Web {
    /// As it is configured.
    pub(crate) fn open(server: &Server, clock: &Arc<dyn Clock>) -> Result<Self, NotShown> {
        let edge = server.edge.clone();
        let tls = edge.tls.as_ref().map(|files| tls::open(files, Arc::clone(clock))).transpose()?;
        let cors = edge.cors.as_ref().map(Cors::new);
        let guard = Guard::new(&edge, server.metrics_listen.is_some());
        Ok(Self { edge, tls, cors, guard })
    }
}

/// Said in an answer's extensions: somebody else gave it, and its status says nothing of the key
/// that was shown here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Elsewhere;

/// What of a request is needed when its answer is there.
struct Asked {
    version: Version,
    origin: Option<HeaderValue>,
    packed: Option<pack::Coding>,
}

/// A request, and what was decided of it before anything waits.
pub(crate) struct Entered {
    asked: Asked,
    pass: Pass,
    /// What whoever may not come in is told; taken once.
    refused: Option<Box<Response<Body>>>,
    head: Parts,
    /// Taken once.
    body: Option<Incoming>,
}

impl Entered {
    /// Looks at a request.
    pub(crate) fn new(house: &House, from: Peer, mut request: Request<Incoming>) -> Self {
        let asked = Asked::of(&request, &house.web);
        let (pass, refused) = match enter(house, from, &mut request) {
            Ok(pass) => (pass, None),
            Err(refused) => (Pass::NONE, Some(refused)),
        };
        let (head, body) = request.into_parts();
        Self { asked, pass, refused, head, body: Some(body) }
    }
}

/// Answers a request. It stays where it is: a future that was given it would have it twice.
pub(crate) async fn answer(
    house: &Arc<House>,
    from: Peer,
    entered: &mut Entered,
) -> Response<Body> {
    let mut response = match (entered.refused.take(), entered.body.take()) {
        (None, Some(body)) => guarded(house, &entered.pass, &entered.head, body).await,
        (Some(refused), _) => *refused,
        (None, None) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    };
    if let Some(coding) = entered.asked.packed
        && pack::fits(&response, house.web.edge.compress_over)
    {
        // Boxed: the futures of calls that are not packed stay small.
        response = Box::pin(pack::pack(response, coding)).await;
    }
    describe(house, from, &entered.asked, response.headers_mut());
    response
}

impl Asked {
    fn of(request: &Request<Incoming>, web: &Web) -> Self {
        let headers = request.headers();
        let origin = web.cors.as_ref().and_then(|cors| cors.origin(request.uri().path(), headers));
        let whole = *request.method() != Method::HEAD && web.edge.compress_over > 0;
        let packed = if whole { pack::wanted(headers) } else { None };
        Self { version: request.version(), origin, packed }
    }
}

/// Lets the request in, or does not.
fn enter(
    house: &House,
    from: Peer,
    request: &mut Request<Incoming>,
) -> Result<Pass, Box<Response<Body>>> {
    if let Some(cors) = &house.web.cors
        && let Some(answered) = cors.preflight(request)
    {
        return Err(Box::new(answered));
    }
    // Who names no host, or two, has been put together from several requests.
    if request.version() == Version::HTTP_11 && hosts(request.headers()) != 1 {
        return Err(Box::new(refused(Kind::BadRequest, "a request names one host")));
    }
    house.web.guard.admit(house, from, request)
}

/// Answers whoever was let in, where they may be.
async fn guarded(house: &Arc<House>, pass: &Pass, head: &Parts, body: Incoming) -> Response<Body> {
    let operator = !pass.wants_operator() || Box::pin(is_operator(house, &head.headers)).await;
    let response = if operator {
        door::answer(house, head, body).await
    } else {
        refused(Kind::Unauthenticated, "this wants the admin key, or an operator's")
    };
    let theirs = response.extensions().get::<Elsewhere>().is_some();
    if response.status() == StatusCode::UNAUTHORIZED && !theirs {
        house.web.guard.failed(pass, house.clock.now());
    }
    response
}

/// How many hosts a head names.
fn hosts(headers: &HeaderMap) -> usize {
    headers.get_all(header::HOST).iter().take(2).count()
}

/// Whether whoever asks may look at everything.
async fn is_operator(house: &House, headers: &HeaderMap) -> bool {
    let Some(key) = bearer::in_head(headers) else { return false };
    let found = Operator::find(house, &key).await;
    found.is_ok_and(|found| found.is_some_and(|by| by.may(Scope::Read).is_ok()))
}

/// What every answer says.
fn describe(house: &House, from: Peer, asked: &Asked, headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    if from.secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    if house.is_draining() && asked.version <= Version::HTTP_11 {
        headers.insert(header::CONNECTION, CLOSE);
    }
    let html = headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"))
    });
    if html {
        for (name, value) in PAGE {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    if let Some(cors) = &house.web.cors {
        cors.describe(asked.origin.as_ref(), headers);
    }
}

/// Nobody comes in here, in the shape that everybody reads.
fn refused(kind: Kind, text: &'static str) -> Response<Body> {
    match llm_dialects::caller(DialectId::OpenaiChat) {
        Some(dialect) => call::refused(dialect, &Error::new(kind, text)),
        None => empty(StatusCode::FORBIDDEN),
    }
}
