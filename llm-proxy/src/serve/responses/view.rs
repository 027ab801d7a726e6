//! Answers that were kept, for whoever owns them: to see, to see what was asked, to delete.

use http::{Response, StatusCode};
use llm_store::deposits::{Kind as Deposit, Owner};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Kept, kept};
use crate::serve::admin::fields::Params;
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::body::Body;
use crate::serve::depot::Depot;
use crate::serve::door::json as said;
use crate::serve::inbound::{GONE, PAGE, cursor, depot, gone, owner, page, parts};
use crate::serve::routes::ask::{AppCaller, Ask};
use crate::serve::routes::shape::{Field, Of, Shape, list, text};
use crate::serve::routes::{Route, asked_by};

const ITEMS_USUAL: usize = 20;
const ITEMS_MAX: usize = 100;
/// Which part of a list is wanted.
const LISTED: [Field; 3] = parts(ITEMS_MAX);

/// What official clients send along. All that was kept is shown, whatever of it is asked for.
const SHOWN: &[Field] = &[text("include", "all is there"), text("include[]", "all is there")];
const ITEMS: &[Field] = &[list("data", &Of::Free, "what was asked").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/v1/responses/{id}", "An answer that was kept.", asked_by!(App, one))
        .query(&[SHOWN]),
    Route::get("/v1/responses/{id}/input_items", "What was asked.", asked_by!(App, items))
        .query(&[&LISTED, SHOWN])
        .gives(Shape::Table(&[PAGE, ITEMS])),
    Route::delete("/v1/responses/{id}", "Forgets an answer.", asked_by!(App, forget))
        .gives(Shape::Table(&[GONE])),
];

async fn found(depot: &Depot, owner: &Owner, id: &str) -> Result<Kept, Refusal> {
    let none = || Refusal::absent("response", id);
    let entry = depot.deposits.get(owner, Deposit::Response, id).await?.ok_or_else(none)?;
    kept(depot, owner, &entry).await?.ok_or_else(none)
}

async fn one(ask: &mut Ask, by: &AppCaller) -> Answered {
    let kept = found(depot(&ask.house)?, &owner(by), ask.name(0)?).await?;
    Ok(said(StatusCode::OK, kept.answer))
}

async fn items(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = ask.name(0)?.to_owned();
    let kept = found(depot(&ask.house)?, &owner(by), &id).await?;
    listed(&id, &kept.input, &mut ask.query)
}

async fn forget(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (depot, id) = (depot(&ask.house)?, ask.name(0)?);
    if !depot.deposits.forget(&owner(by), Deposit::Response, id, true).await? {
        return Err(Refusal::absent("response", id));
    }
    Ok(gone(id, "response"))
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<std::borrow::Cow<'a, str>>,
}

/// Items of a question, the newest first unless it is said. Those without an id are given one.
fn listed(id: &str, input: &str, query: &mut Params) -> Result<Response<Body>, Refusal> {
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
    let cursor = cursor(query, ITEMS_USUAL, ITEMS_MAX)?;
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
