//! What would become of a call: who is asked, in which order, at what price, under which limits,
//! and why not.

use std::fmt::Write as _;

use llm_core::money::Price;
use llm_core::usage::TokenKind;
use llm_providers::model::Policy;
use llm_providers::settings::ModelSettings;
use llm_providers::stage::admit::limits::Rules;
use llm_providers::stage::admit::meter::Rule;

use super::file::words;
use super::nearest::hint;
use super::show::time_text;
use super::{Config, FixedKey};

/// An explanation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    /// What applies.
    pub(crate) text: String,
    /// Why such a call is refused; empty when it is not.
    pub(crate) refused: Vec<String>,
}

/// Explains a call for a model, with the key of that name if one is named.
pub(crate) fn explain(config: &Config, model: &str, key: Option<&str>) -> Explained {
    let mut said = Explained::default();
    let found = config.models.get(model).cloned().or_else(|| {
        let (_, _) = config.direct(model)?;
        let tiers = vec![vec![(model.into(), 1)]];
        Some(ModelSettings { name: model.into(), tiers, policy: Policy::default() })
    });
    match &found {
        Some(settings) => {
            let entry = if config.models.contains_key(model) { "" } else { " (by its own name)" };
            line(&mut said, 0, format!("model {model}{entry}"));
            tiers(config, settings, &mut said);
            policy(&settings.policy, &mut said);
        }
        None => {
            let hint = hint(model, config.models.keys().map(|n| &**n));
            said.refused.push(format!("there is no model {model:?}{hint}"));
        }
    }
    limits(config, model, &mut said);
    if let Some(name) = key {
        match config.keys.iter().find(|k| &*k.name == name) {
            Some(key) => of_key(config, key, model, &mut said),
            None => {
                let hint = hint(name, config.keys.iter().map(|k| &*k.name));
                let said_of = "the configuration has no key of that name";
                said.refused.push(format!("{said_of}: {name:?}{hint}"));
            }
        }
    }
    said
}

fn line(said: &mut Explained, depth: usize, text: impl std::fmt::Display) {
    let _ = writeln!(said.text, "{:width$}{text}", "", width = depth * 2);
}

fn tiers(config: &Config, model: &ModelSettings, said: &mut Explained) {
    let mut usable = 0;
    for (n, tier) in model.tiers.iter().enumerate() {
        let last = if n == 0 { "asked first" } else { "asked when all before have failed" };
        line(said, 1, format!("tier {}, {last}", n + 1));
        for (target, weight) in tier {
            let Some((provider, _)) = config.direct(target) else { continue };
            let address = provider.settings.base_url.as_deref().unwrap_or("its usual address");
            let keys = provider.keys.len();
            let plural = if keys == 1 { "" } else { "s" };
            let share = if *weight == 1 { String::new() } else { format!(", weight {weight}") };
            line(said, 2, format!("{target}{share}"));
            let kind = &provider.kind;
            line(said, 3, format!("{kind} at {address}, {keys} key{plural}"));
            match config.price(target) {
                Some(price) => {
                    usable += 1;
                    line(said, 3, price_text(&price));
                }
                None => line(said, 3, "no price is known: it is not asked; set one under prices"),
            }
            waits(config, target, said);
        }
    }
    if usable == 0 {
        let text = format!("no price is known for any target of {:?}", &*model.name);
        said.refused.push(text);
    }
}

fn waits(config: &Config, target: &str, said: &mut Explained) {
    let Some((provider, _)) = config.direct(target) else { return };
    let settings = &provider.settings;
    let usual = settings.usual_timeouts().unwrap_or_default();
    let times = settings.timeouts.unwrap_or(usual);
    let text = format!(
        "connect {}, first token {}, between tokens {}, whole {}; {} more attempts",
        time_text(settings.connections.connect),
        time_text(times.first_token),
        time_text(times.idle),
        time_text(times.total),
        settings.retries,
    );
    line(said, 3, text);
    let capacity = settings.capacity;
    let parts = [
        capacity.in_flight_max.map(|n| format!("{n} calls at once")),
        capacity.requests_per_minute.map(|n| format!("{n} requests a minute")),
        capacity.tokens_per_minute.map(|n| format!("{n} tokens a minute")),
        capacity.adaptive.then(|| "fewer when it gets slower".to_owned()),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        line(said, 3, format!("takes {}", parts.join(", ")));
    }
}

fn price_text(price: &Price) -> String {
    if price.is_free() {
        return "free".to_owned();
    }
    let rate = |kind: TokenKind| price.rates[kind as usize];
    let (input, output) = (rate(TokenKind::Input), rate(TokenKind::Output));
    let cached = rate(TokenKind::CacheRead);
    let mut text =
        format!("${input} in, ${cached} in from its cache, ${output} out, a million tokens");
    if !price.tiers.is_empty() {
        let from = price.tiers.iter().map(|t| t.above).min().unwrap_or_default();
        let _ = write!(text, "; more beyond {from} tokens");
    }
    text
}

fn policy(policy: &Policy, said: &mut Explained) {
    let balance = words::balance(policy.balance);
    let text = format!(
        "balance {balance}, {} attempts in all, deadline {}",
        policy.attempts_max,
        time_text(policy.total),
    );
    line(said, 1, text);
    match &policy.cache {
        Some(cache) => {
            let whom = match words::scope(cache.scope) {
                "global" => "everyone".to_owned(),
                scope => format!("the same {scope}"),
            };
            let text = format!("cache {} for {whom}", time_text(cache.ttl));
            line(said, 1, text);
        }
        None => line(said, 1, "cache off"),
    }
    let flags = [
        (policy.hedge, "a second target is asked when the first is slow"),
        (policy.resume, "a broken stream goes on elsewhere"),
        (policy.refiltered, "another target is asked when a filter stepped in"),
    ];
    for (_, text) in flags.iter().filter(|(on, _)| *on) {
        line(said, 1, text);
    }
}

fn limits(config: &Config, model: &str, said: &mut Explained) {
    let owners = &config.limits;
    let of = [
        ("every key", Some(&owners.key)),
        ("every user", Some(&owners.user)),
        ("every team", Some(&owners.team)),
        ("this model", owners.models.get(model)),
    ];
    for (whose, rules) in of.iter().filter_map(|(whose, rules)| Some((whose, (*rules)?))) {
        let all = rules_text(rules);
        if !all.is_empty() {
            line(said, 0, format!("limits of {whose}: {}", all.join(", ")));
        }
    }
}

fn rules_text(rules: &Rules) -> Vec<String> {
    let limits = rules.rules.iter().filter_map(|rule| match rule {
        Rule::Window(limit) => Some(limit.to_string()),
        Rule::Smooth(_) => None,
    });
    let at_once = rules.in_flight_max.map(|n| format!("{n} at once"));
    limits.chain(at_once).collect()
}

fn of_key(config: &Config, key: &FixedKey, model: &str, said: &mut Explained) {
    line(said, 0, format!("key {}", key.name));
    if let Some(plan) = &key.plan {
        line(said, 1, format!("plan {}, priority {:?}", plan.name, plan.priority).to_lowercase());
    }
    let zone = &config.server.time_zone;
    let of_plan = key.plan.iter().flat_map(|plan| &plan.limits);
    let all: Vec<_> = of_plan.chain(&key.limits).map(ToString::to_string).collect();
    if all.is_empty() {
        line(said, 1, "nothing limits it");
    } else {
        line(said, 1, format!("limits {} ({})", all.join(", "), zone.0));
    }
    if !key.models.allows(model) {
        let text = format!("the key {:?} may not use {model:?}", &*key.name);
        said.refused.push(text);
    }
    if let Some(plan) = key.plan.as_ref().filter(|plan| !plan.models.allows(model)) {
        let text = format!("the plan {:?} does not include {model:?}", &*plan.name);
        said.refused.push(text);
    }
}
