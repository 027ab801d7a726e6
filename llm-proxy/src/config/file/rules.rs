//! `[limits]` and `[content]`.

use std::collections::BTreeMap;

use llm_core::Str;
use llm_providers::stage::admit::OwnerRules;
use llm_providers::stage::admit::limits::Rules;
use llm_providers::stage::admit::meter::Rule;
use llm_providers::stage::inspect::{ContentRule, ContentRules, Find, Then};

use super::super::reading::{At, Reading, count, name, one_of};
use super::keys::limit;

pub(super) fn limits(at: &At<'_>, reading: &mut Reading<'_>) -> OwnerRules {
    let Some(mut fields) = at.fields(reading) else { return OwnerRules::default() };
    let mut of = |name| fields.at(name).map(|at| rules(&at, reading)).unwrap_or_default();
    let (key, user, team) = (of("key"), of("user"), of("team"));
    let (org, tenant) = (of("org"), of("tenant"));
    let mut models = BTreeMap::new();
    for (name, at) in fields.at("models").map(|at| at.named(reading)).unwrap_or_default() {
        models.insert(Str::from(name), rules(&at, reading));
    }
    fields.done(reading);
    OwnerRules { key, user, team, org, tenant, models }
}

fn rules(at: &At<'_>, reading: &mut Reading<'_>) -> Rules {
    let Some(mut fields) = at.fields(reading) else { return Rules::default() };
    let limits = fields.at("limits").map(|at| at.list(reading)).unwrap_or_default();
    let mut rules = Vec::with_capacity(limits.len());
    for at in limits {
        match reading.value(&at, limit) {
            Some(limit) if limit.quantity.is_paid() => {
                reading.bad(&at, "money is limited by a plan or a key, and not by this rule");
            }
            Some(limit) => rules.push(Rule::Window(limit)),
            None => {}
        }
    }
    let in_flight_max = fields.read(reading, "in_flight", count);
    fields.done(reading);
    Rules { rules, in_flight_max }
}

pub(super) fn content(at: &At<'_>, reading: &mut Reading<'_>) -> ContentRules {
    let Some(mut fields) = at.fields(reading) else { return ContentRules::default() };
    let chars_max = fields.read(reading, "chars_max", count);
    let mut rules = Vec::new();
    for at in fields.at("rules").map(|at| at.list(reading)).unwrap_or_default() {
        rules.extend(rule(&at, reading));
    }
    fields.done(reading);
    ContentRules { chars_max, rules }
}

type Make = fn() -> Find;

/// What has a word of its own.
const FINDS: [(&str, Make); 6] = [
    ("secrets", || Find::Secrets),
    ("cards", || Find::Cards),
    ("residents", || Find::Residents),
    ("emails", || Find::Emails),
    ("phones", || Find::Phones),
    ("accounts", || Find::Accounts),
];
const THENS: [(&str, Then); 3] =
    [("refuse", Then::Refuse), ("mask", Then::Mask), ("pseudonym", Then::Pseudonym)];

fn rule(at: &At<'_>, reading: &mut Reading<'_>) -> Option<ContentRule> {
    let mut fields = at.fields(reading)?;
    let called = fields.read(reading, "name", name);
    let known = fields.read(reading, "find", |n| one_of(n, &FINDS).map(|find| find()));
    let words = fields.list(reading, "words", name).map(Find::Words);
    let pattern = fields.read(reading, "pattern", name).map(Find::Pattern);
    let then = fields.read(reading, "then", |n| one_of(n, &THENS));
    fields.done(reading);
    let mut finds = [known, words, pattern].into_iter().flatten();
    let find = finds.next();
    if find.is_none() || finds.next().is_some() {
        reading.bad(at, "a rule has one of find, words and pattern");
    }
    if called.is_none() {
        reading.bad(at, "the rule's name is missing");
    }
    Some(ContentRule { name: called?, find: find?, then: then.unwrap_or_default() })
}

/// The word for what is found, where it has one.
pub(in super::super) fn find_word(find: &Find) -> Option<&'static str> {
    FINDS.iter().find(|(_, made)| made() == *find).map(|(word, _)| *word)
}
