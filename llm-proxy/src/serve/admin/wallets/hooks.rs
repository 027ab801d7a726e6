//! Webhooks that wait, and those that nobody took: `/admin/webhooks`.

use http::StatusCode;
use llm_core::Str;
use llm_store::webhooks::{Dead, Webhooks};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::super::house::House;
use super::super::super::routes::ask::Ask;
use super::super::super::routes::shape::{Field, Of, Shape, flag, free, list, text, whole};
use super::super::super::routes::{Route, operator};
use super::super::refusal::{Answered, Refusal};
use super::super::told;

/// Dead letters of one list.
const LETTERS: u32 = 200;

const LISTED: &[Field] = &[
    list("endpoints", &Of::Text, "who is told").need(),
    whole("waiting", "letters that are on their way").need(),
    list("dead", &Of::Table(&[LETTER]), "those that nobody took").need(),
];
const LETTER: &[Field] = &[
    text("event", "").need(),
    text("endpoint", "").need(),
    text("kind", "").need(),
    whole("tries", "").need(),
    text("why", "what the last try came to"),
    free("body", "what was to be told"),
];
const WHICH: &[Field] =
    &[text("event", "of the list").need(), text("endpoint", "of the list").need()];
const TRIED: &[Field] = &[flag("again", "whether there was such a letter").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/webhooks", "Who is told, and what nobody took.", operator!(Read, listed))
        .gives(Shape::Table(&[LISTED])),
    Route::post(
        "/admin/webhooks/again",
        "Sends a letter that nobody took once more.",
        operator!(Config, again),
    )
    .takes(&[WHICH])
    .gives(Shape::Table(&[TRIED])),
];

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

fn webhooks(house: &House) -> Result<&Webhooks, Refusal> {
    house.webhooks.as_ref().ok_or_else(Refusal::no_store)
}

async fn listed(ask: &mut Ask) -> Answered {
    let webhooks = webhooks(&ask.house)?;
    let dead = webhooks.dead(LETTERS).await?.into_iter().map(Letter::of).collect();
    let (endpoints, waiting) = (ask.house.hooks.clone(), webhooks.waiting().await?);
    Ok(told(StatusCode::OK, &Listed { endpoints, waiting, dead }))
}

async fn again(ask: &mut Ask) -> Answered {
    let Ask { house, fields, .. } = ask;
    let (event, endpoint) = (fields.need("event")?, fields.need("endpoint")?);
    let again = webhooks(house)?.again(event, endpoint).await?;
    Ok(told(StatusCode::OK, &Tried { again }))
}

impl Letter {
    fn of(dead: Dead) -> Self {
        let Dead { event, endpoint, kind, body, tries, why } = dead;
        let body = RawValue::from_string(body.to_string()).ok();
        Self { event, endpoint, kind, tries, why, body }
    }
}
