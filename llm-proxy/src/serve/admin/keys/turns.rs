//! What happens to a key that is there: it rests, is replaced, and is asked what it is good for.

use std::time::Duration;

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::Principal;
use llm_store::directory::{By, NotDone, Turn};
use serde::Serialize;

use super::super::super::routes::ask::{Ask, Asker, office};
use super::super::super::routes::shape::{Field, Of, Shape, flag, key, list, text};
use super::super::super::routes::{Route, asked_by, operator};
use super::super::refusal::{Answered, Refusal};
use super::super::terms::period;
use super::super::told;
use super::super::view::{SHOWN, Shown};
use super::{MADE, Made, NAMED, changed};

const OVERLAP: &[Field] = &[
    text("overlap", "for how long both work: 24h; unless said, the old one ends at once"),
    text("grace_period", "the same"),
];
const WHOSE: &[Field] = &[key("key", "its text, or its public id; applications ask of their own")];
const REPORT: &[Field] = &[
    flag("valid", "whether it may ask models now").need(),
    text("reason", "why not"),
    text("token_id", ""),
    text("user_id", ""),
    text("team_id", ""),
    text("organization_id", ""),
    list("models", &Of::Text, "what it may ask now, within its issuer's and its plan's").need(),
    list("actions", &Of::Text, "what it may do").need(),
    list("limits", &Of::Text, "of its own").need(),
    text("expires", "when that ends"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/key/block", "Lets a key rest.", operator!(Keys, block))
        .takes(&[NAMED])
        .gives(Shape::Table(&[SHOWN])),
    Route::post("/key/unblock", "Ends a key's rest.", operator!(Keys, unblock))
        .takes(&[NAMED])
        .gives(Shape::Table(&[SHOWN])),
    Route::post("/key/{key}/suspend", "Lets a key rest.", operator!(Keys, suspend))
        .gives(Shape::Table(&[SHOWN])),
    Route::post("/key/{key}/resume", "Ends a key's rest.", operator!(Keys, resume))
        .gives(Shape::Table(&[SHOWN])),
    Route::post("/admin/keys/{key}/suspend", "Lets a key rest.", operator!(Keys, suspend))
        .gives(Shape::Table(&[SHOWN])),
    Route::post("/admin/keys/{key}/resume", "Ends a key's rest.", operator!(Keys, resume))
        .gives(Shape::Table(&[SHOWN])),
    Route::post(
        "/key/regenerate",
        "Puts another key in place of one, with its rights, limits and account.",
        operator!(Keys, regenerate),
    )
    .takes(&[NAMED, OVERLAP])
    .gives(Shape::Table(&[MADE])),
    Route::post(
        "/key/{key}/regenerate",
        "Puts another key in place of one, with its rights, limits and account.",
        operator!(Keys, rotate),
    )
    .takes(&[OVERLAP])
    .gives(Shape::Table(&[MADE])),
    Route::post(
        "/key/{key}/rotate",
        "Puts another key in place of one, with its rights, limits and account.",
        operator!(Keys, rotate),
    )
    .takes(&[OVERLAP])
    .gives(Shape::Table(&[MADE])),
    Route::post(
        "/keys/validate",
        "What a virtual key is good for now, and why not where it is not.",
        asked_by!(Either, Read, validate),
    )
    .takes(&[WHOSE])
    .gives(Shape::Table(&[REPORT]))
    .looks(),
];

async fn block(ask: &mut Ask) -> Answered {
    let named: String = ask.fields.need("key")?;
    turned(ask, &named, Turn::Suspend).await
}

async fn unblock(ask: &mut Ask) -> Answered {
    let named: String = ask.fields.need("key")?;
    turned(ask, &named, Turn::Resume).await
}

async fn suspend(ask: &mut Ask) -> Answered {
    let named = ask.name(0)?.to_owned();
    turned(ask, &named, Turn::Suspend).await
}

async fn resume(ask: &mut Ask) -> Answered {
    let named = ask.name(0)?.to_owned();
    turned(ask, &named, Turn::Resume).await
}

async fn turned(ask: &mut Ask, named: &str, turn: Turn) -> Answered {
    let Ask { house, about, .. } = ask;
    let office = office(house)?;
    let id = changed(house, office, named).await?.record.id;
    *about = Some(id.0.clone());
    let entry = office.directory.turn(&By::Operator, id, turn).await?;
    Ok(told(StatusCode::OK, &Shown::of(&entry, office)))
}

async fn regenerate(ask: &mut Ask) -> Answered {
    let named: String = ask.fields.need("key")?;
    replaced(ask, &named).await
}

async fn rotate(ask: &mut Ask) -> Answered {
    let named = ask.name(0)?.to_owned();
    replaced(ask, &named).await
}

/// Another key with the same rights, limits and account. Both work for the overlap, which is none
/// unless it is said.
async fn replaced(ask: &mut Ask, named: &str) -> Answered {
    let Ask { house, fields, about, .. } = ask;
    let office = office(house)?;
    let overlap = fields.take::<String>("overlap")?.set();
    let overlap = overlap.or(fields.take::<String>("grace_period")?.set());
    let overlap = match overlap {
        None => Duration::ZERO,
        Some(text) => {
            let seconds = period("overlap", &text)?.seconds();
            let text = "months have no length: say it in days";
            Duration::from_secs(seconds.ok_or_else(|| Refusal::wrong("overlap", text))?)
        }
    };
    let id = changed(house, office, named).await?.record.id;
    let (key, minted) = office.minted()?;
    *about = Some(Str::from(format!("{} {}", id.0, minted.id.0)));
    let entry = office.directory.rotate(&By::Operator, id, minted, overlap).await?;
    Ok(told(StatusCode::OK, &Made::new(office, &key, &entry)))
}

#[derive(Default, Serialize)]
struct Report {
    valid: bool,
    reason: Option<String>,
    token_id: Option<Str>,
    user_id: Option<Str>,
    team_id: Option<Str>,
    organization_id: Option<Str>,
    models: Vec<Str>,
    actions: Vec<&'static str>,
    limits: Vec<String>,
    expires: Option<String>,
}

impl Report {
    fn of(principal: &Principal) -> Self {
        Self {
            valid: true,
            token_id: Some(principal.key.0.clone()),
            user_id: principal.user.as_ref().map(|id| id.0.clone()),
            team_id: principal.team.as_ref().map(|id| id.0.clone()),
            organization_id: principal.org.as_ref().map(|id| id.0.clone()),
            models: principal.scope.models.clone(),
            actions: vec!["call"],
            ..Self::default()
        }
    }
}

async fn validate(ask: &mut Ask, by: &Asker) -> Answered {
    let named = ask.fields.take::<String>("key")?.set();
    let report = match (by, named) {
        // Their own: whoever could ask of others could try keys.
        (Asker::App(_), Some(_)) => {
            return Err(Refusal::wrong("key", "applications ask of the key that they show"));
        }
        (Asker::App(by), None) => {
            let limits = by.grant.levels().iter().flat_map(|level| &level.limits);
            let limits = limits.map(ToString::to_string).collect();
            let models = by.grant.principal.scope.meet(&by.grant.plan.models).models;
            Report { limits, models, ..Report::of(&by.grant.principal) }
        }
        (Asker::Operator(_), None) => return Err(Refusal::wrong("key", "key is missing")),
        (Asker::Operator(_), Some(named)) => of_any(ask, &named).await?,
    };
    Ok(told(StatusCode::OK, &report))
}

async fn of_any(ask: &Ask, named: &str) -> Result<Report, Refusal> {
    let (house, office) = (&ask.house, office(&ask.house)?);
    let entry = match office.find(named).await {
        Ok(entry) => entry,
        Err(NotDone::Unknown { .. }) => {
            return Ok(match house.keys.fixed_as(named) {
                Some(grant) => Report::of(&grant.principal),
                None => Report { reason: Some("there is no such key".into()), ..Report::default() },
            });
        }
        Err(why) => return Err(why.into()),
    };
    let record = &entry.record;
    let mut report = Report {
        token_id: Some(record.id.0.clone()),
        user_id: record.owner.user.as_ref().map(|id| id.0.clone()),
        team_id: record.owner.team.as_ref().map(|id| id.0.clone()),
        organization_id: record.owner.org.as_ref().map(|id| id.0.clone()),
        ..Report::default()
    };
    match office.directory.standing(&By::Operator, record.id.clone()).await {
        Ok(standing) => {
            report.valid = true;
            report.models = standing.rights.models.models;
            report.actions = standing.rights.actions.iter().map(|action| action.name()).collect();
            report.limits = standing.rights.limits.iter().map(ToString::to_string).collect();
            report.expires = standing.until.map(|until| office.zone.show(until));
        }
        Err(NotDone::NotUsable(why)) => report.reason = Some(why.to_string()),
        Err(why) => return Err(why.into()),
    }
    Ok(report)
}
