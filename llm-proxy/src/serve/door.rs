//! One request: what it asks for, and who answers it.
//!
//! Calls of models come first, since nearly every request is one; what operators and probes ask for
//! has paths of its own that no dialect knows.

use std::sync::Arc;

use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use hyper::body::Incoming;
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};

use super::admin::refusal::Refusal;
use super::body::Body;
use super::house::House;
use super::{app, call, health, passthrough, routes, scrape, tongue};

/// Longer ones are nobody's.
const PATH_BYTES_MAX: usize = 8 << 10;

/// Answers a request. What goes wrong is said in the answer.
pub(crate) async fn answer(house: &Arc<House>, head: &Parts, body: Incoming) -> Response<Body> {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    if path.len() > PATH_BYTES_MAX {
        return empty(StatusCode::URI_TOO_LONG);
    }
    // What LiteLLM's operators call by a name that callers call as well.
    // Boxed, since nearly every request is none of these.
    let models = routes::OPERATORS_MODELS;
    if head.uri.path() == models
        && Box::pin(routes::ask::is_operator(house, head)).await
        && let Some(found) = routes::find(&head.method, models)
    {
        return Box::pin(routes::answer(house, found, head.clone(), body)).await;
    }
    match tongue::spoken(&head.method, path, &head.headers) {
        Some(spoken) => call::answer(house, head, body, spoken).await,
        None => Box::pin(otherwise(house, head.clone(), body)).await,
    }
}

/// Answers what is no call of a model.
async fn otherwise(house: &Arc<House>, head: Parts, body: Incoming) -> Response<Body> {
    let (method, path) = (&head.method, head.uri.path());
    match (method, path) {
        (&Method::GET | &Method::HEAD, "/health/liveness" | "/health/liveliness" | "/healthz") => {
            health::liveness()
        }
        (&Method::GET | &Method::HEAD, "/health/readiness") => health::readiness(house),
        (&Method::GET | &Method::HEAD, "/metrics") => scrape::scrape(house),
        (_, "/health/liveness" | "/health/liveliness" | "/healthz" | "/health/readiness")
        | (_, "/metrics") => routes::otherwise("GET"),
        _ if passthrough::knows(path) => passthrough::answer(house, head, body).await,
        _ => match routes::find(method, path) {
            Some(found) => routes::answer(house, found, head, body).await,
            None if app::is_path(path) => {
                let nothing = Refusal::new(StatusCode::NOT_FOUND, "not_found", "nothing is here");
                let language = app::Language::of(&head.headers);
                app::enveloped(Err(nothing), language, &house.zone(), call::now(house))
            }
            None => nothing(method, path),
        },
    }
}

/// No such path, or not with that method.
fn nothing(method: &Method, path: &str) -> Response<Body> {
    let other = [Method::POST, Method::GET].into_iter().find(|other| {
        other != method && tongue::spoken(other, path, &http::HeaderMap::new()).is_some()
    });
    let text = match &other {
        Some(other) => format!("{path} wants {other}"),
        None => format!("there is nothing at {method} {path}"),
    };
    let error = Error::new(Kind::BadRequest, text);
    // The shape that everybody reads; whoever is here has named no dialect.
    let mut response = match llm_dialects::caller(DialectId::OpenaiChat) {
        Some(dialect) => call::refused(dialect, &error),
        None => empty(StatusCode::NOT_FOUND),
    };
    match other {
        Some(other) => {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            if let Ok(value) = HeaderValue::from_str(other.as_str()) {
                response.headers_mut().insert(ALLOW, value);
            }
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}

/// A status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// JSON that is for nobody's cache.
pub(crate) fn json(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
