//! What callers leave with us and ask for again (answers, files, batches), as far as their routes
//! have it in common. Each belongs to whoever owns the key; another's is not there.
//!
//! The routes are OpenAI's, and their lists are as OpenAI's are: the newest first, and what follows is
//! behind an id. Deliberately absent: money. What is asked of a model through these paths is a call
//! like any other.

use http::{Response, StatusCode};
use llm_core::Str;
use llm_store::deposits::{Cursor, Owner};
use serde_json::{Value, json};

use super::admin::fields::Params;
use super::admin::refusal::Refusal;
use super::body::Body;
use super::depot::Depot;
use super::door;
use super::house::House;
use super::routes::ask::AppCaller;
use super::routes::shape::{Field, flag, text, whole, words};

/// Which part of a list is wanted, of a page of so many at the most.
pub(crate) const fn parts(most: usize) -> [Field; 3] {
    [
        text("after", "where to go on: the `last_id` of the page before"),
        whole("limit", "how many").least(1).most(most as i64),
        words("order", &["asc", "desc"], "by when they were made; the newest first unless said"),
    ]
}
/// What a page of a list says beside its `data`.
pub(crate) const PAGE: &[Field] = &[
    words("object", &["list"], "").need(),
    text("first_id", ""),
    text("last_id", "the next `after`"),
    flag("has_more", "").need(),
];
/// What is said of something that is gone.
pub(crate) const GONE: &[Field] =
    &[text("id", "").need(), text("object", "").need(), flag("deleted", "").need()];

/// Where these things are.
pub(crate) fn depot(house: &House) -> Result<&Depot, Refusal> {
    house.depot.as_ref().ok_or_else(Refusal::no_store)
}

/// Whose they are.
pub(crate) fn owner(by: &AppCaller) -> Owner {
    Owner::of(&by.grant.principal)
}

/// Which part of a list is wanted.
pub(crate) fn cursor(query: &mut Params, usual: usize, most: usize) -> Result<Cursor, Refusal> {
    let limit = match query.take("limit") {
        None => usual,
        Some(text) => {
            let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
            let text = || format!("a number from 1 to {most} is expected");
            limit.ok_or_else(|| Refusal::wrong("limit", text()))?
        }
    };
    let ascending = query.parse("order", |text| match text {
        "asc" => Some(true),
        "desc" => Some(false),
        _ => None,
    })?;
    let after = query.take("after").map(Str::from);
    Ok(Cursor { after, ascending: ascending.unwrap_or(false), limit })
}

/// A page of a list, of which one more than asked for may be there.
pub(crate) fn page(
    mut items: Vec<Value>,
    limit: usize,
    id: impl Fn(&Value) -> Option<String>,
) -> Response<Body> {
    let more = items.len() > limit;
    items.truncate(limit);
    let (first, last) = (items.first().and_then(&id), items.last().and_then(&id));
    let body = json!({
        "object": "list", "data": items, "first_id": first, "last_id": last, "has_more": more,
    });
    door::json(StatusCode::OK, body.to_string())
}

/// Something is gone.
pub(crate) fn gone(id: &str, object: &str) -> Response<Body> {
    let body = json!({ "id": id, "object": object, "deleted": true });
    door::json(StatusCode::OK, body.to_string())
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn a_query_is_read() {
        let read = |query: &str| {
            let uri: Uri = format!("/v1/files?{query}").parse().unwrap();
            cursor(&mut Params::read(&uri).unwrap(), 20, 100)
        };
        let some = read("limit=3&after=file%2D1&order=asc").unwrap();
        assert_eq!((some.limit, some.ascending), (3, true));
        assert_eq!(some.after.as_deref(), Some("file-1"));
        let usual = read("").unwrap();
        assert_eq!((usual.limit, usual.ascending, usual.after), (20, false, None));
        for wrong in ["limit=0", "limit=101", "limit=x", "order=up"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
