//! `[plans.NAME]` and `[[keys]]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::Str;
use llm_core::principal::{Priority, Scope};
use llm_core::quota::{Limit, OwnKeysUse, Plan};

use super::super::FixedKey;
use super::super::credits::{Sold, usual, usual_names};
use super::super::nearest::hint;
use super::super::reading::{At, Reading, duration, flag, name, one_of, parsed};
use super::super::tree::Node;
use super::credits::monthly;

/// Plans by their names, and what comes with them.
pub(super) type Plans = (BTreeMap<Str, Arc<Plan>>, BTreeMap<Str, Sold>);

pub(super) fn plans(at: &At<'_>, reading: &mut Reading<'_>) -> Plans {
    let (mut found, mut with) = (BTreeMap::new(), BTreeMap::new());
    for (called, at) in at.named(reading) {
        let Some(mut fields) = at.fields(reading) else { continue };
        let plan = Plan {
            name: Str::from(called),
            limits: fields.list(reading, "limits", limit).unwrap_or_default(),
            models: scope(fields.list(reading, "models", name)),
            priority: fields.read(reading, "priority", priority).unwrap_or_default(),
            own_keys: fields.read(reading, "byok", |n| one_of(n, &OwnKeysUse::WORDS)),
            own_keys_charged: fields.read(reading, "byok_charge", flag).unwrap_or_default(),
        };
        let sold = Sold {
            monthly: fields.read(reading, "credits", monthly),
            retention: fields.read(reading, "retention", duration),
        };
        fields.done(reading);
        with.insert(plan.name.clone(), sold);
        found.insert(plan.name.clone(), Arc::new(plan));
    }
    (found, with)
}

pub(super) fn keys(
    at: &At<'_>,
    plans: &BTreeMap<Str, Arc<Plan>>,
    reading: &mut Reading<'_>,
) -> Vec<FixedKey> {
    let mut found: Vec<FixedKey> = Vec::new();
    for at in at.list(reading) {
        let Some(key) = key(&at, plans, reading) else { continue };
        if found.iter().any(|k| k.name == key.name) {
            reading.bad(&at, format!("two keys are called {:?}", &*key.name));
        }
        if let Some(same) = found.iter().find(|k| k.key.secret == key.key.secret) {
            let said = format!("the keys {:?} and {:?} are the same", &*same.name, &*key.name);
            reading.bad(&at, said);
        }
        found.push(key);
    }
    found
}

fn key(
    at: &At<'_>,
    plans: &BTreeMap<Str, Arc<Plan>>,
    reading: &mut Reading<'_>,
) -> Option<FixedKey> {
    let mut fields = at.fields(reading)?;
    let called = fields.read(reading, "name", name);
    let secret_said = fields.at("key");
    let secret = secret_said.as_ref().and_then(|at| reading.secret(at));
    if let Some((secret, at)) = secret.as_ref().zip(secret_said.as_ref())
        && secret.secret.expose().len() < KEY_BYTES_MIN
    {
        reading.doubtful(at, "so short a key is guessed");
    }
    let plan_said = fields.at("plan");
    let plan = plan_said.as_ref().and_then(|at| {
        let wanted = reading.value(at, name)?;
        let plan = plans.get(&wanted).cloned().or_else(|| usual(&wanted));
        if plan.is_none() {
            let hint = hint(&wanted, plans.keys().map(|n| &**n).chain(usual_names()));
            reading.bad(at, format!("there is no plan {:?}{hint}", &*wanted));
        }
        plan
    });
    let limits_said = fields.at("limits").is_some();
    let limits = fields.list(reading, "limits", limit).unwrap_or_default();
    let models = scope(fields.list(reading, "models", name));
    let user = fields.read(reading, "user", name);
    let team = fields.read(reading, "team", name);
    let unlimited = fields.read(reading, "unlimited", flag).unwrap_or_default();
    fields.done(reading);
    if called.is_none() {
        reading.bad(at, "the key's name is missing");
    }
    if secret_said.is_none() {
        reading.bad(at, "the key itself is missing: key = \"env:APP_KEY\"");
    }
    if plan_said.is_none() && !limits_said && !unlimited {
        reading
            .bad(at, "nothing limits this key: give it a plan or limits, or say unlimited = true");
    }
    Some(FixedKey { name: called?, key: secret?, plan, limits, models, user, team, unlimited })
}

/// A key that is shown to the world is not found by trying.
const KEY_BYTES_MIN: usize = 16;

/// A limit that somebody counts.
pub(super) fn limit(node: &Node) -> Result<Limit, String> {
    parsed(node)
}

fn scope(said: Option<Vec<Str>>) -> Scope {
    said.map_or_else(Scope::all, |models| Scope { models })
}

pub(super) fn priority(node: &Node) -> Result<Priority, String> {
    let words = ["critical", "default", "batch", "sheddable"];
    let pairs = words.map(|word| (word, Priority::parse(word).unwrap_or_default()));
    one_of(node, &pairs)
}
