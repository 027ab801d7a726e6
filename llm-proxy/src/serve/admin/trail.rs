//! What operators have changed, newest first.

use http::StatusCode;
use llm_core::Str;
use llm_store::audit::{Line, Search};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::office::Office;
use super::super::routes::ask::{Ask, Part, office};
use super::super::routes::shape::{Field, PART, Shape, flag, free, text, whole, words};
use super::super::routes::{Route, operator};
use super::refusal::{Answered, Refusal};
use super::{Listed, told};

const LINE: &[Field] = &[
    whole("line", "its number, from 1").need(),
    text("at", "").need(),
    text("who", "the operator's id; admin is the first admin key").need(),
    text("what", "").need(),
    text("about", "whom or what").need(),
    free("detail", "what was said, without secrets"),
    words("outcome", &["asked", "done", "refused"], "").need(),
    text("hash", "over the line before it and itself").need(),
];
const WHICH: &[Field] = &[text("who", "of this operator"), text("about", "about this one")];
const FOUND: &[Field] = &[
    flag("ok", "").need(),
    whole("lines", "").need(),
    text("head", "to be noted elsewhere").need(),
    text("problem", ""),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/admin/audit", "What operators have changed, newest first.", operator!(Read, page))
        .query(&[WHICH, PART])
        .gives(Shape::Page(&[LINE])),
    Route::get(
        "/admin/audit/verify",
        "Recomputes the chain of lines, and looks for a head that was noted before.",
        operator!(Read, verify),
    )
    .query(&[&[text("head", "LINE:HASH")]])
    .gives(Shape::Table(&[FOUND])),
];

#[derive(Serialize)]
struct Shown {
    line: u64,
    at: String,
    who: Str,
    what: Str,
    about: Str,
    detail: Option<Box<RawValue>>,
    outcome: &'static str,
    hash: String,
}

impl Shown {
    fn of(office: &Office, line: Line) -> Self {
        let hash = line.hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            line: line.seq,
            at: office.zone.show(line.at),
            detail: RawValue::from_string(line.draft.detail.to_string()).ok(),
            who: line.draft.who,
            what: line.draft.what,
            about: line.draft.about,
            outcome: line.draft.outcome.name(),
            hash,
        }
    }
}

async fn page(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let odd = |_| Refusal::wrong("cursor", "not a cursor of this list");
    let before = cursor.map(|text| text.parse::<u64>().map_err(odd)).transpose()?;
    let mut take = |name| ask.query.take(name).map(Str::from);
    let search = Search { who: take("who"), about: take("about") };
    let office = office(&ask.house)?;
    let page = office.trail.page(&search, before, limit).await?;
    let data: Vec<Shown> = page.lines.into_iter().map(|line| Shown::of(office, line)).collect();
    Ok(told(StatusCode::OK, &Listed { data, next: page.next.map(|seq| seq.to_string()) }))
}

#[derive(Serialize)]
struct Found {
    ok: bool,
    lines: u64,
    head: String,
    problem: Option<String>,
}

async fn verify(ask: &mut Ask) -> Answered {
    let noted = ask.query.parse("head", |text| text.parse().ok())?;
    let found = office(&ask.house)?.trail.verify(noted).await?;
    let answer = Found {
        ok: found.problem.is_none(),
        lines: found.lines,
        head: found.head.to_string(),
        problem: found.problem.map(|problem| problem.to_string()),
    };
    Ok(told(StatusCode::OK, &answer))
}
