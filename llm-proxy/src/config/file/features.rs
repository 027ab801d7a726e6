//! `[features.NAME]` and `[privacy]`.

use std::time::Duration;

use llm_core::Str;

use super::super::features::{FEATURES, Features, Privacy, Said};
use super::super::reading::{At, Fields, Reading, count, duration, name, one_of, text};
use super::super::tree::Node;
use super::keys::{limit, priority};

/// The word for what nobody deletes.
pub(in super::super) const FOR_EVER: &str = "forever";
/// Whether nothing is kept of users who were not asked.
const CONSENTS: [(&str, bool); 2] = [("assumed", false), ("required", true)];

pub(super) fn features(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Features {
    let mut features = Features::default();
    for (name, at) in fields.at("features").map(|at| at.named(reading)).unwrap_or_default() {
        if !FEATURES.contains(&name) {
            reading.bad(&at, format!("there are the features {}", FEATURES.join(", ")));
        }
        if let Some(said) = feature(&at, reading) {
            features.named.insert(Str::from(name), said);
        }
    }
    if let Some(mut of) = fields.at("privacy").and_then(|at| at.fields(reading)) {
        let usual = Privacy::default();
        let consent = of.read(reading, "consent", |node| one_of(node, &CONSENTS));
        features.privacy = Privacy {
            consent_required: consent.unwrap_or(usual.consent_required),
            requests: of.read(reading, "requests", span).unwrap_or(usual.requests),
        };
        of.done(reading);
    }
    features
}

/// A length of time, or none that ends.
fn span(node: &Node) -> Result<Option<Duration>, String> {
    if node.as_text() == Some(FOR_EVER) {
        return Ok(None);
    }
    let read = duration(node).map_err(|said| format!("{said}, or {FOR_EVER}"))?;
    if read.is_zero() {
        return Err(format!("at least a second is wanted here, or {FOR_EVER}"));
    }
    Ok(Some(read))
}

fn feature(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Said> {
    let mut fields = at.fields(reading)?;
    let said = Said {
        model: fields.read(reading, "model", name),
        tokens_max: fields.read(reading, "max_tokens", count),
        system: fields.read(reading, "system", text).map(Str::from),
        limits: fields.list(reading, "limits", limit),
        priority: fields.read(reading, "priority", priority),
        within: fields.read(reading, "timeout", duration),
        first_token: fields.read(reading, "first_token", duration),
        keep: fields.read(reading, "retention", duration),
    };
    fields.done(reading);
    Some(said)
}
