//! Organizations, in LiteLLM's words: parts of the whole, of which teams, users and keys are.

use http::StatusCode;
use llm_core::Str;
use llm_store::directory::{Level, Party, PartyDraft};
use serde::Serialize;

use super::super::super::office::new_id;
use super::super::super::routes::ask::{Ask, Part, office};
use super::super::super::routes::shape::{Field, Of, PART, Shape, flag, free, list, text, whole};
use super::super::super::routes::{Route, operator};
use super::super::fields::Said;
use super::super::keys::metadata;
use super::super::refusal::Answered;
use super::super::terms::{TERMS, Terms};
use super::super::view::SPENT;
use super::super::{Listed, told};
use super::{Change, PARTY, Seen, party_id};
use crate::config::TENANT;

const WORDS: &[Field] = &[
    text("organization_id", "made up where it is not said"),
    text("organization_alias", "what people call it"),
    free("metadata", ""),
];
const CHANGE: &[Field] = &[
    text("organization_id", "").need(),
    text("organization_alias", ""),
    flag("blocked", "whether it rests, with all keys"),
    free("metadata", ""),
];
const ID: &[Field] = &[text("organization_id", "").need()];
const ALIAS: &[Field] = &[text("organization_id", "").need(), text("organization_alias", "")];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/organization/new", "Makes an organization.", operator!(Keys, new))
        .takes(&[WORDS, TERMS])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT])),
    Route::get("/organization/info", "An organization.", operator!(Read, info))
        .query(&[ID])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT])),
    Route::post("/organization/update", "Changes an organization.", operator!(Keys, update))
        .takes(&[CHANGE, TERMS])
        .gives(Shape::Table(&[PARTY, ALIAS, SPENT])),
    Route::post(
        "/organization/delete",
        "Ends organizations and all keys that belong to them.",
        operator!(Keys, delete),
    )
    .takes(&[&[list("organization_ids", &Of::Text, "").need()]])
    .gives(Shape::Table(&[&[whole("deleted", "how many").need()]])),
    Route::get("/organization/list", "Organizations by their ids.", operator!(Read, listed))
        .query(&[PART])
        .gives(Shape::Named("organizations", &[PARTY, ALIAS])),
];

#[derive(Serialize)]
struct Org {
    organization_alias: Option<Str>,
    #[serde(flatten)]
    seen: Seen,
}

impl Org {
    fn new(party: &Party, seen: Seen) -> Self {
        let id = Some(party.draft.id.id.clone());
        let seen = Seen { organization_id: id, ..seen };
        Self { organization_alias: party.draft.name.clone(), seen }
    }
}

async fn new(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let office = office(house)?;
    let terms = Terms::read(fields)?;
    let org = fields.take::<Str>("organization_id")?.set();
    let name = fields.take::<Str>("organization_alias")?.set();
    let words = fields.raw("metadata").set();
    let org = org.map_or_else(|| new_id("org"), Ok)?;
    *of = Some(org.clone());
    let id = party_id(Level::Org, org);
    let draft = PartyDraft { name, metadata: metadata(words), ..PartyDraft::new(id) };
    let party = super::make(office, draft, &terms).await?;
    let seen = Seen::with_budget(house, office, &party).await?;
    Ok(told(StatusCode::OK, &Org::new(&party, seen)))
}

async fn info(ask: &mut Ask) -> Answered {
    let org = Str::from(ask.query.need("organization_id")?);
    let office = office(&ask.house)?;
    let party = office.directory.party(party_id(Level::Org, org)).await?;
    let seen = Seen::with_budget(&ask.house, office, &party).await?;
    Ok(told(StatusCode::OK, &Org::new(&party, seen)))
}

async fn update(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let office = office(house)?;
    let org: Str = fields.need("organization_id")?;
    // It is its own, and of no other.
    let change = Change { org: Said::Nothing, ..Change::read(fields, "organization_alias")? };
    let party = change.done(office, party_id(Level::Org, org)).await?;
    let seen = Seen::with_budget(house, office, &party).await?;
    Ok(told(StatusCode::OK, &Org::new(&party, seen)))
}

#[derive(Serialize)]
struct Deleted {
    deleted: usize,
}

async fn delete(ask: &mut Ask) -> Answered {
    let house = std::sync::Arc::clone(&ask.house);
    let deleted = super::end_all(ask, office(&house)?, Level::Org, "organization_ids").await?;
    Ok(told(StatusCode::OK, &Deleted { deleted }))
}

async fn listed(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let office = office(&ask.house)?;
    let after = cursor.map(Str::from);
    let page = office.directory.parties(TENANT, Level::Org, after, limit).await?;
    let data = page.items.iter().map(|party| Org::new(party, Seen::of(office, party, None)));
    let listed = Listed { data: data.collect(), next: page.next.map(|id| id.to_string()) };
    Ok(told(StatusCode::OK, &listed.named("organizations")))
}
