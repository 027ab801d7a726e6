//! The stage: lets a call in, and keeps its slot until the answer has ended.

use std::fmt;
use std::sync::Arc;

use llm_core::call::Payload;
use llm_core::dialect::Observed;
use llm_core::error::{Error, Kind};
use llm_core::usage::Usage;

use super::{Admission, Entrant, Slot};
use crate::reply::{Ending, Guard, Reply};
use crate::stage::record::{Opened, Record};
use crate::stage::{Next, Stage};

/// A call that may go on.
#[derive(Debug)]
pub struct Admitted {
    opened: Opened,
}

impl Admitted {
    pub(crate) fn into_opened(self) -> Opened {
        self.opened
    }
}

/// The stage.
pub struct AdmitStage {
    admission: Arc<Admission>,
}

impl AdmitStage {
    /// Over an admission that outlives configurations.
    pub fn new(admission: Arc<Admission>) -> Self {
        Self { admission }
    }
}

/// A cap on the answer that nobody gave. Pace is not money: what a call turns out to use is put
/// right when it ends.
const OUTPUT_TOKENS_USUAL: u64 = 1_024;

impl Stage for AdmitStage {
    type In = Opened;
    type Out = Admitted;

    async fn run<N: Next<Admitted>>(&self, opened: Opened, next: &N) -> Result<Reply, Error> {
        let mut held = self.enter(&opened).await?;
        let mut reply = next.run(Admitted { opened }).await?;
        reply.head.paced = held.slot.paced();
        reply.body.lend(held);
        Ok(reply)
    }
}

impl AdmitStage {
    /// Boxed from the start: it becomes a guard, and until then every stage below would carry it.
    async fn enter(&self, opened: &Opened) -> Result<Box<Held>, Error> {
        let (call, model) = (&opened.call, &opened.model);
        if !call.grant.allows(&model.name) {
            let text = format!("this key may not use the model {:?}", &*model.name);
            return Err(Error::new(Kind::Forbidden, text).in_field("model"));
        }
        let peek = &call.peek;
        let output = peek.output_tokens_max.map_or(OUTPUT_TOKENS_USUAL, u64::from);
        let body_bytes = match &call.payload {
            Payload::Raw { bytes, .. } => bytes.len(),
            Payload::Typed(_) => peek.input_tokens_estimate as usize * 3,
        };
        let entrant = Entrant {
            grant: &call.grant,
            rules: &opened.snapshot.rules,
            model: &model.name,
            // A call may go behind what was sold, and never before it.
            priority: call.priority.max(call.grant.plan.priority),
            deadline: call.deadline.0,
            tokens: u64::from(peek.input_tokens_estimate).saturating_add(output),
            body_bytes,
        };
        Ok(Box::new(Held::of(self.admission.enter(entrant).await?, &opened.record)))
    }
}

/// The slot of a call. What was used is what it was charged for: whoever hangs up has used what
/// was sent all the same.
struct Held {
    slot: Slot,
    record: Arc<Record>,
    settled: bool,
}

impl Held {
    fn of(slot: Slot, record: &Arc<Record>) -> Self {
        Self { slot, record: Arc::clone(record), settled: false }
    }

    fn settle(&mut self, seen: Option<&Observed>) {
        if std::mem::replace(&mut self.settled, true) {
            return;
        }
        let usage = self.record.usage().or(seen.and_then(|s| s.usage));
        let all = |u: Usage| u.read_total().saturating_add(u.written_total());
        // Where nobody was charged, what passed is counted roughly: pace forgives.
        self.slot.settle(usage.map_or(seen.map_or(0, |s| u64::from(s.deltas)), all));
    }
}

impl Guard for Held {
    fn close(mut self: Box<Self>, _: &Ending, seen: &Observed) {
        self.settle(Some(seen));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.settle(None);
    }
}

impl fmt::Debug for AdmitStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmitStage").finish_non_exhaustive()
    }
}
