//! Answers that were kept, for whoever owns them: to see, to see what was asked, to delete.

use http::{Method, Response, StatusCode};
use llm_store::deposits::{Kind as Deposit, Owner};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{kept, unavailable};
use crate::serve::body::Body;
use crate::serve::depot::Depot;
use crate::serve::door::json as said;
use crate::serve::inbound::{Answered, Unmet, page, query};

/// Answers what is asked about a response.
pub(crate) async fn answer(
    depot: &Depot,
    owner: &Owner,
    (method, id, rest): (&Method, &str, Option<&str>),
    asked: Option<&str>,
) -> Answered {
    let none = || Unmet::absent("response", id);
    match (method, rest) {
        (&Method::GET, None) => {
            let entry = depot.deposits.get(owner, Deposit::Response, id).await?.ok_or_else(none)?;
            let kept = kept(depot, owner, &entry).await?.ok_or_else(none)?;
            Ok(said(StatusCode::OK, kept.answer))
        }
        (&Method::GET, Some("input_items")) => {
            let entry = depot.deposits.get(owner, Deposit::Response, id).await?.ok_or_else(none)?;
            let kept = kept(depot, owner, &entry).await?.ok_or_else(none)?;
            listed(id, &kept.input, asked)
        }
        (&Method::DELETE, None) => {
            let gone = depot.deposits.forget(owner, Deposit::Response, id, true).await;
            if !gone.map_err(unavailable)? {
                return Err(none());
            }
            let body = json!({ "id": id, "object": "response", "deleted": true });
            Ok(said(StatusCode::OK, body.to_string()))
        }
        _ => Err(Unmet::Method),
    }
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<std::borrow::Cow<'a, str>>,
}

/// Items of a question, the newest first unless it is said. Those without an id are given one.
fn listed(id: &str, input: &str, asked: Option<&str>) -> Result<Response<Body>, Unmet> {
    let items: Vec<&RawValue> = serde_json::from_str(input).unwrap_or_default();
    let tail = id.strip_prefix("resp_").unwrap_or(id);
    let mut items: Vec<Value> = items
        .into_iter()
        .enumerate()
        .map(|(at, item)| {
            let named = serde_json::from_str::<Named<'_>>(item.get()).ok().and_then(|n| n.id);
            let mut value: Value = serde_json::from_str(item.get()).unwrap_or_default();
            if let (None, Some(fields)) = (named, value.as_object_mut()) {
                fields.insert("id".to_owned(), format!("msg_{tail}_{at}").into());
                fields.entry("type").or_insert("message".into());
                if let Some(Value::String(text)) = fields.get("content") {
                    let content = json!([{ "type": "input_text", "text": text }]);
                    fields.insert("content".to_owned(), content);
                }
            }
            value
        })
        .collect();
    let cursor = query(asked, 20, 100)?;
    if !cursor.ascending {
        items.reverse();
    }
    let id_of = |item: &Value| item.get("id").and_then(Value::as_str).map(str::to_owned);
    if let Some(after) = &cursor.after {
        let at = items.iter().position(|item| id_of(item).as_deref() == Some(&**after));
        items.drain(..at.map_or(items.len(), |at| at + 1));
    }
    Ok(page(items, cursor.limit, id_of))
}
