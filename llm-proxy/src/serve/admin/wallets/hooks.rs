//! Webhooks that wait, and those that nobody took: `/admin/webhooks`.

use http::{Method, StatusCode};
use hyper::body::Incoming;
use llm_core::Str;
use llm_store::webhooks::Dead;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::house::House;
use super::super::fields::Fields;
use super::super::refusal::{Answered, Refusal};
use super::super::{empty, told};

const LIST: &str = "/admin/webhooks";
const AGAIN: &str = "/admin/webhooks/again";
/// Dead letters of one list.
const LETTERS: u32 = 200;

pub(super) fn knows(path: &str) -> bool {
    [LIST, AGAIN].contains(&path)
}

#[derive(Serialize)]
struct Listed {
    endpoints: Vec<Str>,
    waiting: u64,
    dead: Vec<Letter>,
}

#[derive(Serialize)]
struct Letter {
    event: Str,
    endpoint: Str,
    kind: Str,
    tries: u32,
    why: Option<Str>,
    body: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Tried {
    again: bool,
}

pub(super) async fn answer(house: &House, method: &Method, path: &str, body: Incoming) -> Answered {
    let webhooks = house.webhooks.as_ref().ok_or_else(Refusal::no_store)?;
    match (method, path) {
        (&Method::GET, LIST) => {
            let dead = webhooks.dead(LETTERS).await?.into_iter().map(Letter::of).collect();
            let waiting = webhooks.waiting().await?;
            let endpoints = house.hooks.clone();
            Ok(told(StatusCode::OK, &Listed { endpoints, waiting, dead }))
        }
        (&Method::POST, AGAIN) => {
            let mut fields = Fields::read(house, body).await?;
            let (event, endpoint) = (fields.need("event")?, fields.need("endpoint")?);
            fields.end()?;
            let again = webhooks.again(event, endpoint).await?;
            Ok(told(StatusCode::OK, &Tried { again }))
        }
        _ => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
    }
}

impl Letter {
    fn of(dead: Dead) -> Self {
        let Dead { event, endpoint, kind, body, tries, why } = dead;
        let body = RawValue::from_string(body.to_string()).ok();
        Self { event, endpoint, kind, tries, why, body }
    }
}
