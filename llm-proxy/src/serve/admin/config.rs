//! The configuration that is served, those before it, and the way back.

use std::sync::Arc;

use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::super::door::empty;
use super::super::house::House;
use super::super::reload::watch::reload;
use super::super::reload::{NotTaken, Origin, Outcome, Refused};
use super::fields::{Fields, Said};
use super::refusal::{Answered, Refusal};
use super::told;
use crate::config::diff::diff;
use crate::config::tree::{Node, Value};

/// How the paths begin.
const PATH: &str = "/admin/config";

#[derive(Serialize)]
struct Served {
    hash: String,
    since: String,
    origin: Origin,
    restart_needed: Vec<String>,
    refused: Option<Refused>,
    config: Json,
}

#[derive(Serialize)]
struct Earlier {
    number: u64,
    hash: String,
    at: String,
    from: String,
    /// Whether it can be gone back to.
    revertible: bool,
    current: bool,
    /// What it says, secrets by their references.
    text: String,
}

#[derive(Serialize)]
struct History {
    entries: Vec<Earlier>,
}

#[derive(Serialize)]
struct Done {
    outcome: &'static str,
    hash: String,
    restart_needed: Vec<String>,
    changes: Vec<String>,
}

pub(super) fn knows(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) async fn answer(
    house: &Arc<House>,
    method: &Method,
    path: &str,
    body: Incoming,
) -> Answered {
    match (method, path.strip_prefix(PATH).unwrap_or_default()) {
        (&Method::GET, "") => Ok(told(StatusCode::OK, &served(house))),
        (&Method::GET, "/history") => Ok(told(StatusCode::OK, &history(house))),
        (&Method::POST, "/reload") => again(house).await,
        (&Method::POST, "/revert") => revert(house, body).await,
        (_, "" | "/history" | "/reload" | "/revert") => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
        (_, _) => Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")),
    }
}

fn served(house: &House) -> Served {
    let now = house.board.now();
    Served {
        hash: now.hash.to_string(),
        since: now.since.to_string(),
        origin: now.origin,
        restart_needed: now.restart.clone(),
        refused: now.refused.clone(),
        config: json(&now.config.show().tree),
    }
}

fn history(house: &House) -> History {
    let now = house.board.now().hash.to_string();
    let entries = house.board.history.all().into_iter().map(|entry| Earlier {
        number: entry.number,
        revertible: entry.is_whole(),
        current: entry.hash == now,
        hash: entry.hash,
        at: entry.at,
        from: entry.from,
        text: entry.text,
    });
    History { entries: entries.collect() }
}

/// `POST /admin/config/reload`: what the signal does, and what came of it.
async fn again(house: &Arc<House>) -> Answered {
    let before = house.board.now();
    match reload(house).await {
        Ok(outcome) => Ok(done(house, &before, outcome)),
        Err(refused) => Err(unserved(&refused)),
    }
}

/// `POST /admin/config/revert {number | hash}`: an earlier configuration, until the file changes.
async fn revert(house: &Arc<House>, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let (number, hash): (Said<u64>, Said<String>) = (fields.take("number")?, fields.take("hash")?);
    fields.end()?;
    let history = &house.board.history;
    let entry = match (number.set(), hash.set()) {
        (Some(number), None) => history.get(number),
        (None, Some(hash)) => history.all().into_iter().find(|entry| entry.hash == hash),
        _ => return Err(Refusal::wrong("number", "number or hash, as the history has them")),
    };
    let none = || Refusal::new(StatusCode::NOT_FOUND, "not_found", "the history has no such entry");
    let entry = entry.ok_or_else(none)?;
    if !entry.is_whole() {
        let text = "it had secrets in the file itself, which are kept nowhere else";
        return Err(Refusal::new(StatusCode::CONFLICT, "not_kept", text));
    }
    let before = house.board.now();
    let nowhere = || Refusal::new(StatusCode::CONFLICT, "not_served", "nothing is read here");
    let source = house.board.source().ok_or_else(nowhere)?;
    let called = format!("history-{}.toml", entry.number);
    let resolved = source.read_text(&called, entry.text);
    let resolved = resolved.map_err(|report| NotTaken::Read(Box::new(report)));
    let taken = resolved.and_then(|resolved| {
        let origin = Origin::Reverted(entry.number);
        house.board.take(house, resolved.config, origin).map_err(NotTaken::Served)
    });
    match taken {
        Ok(outcome) => Ok(done(house, &before, outcome)),
        // The file is as good as it was: this is the caller's to know, and nobody else's.
        Err(why) => {
            Err(Refusal::new(StatusCode::CONFLICT, "not_served", why.problems().join("; ")))
        }
    }
}

fn done(
    house: &House,
    before: &super::super::reload::Standing,
    outcome: Outcome,
) -> http::Response<super::Body> {
    let now = house.board.now();
    let changes = diff(&before.config.show(), &now.config.show());
    let done = Done {
        outcome: match outcome {
            Outcome::Taken => "applied",
            Outcome::Same => "same",
        },
        hash: now.hash.to_string(),
        restart_needed: now.restart.clone(),
        changes: changes.iter().map(ToString::to_string).collect(),
    };
    told(StatusCode::OK, &done)
}

fn unserved(refused: &Refused) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "not_served", refused.problems.join("; "))
}

/// The tree as JSON.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Flag(flag) => Json::Bool(*flag),
        // Digit by digit, where JSON has the same digits.
        Value::Number(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Json::String(text.clone()))
        }
        Value::Text(text) => Json::String(text.clone()),
        Value::List(list) => Json::Array(list.iter().map(json).collect()),
        Value::Table(table) => {
            let entries = table.entries().iter();
            let pairs = entries.map(|entry| (entry.name.clone(), json(&entry.node)));
            Json::Object(pairs.collect::<Map<_, _>>())
        }
    }
}
