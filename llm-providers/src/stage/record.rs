//! Opens and closes the one record of a call.
//!
//! Outermost, so that it sees every ending: refusals of the stages below, a caller who leaves
//! while we wait, a body that is dropped. Here a call learns which configuration it lives under,
//! and keeps it. The line for the log is written when the last share in the record is gone: work
//! that others wait for may outlast its caller, and what it cost belongs into the line.

mod notes;

use std::sync::Arc;

use arc_swap::ArcSwap;
use llm_core::call::{Call, Deadline, Payload};
use llm_core::dialect::Observed;
use llm_core::error::Error;
use llm_core::prompt::Prompt;
use llm_core::seam::Clock;

use super::{Next, Stage};
use crate::log::LogQueue;
use crate::metrics::Metrics;
use crate::model::{Model, Snapshot};
use crate::reply::{Ending, Guard, Reply};

use notes::Came;
pub use notes::{AttemptNote, ReceiptCell, Receipts, Record};

/// A call with a record, under a configuration.
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the mark keeps the other modules of this crate from making one, too"
)]
#[derive(Debug)]
pub struct Opened {
    /// The call. Boxed, since it is handed from stage to stage.
    pub call: Box<Call>,
    /// What it asks for, resolved.
    pub model: Arc<Model>,
    /// The configuration it lives under.
    pub snapshot: Arc<Snapshot>,
    /// What is kept of it.
    pub record: Arc<Record>,
    /// Only this stage makes one.
    _opened: (),
}

impl Opened {
    /// The same call in other words; everything else, its record too, is shared.
    pub(crate) fn saying(&self, prompt: Prompt) -> Self {
        let payload = Payload::Typed(Arc::new(prompt));
        let call = Box::new(Call { payload, ..Call::clone(&self.call) });
        let (model, snapshot) = (Arc::clone(&self.model), Arc::clone(&self.snapshot));
        Self { call, model, snapshot, record: Arc::clone(&self.record), _opened: () }
    }
}

/// The stage.
#[derive(Debug)]
pub struct RecordStage {
    current: Arc<ArcSwap<Snapshot>>,
    desk: Arc<Desk>,
}

/// What closing a record needs.
#[derive(Debug)]
pub(crate) struct Desk {
    /// Where records go; may drop, and counts what it dropped.
    pub log: Option<LogQueue>,
    /// Totals.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl RecordStage {
    /// Over a configuration that may be swapped while calls run.
    pub(crate) fn new(current: Arc<ArcSwap<Snapshot>>, desk: Desk) -> Self {
        Self { current, desk: Arc::new(desk) }
    }
}

impl Stage for RecordStage {
    type In = Box<Call>;
    type Out = Opened;

    async fn run<N: Next<Opened>>(&self, mut call: Box<Call>, next: &N) -> Result<Reply, Error> {
        let (id, clock) = (call.id, &self.desk.clock);
        let snapshot = self.current.load_full();
        let asked = snapshot.asked(&call);
        let record = Arc::new(Record::open(&call, &self.desk, asked.as_ref().ok()));
        let mut open = Open::new(Arc::clone(&record));
        let model = asked.map_err(|error| open.refused(error).of(id))?;
        call.deadline = Deadline(call.deadline.0.min(record.started() + model.policy.total));
        // From here on every way out passes through `open`: an answer takes it along, an error
        // closes it, and so does a future that is dropped.
        match next.run(Opened { call, model, snapshot, record, _opened: () }).await {
            Ok(mut reply) => {
                open.came = Some(open.record.came(&reply.head, clock.now()));
                if !Arc::ptr_eq(&reply.receipt, open.record.receipt()) {
                    reply.receipt = Arc::clone(open.record.receipt());
                }
                reply.body.lend(Box::new(open));
                Ok(reply)
            }
            Err(error) => Err(open.refused(error).of(id)),
        }
    }
}

/// A record whose call goes on. Dropped without an ending, the caller has left.
struct Open {
    record: Arc<Record>,
    /// What is known since an answer began. Noted with its ending, since who notes takes a lock.
    came: Option<Came>,
    /// Whether its ending was said.
    closed: bool,
}

impl Open {
    fn new(record: Arc<Record>) -> Self {
        record.entered();
        Self { record, came: None, closed: false }
    }

    fn refused(&mut self, error: Error) -> Error {
        self.record.denied(&error);
        self.close_as(&Ending::Broke(error.clone()), None);
        error
    }

    fn close_as(&mut self, ending: &Ending, seen: Option<&Observed>) {
        self.record.close(ending, seen, self.came.take());
        self.closed = true;
    }
}

impl Guard for Open {
    fn close(mut self: Box<Self>, ending: &Ending, seen: &Observed) {
        self.close_as(ending, Some(seen));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.closed {
            self.close_as(&Ending::CallerLeft, None);
        }
        self.record.left();
    }
}
