//! Providers' keys: stored, listed by their last letters, removed, tried.

use std::sync::Arc;

use http::StatusCode;
use llm_core::Str;
use llm_core::secret::Secret;
use llm_providers::provider::is_key;
use llm_providers::stage::gate::keys::KEYS_MAX;
use llm_store::directory::{KeyState, ProviderKey, ProviderKeys};
use serde::{Deserialize, Serialize};

use super::super::house::House;
use super::super::office::new_id;
use super::super::reload::Standing;
use super::super::routes::ask::Ask;
use super::super::routes::shape::{Field, Of, flag, list, secret, words};
use super::super::routes::{Route, operator};
use super::super::vendors::trial::{self, Limits, Report, Tried, Verdict};
use super::super::vendors::{StoredKey, shown};
use super::fields::{Fields, Said};
use super::refusal::{Answered, Refusal};
use super::told;

const KEYS: &[Field] = &[
    list("keys", &Of::Secret, "each a text, or {key, label}").need(),
    words("mode", &["replace", "add"], "what becomes of those that are stored; replace"),
];
const TRY: &[Field] = &[
    secret("key", "one that is in no pool"),
    flag("deep", "also asks for a few tokens, for each thing that a model can do"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::get(
        "/admin/providers/{name}/keys",
        "A provider's keys by their last letters, and how they are doing.",
        operator!(Config, list_keys),
    ),
    Route::put(
        "/admin/providers/{name}/keys",
        "Stores keys under a seal; they are in use from then on.",
        operator!(Config, put),
    )
    .reads(&[KEYS]),
    Route::delete(
        "/admin/providers/{name}/keys/{id}",
        "Removes a key that is stored.",
        operator!(Config, remove),
    ),
    Route::post(
        "/admin/providers/{name}/validate",
        "Tries a provider's keys, and says what each may do.",
        operator!(Config, validate),
    )
    .reads(&[TRY]),
];

/// A key in the body of a call.
#[derive(Deserialize)]
#[serde(untagged)]
enum KeySaid {
    Alone(String),
    Named { key: String, label: String },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Replace,
    Add,
}

#[derive(Serialize)]
struct Keys {
    provider: Str,
    keys: Vec<Shown>,
}

/// What is shown of a key.
#[derive(Serialize)]
struct Shown {
    id: Str,
    /// `file` or `store`.
    from: &'static str,
    last_four: Option<String>,
    /// Whether it is in use, and why not.
    health: Option<&'static str>,
    limits: Option<Limits>,
    /// What its last trial said; keys of the store alone remember one.
    state: Option<&'static str>,
    created_at: Option<String>,
    validated_at: Option<String>,
}

#[derive(Serialize)]
struct Validated {
    provider: Str,
    kind: Str,
    /// Whether every key works.
    ok: bool,
    keys: Vec<Report>,
}

/// The provider of the path, under the configuration as it is now.
fn named(ask: &Ask) -> Result<(Arc<House>, Arc<Standing>, Str), Refusal> {
    let (house, name) = (Arc::clone(&ask.house), Str::from(ask.name(0)?));
    let now = house.board.now();
    if !now.config.providers.contains_key(&name) {
        let text = format!("the configuration has no provider {:?}", &*name);
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", text));
    }
    Ok((house, now, name))
}

async fn list_keys(ask: &mut Ask) -> Answered {
    let (house, now, provider) = named(ask)?;
    Ok(told(StatusCode::OK, &listed(&house, &now, provider).await?))
}

/// `PUT /admin/providers/{name}/keys {keys, mode}`: stored under a seal, and in use from then on.
async fn put(ask: &mut Ask) -> Answered {
    let (house, now, provider) = named(ask)?;
    let (house, now) = (&house, &*now);
    let store = house.vendors.stored().ok_or_else(Refusal::no_store)?;
    let mut fields = Fields::read(house, ask.body()?).await?;
    let mode: Said<Mode> = fields.take("mode")?;
    let mode = mode.set().unwrap_or(Mode::Replace);
    let raw = fields.raw("keys").set().ok_or_else(|| Refusal::wrong("keys", "keys are missing"))?;
    fields.end()?;
    // What the reader says of a wrong value would repeat it, and it may be a key.
    let said: Vec<KeySaid> = serde_json::from_str(raw.get()).map_err(|_| {
        Refusal::wrong("keys", "a list of keys, each a text or {\"key\": …, \"label\": …}")
    })?;
    let keys = fresh(house, now, &provider, said, mode)?;
    store.put_all(provider.clone(), keys, matches!(mode, Mode::Replace)).await?;
    house.vendors.refresh(house).await?;
    Ok(told(StatusCode::OK, &listed(house, now, provider).await?))
}

/// A key to be stored, and what it is called.
type Named = (Str, Secret<Vec<u8>>);

/// The keys to be stored, each by a name of its own.
fn fresh(
    house: &House,
    now: &Standing,
    provider: &Str,
    said: Vec<KeySaid>,
    mode: Mode,
) -> Result<Vec<Named>, Refusal> {
    let own = now.config.providers.get(provider).map(|p| p.keys.as_slice()).unwrap_or_default();
    let stored = house.board.stored();
    let beside: &[StoredKey] = match mode {
        Mode::Replace => &[],
        Mode::Add => stored.keys(provider),
    };
    let mut known: Vec<Secret<String>> = own.iter().map(|key| key.secret.clone()).collect();
    known.extend(beside.iter().map(|key| key.secret.clone()));
    let mut names: Vec<Str> = beside.iter().map(|key| key.about.name.clone()).collect();
    names.extend((1..=own.len()).map(|n| Str::from(format!("{provider}-{n}"))));
    let mut keys = Vec::with_capacity(said.len());
    for said in said {
        let (key, label) = match said {
            KeySaid::Alone(key) => (Secret::new(key), None),
            KeySaid::Named { key, label } => (Secret::new(key), Some(Str::from(label))),
        };
        if !is_key(key.expose()) {
            let text = "a key is not empty, and has neither spaces nor letters beyond ASCII";
            return Err(Refusal::wrong("keys", text));
        }
        let name = match label {
            Some(label) => label,
            None => new_id("key")?,
        };
        if known.contains(&key) || names.contains(&name) {
            let text = format!("the pool has that key, or one called {:?}, already", &*name);
            return Err(Refusal::new(StatusCode::CONFLICT, "conflict", text));
        }
        names.push(name.clone());
        keys.push((name, Secret::new(key.expose().as_bytes().to_vec())));
        known.push(key);
    }
    if known.len() > KEYS_MAX {
        return Err(Refusal::wrong("keys", format!("a pool has {KEYS_MAX} keys at the most")));
    }
    Ok(keys)
}

/// `DELETE /admin/providers/{name}/keys/{id}`: one that is stored.
async fn remove(ask: &mut Ask) -> Answered {
    let (house, now, provider) = named(ask)?;
    let (house, now, id) = (&house, &*now, ask.name(1)?);
    let store: &ProviderKeys = house.vendors.stored().ok_or_else(Refusal::no_store)?;
    let known = house.board.stored();
    if !known.keys(&provider).iter().any(|key| &*key.about.name == id) {
        let text = "no such key is stored; those of the file are removed there";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", text));
    }
    store.remove(provider.clone(), Str::from(id)).await?;
    house.vendors.refresh(house).await?;
    Ok(told(StatusCode::OK, &listed(house, now, provider).await?))
}

async fn listed(house: &House, now: &Standing, provider: Str) -> Result<Keys, Refusal> {
    let snapshot = house.gateway.snapshot();
    let states =
        snapshot.vendors.get(&provider).map(|vendor| vendor.keys.states(house.clock.now()));
    let states = states.unwrap_or_default();
    // As they are stored by now: another replica may have tried them.
    let mut stored: Vec<ProviderKey> = match house.vendors.stored() {
        Some(store) => store.list().await?,
        None => Vec::new(),
    };
    stored.retain(|about| about.vendor == provider);
    let mut keys = Vec::new();
    for key in trial::pool(house, &now.config, &provider) {
        let id = key.id.unwrap_or_default();
        let about = stored.iter().position(|about| about.name == id);
        let state = states.iter().find(|state| state.id == id);
        keys.push(Shown {
            health: state.map(|state| state.standing.name()),
            limits: state.and_then(|state| state.told).map(Limits::from),
            last_four: key.secret.as_ref().map(|secret| shown(secret.expose())),
            ..Shown::of(id, about.map(|at| stored.remove(at)).as_ref())
        });
    }
    // Those that are sealed with a key that this replica has not.
    let shut = stored
        .iter()
        .map(|about| Shown { health: Some("shut"), ..Shown::of(about.name.clone(), Some(about)) });
    keys.extend(shut);
    Ok(Keys { keys, provider })
}

impl Shown {
    fn of(id: Str, about: Option<&ProviderKey>) -> Self {
        Self {
            id,
            from: if about.is_some() { "store" } else { "file" },
            last_four: None,
            health: None,
            limits: None,
            state: about.map(|about| about.state.name()),
            created_at: about.map(|about| about.created_at.to_string()),
            validated_at: about.and_then(|about| about.validated_at).map(|at| at.to_string()),
        }
    }
}

/// `POST /admin/providers/{name}/validate {key?, deep?}`: the pool's keys, or one that is in none.
async fn validate(ask: &mut Ask) -> Answered {
    let (house, now, provider) = named(ask)?;
    let house = &house;
    let mut fields = Fields::read(house, ask.body()?).await?;
    let deep: Said<bool> = fields.take("deep")?;
    let key = fields.raw("key").set();
    fields.end()?;
    let deep = deep.set().unwrap_or_default();
    let keys = match key {
        None => trial::pool(house, &now.config, &provider),
        Some(raw) => {
            let key = serde_json::from_str::<String>(raw.get()).ok().map(Secret::new);
            let key = key.filter(|key| is_key(key.expose()));
            let secret = key.ok_or_else(|| Refusal::wrong("key", "no text that can be a key"))?;
            vec![Tried { id: None, secret: Some(secret) }]
        }
    };
    let snapshot = house.gateway.snapshot();
    let Some(vendor) = snapshot.vendors.get(&provider) else {
        let text = "the provider is not served yet";
        return Err(Refusal::new(StatusCode::CONFLICT, "not_served", text));
    };
    let mut reports = Vec::with_capacity(keys.len());
    for key in keys {
        let report = trial::tried(house, &now.config, vendor, key, deep).await;
        remember(house, &provider, &report).await?;
        reports.push(report);
    }
    let ok = !reports.is_empty() && reports.iter().all(|report| report.status == Verdict::Valid);
    let kind = now.config.providers.get(&provider).map(|p| p.kind.clone()).unwrap_or_default();
    Ok(told(StatusCode::OK, &Validated { provider, kind, ok, keys: reports }))
}

/// Keeps with a stored key what its trial came to.
async fn remember(house: &House, provider: &Str, report: &Report) -> Result<(), Refusal> {
    let (Some(store), Some(id)) = (house.vendors.stored(), &report.id) else { return Ok(()) };
    let stored = house.board.stored();
    let Some(key) = stored.keys(provider).iter().find(|key| key.about.name == *id) else {
        return Ok(());
    };
    let state = match report.status {
        Verdict::Valid | Verdict::Restricted | Verdict::RateLimited => KeyState::Valid,
        Verdict::Invalid | Verdict::Expired | Verdict::NoQuota => KeyState::Invalid,
        // Nothing was learnt: what was known stays.
        Verdict::Unreachable | Verdict::Unknown => return Ok(()),
    };
    let words = format!("{{\"status\":\"{}\"}}", report.status.name());
    store.validated(&key.about, state, Some(Str::from(words))).await?;
    Ok(())
}
