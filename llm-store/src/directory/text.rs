//! Words and lists as columns.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::{Priority, Scope};
use llm_core::quota::Limit;
use llm_core::raw::Raw;
use llm_core::store::StoreError;

use super::NotDone;
use crate::keys::{Action, Actions};
use crate::sql::row::odd;

/// A name is shown in logs, headers and accounts.
const NAME_BYTES_MAX: usize = 128;
/// What applications hang on a key or a person; whatever is larger belongs in their own store.
const METADATA_BYTES_MAX: usize = 4_096;
/// As many as a key may have.
const LINES_MAX: usize = 256;

/// The word for a priority in stores.
pub(super) fn priority_word(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "critical",
        Priority::Default => "default",
        Priority::Batch => "batch",
        Priority::Sheddable => "sheddable",
    }
}

pub(super) fn actions_text(actions: Actions) -> String {
    lines(actions.iter().map(Action::name))
}

pub(super) fn actions_of(text: &str) -> Result<Actions, StoreError> {
    text.lines().map(|word| Action::parse(word).ok_or_else(|| odd("actions"))).collect()
}

pub(super) fn scope_text(scope: &Scope) -> String {
    lines(scope.models.iter().map(|model| &**model))
}

pub(super) fn scope_of(text: &str) -> Scope {
    Scope { models: text.lines().map(Str::from).collect() }
}

pub(super) fn limits_text(limits: &[Limit]) -> String {
    let words: Vec<String> = limits.iter().map(ToString::to_string).collect();
    lines(words.iter().map(String::as_str))
}

pub(super) fn limits_of(text: &str) -> Result<Vec<Limit>, StoreError> {
    text.lines().map(|word| word.parse().map_err(|_| odd("limits"))).collect()
}

fn lines<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    for word in words {
        out.push_str(word);
        out.push('\n');
    }
    out
}

pub(super) fn instant(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| odd("instant"))
}

pub(super) fn maybe_instant(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(instant).transpose()
}

/// Nobody issues by the nanosecond; what is stored is what is answered.
pub(super) fn whole(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)
}

/// A name that can be written in a line, a path and an account.
pub(super) fn check_name(name: &str) -> Result<(), NotDone> {
    let plain = !name.is_empty() && name.len() <= NAME_BYTES_MAX;
    if plain && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(NotDone::Text("a name has 1 to 128 bytes and no control characters"))
    }
}

pub(super) fn check_maybe_name(name: Option<&Str>) -> Result<(), NotDone> {
    name.map_or(Ok(()), |name| check_name(name))
}

pub(super) fn check_metadata(text: &str) -> Result<(), NotDone> {
    let object = text.len() <= METADATA_BYTES_MAX
        && text.trim_start().starts_with('{')
        && Raw::parse(text).is_ok();
    if object { Ok(()) } else { Err(NotDone::Text("metadata is a JSON object of up to 4 KiB")) }
}

pub(super) fn check_scope(scope: &Scope) -> Result<(), NotDone> {
    let plain = |model: &Str| check_name(model).is_ok();
    if scope.models.len() <= LINES_MAX && scope.models.iter().all(plain) {
        Ok(())
    } else {
        Err(NotDone::Text("up to 256 models of 1 to 128 bytes, without control characters"))
    }
}

pub(super) fn check_limits(limits: &[Limit]) -> Result<(), NotDone> {
    let kept = |limit: &Limit| {
        limit.is_countable() && limit.to_string().parse::<Limit>().as_ref() == Ok(limit)
    };
    if limits.len() <= LINES_MAX && limits.iter().all(kept) {
        Ok(())
    } else {
        Err(NotDone::Text("up to 256 limits, each of which can be counted"))
    }
}
