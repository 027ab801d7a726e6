//! Templates: those of a user and of their team by their own key, everybody's by an operator's.

use std::collections::BTreeMap;

use http::StatusCode;
use llm_app::prompts::holders::{Access, By};
use llm_app::prompts::render::{Kind, Variable};
use llm_app::prompts::templates::{Change, Draft, Head, Template, Text, Version, Which};
use serde_json::{Value, json};

use super::{prompts, word};
use crate::config::TENANT;
use crate::serve::admin::fields::{Fields, Params, Said};
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::{Listed, told};
use crate::serve::routes::ask::{AppCaller, Ask, Asker, Part};
use crate::serve::routes::shape::{
    Field, Of, PART, Shape, any, counts, flag, free, list, secret, table, text, whole, words,
};
use crate::serve::routes::{Route, asked_by};
use llm_app::prompts::named;

/// Items of a page.
pub(super) const PAGE_MAX: usize = 100;

const MAKE: &[Field] = &[
    text("name", "1 to 100 characters, one of its owner's").need(),
    text("about", "what it is for"),
    words("access", Access::WORDS, "who may see it; applications make `user` unless said"),
    // What operators write is not repeated in the trail.
    secret("text", "the template: Jinja with `if`, `for` and upper, lower, trim, length, join")
        .need(),
    list("variables", &Of::Table(&[VARIABLE]), "every name in the text"),
    text("note", "what is said of this version"),
    list("labels", &Of::Text, "that mean this version"),
];
const VARIABLE: &[Field] = &[
    text("name", "a-z, 0-9 and _").need(),
    words("kind", Kind::WORDS, "`text` unless said"),
    flag("required", "yes unless said"),
    text("about", "what it is for"),
    any("default", "of its kind"),
];
const CHANGE: &[Field] = &[
    text("name", "another name"),
    text("about", "what it is for"),
    secret("text", "one version more, with this text"),
    list("variables", &Of::Table(&[VARIABLE]), "of that version; those of the last unless said"),
    text("note", "what is said of that version"),
    free("labels", "labels and version numbers; 0 is the newest version, null takes one away"),
];
const RENDER: &[Field] = &[
    free("values", "a value for each variable"),
    whole("version", "which version; else that of `label`, of `production`, the newest").least(0),
    text("label", "which label's version"),
];
const WHICH: &[Field] = &[
    whole("version", "which version; else that of `label`, of `production`, the newest").least(0),
    text("label", "which label's version"),
];
const HEAD: &[Field] = &[
    text("id", "").need(),
    text("name", "").need(),
    text("about", ""),
    words("access", Access::WORDS, "").need(),
    counts("labels", "which version each means").need(),
    whole("latest", "the number of the newest version").need(),
    text("created_at", "").need(),
    text("changed_at", "").need(),
];
const WHOLE: &[Field] = &[table("version", &[VERSION], "the one that was asked for").need()];
const VERSION: &[Field] = &[
    whole("number", "").need(),
    text("text", "").need(),
    list("variables", &Of::Table(&[VARIABLE]), "").need(),
    text("note", ""),
    text("created_at", "").need(),
    whole("liked", "how many liked it").need(),
    whole("disliked", "how many did not").need(),
];
const RENDERED: &[Field] =
    &[text("template", "its id").need(), whole("version", "").need(), text("text", "").need()];
const GONE: &[Field] = &[flag("deleted", "").need()];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/templates",
        "Makes a template with its first version.",
        asked_by!(Either, Config, make),
    )
    .takes(&[MAKE])
    .gives(Shape::Table(&[HEAD])),
    Route::get(
        "/api/v1/templates",
        "Templates that one can see, the newest first.",
        asked_by!(Either, Read, all),
    )
    .query(&[PART])
    .gives(Shape::Page(&[HEAD])),
    Route::get(
        "/api/v1/templates/{template}",
        "A template by its name or id, with one of its versions.",
        asked_by!(Either, Read, one),
    )
    .query(&[WHICH])
    .gives(Shape::Table(&[HEAD, WHOLE])),
    Route::patch(
        "/api/v1/templates/{template}",
        "Changes a template's name or labels, or gives it one version more; versions never change.",
        asked_by!(Either, Config, change),
    )
    .takes(&[CHANGE])
    .gives(Shape::Table(&[HEAD])),
    Route::delete(
        "/api/v1/templates/{template}",
        "Takes a template away, with all of its versions.",
        asked_by!(Either, Config, drop_one),
    )
    .gives(Shape::Table(&[GONE])),
    Route::get(
        "/api/v1/templates/{template}/versions",
        "A template's versions, the newest first.",
        asked_by!(Either, Read, versions),
    )
    .query(&[PART])
    .gives(Shape::Page(&[VERSION])),
    Route::post(
        "/api/v1/templates/{template}/render",
        "Fills a template in.",
        asked_by!(Either, Read, render),
    )
    .takes(&[RENDER])
    .gives(Shape::Table(&[RENDERED]))
    .looks(),
];

/// Who asks, as templates and experiments have it.
pub(super) fn by(asker: &Asker) -> By {
    match asker {
        Asker::Operator(_) => By::Operator(TENANT),
        Asker::App(app) => by_app(app),
    }
}

/// The same of an application.
pub(in super::super) fn by_app(by: &AppCaller) -> By {
    By::App(std::sync::Arc::clone(&by.grant))
}

/// Which part of a list, and where it begins.
pub(super) fn part(ask: &mut Ask) -> Result<(Option<u128>, usize), Refusal> {
    let Part { cursor, limit } = ask.part()?;
    let before = cursor.map(|cursor| {
        llm_app::prompts::id(&cursor).ok_or_else(|| Refusal::wrong("cursor", "no cursor of ours"))
    });
    Ok((before.transpose()?, limit.min(PAGE_MAX)))
}

/// A page, and where the next one begins.
pub(super) fn page<T>(
    all: &[T],
    limit: usize,
    id: impl Fn(&T) -> String,
    view: impl Fn(&T) -> Value,
) -> Listed<Value> {
    let next = all.last().filter(|_| all.len() >= limit).map(id);
    Listed { data: all.iter().map(view).collect(), next }
}

fn head(template: &Template) -> Value {
    json!({
        "id": named(template.id),
        "name": template.head.name,
        "about": template.head.about,
        "access": template.access.word(),
        "labels": template.head.labels,
        "latest": template.latest,
        "created_at": template.made.to_string(),
        "changed_at": template.changed.to_string(),
    })
}

pub(super) fn version(version: &Version) -> Value {
    json!({
        "number": version.number,
        "text": version.text.text,
        "variables": version.text.variables,
        "note": version.text.note,
        "created_at": version.made.to_string(),
        "liked": version.voices.good,
        "disliked": version.voices.bad,
    })
}

/// Variables as somebody wrote them.
fn variables(fields: &mut Fields) -> Result<Option<Vec<Variable>>, Refusal> {
    let Some(said) = fields.take::<Vec<BTreeMap<String, Value>>>("variables")?.set() else {
        return Ok(None);
    };
    let wrong = |why: &str| Refusal::wrong("variables", why);
    let one = |mut said: BTreeMap<String, Value>| {
        said.retain(|_, value| !value.is_null());
        let mut text = |name: &str| match said.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong("a name, kind or about is no text")),
        };
        let (name, kind, about) = (text("name")?, text("kind")?, text("about")?);
        let required = match said.remove("required") {
            None => !said.contains_key("default"),
            Some(Value::Bool(required)) => required,
            Some(_) => return Err(wrong("required is yes or no")),
        };
        let default = said.remove("default");
        if !said.is_empty() {
            return Err(wrong("name, kind, required, default and about"));
        }
        let name = name.ok_or_else(|| wrong("each has a name"))?;
        let kind = kind.unwrap_or_else(|| Kind::Text.word().to_owned());
        Ok(Variable { name, kind, required, default, about })
    };
    said.into_iter().map(one).collect::<Result<_, _>>().map(Some)
}

pub(in super::super) fn which(
    version: Option<u64>,
    label: Option<String>,
) -> Result<Which, Refusal> {
    match (version, label) {
        (Some(_), Some(_)) => Err(Refusal::wrong("label", "say a version or a label, not both")),
        (Some(number), None) => Ok(Which::Number(number)),
        (None, Some(label)) => Ok(Which::Label(label)),
        (None, None) => Ok(Which::Usual),
    }
}

fn asked_which(query: &mut Params) -> Result<Which, Refusal> {
    which(query.parse("version", |text| text.parse().ok())?, query.take("label"))
}

async fn make(ask: &mut Ask, asker: &Asker) -> Answered {
    let Ask { house, fields, .. } = &mut *ask;
    let by = by(asker);
    let access = word(fields, "access", Access::WORDS, Access::named)?;
    let labels: Vec<String> = fields.take("labels")?.set().unwrap_or_default();
    let draft = Draft {
        access: access.unwrap_or_else(|| by.usual()),
        head: Head {
            name: fields.need("name")?,
            about: fields.take("about")?.set(),
            labels: labels.into_iter().map(|label| (label, 1)).collect(),
        },
        text: Text {
            text: fields.need("text")?,
            variables: variables(fields)?.unwrap_or_default(),
            note: fields.take("note")?.set(),
        },
    };
    let made = prompts(house)?.make_template(&by, draft).await?;
    Ok(told(StatusCode::OK, &head(&made)))
}

async fn all(ask: &mut Ask, asker: &Asker) -> Answered {
    let (before, limit) = part(ask)?;
    let found = prompts(&ask.house)?.templates(&by(asker), before, limit).await?;
    Ok(told(StatusCode::OK, &page(&found, limit, |one| named(one.id), head)))
}

async fn one(ask: &mut Ask, asker: &Asker) -> Answered {
    let which = asked_which(&mut ask.query)?;
    let prompts = prompts(&ask.house)?;
    let found = prompts.template(&by(asker), ask.name(0)?).await?;
    let mut whole = head(&found);
    whole["version"] = version(&prompts.version(&found, &which).await?);
    Ok(told(StatusCode::OK, &whole))
}

async fn change(ask: &mut Ask, asker: &Asker) -> Answered {
    let wanted = ask.name(0)?.to_owned();
    let Ask { house, fields, .. } = &mut *ask;
    let (prompts, by) = (prompts(house)?, by(asker));
    let (text, given) = (fields.take::<String>("text")?.set(), variables(fields)?);
    let note: Option<String> = fields.take("note")?.set();
    let text = if text.is_some() || given.is_some() {
        // What is not said is as it was in the newest version.
        let known = prompts.template(&by, &wanted).await?;
        let last = prompts.version(&known, &Which::Number(known.latest)).await?.text;
        let (text, variables) = (text.unwrap_or(last.text), given.unwrap_or(last.variables));
        Some(Text { text, variables, note })
    } else {
        None
    };
    let about = match fields.take::<String>("about")? {
        Said::Nothing => None,
        Said::None => Some(None),
        Said::Set(about) => Some(Some(about)),
    };
    let labels = fields.take("labels")?.set().unwrap_or_default();
    let change = Change { name: fields.take("name")?.set(), about, text, labels };
    let changed = prompts.change_template(&by, &wanted, &change).await?;
    Ok(told(StatusCode::OK, &head(&changed)))
}

async fn drop_one(ask: &mut Ask, asker: &Asker) -> Answered {
    prompts(&ask.house)?.drop_template(&by(asker), ask.name(0)?).await?;
    Ok(told(StatusCode::OK, &json!({"deleted": true})))
}

async fn versions(ask: &mut Ask, asker: &Asker) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let wrong = |_| Refusal::wrong("cursor", "no cursor of ours");
    let before = cursor.map(|cursor| cursor.parse::<u64>().map_err(wrong)).transpose()?;
    let (limit, prompts) = (limit.min(PAGE_MAX), prompts(&ask.house)?);
    let found = prompts.template(&by(asker), ask.name(0)?).await?;
    let found = prompts.versions(&found, before, limit).await?;
    Ok(told(StatusCode::OK, &page(&found, limit, |one| one.number.to_string(), version)))
}

async fn render(ask: &mut Ask, asker: &Asker) -> Answered {
    let wanted = ask.name(0)?.to_owned();
    let Ask { house, fields, .. } = &mut *ask;
    let which = which(fields.take("version")?.set(), fields.take("label")?.set())?;
    let values = fields.take("values")?.set().unwrap_or_default();
    let done = prompts(house)?.render(&by(asker), &wanted, &which, &values).await?;
    let (template, number, text) = done;
    let body = json!({"template": named(template.id), "version": number, "text": text});
    Ok(told(StatusCode::OK, &body))
}
