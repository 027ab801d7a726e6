//! The two steps that a call takes: it claims a slot before it runs, and says how it ended.

use std::fmt;

use jiff::Timestamp;

use super::record::{Answer, Decision, Fate, Record, Recovery, Refused, decide, recover};
use super::{IdempotencyStore, Slot};
use crate::Str;
use crate::ledger::HoldId;
use crate::store::vault::Tenure;
use crate::store::{StoreError, Stored};

/// How often a claim looks again after somebody else was faster. Each loss means that another one
/// has moved the same slot; four in a row are a caller who fires at one key.
pub const CLAIM_TRIES_MAX: usize = 4;

/// Who knows about processes and their holds: the ledger's side of a recovery.
pub trait Owners: Send + Sync + fmt::Debug + 'static {
    /// What became of a run. Of a dead process [`Fate::NeverHeld`] may be said only when it is fenced
    /// and all it has written was read: a hold that is not there yet is [`Fate::Unresolved`]. A
    /// process that lives answers for its own runs: one that is over and could not be written down
    /// has the fate of its hold, so that a store that was away for a moment does not leave a slot
    /// taken for a day.
    fn fate<'a>(&'a self, owner: &'a Tenure, hold: HoldId) -> Stored<'a, Fate>;
}

/// What a claim has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The slot is ours: run, and then [`finish`] this record.
    Run(Record),
    /// It was answered before.
    Replay(Answer),
    /// It is not run.
    Refused(Refused),
}

/// Claims a slot for a run that would begin now. An error of the store means that nobody may run:
/// who sent a key would rather not be served than pay twice.
pub async fn claim(
    store: &dyn IdempotencyStore,
    owners: &dyn Owners,
    slot: &Slot,
    run: Record,
    now: Timestamp,
) -> Result<Claimed, StoreError> {
    // Most keys are sent once: write first, and look only where somebody was there.
    let mut seen = None;
    for _ in 0..CLAIM_TRIES_MAX {
        match store.write(slot, seen, &run).await {
            Ok(()) => return Ok(Claimed::Run(run)),
            Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other),
        }
        let found = store.read(slot).await?;
        seen = found.as_ref().map(Record::seen);
        match decide(found.as_ref(), &run.fingerprint, now) {
            Decision::Run => {}
            Decision::Replay(answer) => return Ok(Claimed::Replay(answer.clone())),
            Decision::Refuse(why) => return Ok(Claimed::Refused(why)),
            Decision::Owned { owner, hold } => {
                let fate = owners.fate(owner, hold).await?;
                let Some(record) = &found else { continue };
                match recover(record, fate, now) {
                    Recovery::RunAnew => {}
                    Recovery::Wait(why) => return Ok(Claimed::Refused(why)),
                    Recovery::Indefinite(why) => {
                        // Where somebody else has written first, they have written as much.
                        let next = record.indefinite(now);
                        return match store.write(slot, seen, &next).await {
                            Ok(()) | Err(StoreError::Conflict(_)) => Ok(Claimed::Refused(why)),
                            Err(other) => Err(other),
                        };
                    }
                }
            }
        }
    }
    Err(StoreError::Conflict(Str::from_static("too many requests with one idempotency key")))
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an answer, all of it: paid, from the cache or for nothing.
    Answered(Answer),
    /// With an error, all of it.
    Failed {
        /// What the caller was told.
        answer: Answer,
        /// Whether the caller was charged for it.
        charged: bool,
    },
    /// Before the answer was whole: a stream broke off, or the caller left.
    Broken {
        /// Whether the caller was charged for it.
        charged: bool,
    },
}

/// Writes down how a run ended; may be repeated. An error of the store leaves the record running:
/// from then on the run has the fate of its hold. A conflict means that the run was taken over,
/// which happens only to a process that was declared dead.
pub async fn finish(
    store: &dyn IdempotencyStore,
    slot: &Slot,
    run: &Record,
    ending: Ending,
    now: Timestamp,
) -> Result<(), StoreError> {
    let next = match ending {
        Ending::Answered(answer) | Ending::Failed { answer, charged: true } => {
            run.done(answer, now)
        }
        Ending::Broken { charged: true } => run.indefinite(now),
        // Validation failures, refusals, outages: nothing was paid, and the next try is the first.
        Ending::Failed { charged: false, .. } | Ending::Broken { charged: false } => {
            return store.remove(slot, run.seen()).await;
        }
    };
    store.write(slot, Some(run.seen()), &next).await
}
