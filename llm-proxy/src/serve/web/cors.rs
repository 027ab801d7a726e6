//! Which pages of other origins a browser lets ask. Operators' calls are for none of them.

use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::super::body::Body;
use super::super::door::empty;
use super::super::routes::plane::{Whose, whose};
use crate::config::edge;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD");
const YES: HeaderValue = HeaderValue::from_static("true");
/// What pages may read of our answers.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, x-gw-call-id, x-gw-provider, x-gw-model, x-gw-attempts, x-gw-fallbacks, \
     x-gw-losses, x-gw-cost, x-gw-degraded, x-cache, age, retry-after, retry-after-ms, x-should-retry, \
     x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, \
     x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens",
);
/// What a page asks to send: the names of a few headers.
const WANTED_BYTES_MAX: usize = 1_024;
/// What the answer to a question depends on beside the origin.
const ASKED_BY: [HeaderName; 2] =
    [header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS];

/// Who may ask.
#[derive(Debug)]
pub(super) struct Cors {
    any: bool,
    origins: Vec<HeaderValue>,
    credentials: bool,
    max_age: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn new(said: &edge::Cors) -> Self {
        let origins = said.origins.iter().filter(|origin| &***origin != "*");
        Self {
            any: said.origins.iter().any(|origin| &**origin == "*"),
            origins: origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
            credentials: said.credentials,
            max_age: said.max_age.map(|age| HeaderValue::from(age.as_secs())),
        }
    }

    /// The origin that is told that it may: the page's own, or everybody.
    pub(super) fn origin(&self, path: &str, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        if whose(path) == Whose::Operators {
            return None;
        }
        if self.origins.contains(origin) {
            return Some(origin.clone());
        }
        // `null` is a page that hides where it is from.
        (self.any && origin != "null").then(|| HeaderValue::from_static("*"))
    }

    /// Answers a browser that asks before a page may.
    pub(super) fn preflight(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let headers = request.headers();
        let asks = *request.method() == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        if self.origin(request.uri().path(), headers).is_none() {
            return Some(empty(StatusCode::FORBIDDEN));
        }
        let mut response = empty(StatusCode::NO_CONTENT);
        let told = response.headers_mut();
        told.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        // Who may ask may ask with any header: keys are in several, and clients add their own.
        if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS)
            && wanted.len() <= WANTED_BYTES_MAX
        {
            told.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        if let Some(age) = &self.max_age {
            told.insert(header::ACCESS_CONTROL_MAX_AGE, age.clone());
        }
        for name in ASKED_BY {
            told.append(header::VARY, HeaderValue::from(name));
        }
        Some(response)
    }

    /// Says who may read an answer.
    pub(super) fn describe(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if !self.any {
            headers.append(header::VARY, HeaderValue::from(header::ORIGIN));
        }
        let Some(origin) = origin else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
        }
    }
}
