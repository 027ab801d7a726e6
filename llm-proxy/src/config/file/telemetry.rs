//! `[telemetry]`.

use llm_core::Str;

use super::super::reading::{At, Reading, name};
use super::super::telemetry::{Dsn, Telemetry};
use super::server::url;

pub(super) fn telemetry(at: &At<'_>, reading: &mut Reading<'_>) -> Telemetry {
    let Some(mut fields) = at.fields(reading) else { return Telemetry::default() };
    let otlp = fields.at("otlp").and_then(|at| {
        let hidden = url(&at, reading)?;
        let known = ["http://", "https://"].iter().any(|s| hidden.secret.expose().starts_with(s));
        if !known {
            reading.bad(&at, "traces are taken at an address: http://localhost:4318");
        }
        known.then_some(hidden)
    });
    let headers = fields.at("headers").map(|at| at.named(reading)).unwrap_or_default();
    let headers = headers.into_iter().filter_map(|(name, at)| {
        if http::HeaderName::try_from(name).is_err() {
            reading.bad(&at, "this is no name of a header");
        }
        Some((Str::from(name), reading.secret(&at)?))
    });
    let headers = headers.collect();
    let sentry = fields.at("sentry").and_then(|at| {
        let hidden = reading.secret(&at)?;
        if Dsn::parse(hidden.secret.expose()).is_none() {
            reading.bad(&at, "this is no DSN: https://KEY@HOST/PROJECT");
            return None;
        }
        Some(hidden)
    });
    let telemetry = Telemetry {
        otlp,
        headers,
        service: fields.read(reading, "service", name),
        sentry,
        environment: fields.read(reading, "environment", name),
    };
    fields.done(reading);
    telemetry
}
