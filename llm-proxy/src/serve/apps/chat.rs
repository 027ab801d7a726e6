//! Chat, as applications ask for it. What it does is in `llm_app::chat`; what is here is how it is
//! asked for and told.

mod settings;
mod told;
mod view;

use http::{HeaderValue, Response, StatusCode, header};
use llm_app::chat::{Change, Chat, DAYS_MAX, Id, Manner, Mark, Message, Opening, Post, Replied};
use llm_core::Str;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::apps;
use crate::serve::admin::fields::{Fields, Said};
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::{Listed, told as said};
use crate::serve::app::Language;
use crate::serve::body::Body;
use crate::serve::events;
use crate::serve::house::House;
use crate::serve::routes::ask::{AppCaller, Ask, Part};
use crate::serve::routes::shape::{Field, PART, Shape, flag, text, whole, words};
use crate::serve::routes::{Route, asked_by};
pub(super) use settings::{open, settings};
use view::{CONVERSATION, EXPORT, FOUND, GONE, MESSAGE, REPLIED};

const OPENING: &[Field] = &[
    text("title", "what it is about; made in the background unless said"),
    text("model", "the model that is asked, unless a message names another"),
    text("system", "what the application says before everything else"),
    whole("max_tokens", "the longest answer; clamped by the operator")
        .least(1)
        .most(u32::MAX as i64),
    whole("retention_days", "for how long it is kept").least(1).most(DAYS_MAX as i64),
];
const CHANGE: &[Field] = &[text("branch", "a message of the branch that is to be gone on with")];
const POST: &[Field] = &[text("content", "what the person says").need().least(1)];
const HOW: &[Field] = &[
    flag("stream", "whether the reply comes as server-sent events"),
    text("model", "the model that is asked, this once"),
    whole("max_tokens", "the longest answer; clamped by the operator")
        .least(1)
        .most(u32::MAX as i64),
];
const AGAIN: &[Field] =
    &[text("idempotency_key", "the same post under the same key is one post; or as a header")];
const BRANCH: &[Field] = &[text("branch", "a message of the branch that is shown")];
const AFTER: &[Field] = &[text("after", "the id of the last event; or as last-event-id")];
const SOUGHT: &[Field] = &[text("q", "words that all have to stand in a message").need().least(1)];
const FORMS: &[Field] = &[words("format", &["json", "markdown"], "json unless said")];

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/api/v1/chat/conversations", "Begins a conversation.", asked_by!(App, create))
        .takes(&[OPENING])
        .gives(Shape::Table(&[CONVERSATION])),
    Route::get(
        "/api/v1/chat/conversations",
        "One's conversations, those first in which something was said last.",
        asked_by!(App, list),
    )
    .query(&[PART])
    .gives(Shape::Page(&[CONVERSATION])),
    Route::get("/api/v1/chat/conversations/{id}", "A conversation.", asked_by!(App, get))
        .gives(Shape::Table(&[CONVERSATION])),
    Route::patch(
        "/api/v1/chat/conversations/{id}",
        "Changes how a conversation is called, asks, is kept, or where it goes on.",
        asked_by!(App, change),
    )
    .takes(&[OPENING, CHANGE])
    .gives(Shape::Table(&[CONVERSATION])),
    Route::delete(
        "/api/v1/chat/conversations/{id}",
        "Deletes a conversation, with all that was said in it.",
        asked_by!(App, delete),
    )
    .gives(Shape::Table(&[GONE])),
    Route::get(
        "/api/v1/chat/conversations/{id}/messages",
        "Messages of a branch, the newest first.",
        asked_by!(App, messages),
    )
    .query(&[BRANCH, PART])
    .gives(Shape::Page(&[MESSAGE])),
    Route::post(
        "/api/v1/chat/conversations/{id}/messages",
        "Says something, and gives the reply: whole, or as it comes.",
        asked_by!(App, post),
    )
    .takes(&[POST, HOW, AGAIN])
    .gives(Shape::Table(&[REPLIED]))
    .streams(),
    Route::get(
        "/api/v1/chat/conversations/{id}/messages/{mid}/events",
        "A reply as it comes, from its beginning or from where one was.",
        asked_by!(App, follow),
    )
    .query(&[AFTER])
    .gives(Shape::Typed("text/event-stream")),
    Route::post(
        "/api/v1/chat/conversations/{id}/messages/{mid}/stop",
        "Ends a reply: what there is of it stays.",
        asked_by!(App, stop),
    )
    .gives(Shape::Table(&[MESSAGE])),
    Route::post(
        "/api/v1/chat/conversations/{id}/messages/{mid}/regenerate",
        "Answers again, in another branch.",
        asked_by!(App, regenerate),
    )
    .takes(&[HOW])
    .gives(Shape::Table(&[REPLIED]))
    .streams(),
    Route::post(
        "/api/v1/chat/conversations/{id}/messages/{mid}/edit",
        "Says something else in the place of a message, in another branch.",
        asked_by!(App, edit),
    )
    .takes(&[POST, HOW, AGAIN])
    .gives(Shape::Table(&[REPLIED]))
    .streams(),
    Route::get(
        "/api/v1/chat/search",
        "Messages in which all of these words stand, the newest first.",
        asked_by!(App, search),
    )
    .query(&[SOUGHT, PART])
    .gives(Shape::Page(&[FOUND])),
    Route::get(
        "/api/v1/chat/conversations/{id}/export",
        "All of a conversation; as Markdown, the branch that is gone on with.",
        asked_by!(App, export),
    )
    .query(&[FORMS])
    .gives(Shape::Table(&[EXPORT]))
    .also("text/markdown"),
];

fn chat(house: &House) -> Result<Chat, Refusal> {
    Ok(apps(house)?.chat.clone())
}

fn answer(answer: &impl Serialize) -> Answered {
    Ok(said(StatusCode::OK, answer))
}

/// A name in the path; what is no name names nothing.
fn id(ask: &Ask, at: usize, what: &str) -> Result<Id, Refusal> {
    let text = ask.name(at)?;
    text.parse().map_err(|_| Refusal::absent(what, text))
}

fn here(ask: &Ask) -> Result<(Id, Id), Refusal> {
    Ok((id(ask, 0, "conversation")?, id(ask, 1, "message")?))
}

/// A name in the query.
fn named(ask: &mut Ask, name: &str) -> Result<Option<Id>, Refusal> {
    ask.query.parse(name, |text| text.parse().ok())
}

async fn create(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, .. } = ask;
    let opening = Opening {
        title: fields.take::<String>("title")?.set().map(Str::from),
        manner: Manner {
            model: fields.take::<String>("model")?.set().map(Str::from),
            system: fields.take::<String>("system")?.set().map(Str::from),
            tokens_max: fields.take("max_tokens")?.set(),
        },
        days: fields.take("retention_days")?.set(),
    };
    let made = chat(house)?.create(&by.grant, opening).await?;
    answer(&view::conversation(made, &house.zone()))
}

async fn list(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let page = chat(&ask.house)?.list(&by.grant, cursor.as_deref(), limit).await?;
    let zone = ask.house.zone();
    let data: Vec<_> = page.items.into_iter().map(|one| view::conversation(one, &zone)).collect();
    answer(&Listed { data, next: page.next })
}

async fn get(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    let found = chat(&ask.house)?.get(&by.grant, id).await?;
    answer(&view::conversation(found, &ask.house.zone()))
}

/// What is to be otherwise: `null` takes it away.
fn other<T: DeserializeOwned>(
    fields: &mut Fields,
    name: &str,
) -> Result<Option<Option<T>>, Refusal> {
    Ok(match fields.take(name)? {
        Said::Nothing => None,
        Said::None => Some(None),
        Said::Set(value) => Some(Some(value)),
    })
}

async fn change(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    let Ask { house, fields, .. } = ask;
    let text = |said: Option<Option<String>>| said.map(|said| said.map(Str::from));
    let branch: Option<String> = fields.take("branch")?.set();
    let odd = |_| Refusal::wrong("branch", "not the id of a message");
    let change = Change {
        title: text(other(fields, "title")?),
        model: text(other(fields, "model")?),
        system: text(other(fields, "system")?),
        tokens_max: other(fields, "max_tokens")?,
        days: other(fields, "retention_days")?,
        branch: branch.map(|text| text.parse().map_err(odd)).transpose()?,
    };
    let changed = chat(house)?.change(&by.grant, id, change).await?;
    answer(&view::conversation(changed, &house.zone()))
}

async fn delete(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    chat(&ask.house)?.delete(&by.grant, id).await?;
    answer(&view::Gone { id, deleted: true })
}

async fn messages(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    let branch = named(ask, "branch")?;
    let before = named(ask, "cursor")?;
    let Part { limit, .. } = ask.part()?;
    let page = chat(&ask.house)?.messages(&by.grant, id, branch, before, limit).await?;
    let zone = ask.house.zone();
    let data: Vec<_> = page.items.into_iter().map(|one| view::shown(one, &zone)).collect();
    answer(&Listed { data, next: page.next })
}

/// What is said, as a body has it, and whether the reply is to come bit by bit.
fn posted(ask: &mut Ask, says: bool) -> Result<(Post, bool), Refusal> {
    let header = ask.headers.get("idempotency-key");
    let header = header.map(|value| value.to_str().map(str::to_owned)).transpose();
    let header = header.map_err(|_| Refusal::wrong("idempotency_key", "letters of ASCII"))?;
    let fields = &mut ask.fields;
    let post = Post {
        content: if says { fields.need("content")? } else { String::new() },
        model: fields.take::<String>("model")?.set().map(Str::from),
        tokens_max: fields.take("max_tokens")?.set(),
        key: fields.take::<String>("idempotency_key")?.set().or(header).map(Str::from),
    };
    Ok((post, fields.take("stream")?.set().unwrap_or(false)))
}

async fn post(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    let (post, stream) = posted(ask, true)?;
    let replied = chat(&ask.house)?.post(&by.grant, id, post).await?;
    replying(ask, by, id, replied, stream).await
}

async fn edit(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, of) = here(ask)?;
    let (post, stream) = posted(ask, true)?;
    let replied = chat(&ask.house)?.edit(&by.grant, id, of, post).await?;
    replying(ask, by, id, replied, stream).await
}

async fn regenerate(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, of) = here(ask)?;
    let (how, stream) = posted(ask, false)?;
    let replied = chat(&ask.house)?.regenerate(&by.grant, id, of, how).await?;
    replying(ask, by, id, replied, stream).await
}

/// A reply, whole or as it comes.
async fn replying(ask: &Ask, by: &AppCaller, id: Id, replied: Replied, stream: bool) -> Answered {
    let house = &ask.house;
    let (zone, language) = (house.zone(), Language::of(&ask.headers));
    let begun =
        told::Begun { conversation_id: id, message_id: replied.asked, reply_id: replied.reply };
    if stream {
        let telling = told::Telling { begun, zone, language };
        return Ok(events::streamed(told::events(replied.following, telling), &house.clock));
    }
    let (asked, again) = (replied.asked, replied.again);
    let reply = replied.following.whole().await?;
    let message: Option<Message> = match asked {
        Some(asked) => Some(chat(house)?.message(&by.grant, id, asked).await?),
        None => None,
    };
    let message = message.map(|message| view::message(message, &zone));
    answer(&view::Whole { message, reply: view::message(reply, &zone), again })
}

async fn follow(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, of) = here(ask)?;
    let said = ask.query.take("after");
    let said = said.as_deref().or_else(|| events::last_seen(&ask.headers));
    let odd = |_| Refusal::wrong("after", "this is no id of an event of this message");
    let after: Option<Mark> = said.map(|text| text.parse().map_err(odd)).transpose()?;
    let following = chat(&ask.house)?.follow(&by.grant, id, of, after).await?;
    let begun = told::Begun { conversation_id: id, message_id: None, reply_id: of };
    let (zone, language) = (ask.house.zone(), Language::of(&ask.headers));
    let telling = told::Telling { begun, zone, language };
    Ok(events::streamed(told::events(following, telling), &ask.house.clock))
}

async fn stop(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (id, of) = here(ask)?;
    let stopped = chat(&ask.house)?.stop(&by.grant, id, of).await?;
    answer(&view::message(stopped, &ask.house.zone()))
}

async fn search(ask: &mut Ask, by: &AppCaller) -> Answered {
    let words = ask.query.need("q")?;
    let before = named(ask, "cursor")?;
    let Part { limit, .. } = ask.part()?;
    let page = chat(&ask.house)?.search(&by.grant, &words, before, limit).await?;
    let zone = ask.house.zone();
    let data: Vec<_> = page.items.into_iter().map(|one| view::found(one, &zone)).collect();
    answer(&Listed { data, next: page.next })
}

async fn export(ask: &mut Ask, by: &AppCaller) -> Answered {
    let id = id(ask, 0, "conversation")?;
    let markdown = ask.query.parse("format", |word| match word {
        "json" => Some(false),
        "markdown" => Some(true),
        _ => None,
    })?;
    let all = chat(&ask.house)?.export(&by.grant, id).await?;
    if !markdown.unwrap_or(false) {
        return answer(&view::export(all, &ask.house.zone()));
    }
    let mut response = Response::new(Body::from(all.markdown()));
    let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    let name = HeaderValue::from_str(&format!("attachment; filename=\"chat-{id}.md\""));
    if let Ok(name) = name {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
