//! `[models.NAME]` and `[prices."provider/model"]`.

use std::collections::BTreeMap;

use llm_core::Str;
use llm_core::catalog::Catalog;
use llm_core::money::Money;
use llm_providers::model::{Balance, CachePolicy, CacheScope, LossPolicy, Policy};
use llm_providers::settings::ModelSettings;

use super::super::nearest::hint;
use super::super::reading::{At, Fields, Reading, count, duration, flag, name, one_of};
use super::super::{Priced, Provider};

type Providers = BTreeMap<Str, Provider>;

pub(super) fn models(
    at: &At<'_>,
    providers: &Providers,
    reading: &mut Reading<'_>,
) -> BTreeMap<Str, ModelSettings> {
    let mut found = BTreeMap::new();
    for (called, at) in at.named(reading) {
        let Some(mut fields) = at.fields(reading) else { continue };
        let tiers = match fields.at("tiers") {
            Some(at) => tiers(&at, providers, reading),
            None => {
                let said = "nobody answers to this: say tiers = [[\"provider/model\"]]";
                reading.bad(&at, said);
                Vec::new()
            }
        };
        let policy = policy(&mut fields, reading);
        fields.done(reading);
        let name = Str::from(called);
        found.insert(name.clone(), ModelSettings { name, tiers, policy });
    }
    found
}

fn tiers(at: &At<'_>, providers: &Providers, reading: &mut Reading<'_>) -> Vec<Vec<(Str, u32)>> {
    let mut tiers = Vec::new();
    for at in at.list(reading) {
        if at.node.as_text().is_some() {
            reading.bad(&at, "a tier is a list: tiers = [[\"provider/model\"]]");
            continue;
        }
        let choices = at.list(reading);
        if choices.is_empty() && at.node.list().is_some() {
            reading.bad(&at, "nobody is in this tier");
        }
        tiers.push(choices.iter().filter_map(|at| choice(at, providers, reading)).collect());
    }
    tiers
}

fn choice(at: &At<'_>, providers: &Providers, reading: &mut Reading<'_>) -> Option<(Str, u32)> {
    let (at, weight) = if at.node.table().is_some() {
        let mut fields = at.fields(reading)?;
        let weight = fields.read(reading, "weight", count).unwrap_or(1);
        if weight == 0 {
            reading.bad(at, "a weight of 0 would never be chosen");
        }
        let target = fields.at("target");
        if target.is_none() {
            reading.bad(at, "the target is missing: { target = \"provider/model\", weight = 3 }");
        }
        fields.done(reading);
        (target?, weight)
    } else {
        (at.clone(), 1)
    };
    let target = reading.value(&at, name)?;
    is_target(&at, &target, providers, reading).then_some((target, weight))
}

fn is_target(at: &At<'_>, target: &str, providers: &Providers, reading: &mut Reading<'_>) -> bool {
    let parts = target.split_once('/').filter(|(p, m)| !p.is_empty() && !m.is_empty());
    let Some((provider, _)) = parts else {
        reading.bad(at, format!("{target:?} is no target: write \"provider/model\""));
        return false;
    };
    if !providers.contains_key(provider) {
        let hint = hint(provider, providers.keys().map(|n| &**n));
        reading.bad(at, format!("there is no provider {provider:?}{hint}"));
        return false;
    }
    true
}

const BALANCES: [(&str, Balance); 4] = [
    ("weighted", Balance::Weighted),
    ("latency", Balance::Latency),
    ("least-busy", Balance::LeastBusy),
    ("cheapest", Balance::Cheapest),
];
const LOSSES: [(&str, LossPolicy); 2] =
    [("allow", LossPolicy::Allow), ("refuse", LossPolicy::Refuse)];
const SCOPES: [(&str, CacheScope); 4] = [
    ("key", CacheScope::Key),
    ("user", CacheScope::User),
    ("team", CacheScope::Team),
    ("global", CacheScope::Global),
];

/// The word for a balance.
pub(in super::super) fn balance_word(balance: Balance) -> &'static str {
    BALANCES.iter().find(|(_, b)| *b == balance).map_or("latency", |(word, _)| word)
}

/// The word for a scope.
pub(in super::super) fn scope_word(scope: CacheScope) -> &'static str {
    SCOPES.iter().find(|(_, s)| *s == scope).map_or("key", |(word, _)| word)
}

fn policy(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Policy {
    let mut policy = Policy::default();
    if let Some(balance) = fields.read(reading, "balance", |n| one_of(n, &BALANCES)) {
        policy.balance = balance;
    }
    if let Some(at) = fields.at("attempts")
        && let Some(attempts) = reading.value(&at, count::<u8>)
    {
        if attempts == 0 {
            reading.bad(&at, "with 0 attempts nobody would ever be asked");
        }
        policy.attempts_max = attempts;
    }
    if let Some(total) = fields.read(reading, "timeout", duration) {
        policy.total = total;
    }
    if let Some(losses) = fields.read(reading, "losses", |n| one_of(n, &LOSSES)) {
        policy.losses = losses;
    }
    let mut yes = |name| fields.read(reading, name, flag).unwrap_or_default();
    policy.refiltered = yes("refiltered");
    policy.resume = yes("resume");
    policy.hedge = yes("hedge");
    policy.cache = fields.at("cache").and_then(|at| cache(&at, reading));
    policy
}

fn cache(at: &At<'_>, reading: &mut Reading<'_>) -> Option<CachePolicy> {
    if let Some(on) = at.node.flag() {
        return on.then(CachePolicy::default);
    }
    let mut fields = at.fields(reading)?;
    let mut cache = CachePolicy::default();
    if let Some(ttl) = fields.read(reading, "ttl", duration) {
        cache.ttl = ttl;
    }
    if let Some(scope) = fields.read(reading, "scope", |n| one_of(n, &SCOPES)) {
        cache.scope = scope;
    }
    if let Some(price) = fields.read(reading, "price", amount) {
        cache.price = price;
    }
    cache.alike = fields.read(reading, "similar", count);
    fields.done(reading);
    Some(cache)
}

/// Dollars, as digits: nothing that passes through a float.
fn amount(node: &super::super::tree::Node) -> Result<Money, String> {
    let word = node.word().ok_or("an amount of dollars is wanted here: \"0.001\"")?;
    word.parse().map_err(|e: llm_core::money::NotDecimal| e.to_string())
}

/// The lines of a price.
const LINES: [&str; 11] = [
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "audio_in",
    "audio_out",
    "per_call",
    "per_image",
    "per_audio_second",
];

pub(super) fn prices(
    at: &At<'_>,
    providers: &Providers,
    reading: &mut Reading<'_>,
) -> BTreeMap<Str, Priced> {
    let mut found = BTreeMap::new();
    for (target, at) in at.named(reading) {
        let known = is_target(&at, target, providers, reading);
        let Some(mut fields) = at.fields(reading) else { continue };
        let mut priced = Priced::default();
        let mut lines = 0;
        for line in LINES {
            let Some(at) = fields.at(line) else { continue };
            lines += 1;
            let Some(word) = at.node.word() else {
                reading.bad(&at, "a price is written as \"0.15\", in dollars");
                continue;
            };
            if let Err(error) = priced.listed.set(line, word) {
                reading.bad(&at, error.to_string());
            }
        }
        for at in fields.at("tiers").map(|at| at.list(reading)).unwrap_or_default() {
            let set = priced.listed.set("tier", at.node.as_text().unwrap_or_default());
            if let Err(error) = set {
                reading.bad(&at, error.to_string());
            }
        }
        priced.assumed = fields.read(reading, "assumed", flag).unwrap_or_default();
        if priced.assumed {
            let said = "nobody knows this price, and so no budget sees what it costs: set it";
            reading.doubtful(&at, said);
        }
        let other = fields.at("same_as");
        priced.same_as = other.as_ref().and_then(|at| same_as(at, reading));
        fields.done(reading);
        if lines == 0 && other.is_none() {
            reading.bad(&at, "no price is said: \"0\" for input and output if it is free");
        }
        if lines > 0 && other.is_some() {
            reading.bad(&at, "either it has a price of its own or the same as another");
        }
        if known {
            found.insert(Str::from(target), priced);
        }
    }
    found
}

fn same_as(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Str> {
    let other = reading.value(at, name)?;
    let entry = other.split_once('/').and_then(|(kind, model)| {
        Catalog::builtin().lookup(kind, model).filter(|e| e.price.is_some())
    });
    if entry.is_none() {
        reading.bad(at, format!("the built-in table has no price of {other:?}"));
    }
    entry.map(|_| other)
}
