//! Virtual keys: issued, changed, ended, looked at. What is changed holds for the next call.

use std::time::Duration;

use http::{Response, StatusCode, Uri};
use hyper::body::Incoming;
use jiff::{Span, Timestamp, tz::TimeZone};
use llm_core::Str;
use llm_core::principal::{KeyId, Scope};
use llm_core::quota::{Length, Period};
use llm_store::directory::{About, By, Holder, KeyEntry, KeyFilter, PAGE_MAX, Turn};
use llm_store::keys::{Draft, KeyOwner, VirtualKey};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::house::House;
use super::super::office::Office;
use super::fields::{Fields, Params, Said};
use super::parties;
use super::refusal::{Answered, Refusal};
use super::terms::{Terms, period};
use super::view::{Shown, Spent, now, tell_ledger};
use super::{Body, told};

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

/// `POST /key/generate`.
pub(super) async fn generate(house: &House, office: &Office, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let (terms, words) = (Terms::read(&mut fields)?, Words::read(&mut fields)?);
    let user = fields.take::<Str>("user_id")?.set();
    let team = fields.take::<Str>("team_id")?.set();
    fields.end()?;
    let expires_at = words.expires_at(None, now(house))?;
    let owner = parties::owner(office, user, team).await?;
    let limits = terms.over(&[])?;
    let models = scope(words.models.set());
    let draft = Draft { models, limits, expires_at, ..Draft::new(owner) };
    let about = About {
        alias: words.alias.set(),
        metadata: metadata(words.metadata.set()),
        plan: terms.plan.set(),
        parallel_max: terms.parallel.set(),
    };
    let (key, entry) = office.issue(draft, about).await?;
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
}

/// `GET /key/info?key=`.
pub(super) async fn info(house: &House, office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let named = params.need("key")?;
    params.end()?;
    let entry = office.find(&named).await?;
    shown(house, office, &named, &entry).await
}

async fn shown(house: &House, office: &Office, named: &str, entry: &KeyEntry) -> Answered {
    let spent = Spent::of_key(house, office, entry).await?;
    let info = WithSpend { shown: Shown::of(entry, office), spent };
    Ok(told(StatusCode::OK, &Told { key: named, info }))
}

/// `POST /key/update`: what is named changes, `null` takes away, all else stays.
pub(super) async fn update(house: &House, office: &Office, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let named: String = fields.need("key")?;
    let (terms, words) = (Terms::read(&mut fields)?, Words::read(&mut fields)?);
    fields.end()?;
    let KeyEntry { record, about } = office.find(&named).await?;
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

/// `POST /key/delete`: all that are named, or none where one of them is unknown.
pub(super) async fn delete(house: &House, office: &Office, body: Incoming) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let keys: Vec<String> = fields.need("keys")?;
    fields.end()?;
    if keys.len() > DELETED_MAX {
        return Err(Refusal::wrong("keys", format!("{DELETED_MAX} keys at the most")));
    }
    let mut found = Vec::with_capacity(keys.len());
    for key in &keys {
        found.push(office.find(key).await?.record.id);
    }
    for id in found {
        office.directory.turn(&By::Operator, id, Turn::Revoke).await?;
    }
    Ok(told(StatusCode::OK, &Deleted { deleted_keys: keys }))
}

#[derive(Serialize)]
struct Listed {
    keys: Vec<Shown>,
    next: Option<Str>,
}

/// `GET /key/list?user_id=&team_id=&size=&cursor=&replaced=`, by public ids.
pub(super) async fn list(office: &Office, uri: &Uri) -> Answered {
    let mut params = Params::read(uri)?;
    let mut owner = KeyOwner::tenant(crate::config::TENANT);
    owner.user = params.take("user_id").map(|id| llm_core::principal::UserId(id.into()));
    owner.team = params.take("team_id").map(|id| llm_core::principal::TeamId(id.into()));
    let size = params.parse("size", |text| text.parse().ok())?.unwrap_or(PAGE_MAX);
    let after = params.take("cursor").map(|id| KeyId(id.into()));
    let replaced = params.parse("replaced", |text| text.parse().ok())?.unwrap_or(false);
    params.end()?;
    let filter = KeyFilter { owner, replaced };
    let page = office.directory.keys(&By::Operator, filter, after, size).await?;
    let keys = page.items.iter().map(|entry| Shown::of(entry, office)).collect();
    Ok(told(StatusCode::OK, &Listed { keys, next: page.next }))
}

/// `POST /key/{id}/suspend` and `/resume`.
pub(super) async fn turn(office: &Office, named: &str, turn: Turn) -> Answered {
    let id = office.find(named).await?.record.id;
    let entry = office.directory.turn(&By::Operator, id, turn).await?;
    Ok(told(StatusCode::OK, &Shown::of(&entry, office)))
}

/// `POST /key/{id}/rotate`: another key with the same rights, limits and account. Both work for the
/// `overlap`, which is none unless it is said.
pub(super) async fn rotate(
    house: &House,
    office: &Office,
    named: &str,
    body: Incoming,
) -> Answered {
    let mut fields = Fields::read(house, body).await?;
    let overlap = fields.take::<String>("overlap")?.set();
    fields.end()?;
    let overlap = match overlap {
        None => Duration::ZERO,
        Some(text) => {
            let seconds = period("overlap", &text)?.seconds();
            let text = "months have no length: say it in days";
            Duration::from_secs(seconds.ok_or_else(|| Refusal::wrong("overlap", text))?)
        }
    };
    let id = office.find(named).await?.record.id;
    let (key, minted) = office.minted()?;
    let entry = office.directory.rotate(&By::Operator, id, minted, overlap).await?;
    let made: Response<Body> = told(StatusCode::OK, &Made::new(office, &key, &entry));
    Ok(made)
}
