//! Virtual keys: issued, changed, ended, looked at. What is changed holds for the next call. Keys of
//! the configuration are shown beside them, and are not changed here.

pub(crate) mod turns;

use http::StatusCode;
use jiff::{Span, Timestamp, tz::TimeZone};
use llm_core::Str;
use llm_core::principal::{KeyId, Principal, Scope};
use llm_core::quota::{Length, Period};
use llm_store::directory::{About, By, Holder, KeyEntry, KeyFilter, PAGE_MAX, Turn};
use llm_store::keys::{Draft, KeyOwner, VirtualKey};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::credits::people::{LIMIT, Limited};
use super::super::house::House;
use super::super::office::Office;
use super::super::routes::ask::{Ask, Part, office};
use super::super::routes::shape::{
    ASKED_MAX, Field, Of, PART, Shape, flag, free, key, list, secret,
};
use super::super::routes::shape::{table, text, whole};
use super::super::routes::{Route, operator};
use super::fields::{Fields, Said};
use super::parties;
use super::refusal::{Answered, Refusal};
use super::terms::{TERMS, Terms, period};
use super::view::{SHOWN, SPENT, Shown, Spent, credits_of, credits_of_fixed, now, tell_ledger};
use super::{Listed, told};

const WORDS: &[Field] = &[
    text("key_alias", "what people call it"),
    free("metadata", "what applications hang on it, up to 4 KiB"),
    list("models", &Of::Text, "names and `prefix*` patterns; none is all of them"),
    text("duration", "how long it lives: 30d, 24h"),
];
const OWNER: &[Field] = &[
    text("user_id", "whose it is; made where nobody has that id"),
    text("team_id", "of which team; made where there is none of that id"),
    text("organization_id", "of which organization; made where there is none of that id"),
];
/// A key, named in a body.
const NAMED: &[Field] = &[key("key", "its text, or its public id").need()];
/// The words of [`Made`].
pub(super) const MADE: &[Field] = &[
    secret("key", "its text, shown this once").need(),
    text("key_name", "what lists show of it").need(),
    text("token_id", "its public id").need(),
    text("expires", ""),
    text("user_id", ""),
    text("team_id", ""),
    text("organization_id", ""),
];
const INFO: &[Field] =
    &[key("key", "as it was asked for").need(), table("info", &[SHOWN, SPENT, CREDITS], "").need()];
const CREDITS: &[Field] =
    &[list("credits", &Of::Table(&[LIMIT]), "its limits in credits, and how much is gone").need()];
const WHICH: &[Field] = &[
    text("user_id", ""),
    text("team_id", ""),
    text("organization_id", ""),
    whole("size", "the same as limit").least(1).most(ASKED_MAX),
    flag("replaced", "also those that were rotated away"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/key/generate",
        "Makes a virtual key; its text is shown this once.",
        operator!(Keys, generate),
    )
    .takes(&[WORDS, TERMS, OWNER])
    .gives(Shape::Table(&[MADE])),
    Route::get(
        "/key/info",
        "A key, with what it has spent up to this moment.",
        operator!(Read, info),
    )
    .query(&[NAMED])
    .gives(Shape::Table(&[INFO])),
    Route::post(
        "/key/update",
        "Changes a key: what is named changes, null takes away, all else stays.",
        operator!(Keys, update),
    )
    .takes(&[NAMED, WORDS, TERMS])
    .gives(Shape::Table(&[INFO])),
    Route::post(
        "/key/delete",
        "Ends keys for good: all that are named, or none where one is unknown.",
        operator!(Keys, delete),
    )
    .takes(&[&[list("keys", &Of::Key, "texts or public ids").need()]])
    .gives(Shape::Table(&[&[list("deleted_keys", &Of::Key, "").need()]])),
    Route::get("/key/list", "Keys by their public ids.", operator!(Read, listed))
        .query(&[WHICH, PART])
        .gives(Shape::Named("keys", &[SHOWN])),
];

/// Keys that one call may end.
const DELETED_MAX: usize = 100;
/// What LiteLLM calls all models.
const ALL_MODELS: &str = "all-proxy-models";

/// A key that was made just now.
#[derive(Debug, Serialize)]
pub(super) struct Made {
    key: String,
    key_name: Str,
    token_id: Str,
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_id: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<Str>,
}

impl Made {
    pub(super) fn new(office: &Office, key: &VirtualKey, entry: &KeyEntry) -> Self {
        let record = &entry.record;
        Self {
            key: key.expose().to_owned(),
            key_name: record.label.clone(),
            token_id: record.id.0.clone(),
            expires: record.expires_at.map(|at| office.zone.show(at)),
            user_id: record.owner.user.as_ref().map(|id| id.0.clone()),
            team_id: record.owner.team.as_ref().map(|id| id.0.clone()),
            organization_id: record.owner.org.as_ref().map(|id| id.0.clone()),
        }
    }
}

/// What a call says of a key beside what it is sold.
struct Words {
    alias: Said<Str>,
    metadata: Said<Box<RawValue>>,
    models: Said<Vec<Str>>,
    duration: Said<Period>,
}

impl Words {
    fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        let duration = fields.take::<String>("duration")?;
        Ok(Self {
            alias: fields.take("key_alias")?,
            metadata: fields.raw("metadata"),
            models: fields.take("models")?,
            duration: duration.map(|text| period("duration", &text))?,
        })
    }

    fn expires_at(
        &self,
        known: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refusal> {
        self.duration.clone().map(|period| after(now, period)).map(|said| said.over(known))
    }
}

/// No list, and an empty one, are all models: nobody makes a key that may ask none.
pub(super) fn scope(models: Option<Vec<Str>>) -> Option<Scope> {
    let models = models.filter(|models| !models.is_empty())?;
    if models.iter().any(|model| &**model == ALL_MODELS) { None } else { Some(Scope { models }) }
}

/// The end of a key that lives for so long.
fn after(now: Timestamp, period: Period) -> Result<Timestamp, Refusal> {
    let count = i64::from(period.count);
    let span = match period.length {
        Length::Second => Span::new().try_seconds(count),
        Length::Minute => Span::new().try_minutes(count),
        Length::Hour => Span::new().try_hours(count),
        Length::Day => Span::new().try_hours(24 * count),
        Length::Week => Span::new().try_hours(7 * 24 * count),
        Length::Month => Span::new().try_months(count),
        Length::Quarter => Span::new().try_months(3 * count),
        Length::Year => Span::new().try_years(count),
    };
    let end = span.and_then(|span| now.to_zoned(TimeZone::UTC).checked_add(span));
    end.map(|end| end.timestamp()).map_err(|_| Refusal::wrong("duration", "too long"))
}

async fn generate(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let office = office(house)?;
    let (terms, words) = (Terms::read(fields)?, Words::read(fields)?);
    let named = parties::Named::read(fields)?;
    let expires_at = words.expires_at(None, now(house))?;
    let limits = terms.over(&[])?;
    let owner = named.owner(office).await?;
    let models = scope(words.models.set());
    let draft = Draft { models, limits, expires_at, ..Draft::new(owner) };
    let about = About {
        alias: words.alias.set(),
        metadata: metadata(words.metadata.set()),
        plan: terms.plan.set(),
        parallel_max: terms.parallel.set(),
    };
    let (key, entry) = office.issue(draft, about).await?;
    *of = Some(entry.record.id.0.clone());
    Ok(told(StatusCode::OK, &Made::new(office, &key, &entry)))
}

pub(super) fn metadata(given: Option<Box<RawValue>>) -> Str {
    given.map_or(Str::from_static("{}"), |raw| Str::from(raw.get().to_owned()))
}

#[derive(Serialize)]
struct Told<'a> {
    /// As it was asked for: the answer to a text is for whoever has it.
    key: &'a str,
    info: WithSpend,
}

#[derive(Serialize)]
struct WithSpend {
    #[serde(flatten)]
    shown: Shown,
    #[serde(flatten)]
    spent: Spent,
    credits: Vec<Limited>,
}

async fn info(ask: &mut Ask) -> Answered {
    let named = ask.query.need("key")?;
    let (house, office) = (&ask.house, office(&ask.house)?);
    match office.find(&named).await {
        Ok(entry) => shown(house, office, &named, &entry).await,
        Err(why) => {
            let Some(grant) = house.keys.fixed_as(&named) else { return Err(why.into()) };
            let spent = Spent::of_fixed(house, office, &grant).await?;
            let credits = credits_of_fixed(house, office, &grant).await?;
            let info = WithSpend { shown: Shown::fixed(house, &grant), spent, credits };
            Ok(told(StatusCode::OK, &Told { key: &named, info }))
        }
    }
}

/// A key that may be changed.
async fn changed(house: &House, office: &Office, named: &str) -> Result<KeyEntry, Refusal> {
    match office.find(named).await {
        Ok(entry) => Ok(entry),
        Err(_) if house.keys.fixed_as(named).is_some() => {
            let text = "this key stands in the configuration: it is changed there";
            Err(Refusal::new(StatusCode::CONFLICT, "fixed_key", text))
        }
        Err(why) => Err(why.into()),
    }
}

async fn shown(house: &House, office: &Office, named: &str, entry: &KeyEntry) -> Answered {
    let spent = Spent::of_key(house, office, entry).await?;
    let credits = credits_of(house, office, entry).await?;
    let info = WithSpend { shown: Shown::of(entry, office), spent, credits };
    Ok(told(StatusCode::OK, &Told { key: named, info }))
}

async fn update(ask: &mut Ask) -> Answered {
    let Ask { house, fields, about: of, .. } = ask;
    let (house, office) = (&**house, office(house)?);
    let named: String = fields.need("key")?;
    let (terms, words) = (Terms::read(fields)?, Words::read(fields)?);
    let KeyEntry { record, about } = changed(house, office, &named).await?;
    *of = Some(record.id.0.clone());
    let (by, id) = (By::Operator, record.id.clone());
    let limits = terms.over(&record.rights.limits)?;
    let expires_at = words.expires_at(record.expires_at, now(house))?;
    let directory = &office.directory;
    // What can be refused comes first: a plan's name, then texts, then rights.
    if terms.plan != Said::Nothing {
        let plan = terms.plan.clone().set();
        directory.set_plan(&by, Holder::Key(id.clone()), plan).await?;
    }
    let says = words.alias != Said::Nothing || !matches!(words.metadata, Said::Nothing);
    if says {
        let metadata = match words.metadata {
            Said::Nothing => about.metadata,
            Said::None => metadata(None),
            Said::Set(raw) => metadata(Some(raw)),
        };
        directory.describe(&by, id.clone(), words.alias.over(about.alias), metadata).await?;
    }
    let models_stay = matches!(words.models, Said::Nothing);
    if !models_stay || !terms.leaves_limits() || words.duration != Said::Nothing {
        let kept = record.rights.models.clone();
        let models = if models_stay { Some(kept) } else { scope(words.models.set()) };
        let (owner, actions) = (record.owner.clone(), record.rights.actions);
        let draft = Draft { owner, actions, models, limits, expires_at };
        directory.adopt(&by, id.clone(), draft).await?;
    }
    if terms.parallel != Said::Nothing {
        let most = terms.parallel.clone().set();
        directory.set_parallel(&by, Holder::Key(id.clone()), most).await?;
    }
    let entry = directory.key(&by, id).await?;
    if !terms.leaves_limits() || terms.plan != Said::Nothing {
        tell_ledger(house, office, &entry).await?;
    }
    shown(house, office, &named, &entry).await
}

#[derive(Serialize)]
struct Deleted {
    deleted_keys: Vec<String>,
}

async fn delete(ask: &mut Ask) -> Answered {
    let keys: Vec<String> = ask.fields.need("keys")?;
    if keys.len() > DELETED_MAX {
        return Err(Refusal::wrong("keys", format!("{DELETED_MAX} keys at the most")));
    }
    let (house, office) = (&ask.house, office(&ask.house)?);
    let mut found = Vec::with_capacity(keys.len());
    for key in &keys {
        found.push(changed(house, office, key).await?.record.id);
    }
    let all: Vec<&str> = found.iter().map(|id| &*id.0).collect();
    let about = Str::from(all.join(" "));
    for id in found {
        office.directory.turn(&By::Operator, id, Turn::Revoke).await?;
    }
    ask.about = Some(about);
    Ok(told(StatusCode::OK, &Deleted { deleted_keys: keys }))
}

async fn listed(ask: &mut Ask) -> Answered {
    let Part { cursor, limit } = ask.part()?;
    let replaced = ask.query.parse("replaced", |text| text.parse().ok())?.unwrap_or(false);
    let owner = parties::Named::of_query(&mut ask.query).filter();
    let (house, office) = (&ask.house, office(&ask.house)?);
    let fixed = if cursor.is_none() { house.keys.fixed() } else { Vec::new() };
    let ours = fixed.iter().filter(|grant| {
        let Principal { tenant, org, team, user, .. } = (*grant.principal).clone();
        KeyOwner { tenant, org, team, user }.within(&owner)
    });
    let mut data: Vec<Shown> = ours.map(|grant| Shown::fixed(house, grant)).collect();
    let (filter, after) = (KeyFilter { owner, replaced }, cursor.map(|id| KeyId(id.into())));
    let page = office.directory.keys(&By::Operator, filter, after, limit.min(PAGE_MAX)).await?;
    data.extend(page.items.iter().map(|entry| Shown::of(entry, office)));
    let next = page.next.map(|id| id.to_string());
    Ok(told(StatusCode::OK, &Listed { data, next }.named("keys")))
}
