//! Tries keys at their provider, and says of each what it may do and what is to be done about it.
//!
//! A list of models costs nothing and says most of it. What providers bill for is only asked when it
//! is wished for, as calls of the gateway with the key as their own: a few tokens, on the account of
//! whoever runs it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream as _;
use llm_core::Str;
use llm_core::call::OwnKeys;
use llm_core::catalog::{Catalog, ModelKind};
use llm_core::error::{Error, Kind};
use llm_core::event::Event;
use llm_core::fault::{Fault, FaultClass};
use llm_core::prompt::{EmbedRequest, Request};
use llm_core::provider::{Credential, LimitHint};
use llm_core::raw::RawNumber;
use llm_core::secret::{Secret, redact};
use llm_providers::asking::Asking;
use llm_providers::provider::probe::{self, Probe, Told};
use llm_providers::target::Vendor;
use serde::Serialize;

use super::shown;
use super::words::{Words, advice};
use crate::config::Config;
use crate::serve::house::House;

/// Models that are named in a report; their number is told whatever it is.
const NAMES_MAX: usize = 200;
/// An answer of a few tokens.
const WITHIN: Duration = Duration::from_secs(30);
/// The least that every provider takes as a cap.
const TOKENS: &str = "16";
/// Letters of what a provider says that are shown.
const SAYS_MAX: usize = 300;

/// What is known of a key after a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It works.
    Valid,
    /// It is known, and may not do what was asked.
    Restricted,
    /// Nobody knows it.
    Invalid,
    /// It was known once.
    Expired,
    /// Nothing is left of what was paid for.
    NoQuota,
    /// Too much was asked of it just now.
    RateLimited,
    /// Nobody answered.
    Unreachable,
    /// Something was answered that says nothing of it.
    Unknown,
}

impl Verdict {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Restricted => "restricted",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::NoQuota => "no_quota",
            Self::RateLimited => "rate_limited",
            Self::Unreachable => "unreachable",
            Self::Unknown => "unknown",
        }
    }

    /// Whether only its owner can make it work again.
    pub(super) fn is_dead(self) -> bool {
        match self {
            Self::Invalid | Self::Expired | Self::NoQuota => true,
            Self::Valid
            | Self::Restricted
            | Self::RateLimited
            | Self::Unreachable
            | Self::Unknown => false,
        }
    }

    fn of(fault: &Fault) -> Self {
        match fault.class {
            FaultClass::Authentication if fault.message.to_lowercase().contains("expired") => {
                Self::Expired
            }
            FaultClass::Authentication => Self::Invalid,
            FaultClass::Permission => Self::Restricted,
            FaultClass::QuotaExhausted => Self::NoQuota,
            FaultClass::RateLimited => Self::RateLimited,
            FaultClass::Overloaded | FaultClass::Server | FaultClass::Timeout => Self::Unreachable,
            FaultClass::InvalidRequest
            | FaultClass::NotFound
            | FaultClass::TooLarge
            | FaultClass::ContextOverflow
            | FaultClass::ContentFiltered
            | FaultClass::Corrupt
            | FaultClass::Truncated
            | FaultClass::Unknown => Self::Unknown,
        }
    }

    /// What an error of a call with the key says of it.
    fn after(error: &Error) -> Self {
        let kind = error.kind();
        if let Some(fault) = error.fault() {
            return Self::of(fault);
        }
        if kind == Kind::Unauthenticated || kind == Kind::UpstreamKeyRejected {
            Self::Invalid
        } else if kind == Kind::CreditExhausted || kind == Kind::UpstreamQuota {
            Self::NoQuota
        } else if kind == Kind::UpstreamRateLimited {
            Self::RateLimited
        } else if kind == Kind::ConnectFailed || kind == Kind::Timeout {
            Self::Unreachable
        } else {
            Self::Unknown
        }
    }
}

/// A key on trial.
#[derive(Clone, Debug)]
pub(in crate::serve) struct Tried {
    /// Its name in the pool; `None` for one that is in no pool.
    pub(in crate::serve) id: Option<Str>,
    /// The key; a provider that wants none has none.
    pub(in crate::serve) secret: Option<Secret<String>>,
}

/// What a trial came to.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::serve) id: Option<Str>,
    last_four: Option<String>,
    pub(in crate::serve) status: Verdict,
    advice: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_says: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions_missing: Vec<String>,
    models_visible: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Str>,
    /// Targets of the configuration that the key does not see.
    configured_invisible: Vec<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<Check>,
}

/// What a provider says of a key's limits.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Limits {
    requests_limit: Option<u64>,
    requests_left: Option<u64>,
    tokens_limit: Option<u64>,
    tokens_left: Option<u64>,
}

impl From<LimitHint> for Limits {
    fn from(told: LimitHint) -> Self {
        let LimitHint { requests_limit, requests_left, tokens_limit, tokens_left, .. } = told;
        Self { requests_limit, requests_left, tokens_limit, tokens_left }
    }
}

/// One thing that the key was used for.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Check {
    capability: &'static str,
    model: Str,
    ok: bool,
    status: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_says: Option<String>,
}

/// Tries a key. With `deep`, it is also used for the least that can be asked.
pub(in crate::serve) async fn tried(
    house: &House,
    config: &Config,
    vendor: &Arc<Vendor>,
    key: Tried,
    deep: bool,
) -> Report {
    let id = key.id.clone().unwrap_or_else(|| Str::from_static(Credential::OWN));
    let credential = Credential { id: Str::from_static(Credential::OWN), key: key.secret.clone() };
    let probe =
        probe::models(&*vendor.provider, &*vendor.transport, &credential, &house.clock).await;
    let mut report = Report {
        id: key.id,
        last_four: key.secret.as_ref().map(|secret| shown(secret.expose())),
        ..judged(probe, config, vendor)
    };
    if deep && !report.status.is_dead() {
        report.checks = checks(house, config, vendor, &credential, &report.models).await;
        // A list of models is given to keys that can buy nothing any more.
        if let Some(worse) = report.checks.iter().map(|c| c.status).find(|status| status.is_dead())
        {
            report.status = worse;
            report.advice = advice(worse);
        } else if report.checks.iter().any(|check| check.ok) && report.models_visible.is_none() {
            report.status = Verdict::Valid;
            report.advice = advice(Verdict::Valid);
        }
    }
    house.vendors.tried(&vendor.name, &id, report.status);
    report
}

fn judged(probe: Probe, config: &Config, vendor: &Vendor) -> Report {
    let (status, says, models, told) = match probe {
        Probe::Answered { models, told } => (Verdict::Valid, None, Some(models), told),
        Probe::Refused { fault, told } => {
            let says = (!fault.message.is_empty()).then(|| fault.message.clone());
            (Verdict::of(&fault), says, None, told)
        }
        Probe::Silent(text) => (Verdict::Unreachable, Some(text), None, Told::default()),
        Probe::Unasked => (Verdict::Unknown, None, None, Told::default()),
    };
    let seen: Option<BTreeSet<&str>> =
        models.as_ref().map(|models| models.iter().map(|model| bare(model)).collect());
    let configured_invisible = match &seen {
        // What Azure lists are models, and what it is asked for are deployments.
        Some(seen) if &*vendor.kind != "azure" => {
            let configured = configured(config, &vendor.name).into_iter();
            configured.filter(|model| !seen.contains(bare(model))).collect()
        }
        Some(_) | None => Vec::new(),
    };
    let Told { organisation, tier, limits } = told;
    Report {
        id: None,
        last_four: None,
        status,
        advice: advice(status),
        permissions_missing: says.as_deref().map(missing).unwrap_or_default(),
        provider_says: says.map(|says| cut(&says)),
        models_visible: models.as_ref().map(Vec::len),
        models: models.unwrap_or_default().into_iter().take(NAMES_MAX).collect(),
        configured_invisible,
        organisation,
        tier,
        limits: limits.map(Limits::from),
        checks: Vec::new(),
    }
}

/// A model's name without what vendors put around it when they list it.
fn bare(model: &str) -> &str {
    let model = model.strip_prefix("models/").unwrap_or(model);
    model.strip_suffix(":latest").unwrap_or(model)
}

/// Models of a provider that the configuration names.
fn configured(config: &Config, provider: &str) -> Vec<Str> {
    let targets = config.models.values().flat_map(|model| model.tiers.iter().flatten());
    let models = targets.filter_map(|(target, _)| {
        target.split_once('/').filter(|(of, _)| *of == provider).map(|(_, model)| model)
    });
    models.collect::<BTreeSet<_>>().into_iter().map(Str::from).collect()
}

/// Permissions that a provider says are missing.
fn missing(says: &str) -> Vec<String> {
    let Some((_, rest)) = says.split_once("Missing scopes:") else { return Vec::new() };
    // Scopes have dots of their own; a sentence's has a blank behind it.
    let list = rest.split(". ").next().unwrap_or_default();
    let words = list.split([',', ' ']).map(|word| word.trim_matches(['.', '"']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn cut(text: &str) -> String {
    redact(text).chars().take(SAYS_MAX).collect()
}

/// The least that can be asked of each ability, with that key and no other.
async fn checks(
    house: &House,
    config: &Config,
    vendor: &Arc<Vendor>,
    key: &Credential,
    seen: &[Str],
) -> Vec<Check> {
    let mut candidates = configured(config, &vendor.name);
    candidates.extend(seen.iter().cloned());
    let kind = |model: &str| Catalog::builtin().lookup(&vendor.kind, model).map(|e| e.kind);
    let embeds = |model: &&Str| match kind(model) {
        Some(ModelKind::Embed) => true,
        Some(ModelKind::Any) | None => model.contains("embed"),
        Some(_) => false,
    };
    let talks = |model: &&Str| match kind(model) {
        Some(ModelKind::Chat | ModelKind::Responses) => true,
        Some(ModelKind::Any) | None => !model.contains("embed"),
        Some(_) => false,
    };
    let asking = |target: &str| {
        let keys = vec![(vendor.name.clone(), Arc::new(key.clone()))];
        // What has no price yet can be tried all the same.
        let own = OwnKeys { keys, only: true, charged: config.price(target).is_some() };
        house.gateway.asking().feature("validation").within(WITHIN).own_keys(own)
    };
    let mut checks = Vec::new();
    if let Some(model) = candidates.iter().find(talks) {
        let target = format!("{}/{model}", vendor.name);
        let asking = asking(&target);
        let done = asking.chat(asked(&target)).await.map(drop);
        checks.push(check("chat", model, done));
        checks.push(check("stream", model, streamed(&asking, &target).await));
    }
    if let Some(model) = candidates.iter().find(embeds) {
        let target = format!("{}/{model}", vendor.name);
        let request = EmbedRequest::new(target.clone()).text("OK");
        checks.push(check("embeddings", model, asking(&target).embed(request).await.map(drop)));
    }
    checks
}

fn asked(target: &str) -> Request {
    let mut request = Request::new(target).user("OK?");
    request.output.tokens_max = RawNumber::parse(TOKENS);
    request
}

/// A stream, to its end.
async fn streamed(asking: &Asking<'_>, target: &str) -> Result<(), Error> {
    let mut events = Box::pin(asking.stream(asked(target)).await?);
    loop {
        let next = std::future::poll_fn(|cx| events.as_mut().poll_next(cx)).await;
        match next {
            Some(Event::Failure(error)) => return Err(error),
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

fn check(capability: &'static str, model: &Str, done: Result<(), Error>) -> Check {
    let (status, says) = match &done {
        Ok(()) => (Verdict::Valid, None),
        Err(error) => (Verdict::after(error), Some(cut(error.message()))),
    };
    Check { capability, model: model.clone(), ok: done.is_ok(), status, provider_says: says }
}

/// Keys of a provider's pool.
pub(in crate::serve) fn pool(house: &House, config: &Config, provider: &str) -> Vec<Tried> {
    let Some(said) = config.providers.get(provider) else { return Vec::new() };
    let own = said.keys.iter().enumerate().map(|(n, key)| Tried {
        id: Some(Str::from(format!("{provider}-{}", n + 1))),
        secret: Some(key.secret.clone()),
    });
    let stored = house.board.stored();
    let stored = stored.of(provider).into_iter();
    let stored = stored.map(|(name, key)| Tried { id: Some(name), secret: Some(key) });
    let mut pool: Vec<Tried> = own.chain(stored).collect();
    if pool.is_empty() && !said.settings.keys_later {
        // What the built-in provider is shown, and what one that wants no key is not.
        let simulated = said.is_simulated().then(|| Secret::new("sk-simulated".to_owned()));
        pool.push(Tried { id: Some(Str::from_static("none")), secret: simulated });
    }
    pool
}

/// Tries the keys of providers whose configuration wants it so, beside everything else.
pub(in crate::serve) async fn at_start(house: Arc<House>) {
    let now = house.board.now();
    let snapshot = house.gateway.snapshot();
    for (name, _) in now.config.providers.iter().filter(|(_, p)| p.validate) {
        let Some(vendor) = snapshot.vendors.get(name) else { continue };
        for key in pool(&house, &now.config, name) {
            let report = tried(&house, &now.config, vendor, key, false).await;
            let key = report.id.as_deref().unwrap_or_default();
            if report.status.is_dead() {
                let advice = report.advice.en();
                tracing::warn!(%name, key, status = report.status.name(), "{advice}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_read_out_of_a_sentence() {
        let says = "You have insufficient permissions for this operation. Missing scopes: \
             api.model.read, model.request. Check that you have the correct role.";
        assert_eq!(missing(says), ["api.model.read", "model.request"]);
        assert!(missing("You may not do that.").is_empty());
    }

    #[test]
    fn a_key_is_shown_by_its_end_alone() {
        assert_eq!(shown("sk-0123456789abcd"), "…abcd");
        assert_eq!(shown("short"), "…");
        assert_eq!(shown("ééééééééé"), "…éé");
    }

    #[test]
    fn verdicts_come_from_classes_and_an_expired_key_from_words() {
        let fault = |class, text: &str| Verdict::of(&Fault::new(401, class, text));
        assert_eq!(fault(FaultClass::Authentication, "API key expired."), Verdict::Expired);
        assert_eq!(fault(FaultClass::Authentication, "wrong"), Verdict::Invalid);
        assert_eq!(fault(FaultClass::QuotaExhausted, ""), Verdict::NoQuota);
        assert_eq!(fault(FaultClass::Permission, ""), Verdict::Restricted);
    }
}
