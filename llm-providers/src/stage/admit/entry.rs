//! The stage: lets a call in, and keeps its slot until the answer has ended.

use std::fmt;
use std::sync::Arc;

use llm_core::call::Payload;
use llm_core::dialect::Observed;
use llm_core::error::{Error, Kind};

use super::{Admission, Entrant, Slot};
use crate::reply::{Ending, Guard, Paced, Reply};
use crate::stage::record::Opened;
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
            priority: call.priority,
            deadline: call.deadline.0,
            tokens: u64::from(peek.input_tokens_estimate).saturating_add(output),
            body_bytes,
        };
        let slot = self.admission.enter(entrant).await?;
        let mut reply = next.run(Admitted { opened }).await?;
        reply.head.paced = Paced::of(slot.requests(), slot.tokens());
        reply.body.lend(Box::new(Held(slot)));
        Ok(reply)
    }
}

/// The slot of a call whose answer is on its way.
struct Held(Slot);

impl Guard for Held {
    fn close(mut self: Box<Self>, _: &Ending, seen: &Observed) {
        let used = match &seen.usage {
            Some(usage) => usage.read_total().saturating_add(usage.written_total()),
            // What passed is counted roughly: pace forgives.
            None => u64::from(seen.deltas),
        };
        self.0.settle(used);
    }
}

impl fmt::Debug for AdmitStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmitStage").finish_non_exhaustive()
    }
}
