//! `[credits]` and `[webhooks.NAME]`.

use std::collections::BTreeMap;

use llm_core::Str;
use llm_core::money::Credits;
use llm_core::quota::{Mode, Period};
use llm_core::wallet::alert::THRESHOLDS_MAX;
use llm_core::wallet::tariff::Tariffs;
use llm_store::webhooks::Secrets;

use super::super::credits::{CreditRules, Guests, Hook};
use super::super::reading::{At, Reading, count, flag, name, parsed};
use super::super::reference::Hidden;
use super::super::tree::Node;

pub(super) fn credits(at: &At<'_>, reading: &mut Reading<'_>) -> CreditRules {
    let Some(mut fields) = at.fields(reading) else { return CreditRules::default() };
    let models = fields.at("models").map(|at| named(&at, reading, parsed)).unwrap_or_default();
    let jobs = fields.at("jobs").map(|at| named(&at, reading, parsed)).unwrap_or_default();
    let guests = fields.at("guests").and_then(|at| guests(&at, reading));
    let low = fields.at("low");
    let levels = low.as_ref().map(|at| at.list(reading)).unwrap_or_default();
    let levels: Vec<_> = levels.iter().filter_map(|at| reading.value(at, amount)).collect();
    if let Some(at) = low.filter(|_| levels.len() > THRESHOLDS_MAX) {
        reading.bad(&at, format!("up to {THRESHOLDS_MAX} thresholds, please"));
    }
    let top_ups = fields.at("top_ups").map(|at| secrets(&at, reading)).unwrap_or_default();
    fields.done(reading);
    let (models, plans) = (Tariffs::new(models), BTreeMap::new());
    CreditRules { models, jobs: jobs.into_iter().collect(), plans, guests, low: levels, top_ups }
}

fn named<T>(
    at: &At<'_>,
    reading: &mut Reading<'_>,
    read: fn(&Node) -> Result<T, String>,
) -> Vec<(Str, T)> {
    let all = at.named(reading);
    let value = |(called, at): (&str, At<'_>)| Some((Str::from(called), reading.value(&at, read)?));
    all.into_iter().filter_map(value).collect()
}

/// An amount of credits, as a text or as a number.
fn amount(node: &Node) -> Result<Credits, String> {
    let text = node.word().ok_or("an amount of credits is wanted here: 30 or \"2.5\"")?;
    text.trim_end_matches("credits").trim().parse().map_err(|error| format!("{error}"))
}

fn guests(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Guests> {
    let mut fields = at.fields(reading)?;
    let grant = fields.read(reading, "grant", amount);
    let per_network = fields.read(reading, "per_network", count);
    let per_device = fields.read(reading, "per_device", count);
    let every = fields.read(reading, "every", period);
    fields.done(reading);
    if grant.is_none() {
        reading.bad(at, "what a guest is granted is missing: grant = 30");
    }
    let usual = Period { count: 1, length: llm_core::quota::Length::Month };
    Some(Guests {
        grant: grant?,
        per_network: per_network.unwrap_or(3),
        per_device: per_device.unwrap_or(1),
        every: every.unwrap_or(usual),
    })
}

fn period(node: &Node) -> Result<Period, String> {
    let period: Period = parsed(node)?;
    if period.allows(Mode::Calendar) { Ok(period) } else { Err("no such period".to_owned()) }
}

/// Credits every month: `1000/month`.
pub(super) fn monthly(node: &Node) -> Result<Credits, String> {
    const WANTED: &str = "credits are granted by the month: 1000/month";
    let text = node.word().ok_or(WANTED)?;
    let (amount, of) = text.split_once('/').ok_or(WANTED)?;
    let amount = amount.trim();
    let amount = amount.strip_suffix("credits").unwrap_or(amount).trim();
    if of.trim() != "month" {
        return Err(WANTED.to_owned());
    }
    amount.parse().map_err(|error| format!("{error}: {WANTED}"))
}

/// One secret, or several while one takes the place of another.
fn secrets(at: &At<'_>, reading: &mut Reading<'_>) -> Vec<Hidden> {
    let all = if at.node.list().is_some() { at.list(reading) } else { vec![at.clone()] };
    let secrets: Vec<_> = all.iter().filter_map(|at| reading.secret(at)).collect();
    if secrets.len() == all.len()
        && let Err(why) = Secrets::new(secrets.iter().map(|hidden| hidden.secret.expose().as_str()))
    {
        reading.bad(at, why.to_string());
    }
    secrets
}

pub(super) fn webhooks(at: &At<'_>, reading: &mut Reading<'_>) -> BTreeMap<Str, Hook> {
    let all = at.named(reading);
    let hook = |(called, at): (&str, At<'_>)| Some((Str::from(called), hook(&at, reading)?));
    all.into_iter().filter_map(hook).collect()
}

fn hook(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Hook> {
    let mut fields = at.fields(reading)?;
    let url_at = fields.at("url");
    let url = url_at.as_ref().and_then(|at| address(at, reading));
    let secret_at = fields.at("secret");
    let secrets = secret_at.as_ref().map(|at| secrets(at, reading)).unwrap_or_default();
    let events = fields.list(reading, "events", name);
    let private = fields.read(reading, "private", flag).unwrap_or_default();
    fields.done(reading);
    if url_at.is_none() {
        reading.bad(at, "the address is missing: url = \"https://…\"");
    }
    if secret_at.is_none() {
        reading.bad(at, "the secret is missing: secret = \"env:WEBHOOK_SECRET\"");
    }
    if let (Some(url), Some(at)) = (&url, &url_at)
        && !private
        && url.secret.expose().starts_with("http:")
    {
        reading.doubtful(at, "letters are signed and not sealed: write https, or private = true");
    }
    let events = events.unwrap_or_else(|| vec![Str::from_static("*")]);
    Some(Hook { url: url?, secrets, events, private })
}

/// An address stands in the file as it is; some services put a secret into it, and then it is a
/// reference.
fn address(at: &At<'_>, reading: &mut Reading<'_>) -> Option<Hidden> {
    let reference = reading.value(at, super::super::reading::text)?;
    let url = reading.open(at)?;
    let parsed = url.parse::<http::Uri>().ok();
    let fits = parsed.is_some_and(|uri| {
        uri.host().is_some() && matches!(uri.scheme_str(), Some("https" | "http"))
    });
    if !fits {
        reading.bad(at, "an address is wanted here: https://example.com/hooks");
        return None;
    }
    Some(Hidden { reference, secret: llm_core::secret::Secret::new(url) })
}
