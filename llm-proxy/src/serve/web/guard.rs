//! Who may come in.

use std::net::IpAddr;
use std::time::Instant;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use llm_core::error::Kind;

use super::super::body::Body;
use super::super::door::empty;
use super::super::house::House;
use super::super::routes::plane::{Shut, Whose, whose};
use super::address::{self, Origin, origin};
use super::failures::Failures;
use super::{Peer, refused};
use crate::config::edge::{Edge, ForwardedBy, Gate, Net};

/// Whom a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plane {
    /// Models, and everything else that callers ask.
    Callers,
    /// What both ask.
    Both,
    /// Operators' questions.
    Operators,
    /// What is counted.
    Metrics,
    /// Whether the process lives: for whoever balances load, from wherever they are.
    Health,
}

/// Who may come in.
#[derive(Debug)]
pub(super) struct Guard {
    trusted: Vec<Net>,
    by: ForwardedBy,
    callers: Post,
    operators: Post,
    /// Metrics have a listener of their own.
    metrics_apart: bool,
}

/// A gate, and who has failed there.
#[derive(Debug)]
struct Post {
    gate: Gate,
    failures: Option<Failures>,
}

/// Somebody who was let in.
#[derive(Debug)]
pub(super) struct Pass {
    plane: Plane,
    /// Known where somebody wants to know it.
    origin: Option<Origin>,
}

type Admitted = Result<Pass, Box<Response<Body>>>;

impl Guard {
    pub(super) fn new(edge: &Edge, metrics_apart: bool) -> Self {
        let post =
            |gate: &Gate| Post { gate: gate.clone(), failures: gate.wrong_keys.map(Failures::new) };
        Self {
            trusted: edge.trusted_proxies.clone(),
            by: edge.forwarded_by,
            callers: post(&edge.callers),
            operators: post(&edge.operators),
            metrics_apart,
        }
    }

    /// Whether a request may come in.
    pub(super) fn admit(
        &self,
        house: &House,
        from: Peer,
        request: &mut Request<Incoming>,
    ) -> Admitted {
        let plane = plane(request.uri().path());
        if plane == Plane::Both && !self.operators.is_open() {
            let client =
                address::client(from.address.ip(), request.headers(), &self.trusted, self.by);
            // An operator's key opens nothing from there; an application's does.
            if self.operators.admit(plane, client, house.clock.now()).is_err() {
                request.extensions_mut().insert(Shut);
            }
        }
        let (headers, peer) = (request.headers(), from.address.ip());
        let client = || address::client(peer, headers, &self.trusted, self.by);
        let post = match plane {
            Plane::Health => return Ok(Pass { plane, origin: None }),
            Plane::Callers | Plane::Both if self.callers.is_open() => {
                return Ok(Pass { plane, origin: None });
            }
            Plane::Callers | Plane::Both => {
                return self.callers.admit(plane, client(), house.clock.now());
            }
            Plane::Operators => &self.operators,
            Plane::Metrics if self.metrics_apart => {
                return Err(Box::new(empty(StatusCode::NOT_FOUND)));
            }
            Plane::Metrics => {
                // Somebody asks from here, for themselves as far as anyone can see.
                let near = peer.to_canonical().is_loopback() && !address::is_forwarded(headers);
                if near {
                    return Ok(Pass { plane, origin: None });
                }
                &self.operators
            }
        };
        let client = client();
        if !self.callers.lets(client) {
            return Err(Box::new(not_here()));
        }
        post.admit(plane, client, house.clock.now())
    }

    /// Somebody who was let in did not have the right key.
    pub(super) fn failed(&self, pass: &Pass, now: Instant) {
        let post = match pass.plane {
            Plane::Callers | Plane::Both => &self.callers,
            Plane::Operators | Plane::Metrics => &self.operators,
            Plane::Health => return,
        };
        if let Some((failures, origin)) = post.failures.as_ref().zip(pass.origin) {
            failures.add(origin, now);
        }
    }
}

impl Pass {
    /// Of whoever was not let in.
    pub(super) const NONE: Self = Self { plane: Plane::Health, origin: None };

    /// Whether the admin key, or an operator's, must be shown: somebody asks for metrics from
    /// elsewhere.
    pub(super) fn wants_operator(&self) -> bool {
        self.plane == Plane::Metrics && self.origin.is_some()
    }
}

impl Post {
    /// Whether it asks nothing of anybody.
    fn is_open(&self) -> bool {
        self.failures.is_none() && self.gate.allow.is_empty() && self.gate.deny.is_empty()
    }

    fn lets(&self, client: IpAddr) -> bool {
        let Gate { allow, deny, .. } = &self.gate;
        !deny.iter().any(|net| net.has(client))
            && (allow.is_empty() || allow.iter().any(|net| net.has(client)))
    }

    fn admit(&self, plane: Plane, client: IpAddr, now: Instant) -> Admitted {
        if !self.lets(client) {
            return Err(Box::new(not_here()));
        }
        let origin = origin(client);
        let out = self.failures.as_ref().and_then(|failures| failures.shut_out(origin, now));
        if let Some(left) = out {
            let mut response = refused(Kind::RateLimited, "too many wrong keys from this address");
            let seconds = HeaderValue::from(left.as_secs() + 1);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            return Err(Box::new(response));
        }
        Ok(Pass { plane, origin: Some(origin) })
    }
}

fn plane(path: &str) -> Plane {
    match path {
        "/metrics" => Plane::Metrics,
        "/healthz" => Plane::Health,
        path if path.starts_with("/health/") => Plane::Health,
        path => match whose(path) {
            Whose::Callers => Plane::Callers,
            Whose::Both => Plane::Both,
            Whose::Operators => Plane::Operators,
        },
    }
}

fn not_here() -> Response<Body> {
    refused(Kind::Forbidden, "nobody is served at this address")
}
