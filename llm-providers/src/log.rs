//! The way of records to a request log: bounded, never waited for, and what it drops is counted.

use std::sync::Arc;
use std::time::Duration;

use llm_core::seam::Clock;
use llm_core::store::{CallLog, CallRecord};
use prometheus::IntCounter;
use tokio::sync::mpsc;

/// Records that wait. A log that is behind by more has lost its use, and memory is the callers'.
const QUEUE_MAX: usize = 8_192;
/// Records that are appended at once.
const BATCH_MAX: usize = 512;
/// How long the first record of a batch waits for others. A log that is asked for each record alone
/// costs more than the call that it tells of; whoever reads the log does not see this.
const GATHER: Duration = Duration::from_millis(20);

/// Where records are pushed.
#[derive(Clone, Debug)]
pub(crate) struct LogQueue {
    send: mpsc::Sender<CallRecord>,
    dropped: IntCounter,
}

impl LogQueue {
    /// A queue in front of a log, and the task that empties it. Must be called within a runtime.
    pub(crate) fn start(log: Arc<dyn CallLog>, dropped: IntCounter, clock: Arc<dyn Clock>) -> Self {
        let (send, receive) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(drain(log, receive, dropped.clone(), clock));
        Self { send, dropped }
    }

    /// Keeps a record, if there is room.
    pub(crate) fn push(&self, record: CallRecord) {
        if self.send.try_send(record).is_err() {
            self.dropped.inc();
        }
    }
}

async fn drain(
    log: Arc<dyn CallLog>,
    mut receive: mpsc::Receiver<CallRecord>,
    dropped: IntCounter,
    clock: Arc<dyn Clock>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while let Some(first) = receive.recv().await {
        if receive.len() + 1 < BATCH_MAX {
            clock.sleep(GATHER).await;
        }
        batch.push(first);
        while batch.len() < BATCH_MAX
            && let Ok(next) = receive.try_recv()
        {
            batch.push(next);
        }
        if let Err(error) = log.append(&batch).await {
            dropped.inc_by(batch.len() as u64);
            tracing::warn!(%error, records = batch.len(), "the request log took nothing");
        }
        batch.clear();
    }
}
