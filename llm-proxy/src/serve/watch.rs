//! Whoever looks out for what is unlike a key: a spike of spend, a burst of errors.
//!
//! The actors are the *watch* (stands between the calls' records and the request log, and passes on
//! all of them), its *habits* (what is usual of a key; pure) and the *anomalies* that it has seen: a
//! line in the log, a count in the metrics, and a short list for operators. Nothing here refuses a
//! call: limits do. Behind the calls, so that nobody waits for it. Deliberately absent: anything that
//! outlasts the process, and addresses, which records do not have.

mod habits;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::store::{CallLog, CallRecord, Outcome, Stored};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts, Registry};
use serde::Serialize;

use super::admin::refusal::Answered;
use super::admin::{Listed, told};
use super::routes::ask::Ask;
use super::routes::shape::{Field, Shape, text, whole, words};
use super::routes::{Route, operator};
use habits::{Anomaly, Call, Habits, Kind};

/// Anomalies that operators are shown: more than anybody looks at.
const SHOWN_MAX: usize = 200;

const SEEN: &[Field] = &[
    text("at", "").need(),
    words("kind", &["spend_spike", "error_burst"], "").need(),
    text("key", "the public id of the key's line").need(),
    whole("seen", "of five minutes: billionths of a USD, or errors").need(),
    whole("usual", "billionths of a USD in five minutes, or calls in these").need(),
];

pub(crate) const ROUTES: &[Route] = &[Route::get(
    "/admin/anomalies",
    "What was unlike a key since this process began, newest first.",
    operator!(Read, seen),
)
.gives(Shape::Page(&[SEEN]))];

/// Who looks out.
pub(crate) struct Watch {
    habits: Mutex<Habits>,
    seen: Mutex<VecDeque<(Timestamp, Anomaly)>>,
    count: Option<IntCounterVec>,
}

impl Watch {
    /// Counts in these metrics.
    pub(crate) fn new(registry: &Registry) -> Arc<Self> {
        let opts = Opts::new("gw_anomalies_total", "What was unlike a key, by kind.");
        let count = IntCounterVec::new(opts, &["kind"]).ok();
        // A name that is taken is counted nowhere, and no reason not to serve.
        let count = count.filter(|count| registry.register(Box::new(count.clone())).is_ok());
        Arc::new(Self { habits: Mutex::default(), seen: Mutex::default(), count })
    }

    /// Looks at all that goes into a log.
    pub(crate) fn over(self: &Arc<Self>, log: Arc<dyn CallLog>) -> Arc<dyn CallLog> {
        Arc::new(Watched { watch: Arc::clone(self), log })
    }

    fn look(&self, record: &CallRecord) {
        let since = record.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let call = Call {
            second: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            charged: record.charged.0,
            failed: match record.outcome {
                Outcome::Done | Outcome::Left => false,
                Outcome::Failed(_) => true,
            },
        };
        let found = self.habits.lock().note(&record.principal.key.0, call);
        for anomaly in found.into_iter().flatten() {
            let Anomaly { kind, key, seen, usual } = &anomaly;
            let kind = kind.name();
            tracing::warn!(target: "anomaly", kind, %key, seen, usual, "unlike this key");
            if let Some(count) = &self.count {
                count.with_label_values(&[kind]).inc();
            }
            let at = Timestamp::try_from(record.at).unwrap_or(Timestamp::MAX);
            let mut shown = self.seen.lock();
            shown.truncate(SHOWN_MAX - 1);
            shown.push_front((at, anomaly));
        }
    }
}

/// A log that is looked at.
#[derive(Debug)]
struct Watched {
    watch: Arc<Watch>,
    log: Arc<dyn CallLog>,
}

impl CallLog for Watched {
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()> {
        // Once each, whatever becomes of the log.
        batch.iter().for_each(|record| self.watch.look(record));
        self.log.append(batch)
    }
}

#[derive(Serialize)]
struct Shown {
    at: String,
    kind: &'static str,
    key: Str,
    seen: i64,
    usual: i64,
}

async fn seen(ask: &mut Ask) -> Answered {
    let seen = ask.house.watch.seen.lock();
    let shown = seen.iter().map(|(at, anomaly)| Shown {
        at: at.to_string(),
        kind: anomaly.kind.name(),
        key: anomaly.key.clone(),
        seen: anomaly.seen,
        usual: anomaly.usual,
    });
    Ok(told(StatusCode::OK, &Listed { data: shown.collect::<Vec<_>>(), next: None }))
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Spend => "spend_spike",
            Self::Errors => "error_burst",
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
