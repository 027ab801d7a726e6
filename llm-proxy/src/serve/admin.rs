//! What operators ask, by the admin key and by nothing else: a virtual key opens nothing here, and
//! the admin key opens nothing on the paths of models.

mod ledger;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;

use super::bearer;
use super::body::Body;
use super::door::{empty, json};
use super::house::House;

/// Whether a path is one of these.
pub(crate) fn knows(path: &str) -> bool {
    path.starts_with("/admin/")
}

/// Answers an operator.
pub(crate) async fn answer(house: &Arc<House>, head: Parts, _body: Incoming) -> Response<Body> {
    let shown = bearer::shown(&head.headers, &head.uri);
    if !shown.is_some_and(|key| house.admin.opens(&key)) {
        return refused(StatusCode::UNAUTHORIZED, "unauthenticated", "this wants the admin key");
    }
    match (&head.method, head.uri.path()) {
        (&Method::GET, "/admin/ledger/verify") => ledger::verify(house).await,
        (&Method::GET, "/admin/ledger/interrupted") => ledger::interrupted(house),
        (_, "/admin/ledger/verify" | "/admin/ledger/interrupted") => {
            empty(StatusCode::METHOD_NOT_ALLOWED)
        }
        _ => refused(StatusCode::NOT_FOUND, "not_found", "there is nothing here"),
    }
}

#[derive(Serialize)]
struct Refused<'a> {
    error: Why<'a>,
}

#[derive(Serialize)]
struct Why<'a> {
    code: &'a str,
    message: &'a str,
}

/// Why not.
pub(super) fn refused(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    told(status, &Refused { error: Why { code, message } })
}

/// An answer.
pub(super) fn told(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(answer) {
        Ok(body) => json(status, body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            empty(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
