//! Errors of ours, told to Sentry where somebody wants that: what is logged as an error, and panics.
//!
//! What looks like a key is taken out, and so is what stands in quotes of a panic's message, which may
//! be a caller's text. Deliberately absent: failures of providers and of callers, which are no errors
//! of ours and are counted elsewhere.

use std::fmt::{self, Write as _};
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue};
use llm_core::seam::Clock;
use llm_core::secret::redact;
use llm_providers::seam::SystemClock;
use prometheus::IntCounter;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::courier::Courier;
use crate::config::telemetry::{Dsn, Telemetry};
use crate::secrets;

/// Errors that wait to be told: one that comes in thousands is one.
const QUEUE_MAX: usize = 64;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a value.
const TEXT_MAX: usize = 1_000;

/// Where errors go that the process has; there is one for all of it, as there is one log.
static QUEUE: OnceLock<mpsc::Sender<Told>> = OnceLock::new();
static DROPPED: OnceLock<IntCounter> = OnceLock::new();

/// An error.
#[derive(Debug)]
struct Told {
    at: SystemTime,
    logger: String,
    message: String,
    more: Map<String, Value>,
}

/// Begins to tell, where somebody wants to be told. Must be called within a runtime.
pub(crate) fn start(said: &Telemetry) -> Result<Option<Errors>, String> {
    let Some(dsn) = &said.sentry else { return Ok(None) };
    let wrong = || "telemetry.sentry: this is no DSN".to_owned();
    let Dsn { to, key } = Dsn::parse(dsn.secret.expose()).ok_or_else(wrong)?;
    let client = concat!("llm-proxy/", env!("CARGO_PKG_VERSION"));
    let auth = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={key}");
    let mut auth = HeaderValue::from_str(&auth).map_err(|_| wrong())?;
    auth.set_sensitive(true);
    let auth = (HeaderName::from_static("x-sentry-auth"), auth);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let kind = "application/x-sentry-envelope";
    let courier = Courier::new(to, kind, [auth], Arc::clone(&clock))?;
    let environment = said.environment.as_deref().unwrap_or("production").to_owned();
    let (send, receive) = mpsc::channel(QUEUE_MAX);
    if QUEUE.set(send).is_ok() {
        tokio::spawn(tell(receive, courier, environment, clock));
    }
    Ok(Some(Errors))
}

/// Where what is dropped is counted.
pub(super) fn counted(dropped: IntCounter) {
    let _ = DROPPED.set(dropped);
}

fn put(told: Told) {
    let Some(queue) = QUEUE.get() else { return };
    if queue.try_send(told).is_err() {
        lost();
    }
}

fn lost() {
    if let Some(dropped) = DROPPED.get() {
        dropped.inc();
    }
}

async fn tell(
    mut receive: mpsc::Receiver<Told>,
    courier: Courier,
    environment: String,
    clock: Arc<dyn Clock>,
) {
    while let Some(told) = receive.recv().await {
        let taken = match envelope(&told, &environment) {
            Some(letter) => courier.carry(letter).await,
            None => Err("no id was drawn for it".to_owned()),
        };
        if let Err(error) = taken {
            lost();
            tracing::debug!(%error, "an error was not taken");
        }
        clock.sleep(PAUSE).await;
    }
}

fn envelope(told: &Told, environment: &str) -> Option<Vec<u8>> {
    let id = secrets::hex::<16>().ok()?;
    let at = told.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let event = json!({
        "event_id": id,
        "timestamp": at.as_secs_f64(),
        "platform": "other",
        "level": "error",
        "logger": told.logger,
        "release": concat!("llm-proxy@", env!("CARGO_PKG_VERSION")),
        "environment": environment,
        "message": {"formatted": told.message},
        "extra": told.more,
    });
    let event = event.to_string();
    let head = json!({"event_id": id});
    let item = json!({"type": "event", "length": event.len()});
    Some(format!("{head}\n{item}\n{event}\n").into_bytes())
}

/// Looks at what is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        put(Told {
            at: SystemClock.wall(),
            logger: event.metadata().target().to_owned(),
            message: words.message,
            more: words.more,
        });
    }
}

/// The fields of a line.
#[derive(Default)]
struct Words {
    message: String,
    more: Map<String, Value>,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = write!(text, "{value:?}");
        let text = scrubbed(&text);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.more.insert(field.name().to_owned(), Value::String(text));
        }
    }
}

/// Without anything that looks like a key, and not longer than anybody reads.
fn scrubbed(text: &str) -> String {
    redact(text).chars().take(TEXT_MAX).collect()
}

/// A panic, as a line of the log: where it was, and why without what stands in quotes.
pub(crate) fn panicked(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let why = unquoted(text.unwrap_or("no reason was given"));
    let stack = std::backtrace::Backtrace::capture();
    tracing::error!(target: "panic", location, why, "a mistake of ours: {stack}");
}

/// The beginning of a message, up to where it begins to repeat what somebody else has said.
fn unquoted(text: &str) -> String {
    let end = text.find(['`', '"', '\'']).unwrap_or(text.len());
    scrubbed(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_repeat_what_a_caller_said() {
        let text = "byte index 5 is not a char boundary; it is inside '한' of `secret words`";
        assert_eq!(unquoted(text), "byte index 5 is not a char boundary; it is inside ");
        assert_eq!(
            unquoted("index out of bounds: the len is 3"),
            "index out of bounds: the len is 3"
        );
    }
}
