//! What people ask about what is kept of them, with their own keys, and operators on their behalf:
//! whether anything may be kept, all of it, and all of it gone.
//!
//! A user is named as keys and tokens name them, or `me`; another's name is one that is not there.
//! Operators who may manage keys may write down what somebody has said and have their things erased;
//! to read them is the first admin key's alone. Each of these calls leaves a line in the trail, which
//! names nobody who was erased: a receipt's hash stands there instead.

mod accounts;

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use llm_app::people::Consent;
use llm_app::privacy::marks::List;
use llm_app::privacy::{DepositKeeper, JobKeeper, Keeps, Privacy, RequestKeeper, SlotKeeper, Who};
use llm_app::{Ground, NotDone};
use llm_core::Str;
use llm_core::principal::{TenantId, UserId};
use llm_core::store::{Purge, StoreError};
use llm_store::audit::{Draft, Outcome};
use llm_store::idempotency::sql::SqlSlots;
use llm_store::jobs::Jobs;
use llm_store::requests::Requests;
use llm_store::seal::Chest;
use llm_store::wallets::Wallets;
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::accounts::{UsageKeeper, WalletKeeper};
use super::super::admin::refusal::{Answered, Refusal};
use super::super::admin::told;
use super::super::house::House;
use super::super::routes::ask::{Ask, Asker, office};
use super::super::routes::shape::{Field, Shape, counts, flag, free, text, words};
use super::super::routes::{Route, Scope, asked_by};
use super::{Apps, apps, deposits};
use crate::config::{Config, TENANT};

/// Who was forgotten, in the folder of this process.
pub(crate) const LIST: &str = "erasures";
/// Whoever asks, about themselves.
const ME: &str = "me";
/// Bytes of a user's name.
const NAME_BYTES_MAX: usize = 256;

const SAID: [&str; 2] = ["given", "withdrawn"];
const AGREE: &[Field] = &[words("consent", &SAID, "whether anything of theirs may be kept").need()];
const CONSENT: &[Field] = &[
    text("user", "").need(),
    words("consent", &SAID, "what they have said, if they were asked"),
    flag("kept", "whether anything of theirs is kept").need(),
];
const EXPORT: &[Field] = &[
    text("user", "").need(),
    text("exported_at", "").need(),
    words("consent", &SAID, "what they have said, if they were asked"),
    free("kept", "all that is kept of them, by who keeps it").need(),
];
const RECEIPT: &[Field] = &[
    text("user", "").need(),
    text("erased_at", "").need(),
    flag("key_forgotten", "whether there was a key under which things were sealed").need(),
    counts("removed", "how much of what").need(),
    flag("scrubbed", "whether the disk has forgotten it as well").need(),
    text("hash", "over all of this: what the audit trail notes").need(),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/api/v1/users/{id}/consent",
        "Whether anything of a user may be kept; `me` is whoever asks.",
        asked_by!(Either, Read, look),
    )
    .gives(Shape::Table(&[CONSENT])),
    Route::put(
        "/api/v1/users/{id}/consent",
        "Writes down what a user has said about that.",
        asked_by!(Either, Keys, agree),
    )
    .takes(&[AGREE])
    .gives(Shape::Table(&[CONSENT])),
    Route::get(
        "/api/v1/users/{id}/export",
        "All that is kept of a user.",
        asked_by!(Either, Everything, export),
    )
    .gives(Shape::Table(&[EXPORT])),
    Route::delete(
        "/api/v1/users/{id}/data",
        "Erases a user: their key, and all that was kept of them. Amounts stay in the ledger.",
        asked_by!(Either, Keys, erase),
    )
    .gives(Shape::Table(&[RECEIPT])),
];

/// All that keep something of people.
pub(super) fn open(
    config: &Config,
    ground: &Ground,
    chest: &Chest,
    wallets: Option<&Wallets>,
    features: impl IntoIterator<Item = Arc<dyn Keeps>>,
) -> Privacy {
    let (database, clock) = (ground.database.clone(), Arc::clone(&ground.clock));
    let entropy = Arc::clone(&ground.entropy);
    let requests = Requests::new(database.clone(), config.server.time_zone.1.clone());
    let jobs =
        Jobs::new(database.clone(), Some(chest.clone()), Arc::clone(&clock), Arc::clone(&entropy));
    let mut keepers: Vec<Arc<dyn Keeps>> = vec![
        // Jobs first: what one is still making would be left behind otherwise.
        Arc::new(JobKeeper::new(jobs, clock)),
        Arc::new(DepositKeeper(deposits(ground, chest))),
        Arc::new(SlotKeeper::new(SqlSlots::new(database, chest.clone()), requests.clone())),
        Arc::new(RequestKeeper::new(requests.clone(), entropy)),
        Arc::new(UsageKeeper(requests)),
    ];
    keepers
        .extend(wallets.map(|wallets| Arc::new(WalletKeeper(wallets.clone())) as Arc<dyn Keeps>));
    keepers.extend(features);
    Privacy::new(ground.clone(), keepers).listing(List::new(config.store.data.join(LIST)))
}

/// Forgets whom a copy has brought back, and whom a death has left half forgotten: with a line of the
/// trail for each, by whoever restores.
pub(crate) async fn again(house: &House, since: Timestamp) -> Result<(), StoreError> {
    let (Some(apps), Some(office)) = (&house.apps, &house.office) else { return Ok(()) };
    for (who, receipt) in apps.now().privacy.again(since.as_microsecond()).await? {
        forgotten(house, &who.tenant, &who.user).await;
        let (about, detail) = (Str::from(receipt.hash), json!({"removed": receipt.removed}));
        tracing::warn!(%about, "somebody who was erased was there again, and is erased again");
        office.trail.append(repeated(about, &detail)).await?;
    }
    Ok(())
}

/// A line of the trail about somebody who is forgotten again.
pub(crate) fn repeated(about: Str, detail: &Value) -> Draft {
    let (who, what) = (Str::from_static("restore"), Str::from_static("erase again"));
    Draft { who, what, about, detail: Str::from(detail.to_string()), outcome: Outcome::Done }
}

/// Who it is about, for somebody who may ask.
async fn about(ask: &Ask, by: &Asker) -> Result<Who, Refusal> {
    let id = ask.name(0)?;
    let absent = || Refusal::absent("user", id);
    let (tenant, user) = match by {
        Asker::App(by) => {
            let principal = &by.grant.principal;
            let user = principal.user.clone().filter(|user| id == ME || user.0[..] == *id);
            (principal.tenant.clone(), user.ok_or_else(absent)?)
        }
        Asker::Operator(_) => {
            let named = !id.is_empty() && id.len() <= NAME_BYTES_MAX && id != ME;
            let named = named && !id.contains(|c: char| c.is_control());
            (TENANT, named.then(|| UserId(Str::from(id))).ok_or_else(absent)?)
        }
    };
    Ok(serving(&ask.house)?.privacy.who(tenant, user).await?)
}

fn serving(house: &House) -> Result<Arc<Apps>, Refusal> {
    apps(house)
}

/// Whoever asks, as the trail has them.
fn asker(by: &Asker) -> Str {
    match by {
        Asker::Operator(by) => by.id.clone(),
        Asker::App(by) => Str::from(format!("key:{}", by.grant.principal.key)),
    }
}

/// A line of the trail; operators' changes have theirs from the table.
async fn noted(
    ask: &Ask,
    by: &Asker,
    about: impl Into<Str>,
    detail: &Value,
) -> Result<(), Refusal> {
    let what = Str::from(format!("{} {}", ask.route.verb.name(), ask.route.path));
    let (who, about, detail) = (asker(by), about.into(), Str::from(detail.to_string()));
    let draft = Draft { who, what, about, detail, outcome: Outcome::Done };
    office(&ask.house)?.trail.append(draft).await?;
    Ok(())
}

fn word(consent: Option<Consent>) -> Option<&'static str> {
    consent.map(|consent| match consent {
        Consent::Given => "given",
        Consent::Withdrawn => "withdrawn",
    })
}

#[derive(Serialize)]
struct Told<'a> {
    user: &'a str,
    consent: Option<&'static str>,
    kept: bool,
}

/// What somebody has said; where nobody has asked them, what is assumed of such people.
async fn agreed(house: &House, who: &Who) -> Answered {
    let people = serving(house)?.ground.people.clone();
    let person = people.find(&who.owner).await?;
    let consent = person.as_ref().and_then(|person| word(person.consent()));
    let kept = person.map_or_else(|| people.is_assumed(), |person| person.may_be_kept());
    Ok(told(StatusCode::OK, &Told { user: &who.user.0, consent, kept }))
}

async fn look(ask: &mut Ask, by: &Asker) -> Answered {
    agreed(&ask.house, &about(ask, by).await?).await
}

async fn agree(ask: &mut Ask, by: &Asker) -> Answered {
    let who = about(ask, by).await?;
    let consent = match &*ask.fields.need::<String>("consent")? {
        "given" => Consent::Given,
        "withdrawn" => Consent::Withdrawn,
        _ => return Err(NotDone::wrong("consent", "given or withdrawn").into()),
    };
    serving(&ask.house)?.ground.people.agree(&who.owner, consent).await?;
    if let Asker::App(_) = by {
        noted(ask, by, who.user.0.clone(), &json!({"consent": word(Some(consent))})).await?;
    }
    agreed(&ask.house, &who).await
}

#[derive(Serialize)]
struct Exported<'a> {
    user: &'a str,
    exported_at: String,
    consent: Option<&'static str>,
    kept: Map<String, Value>,
}

async fn export(ask: &mut Ask, by: &Asker) -> Answered {
    let who = about(ask, by).await?;
    if let Asker::Operator(operator) = by {
        operator.may(Scope::Everything)?;
    }
    // Before anything is shown: who has read it is known.
    noted(ask, by, who.user.0.clone(), &json!({})).await?;
    let apps = serving(&ask.house)?;
    let kept = apps.privacy.export(&who).await?;
    let consent = who.person.as_ref().and_then(|person| word(person.consent()));
    let exported_at = apps.ground.now().to_string();
    Ok(told(StatusCode::OK, &Exported { user: &who.user.0, exported_at, consent, kept }))
}

#[derive(Serialize)]
struct Erased<'a> {
    user: &'a str,
    #[serde(flatten)]
    receipt: llm_app::privacy::Receipt,
}

async fn erase(ask: &mut Ask, by: &Asker) -> Answered {
    let who = about(ask, by).await?;
    // What is not in the trail has not happened.
    noted(ask, by, "", &json!({"outcome": "asked"})).await?;
    let cached = forgotten(&ask.house, &who.tenant, &who.user).await;
    let receipt = serving(&ask.house)?.privacy.erase(&who, [("cached_answers", cached)]).await?;
    let hash = Str::from(receipt.hash.clone());
    noted(ask, by, hash.clone(), &json!({"removed": receipt.removed})).await?;
    ask.about = Some(hash);
    Ok(told(StatusCode::OK, &Erased { user: &who.user.0, receipt }))
}

/// Answers that were kept for repeated questions, here and in what replicas share.
async fn forgotten(house: &House, tenant: &TenantId, user: &UserId) -> u64 {
    house.gateway.purge(&Purge::user(tenant.clone(), user)).await
}
