//! What callers leave with us and ask for again: answers, files, batches. Each belongs to whoever
//! owns the key; another's is not there.
//!
//! The errors are in OpenAI's shape, whose paths these are. Deliberately absent: money. What is
//! asked of a model through these paths is a call like any other.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, StatusCode};
use hyper::body::Incoming;
use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::error::{Error, Kind};
use llm_core::store::StoreError;
use llm_store::deposits::{Cursor, Owner};
use serde_json::{Value, json};

use super::body::Body;
use super::house::House;
use super::{batches, files};
use super::{bearer, call, door, heads, responses};

/// What is answered here.
const NOUNS: [&str; 3] = ["responses", "files", "batches"];

/// What every path here answers with.
pub(crate) type Answered = Result<Response<Body>, Unmet>;

/// Why not.
#[derive(Debug)]
pub(crate) enum Unmet {
    /// There is no such thing, or it is somebody else's.
    Absent {
        /// What.
        what: &'static str,
        /// Which.
        id: String,
    },
    /// Not with that method.
    Method,
    /// Nothing outlasts this process.
    NoStore,
    /// As any call.
    Error(Error),
}

impl Unmet {
    pub(crate) fn absent(what: &'static str, id: &str) -> Self {
        Self::Absent { what, id: id.chars().take(128).collect() }
    }

    /// The request is wrong, in that field.
    pub(crate) fn wrong(field: &'static str, text: impl Into<String>) -> Self {
        Self::Error(Error::new(Kind::BadRequest, text.into()).in_field(field))
    }
}

impl From<Error> for Unmet {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<StoreError> for Unmet {
    fn from(error: StoreError) -> Self {
        Self::Error(responses::unavailable(error))
    }
}

impl From<llm_core::dialect::BadRequest> for Unmet {
    fn from(bad: llm_core::dialect::BadRequest) -> Self {
        Self::Error(bad.into())
    }
}

/// What a path names: the noun, and what stands behind it.
fn named(path: &str) -> Option<(&str, Vec<&str>)> {
    let path = path.strip_prefix("/v1").unwrap_or(path).strip_prefix('/')?;
    let mut words = path.trim_end_matches('/').split('/');
    let noun = words.next().filter(|noun| NOUNS.contains(noun))?;
    Some((noun, words.collect()))
}

/// Whether a path is one of these.
pub(crate) fn knows(path: &str) -> bool {
    named(path).is_some()
}

/// Answers a caller.
pub(crate) async fn answer(house: &Arc<House>, head: Parts, body: Incoming) -> Response<Body> {
    let id = call::new_id(house);
    let ours = http::HeaderValue::from_str(&id.to_string());
    // Boxed: uploads can wait for an allocation, and the futures of calls stay small.
    let mut response = match Box::pin(routed(house, &head, body)).await {
        Ok(response) => response,
        Err(unmet) => refused(unmet),
    };
    if let Ok(ours) = ours {
        heads::name(response.headers_mut(), head.headers.get(heads::REQUEST_ID), ours);
    }
    response
}

async fn routed(house: &Arc<House>, head: &Parts, body: Incoming) -> Answered {
    let Some((noun, rest)) = named(head.uri.path()) else {
        return Err(Unmet::absent("path", head.uri.path()));
    };
    let key = bearer::shown(&head.headers, &head.uri).ok_or_else(call::no_key)?;
    let grant = house.keys.grant(&key).await?;
    let depot = house.depot.as_ref().ok_or(Unmet::NoStore)?;
    let owner = Owner::of(&grant.principal);
    let (method, query) = (&head.method, head.uri.query());
    match (noun, rest.as_slice()) {
        ("responses", [id]) => responses::answer(depot, &owner, (method, id, None), query).await,
        ("responses", [id, more]) => {
            responses::answer(depot, &owner, (method, id, Some(more)), query).await
        }
        ("files", rest) => files::answer(house, depot, &owner, head, (rest, body)).await,
        ("batches", rest) => {
            let print = house.keys.print(&key).await?;
            let asker = batches::Asker { owner, grant, print };
            batches::answer(house, depot, asker, head, (rest, body)).await
        }
        _ => Err(Unmet::Method),
    }
}

fn refused(unmet: Unmet) -> Response<Body> {
    let (status, code, text) = match unmet {
        Unmet::Error(error) => {
            return match llm_dialects::caller(DialectId::OpenaiChat) {
                Some(dialect) => call::refused(dialect, &error),
                None => door::empty(StatusCode::INTERNAL_SERVER_ERROR),
            };
        }
        Unmet::Absent { what, id } => {
            (StatusCode::NOT_FOUND, "not_found", format!("there is no {what} {id:?}"))
        }
        Unmet::Method => {
            let text = "there is nothing of that kind here, or not with that method".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", text)
        }
        Unmet::NoStore => {
            let text = "this proxy keeps nothing (store.url is memory:)".to_owned();
            (StatusCode::NOT_IMPLEMENTED, "no_store", text)
        }
    };
    let kind = "invalid_request_error";
    let error = json!({ "message": text, "type": kind, "param": null, "code": code });
    door::json(status, json!({ "error": error }).to_string())
}

/// What a list is asked for: `after`, `limit`, `order`.
pub(crate) fn query(asked: Option<&str>, usual: usize, most: usize) -> Result<Cursor, Unmet> {
    let mut cursor = Cursor { after: None, ascending: false, limit: usual };
    for (name, value) in parameters(asked) {
        match &*name {
            "after" => cursor.after = Some(Str::from(value)),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=most).contains(limit));
                let text = || format!("a number from 1 to {most} is expected");
                cursor.limit = limit.ok_or_else(|| Unmet::wrong("limit", text()))?;
            }
            "order" => cursor.ascending = value == "asc",
            _ => {}
        }
    }
    Ok(cursor)
}

/// The parameters of a query.
pub(crate) fn parameters(asked: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    asked.unwrap_or_default().split('&').filter_map(move |pair| {
        let (name, value) = pair.split_once('=')?;
        Some((decoded(name), decoded(value)))
    })
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

/// Whether it is that method.
pub(crate) fn wants(method: &Method, wanted: &Method) -> Result<(), Unmet> {
    if method == wanted { Ok(()) } else { Err(Unmet::Method) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_noun() {
        for path in ["/v1/files", "/files/", "/v1/files/f/content", "/v1/responses/r/input_items"] {
            assert!(knows(path), "{path}");
        }
        for path in ["/v1/filesystem", "/v1", "/", "/v1/models", "/admin/files"] {
            assert!(!knows(path), "{path}");
        }
    }

    #[test]
    fn a_query_is_read() {
        let cursor = query(Some("limit=3&after=file%2D1&order=asc&x"), 20, 100).unwrap();
        assert_eq!((cursor.limit, cursor.ascending), (3, true));
        assert_eq!(cursor.after.as_deref(), Some("file-1"));
        assert!(query(Some("limit=0"), 20, 100).is_err());
        assert!(query(Some("limit=101"), 20, 100).is_err());
    }
}
