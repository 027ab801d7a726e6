//! What people say of what they were given.

use http::StatusCode;
use llm_app::prompts::feedback::{About, Said, Voice};
use serde_json::{Value, json};

use super::templates::{page, part};
use super::{prompts, word};
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::told;
use crate::serve::routes::ask::{AppCaller, Ask};
use crate::serve::routes::shape::{Field, PART, Shape, text, whole, words};
use crate::serve::routes::{Route, asked_by};
use llm_app::prompts::named;

const THUMBS: &[&str] = &["up", "down"];

const SAY: &[Field] = &[
    words("about", About::WORDS, "what it is about").need(),
    text("id", "which one; of a version of a template `id:number`").need(),
    words("thumb", THUMBS, ""),
    whole("score", "from 60 on somebody liked it").least(0).most(100),
    text("comment", "up to 4,000 characters"),
    text("subject", "of an experiment: whom it was shown to, as `assign` was told"),
];
const VOICE: &[Field] = &[
    text("feedback", "its own id").need(),
    words("about", About::WORDS, "").need(),
    text("id", "").need(),
    words("thumb", THUMBS, ""),
    whole("score", ""),
    text("comment", ""),
    text("created_at", "").need(),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/feedback",
        "Says how something was. The latest word of each person about each thing counts.",
        asked_by!(App, say),
    )
    .takes(&[SAY])
    .gives(Shape::Table(&[VOICE])),
    Route::get("/api/v1/feedback", "What one has said, the newest first.", asked_by!(App, all))
        .query(&[PART])
        .gives(Shape::Page(&[VOICE])),
];

fn view(voice: &Voice) -> Value {
    json!({
        "feedback": named(voice.id),
        "about": voice.about.word(),
        "id": voice.object,
        "thumb": voice.said.thumb.map(|up| if up { "up" } else { "down" }),
        "score": voice.said.score,
        "comment": voice.said.comment,
        "created_at": voice.made.to_string(),
    })
}

async fn say(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, .. } = &mut *ask;
    let about = word(fields, "about", About::WORDS, About::named)?;
    let about = about.ok_or_else(|| Refusal::wrong("about", "about is missing"))?;
    let id: String = fields.need("id")?;
    let subject: Option<String> = fields.take("subject")?.set();
    let said = Said {
        thumb: word(fields, "thumb", THUMBS, |thumb| Some(thumb == "up"))?,
        score: fields.take("score")?.set(),
        comment: fields.take("comment")?.set(),
    };
    let voice = prompts(house)?.say(&by.grant, about, &id, subject.as_deref(), said).await?;
    Ok(told(StatusCode::OK, &view(&voice)))
}

async fn all(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (before, limit) = part(ask)?;
    let found = prompts(&ask.house)?.voices(&by.grant, before, limit).await?;
    Ok(told(StatusCode::OK, &page(&found, limit, |one| named(one.id), view)))
}
