//! What operators ask, by the admin key and by nothing else: a virtual key opens nothing here, and
//! the admin key opens nothing on the paths of models.
//!
//! The key is in a header and never in the query, where `key` names the key that is asked about.

mod cache;
mod credits;
mod fields;
mod keys;
mod ledger;
mod log;
mod parties;
mod refusal;
mod terms;
mod view;

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use llm_store::directory::Turn;
use serde::Serialize;

use super::bearer;
use super::body::Body;
use super::door::{empty, json};
use super::house::House;
use super::office::Office;
use fields::decoded;
use refusal::{Answered, Refusal};

/// How their paths begin.
const PATHS: [&str; 6] = ["/admin/", "/key/", "/user/", "/team/", "/spend/", "/global/"];
/// Every path that has no name in it.
const KNOWN: [&str; 15] = [
    "/admin/ledger/verify",
    "/admin/ledger/interrupted",
    "/admin/requests",
    "/admin/usage",
    "/admin/cache",
    "/key/generate",
    "/key/info",
    "/key/update",
    "/key/delete",
    "/key/list",
    "/user/new",
    "/user/info",
    "/team/new",
    "/spend/logs",
    "/global/spend/report",
];

/// Whether a path is one of these.
pub(crate) fn knows(path: &str) -> bool {
    PATHS.iter().any(|begin| path.starts_with(begin))
}

/// Answers an operator.
pub(crate) async fn answer(house: &Arc<House>, head: Parts, body: Incoming) -> Response<Body> {
    let shown = bearer::in_head(&head.headers);
    let opens = match &shown {
        Some(key) => house.admin.opens(key) || house.keys.administers(key).await,
        None => false,
    };
    drop(shown);
    if !opens {
        let text = "this wants the admin key";
        return Refusal::new(StatusCode::UNAUTHORIZED, "unauthenticated", text).response();
    }
    // Boxed: operators can wait for an allocation, and the futures of calls stay small.
    let answered = Box::pin(routed(house, &head, body)).await;
    answered.unwrap_or_else(|refusal| refusal.response())
}

async fn routed(house: &House, head: &Parts, body: Incoming) -> Answered {
    let (method, uri, path) = (&head.method, &head.uri, head.uri.path());
    match (method, path) {
        (&Method::GET, "/admin/ledger/verify") => return ledger::verify(house).await,
        (&Method::GET, "/admin/ledger/interrupted") => return Ok(ledger::interrupted(house)),
        (&Method::DELETE, "/admin/cache") => return cache::purge(house, uri).await,
        _ => {}
    }
    let office = house.office.as_ref().ok_or_else(Refusal::no_store)?;
    match (method, path) {
        (&Method::POST, "/key/generate") => keys::generate(house, office, body).await,
        (&Method::GET, "/key/info") => keys::info(house, office, uri).await,
        (&Method::POST, "/key/update") => keys::update(house, office, body).await,
        (&Method::POST, "/key/delete") => keys::delete(house, office, body).await,
        (&Method::GET, "/key/list") => keys::list(office, uri).await,
        (&Method::POST, "/user/new") => parties::new_user(house, office, body).await,
        (&Method::GET, "/user/info") => parties::user_info(house, office, uri).await,
        (&Method::POST, "/team/new") => parties::new_team(house, office, body).await,
        (&Method::GET, "/admin/requests") => log::requests(office, uri).await,
        (&Method::GET, "/admin/usage") => log::usage(office, uri).await,
        (&Method::GET, "/spend/logs") => log::spend_logs(office, uri).await,
        (&Method::GET, "/global/spend/report") => log::spend_report(office, uri).await,
        (method, path) => named(house, office, method, path, body).await,
    }
}

/// Paths with a name in them.
async fn named(
    house: &House,
    office: &Office,
    method: &Method,
    path: &str,
    body: Incoming,
) -> Answered {
    let none = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here");
    if KNOWN.contains(&path) {
        return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
    }
    let within = path.strip_prefix("/key/").or_else(|| path.strip_prefix("/admin/wallets/"));
    let (name, verb) = within.and_then(|rest| rest.split_once('/')).ok_or_else(none)?;
    let (name, of_key) = (decoded(name)?, path.starts_with("/key/"));
    match (of_key, verb) {
        (true, "suspend" | "resume" | "rotate") | (false, "grant") if method != Method::POST => {
            Ok(empty(StatusCode::METHOD_NOT_ALLOWED))
        }
        (true, "suspend") => keys::turn(office, &name, Turn::Suspend).await,
        (true, "resume") => keys::turn(office, &name, Turn::Resume).await,
        (true, "rotate") => keys::rotate(house, office, &name, body).await,
        (false, "grant") => credits::grant(house, office, &name, body).await,
        _ => Err(none()),
    }
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
