//! Answers that were kept, forgotten.

use http::{StatusCode, Uri};
use llm_core::Str;
use llm_core::principal::{KeyId, UserId};
use llm_core::store::Purge;
use serde::Serialize;

use super::super::house::House;
use super::fields::Params;
use super::refusal::{Answered, Refusal};
use super::told;
use crate::config::TENANT;

#[derive(Serialize)]
struct Removed {
    removed: u64,
}

/// `DELETE /admin/cache?tag=&key=&model=&user=`: those of one of these; without any, all.
pub(super) async fn purge(house: &House, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let (tag, key) = (params.take("tag"), params.take("key"));
    let (model, user) = (params.take("model"), params.take("user"));
    params.end()?;
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
