//! What is told of calls.

use super::super::edge::word;
use super::super::telemetry::{FORMS, Log, Telemetry};
use super::Writer;

pub(super) fn log(log: Log, w: &mut Writer<'_>) {
    if log.form != Log::default().form {
        w.text("log", word(&FORMS, log.form));
    }
    match log.access {
        Some(true) => w.yes("access_log", true),
        Some(false) => w.no("access_log"),
        None => {}
    }
}

pub(super) fn telemetry(telemetry: &Telemetry, w: &mut Writer<'_>) {
    let Telemetry { otlp, headers, service, sentry, environment } = telemetry;
    if let Some(otlp) = otlp {
        w.secret("otlp", otlp);
    }
    w.table("headers", |w| headers.iter().for_each(|(name, value)| w.secret(name, value)));
    for (name, text) in [("service", service), ("environment", environment)] {
        if let Some(text) = text {
            w.text(name, &**text);
        }
    }
    if let Some(sentry) = sentry {
        w.secret("sentry", sentry);
    }
}
