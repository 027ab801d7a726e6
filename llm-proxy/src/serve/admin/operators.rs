//! Operators with fewer rights than the first: keys that administer, of a tenant of their own, so
//! that none of them opens anything where models are asked.

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::KeyId;
use llm_store::directory::{About, By, KeyEntry, KeyFilter, Turn};
use llm_store::keys::{Actions, Draft, KeyOwner};
use serde::Serialize;

use super::super::office::{OPERATORS, Office};
use super::super::routes::ask::{Ask, Part, office};
use super::super::routes::shape::{Field, Of, PART, Shape, list, secret, text};
use super::super::routes::{Route, Scope, operator};
use super::refusal::{Answered, Refusal};
use super::{Listed, told};

const SCOPES: &[&str] = &["read", "keys", "money", "config"];
const WORDS: &[Field] = &[
    text("name", "what people call them").need(),
    list("scopes", &Of::Words(SCOPES), "what they may do").need(),
];
const OPERATOR: &[Field] = &[
    text("id", "").need(),
    text("name", ""),
    list("scopes", &Of::Words(SCOPES), "").need(),
    text("created_at", "").need(),
    text("revoked_at", ""),
];
const KEY: &[Field] = &[secret("key", "shown this once").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/admin/operators",
        "Makes a key for an operator, by the first admin key alone; shown this once.",
        operator!(Everything, new),
    )
    .takes(&[WORDS])
    .gives(Shape::Table(&[OPERATOR, KEY])),
    Route::get("/admin/operators", "Operators by their ids.", operator!(Read, listed))
        .query(&[PART])
        .gives(Shape::Page(&[OPERATOR])),
    Route::delete(
        "/admin/operators/{id}",
        "Ends an operator's key for good.",
        operator!(Everything, end),
    )
    .gives(Shape::Table(&[OPERATOR])),
];

#[derive(Serialize)]
struct Shown {
    id: Str,
    name: Option<Str>,
    scopes: Vec<&'static str>,
    created_at: String,
    revoked_at: Option<String>,
}

#[derive(Serialize)]
struct Made<'k> {
    #[serde(flatten)]
    shown: Shown,
    key: &'k str,
}

impl Shown {
    fn of(office: &Office, KeyEntry { record, about }: &KeyEntry) -> Self {
        let has =
            |scope: &Scope| scope.actions().iter().all(|action| record.rights.actions.has(*action));
        Self {
            id: record.id.0.clone(),
            name: about.alias.clone(),
            scopes: Scope::GIVEN.iter().filter(|scope| has(scope)).map(|s| s.name()).collect(),
            created_at: office.zone.show(record.created_at),
            revoked_at: record.revoked_at.map(|at| office.zone.show(at)),
        }
    }
}

async fn new(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let office = office(house)?;
    let name: Str = fields.need("name")?;
    let scopes: Vec<String> = fields.need("scopes")?;
    let scope = |word: &String| {
        let found = Scope::GIVEN.into_iter().find(|scope| scope.name() == word);
        found.ok_or_else(|| Refusal::wrong("scopes", SCOPES.join(", ")))
    };
    let scopes: Vec<Scope> = scopes.iter().map(scope).collect::<Result<_, _>>()?;
    let actions: Actions = scopes.iter().flat_map(|scope| scope.actions()).copied().collect();
    if actions == Actions::NONE {
        return Err(Refusal::wrong("scopes", "at least one"));
    }
    let draft = Draft { actions, ..Draft::new(KeyOwner::tenant(OPERATORS)) };
    let about = About { alias: Some(name), ..About::default() };
    let (key, minted) = office.minted_as("operator")?;
    *of = Some(minted.id.0.clone());
    let entry = office.directory.issue(&By::Operator, draft, minted, about).await?;
    let made = Made { shown: Shown::of(office, &entry), key: key.expose() };
    Ok(told(StatusCode::OK, &made))
}

async fn listed(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let office = office(&ask.house)?;
    let filter = KeyFilter { owner: KeyOwner::tenant(OPERATORS), replaced: false };
    let after = cursor.map(|id| KeyId(id.into()));
    let page = office.directory.keys(&By::Operator, filter, after, limit).await?;
    let data: Vec<Shown> = page.items.iter().map(|entry| Shown::of(office, entry)).collect();
    Ok(told(StatusCode::OK, &Listed { data, next: page.next.map(|id| id.to_string()) }))
}

async fn end(ask: &mut Ask) -> Answered {
    let id = KeyId(Str::from(ask.name(0)?));
    let office = office(&ask.house)?;
    let entry = office.directory.key(&By::Operator, id.clone()).await?;
    if entry.record.owner.tenant != OPERATORS {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is no such operator"));
    }
    let entry = office.directory.turn(&By::Operator, id, Turn::Revoke).await?;
    Ok(told(StatusCode::OK, &Shown::of(office, &entry)))
}
