//! Traces over OTLP, as JSON over HTTP: written here, since a record of a call is one small tree and
//! the libraries for it are larger than this proxy.

mod span;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use llm_core::seam::Clock;
use llm_core::store::CallRecord;
use prometheus::IntCounter;
use tokio::sync::mpsc;

use super::courier::Courier;
use crate::config::telemetry::Telemetry;

/// Calls that wait to be told of. Whoever takes them is behind by more, and memory is the callers'.
const QUEUE_MAX: usize = 4_096;
/// Calls of one letter: some hundred kilobytes.
const BATCH_MAX: usize = 256;
/// How long the first call of a letter waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// Where traces are taken, below the address that people are told.
const PATH: &str = "/v1/traces";
const SERVICE: &str = "llm-proxy";

/// Where calls are put that are told of.
#[derive(Clone, Debug)]
pub(super) struct Traces {
    send: mpsc::Sender<CallRecord>,
    dropped: IntCounter,
}

impl Traces {
    /// With a task that tells of them. Must be called within a runtime.
    pub(super) fn start(
        said: &Telemetry,
        dropped: IntCounter,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let at = said.otlp.as_ref().map_or("", |at| at.secret.expose().as_str());
        let at = at.trim_end_matches('/');
        let at = if at.ends_with(PATH) { at.to_owned() } else { format!("{at}{PATH}") };
        let to: Uri = at.parse().map_err(|_| "telemetry.otlp: this is no address".to_owned())?;
        let headers = said.headers.iter().filter_map(|(name, value)| {
            let mut text = HeaderValue::from_str(value.secret.expose()).ok()?;
            text.set_sensitive(true);
            Some((HeaderName::try_from(&**name).ok()?, text))
        });
        let courier = Courier::new(to, "application/json", headers, Arc::clone(&clock))?;
        let service = said.service.as_deref().unwrap_or(SERVICE).to_owned();
        let resource = span::Resource { service, environment: said.environment.clone() };
        let (send, receive) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(tell(receive, courier, resource, dropped.clone(), clock));
        Ok(Self { send, dropped })
    }

    /// Tells of a call, if there is room. Whoever began its trace has decided whether it is kept: a
    /// piece of one that nobody keeps is of use to nobody.
    pub(super) fn push(&self, record: &CallRecord) {
        if record.trace.as_ref().is_some_and(|trace| !trace.sampled) {
            return;
        }
        if self.send.try_send(record.clone()).is_err() {
            self.dropped.inc();
        }
    }
}

async fn tell(
    mut receive: mpsc::Receiver<CallRecord>,
    courier: Courier,
    resource: span::Resource,
    dropped: IntCounter,
    clock: Arc<dyn Clock>,
) {
    let (mut batch, mut silent) = (Vec::with_capacity(BATCH_MAX), false);
    while let Some(first) = receive.recv().await {
        batch.push(first);
        let mut end = clock.sleep(GATHER);
        while batch.len() < BATCH_MAX {
            tokio::select! {
                next = receive.recv() => match next {
                    Some(next) => batch.push(next),
                    None => break,
                },
                () = &mut end => break,
            }
        }
        match courier.carry(span::letter(&resource, &batch)).await {
            Ok(()) => silent = false,
            Err(error) => {
                dropped.inc_by(batch.len() as u64);
                // Once, until somebody takes them again.
                if !std::mem::replace(&mut silent, true) {
                    tracing::warn!(%error, calls = batch.len(), "traces were not taken");
                }
            }
        }
        batch.clear();
    }
}
