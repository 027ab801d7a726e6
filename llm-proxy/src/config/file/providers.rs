//! `[providers.NAME]`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use llm_core::Str;
use llm_providers::provider::{COMPATIBLE, Kind, ProviderSettings};
use llm_providers::stage::gate::room::Capacity;
use llm_providers::target::Timeouts;

use super::super::nearest::hint;
use super::super::reading::{At, Fields, Reading, count, duration, flag, name};
use super::super::reference::{Hidden, Reference};
use super::super::{Provider, SIMULATED};

pub(super) fn providers(at: &At<'_>, reading: &mut Reading<'_>) -> BTreeMap<Str, Provider> {
    let mut found = BTreeMap::new();
    for (name, at) in at.named(reading) {
        if name.is_empty() || name.contains('/') {
            reading.bad(&at, "a provider's name is not empty and has no slash");
            continue;
        }
        if let Some(provider) = provider(name, &at, reading) {
            found.insert(Str::from(name), provider);
        }
    }
    found
}

/// Attempts beyond the first that anybody may want at one target.
const RETRIES_MAX: u8 = 10;

fn provider(called: &str, at: &At<'_>, reading: &mut Reading<'_>) -> Option<Provider> {
    let mut fields = at.fields(reading)?;
    let kind = match fields.at("kind") {
        Some(at) => {
            let kind = reading.value(&at, name)?;
            if !is_kind(&kind) {
                let hint = hint(&kind, kinds());
                reading.bad(&at, format!("{:?} is no kind of provider{hint}", &*kind));
                return None;
            }
            kind
        }
        None if is_kind(called) => Str::from(called),
        None => {
            reading.bad(at, "its kind is missing: kind = \"openai-compatible\", for instance");
            return None;
        }
    };
    let mut settings = ProviderSettings::new(called, kind.clone());
    if let Some(at) = fields.at("base_url") {
        settings.base_url = reading.open(&at).map(Str::from);
        // Whoever writes a password there is told, and it is not shown.
        if settings.base_url.as_ref().is_some_and(|text| text.contains('@')) {
            reading.hidden.push(at.span());
        }
    }
    let mut keys = Vec::new();
    if let Some(at) = fields.at("keys") {
        let list = at.list(reading);
        // None at all, and said so: they come while it runs, or with calls.
        settings.keys_later = list.is_empty() && at.node.list().is_some();
        keys = list.iter().filter_map(|at| reading.secret(at)).collect();
    }
    if let Some(retries) = fields.at("retries") {
        match reading.value(&retries, count::<u8>) {
            Some(n) if n <= RETRIES_MAX => settings.retries = n,
            Some(_) => reading.bad(&retries, format!("{RETRIES_MAX} are the most")),
            None => {}
        }
    }
    timeouts(&mut fields, &mut settings, reading);
    let headers = headers(&mut fields, &mut settings, reading);
    settings.api_version = fields.read(reading, "api_version", name);
    settings.insecure = fields.read(reading, "insecure", flag).unwrap_or_default();
    settings.trace = fields.read(reading, "trace", flag).unwrap_or_default();
    settings.connections.http2 = fields.read(reading, "http2", flag).unwrap_or_default();
    if let Some(at) = fields.at("capacity") {
        settings.capacity = capacity(&at, reading).unwrap_or_default();
    }
    let validate = fields.read(reading, "validate", flag).unwrap_or_default();
    fields.done(reading);
    Some(Provider { kind, settings: with_keys(settings, &keys), keys, headers, validate })
}

/// The same with the keys that its references stand for.
fn with_keys(settings: ProviderSettings, keys: &[Hidden]) -> ProviderSettings {
    keys.iter().fold(settings, |settings, key| settings.key(key.secret.expose().clone()))
}

fn timeouts(fields: &mut Fields<'_>, settings: &mut ProviderSettings, reading: &mut Reading<'_>) {
    let Some(mut said) = fields.at("timeout").and_then(|at| at.fields(reading)) else { return };
    let usual = settings.usual_timeouts().unwrap_or_default();
    if let Some(connect) = said.read(reading, "connect", duration) {
        settings.connections.connect = connect;
    }
    let mut time = |name, usual| said.read(reading, name, duration).unwrap_or(usual);
    let own = Timeouts {
        first_token: time("first_token", usual.first_token),
        idle: time("idle", usual.idle),
        total: time("total", usual.total),
        head: time("head", usual.head),
    };
    said.done(reading);
    settings.timeouts = Some(own);
}

/// Puts headers into the settings; hands out those that are secrets.
fn headers(
    fields: &mut Fields<'_>,
    settings: &mut ProviderSettings,
    reading: &mut Reading<'_>,
) -> BTreeMap<Str, Hidden> {
    let mut secrets = BTreeMap::new();
    let Some(at) = fields.at("headers") else { return secrets };
    for (name, at) in at.named(reading) {
        let secret = at.node.as_text().is_some_and(|t| Reference::parse(t).is_some())
            || SECRET_WORDS.iter().any(|w| name.to_ascii_lowercase().contains(w));
        let value = if secret {
            let hidden = reading.secret(&at);
            secrets.extend(hidden.clone().map(|hidden| (Str::from(name), hidden)));
            hidden.map(|hidden| hidden.secret.expose().clone())
        } else {
            reading.open(&at)
        };
        if let Some(value) = value {
            settings.headers.push((Str::from(name), Str::from(value)));
        }
    }
    secrets
}

/// Headers with one of these in their names hold keys.
const SECRET_WORDS: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

fn capacity(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Capacity> {
    let mut fields = at.fields(reading)?;
    let capacity = Capacity {
        in_flight_max: fields.read(reading, "in_flight", count::<NonZeroU32>).map(NonZeroU32::get),
        adaptive: fields.read(reading, "adaptive", flag).unwrap_or_default(),
        requests_per_minute: fields.read(reading, "requests_per_minute", count),
        tokens_per_minute: fields.read(reading, "tokens_per_minute", count),
    };
    fields.done(reading);
    Some(capacity)
}

/// The words for kinds of providers.
fn kinds() -> impl Iterator<Item = &'static str> {
    let own = ["openai", "anthropic", "gemini", "cohere", "ollama", SIMULATED];
    own.into_iter().chain(COMPATIBLE.iter().map(|host| host.kind))
}

/// Whether a word is one of them.
fn is_kind(word: &str) -> bool {
    Kind::parse(word).is_some() || kinds().any(|kind| kind == word)
}
