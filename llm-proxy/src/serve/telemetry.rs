//! What is told of calls to whoever looks after the proxy: a line of the log for each request, traces
//! over OTLP, errors to Sentry, and what the process itself uses.
//!
//! All of it stands behind the calls: it reads the records that the request log is made of, when the
//! calls are over, and so costs a call nothing and keeps none of them waiting. Each way out has a
//! queue with an end, and what does not fit into it is dropped and counted. Deliberately absent: words
//! of questions and answers, which records do not have.

mod access;
mod courier;
mod otlp;
mod process;
pub(crate) mod sentry;

use std::fmt;
use std::sync::Arc;

use llm_core::seam::Clock;
use llm_core::store::{CallLog, CallRecord, Stored};
use prometheus::{IntCounterVec, Opts, Registry};

use super::store::Store;
use crate::config::Config;

pub(super) use access::Request;

/// Who is told.
pub(crate) struct Telemetry {
    access: bool,
    traces: Option<otlp::Traces>,
    process: process::Gauges,
}

impl Telemetry {
    /// As it is configured. Must be called within a runtime.
    pub(crate) fn open(
        config: &Config,
        registry: &Registry,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, String> {
        let opts = Opts::new("gw_telemetry_dropped_total", "What was not told, by who was not.");
        let dropped = IntCounterVec::new(opts, &["to"]).map_err(|error| error.to_string())?;
        registry.register(Box::new(dropped.clone())).map_err(|error| error.to_string())?;
        let traces = match &config.telemetry.otlp {
            Some(_) => {
                let dropped = dropped.with_label_values(&["otlp"]);
                Some(otlp::Traces::start(&config.telemetry, dropped, Arc::clone(clock))?)
            }
            None => None,
        };
        sentry::counted(dropped.with_label_values(&["sentry"]));
        let process = process::Gauges::new(registry).map_err(|error| error.to_string())?;
        Ok(Self { access: config.server.log.has_access(), traces, process })
    }

    /// A request log that tells of what goes into it; the log itself where nobody is told.
    pub(crate) fn over(&self, log: Option<Arc<dyn CallLog>>) -> Option<Arc<dyn CallLog>> {
        if !self.access && self.traces.is_none() {
            return log;
        }
        Some(Arc::new(Told { access: self.access, traces: self.traces.clone(), log }))
    }

    /// A request has been answered that was no call of a model, or did not become one.
    pub(crate) fn answered(&self, request: &Request<'_>) {
        if self.access {
            request.write();
        }
    }

    /// Looks at the process and at the ledger, for whoever counts.
    pub(crate) fn look(&self, store: &Store) {
        self.process.look(store);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("access", &self.access).finish_non_exhaustive()
    }
}

/// A log that tells of what goes into it.
#[derive(Debug)]
struct Told {
    access: bool,
    traces: Option<otlp::Traces>,
    log: Option<Arc<dyn CallLog>>,
}

impl CallLog for Told {
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()> {
        // Once each, whatever becomes of the log.
        for record in batch {
            if self.access {
                access::call(record);
            }
            if let Some(traces) = &self.traces {
                traces.push(record);
            }
        }
        match &self.log {
            Some(log) => log.append(batch),
            None => Box::pin(std::future::ready(Ok(()))),
        }
    }
}
