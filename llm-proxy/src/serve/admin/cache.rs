//! Answers that were kept, forgotten.

use http::StatusCode;
use llm_core::Str;
use llm_core::principal::{KeyId, UserId};
use llm_core::store::Purge;
use serde::Serialize;

use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, Shape, key, text, whole};
use super::super::routes::{Route, operator};
use super::refusal::{Answered, Refusal};
use super::told;
use crate::config::TENANT;

const WHICH: &[Field] = &[
    text("tag", "those with this tag"),
    key("key", "those of this key"),
    text("model", "those of this model"),
    text("user", "those of this user"),
];
const REMOVED: &[Field] = &[whole("removed", "how many were forgotten").need()];

pub(crate) const ROUTES: &[Route] = &[Route::delete(
    "/admin/cache",
    "Forgets answers that were kept: those of a tag, key, model or user, or all of them.",
    operator!(Config, purge),
)
.query(&[WHICH])
.gives(Shape::Table(&[REMOVED]))];

#[derive(Serialize)]
struct Removed {
    removed: u64,
}

async fn purge(ask: &mut Ask) -> Answered {
    let (house, params) = (&ask.house, &mut ask.query);
    let (tag, key) = (params.take("tag"), params.take("key"));
    let (model, user) = (params.take("model"), params.take("user"));
    let key = match (key, &house.office) {
        (Some(key), Some(office)) => Some(office.line(&key).await?),
        (key, _) => key.map(Str::from),
    };
    let what = match (tag, key, model, user) {
        (None, None, None, None) => Purge::Tenant(TENANT),
        (Some(tag), None, None, None) => Purge::Tag(TENANT, tag.into()),
        (None, Some(key), None, None) => Purge::key(TENANT, &KeyId(key)),
        (None, None, Some(model), None) => Purge::model(TENANT, &model),
        (None, None, None, Some(user)) => Purge::user(TENANT, &UserId(user.into())),
        _ => return Err(Refusal::wrong("tag", "one of tag, key, model and user")),
    };
    Ok(told(StatusCode::OK, &Removed { removed: house.gateway.purge(&what).await }))
}
