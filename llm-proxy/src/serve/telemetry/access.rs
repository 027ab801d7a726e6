//! A line for each request: names and numbers, no content.

use std::time::Duration;

use http::StatusCode;
use llm_core::store::{CallRecord, Outcome};
use tracing::info;

/// What a caller's leaving is called where only statuses are known.
const LEFT: u16 = 499;

/// A call of a model. Its times are in microseconds, and money is in billionths of a dollar: whoever
/// reads these lines adds them up.
pub(super) fn call(record: &CallRecord) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (status, error) = match record.outcome {
        Outcome::Done => (200, ""),
        Outcome::Left => (LEFT, "caller_left"),
        Outcome::Failed(kind) => (kind.status(), kind.name()),
    };
    let usage = &record.usage;
    info!(
        target: "access",
        request_id = %record.id,
        route = record.dialect.map_or("passthrough", |dialect| dialect.name()),
        operation = record.operation.name(),
        model = %record.model.escape_debug(),
        deployment = record.target.as_ref().map(|target| &*target.0),
        key = &*record.principal.key.0,
        status,
        error,
        attempts = record.attempts,
        stream = record.stream,
        cached = record.cached,
        queue_us = record.tried.first().map(|first| micros(first.began)),
        first_token_us = record.first_byte.map(micros),
        total_us = micros(record.total),
        input_tokens = usage.input + usage.cache_read + usage.cache_write + usage.cache_write_1h,
        output_tokens = usage.output + usage.reasoning,
        cost_nanos = record.charged.0,
        "request"
    );
}

/// A request that was no call of a model, or did not become one.
#[derive(Debug)]
pub(crate) struct Request<'r> {
    /// Its id, where it has one.
    pub(crate) id: Option<&'r str>,
    /// The route, without any name that a caller chose.
    pub(crate) route: &'r str,
    /// What it did.
    pub(crate) operation: &'r str,
    /// How it was answered.
    pub(crate) status: StatusCode,
    /// Why it was refused.
    pub(crate) error: &'r str,
    /// How long it took, where that is known.
    pub(crate) total: Option<Duration>,
}

impl Request<'_> {
    pub(super) fn write(&self) {
        info!(
            target: "access",
            request_id = self.id,
            route = self.route,
            operation = self.operation,
            status = self.status.as_u16(),
            error = self.error,
            total_us = self.total.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
            "request"
        );
    }
}
