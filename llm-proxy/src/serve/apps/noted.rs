//! Events of applications in the audit trail: signed in, exported, deleted, whatever somebody may
//! have to prove one day.
//!
//! They stand in the one chain of hashes that operators' changes stand in, under the name of the key
//! that wrote them, so that nobody takes an application's word for an operator's. Lines are never
//! removed: what people say does not belong there, nor their names.

use http::StatusCode;
use llm_core::Str;
use llm_store::audit::{Draft, Outcome, Search};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::{Listed, told};
use super::super::routes::ask::{AppCaller, Ask, Part, office};
use super::super::routes::shape::{Field, PART, Shape, free, text, whole};
use super::super::routes::{Route, asked_by};

/// Bytes of an event's name and of what it is about.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of its details: the trail leaves out what is longer.
const DETAIL_BYTES_MAX: usize = 4 << 10;

const EVENT: &[Field] = &[
    text("action", "what has happened: `login.failed`").need(),
    text("about", "whom or what, by an id"),
    free("detail", "what else there is to say: no secrets, and nothing that people said"),
];
const NOTED: &[Field] = &[
    whole("line", "its number in the trail").need(),
    text("hash", "over the line before it and itself").need(),
];
const LINE: &[Field] = &[
    whole("line", "its number in the trail").need(),
    text("at", "").need(),
    text("action", "").need(),
    text("about", "").need(),
    free("detail", ""),
    text("hash", "over the line before it and itself").need(),
];
const WHICH: &[Field] = &[text("about", "about this one")];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/audit/events",
        "Writes an application's event into the audit trail.",
        asked_by!(App, append),
    )
    .takes(&[EVENT])
    .gives(Shape::Table(&[NOTED])),
    Route::get(
        "/api/v1/audit/events",
        "Events that were written with this key, newest first.",
        asked_by!(App, page),
    )
    .query(&[WHICH, PART])
    .gives(Shape::Page(&[LINE])),
];

/// The name under which a key writes.
fn who(by: &AppCaller) -> Str {
    Str::from(format!("key:{}", by.grant.principal.key))
}

#[derive(Serialize)]
struct Noted {
    line: u64,
    hash: String,
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn name(field: &str, text: String) -> Result<Str, Refusal> {
    let fits = text.len() <= NAME_BYTES_MAX && !text.contains(|c: char| c.is_control());
    let why = || format!("up to {NAME_BYTES_MAX} bytes, without control characters");
    if fits { Ok(Str::from(text)) } else { Err(Refusal::wrong(field, why())) }
}

async fn append(ask: &mut Ask, by: &AppCaller) -> Answered {
    let what = name("action", ask.fields.need("action")?)?;
    if what.trim().is_empty() {
        return Err(Refusal::wrong("action", "action is missing"));
    }
    let about = name("about", ask.fields.take("about")?.set().unwrap_or_default())?;
    let detail = ask.fields.raw("detail").set();
    let detail = detail.map_or_else(|| "{}".to_owned(), |raw| raw.get().to_owned());
    if detail.len() > DETAIL_BYTES_MAX || !detail.starts_with('{') {
        let text = format!("a JSON object of up to {DETAIL_BYTES_MAX} bytes");
        return Err(Refusal::wrong("detail", text));
    }
    let draft =
        Draft { who: who(by), what, about, detail: Str::from(detail), outcome: Outcome::Done };
    let head = office(&ask.house)?.trail.append(draft).await?;
    Ok(told(StatusCode::OK, &Noted { line: head.seq, hash: hex(&head.hash) }))
}

#[derive(Serialize)]
struct Shown {
    line: u64,
    at: String,
    action: Str,
    about: Str,
    detail: Option<Box<RawValue>>,
    hash: String,
}

async fn page(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let odd = |_| Refusal::wrong("cursor", "not a cursor of this list");
    let before = cursor.map(|text| text.parse::<u64>().map_err(odd)).transpose()?;
    let about = ask.query.take("about").map(Str::from);
    let search = Search { who: Some(who(by)), about };
    let page = office(&ask.house)?.trail.page(&search, before, limit).await?;
    let shown = |line: llm_store::audit::Line| Shown {
        line: line.seq,
        at: line.at.to_string(),
        action: line.draft.what,
        about: line.draft.about,
        detail: RawValue::from_string(line.draft.detail.to_string()).ok(),
        hash: hex(&line.hash),
    };
    let data: Vec<Shown> = page.lines.into_iter().map(shown).collect();
    Ok(told(StatusCode::OK, &Listed { data, next: page.next.map(|seq| seq.to_string()) }))
}
