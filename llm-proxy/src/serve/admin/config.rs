//! The configuration that is served, those before it, and the way back.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::super::house::House;
use super::super::reload::watch::reload;
use super::super::reload::{NotTaken, Origin, Outcome, Refused};
use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, text, whole};
use super::super::routes::{Route, operator};
use super::fields::Said;
use super::refusal::{Answered, Refusal};
use super::told;
use crate::config::diff::diff;
use crate::config::tree::{Node, Value};

const BACK: &[Field] = &[
    whole("number", "the entry, by its number in the history").least(0),
    text("hash", "or by its hash"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/admin/config",
        "The configuration that is served, secrets by their references.",
        operator!(Config, shown),
    ),
    Route::get(
        "/admin/config/history",
        "The configurations that were taken, the newest last.",
        operator!(Config, earlier),
    ),
    Route::post(
        "/admin/config/reload",
        "Reads the configuration again, as the signal does.",
        operator!(Config, again),
    ),
    Route::post(
        "/admin/config/revert",
        "Serves an earlier configuration until the file changes.",
        operator!(Config, revert),
    )
    .takes(&[BACK]),
];

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

async fn shown(ask: &mut Ask) -> Answered {
    Ok(told(StatusCode::OK, &served(&ask.house)))
}

async fn earlier(ask: &mut Ask) -> Answered {
    Ok(told(StatusCode::OK, &history(&ask.house)))
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
async fn again(ask: &mut Ask) -> Answered {
    let house = &ask.house;
    let before = house.board.now();
    match reload(house).await {
        Ok(outcome) => Ok(done(house, &before, outcome)),
        Err(refused) => Err(unserved(&refused)),
    }
}

/// `POST /admin/config/revert {number | hash}`: an earlier configuration, until the file changes.
async fn revert(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let house = &*house;
    let (number, hash): (Said<u64>, Said<String>) = (fields.take("number")?, fields.take("hash")?);
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
