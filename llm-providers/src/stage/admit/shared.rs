//! Windows that replicas share: asked before our own, which then only note what was allowed.
//!
//! Owners are asked one after the other, the narrowest first, so that a key that is used up does not
//! count against its team; what a wider one refuses is given back to the narrower. A store that
//! fails or is late is gone without: then each replica lets in its share of every limit by its own
//! counts, which it has kept all the while. A call never fails for it.
//!
//! What a call turns out to have used is told by a task behind everybody's back: a call's end cannot
//! wait. What cannot be told is counted, and passes with its window.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use llm_core::Str;
use llm_core::ledger::{AccountId, Owner};
use llm_core::principal::account_name;
use llm_core::quota::{Limit, Quantity, Verdict, WindowId};
use llm_core::store::{Correction, Counters};
use smallvec::SmallVec;
use tokio::sync::mpsc;

use super::limits::{OwnerId, OwnerKind};
use super::meter::{Ask, tighter};

/// Corrections that wait. A store that is behind by more is not well, and its counts are
/// approximate anyway.
const CORRECTIONS_MAX: usize = 16_384;
/// Corrections that are under way at once.
const BATCH_MAX: usize = 64;

/// The store, and what is known of it.
#[derive(Debug)]
pub(super) struct Shared {
    store: Arc<dyn Counters>,
    /// Into how many parts limits are cut when it does not answer.
    pub(super) replicas: NonZeroU32,
    wrong: mpsc::Sender<Wrong>,
    pub(super) health: Arc<Health>,
}

/// How sharing goes.
#[derive(Debug, Default)]
pub struct Health {
    degraded: AtomicBool,
    lost: AtomicU64,
}

/// What one owner of a call is asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) owner: OwnerId,
    pub(super) limits: SmallVec<[Limit; 4]>,
}

/// Counts that were taken and turned out otherwise.
#[derive(Debug)]
struct Wrong {
    owner: AccountId,
    corrections: Vec<Correction>,
}

/// What a call has counted with the store. Dropped unsettled, it gives all of it back.
#[derive(Debug)]
pub(super) struct Borrowed {
    shared: Arc<Shared>,
    taken: SmallVec<[Taken; 2]>,
    pub(super) requests: Option<Verdict>,
    pub(super) tokens: Option<Verdict>,
}

#[derive(Debug)]
struct Taken {
    owner: AccountId,
    counts: SmallVec<[(Limit, WindowId, u64); 4]>,
}

/// Why nothing was counted with the store.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// A limit is against it.
    Refused(Box<Verdict>),
    /// Nobody could say.
    Unavailable,
}

impl Health {
    /// Whether each replica counts alone.
    pub fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    /// Corrections that were not told.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Starts the task that corrects. Must be called within a runtime.
    pub(super) fn start(store: Arc<dyn Counters>, replicas: NonZeroU32) -> Arc<Self> {
        let (wrong, receive) = mpsc::channel(CORRECTIONS_MAX);
        let health = Arc::new(Health::default());
        tokio::spawn(correct(Arc::clone(&store), receive, Arc::clone(&health)));
        Arc::new(Self { store, replicas, wrong, health })
    }

    /// Counts with every owner, or with none.
    pub(super) async fn take(
        self: &Arc<Self>,
        questions: &[Question],
        ask: Ask,
    ) -> Result<Borrowed, NotTaken> {
        let mut borrowed = Borrowed {
            shared: Arc::clone(self),
            taken: SmallVec::new(),
            requests: None,
            tokens: None,
        };
        for question in questions.iter().filter(|q| !q.limits.is_empty()) {
            let owner = account(&question.owner);
            let asks: Vec<_> = question.limits.iter().map(|l| (*l, ask.of(l))).collect();
            let answer = self.store.take(&owner, &asks).await;
            self.health.degraded.store(answer.is_err(), Ordering::Relaxed);
            let verdicts = answer.map_err(|error| {
                tracing::debug!(%error, "shared windows are gone without");
                NotTaken::Unavailable
            })?;
            if let Some(refused) = verdicts.iter().find(|verdict| !verdict.allowed) {
                let refused = named(question.owner.kind, refused.clone());
                return Err(NotTaken::Refused(Box::new(refused)));
            }
            borrowed.add(question.owner.kind, owner, &asks, verdicts);
        }
        Ok(borrowed)
    }

    /// Nobody is asked, since nobody would answer. That is seen from outside like an answer that
    /// did not come: else who counts alone would be said to share.
    pub(super) fn not_asked(&self, questions: &[Question]) -> NotTaken {
        if questions.iter().any(|question| !question.limits.is_empty()) {
            self.health.degraded.store(true, Ordering::Relaxed);
        }
        NotTaken::Unavailable
    }

    fn tell(&self, wrong: Wrong) {
        if self.wrong.try_send(wrong).is_err() {
            self.health.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Borrowed {
    fn add(
        &mut self,
        kind: OwnerKind,
        owner: AccountId,
        asks: &[(Limit, u64)],
        verdicts: Vec<Verdict>,
    ) {
        let mut counts = SmallVec::new();
        for ((limit, n), verdict) in asks.iter().zip(verdicts) {
            counts.push((*limit, verdict.slice, *n));
            let tightest = match limit.quantity {
                Quantity::Requests(_) => &mut self.requests,
                Quantity::Tokens(_) => &mut self.tokens,
                Quantity::Money(_) | Quantity::Credits(_) => continue,
            };
            *tightest = Some(tighter(tightest.take(), named(kind, verdict)));
        }
        self.taken.push(Taken { owner, counts });
    }

    /// Puts what was used in the place of what was taken. The first time counts.
    pub(super) fn settle(&mut self, used: Ask) {
        for Taken { owner, counts } in self.taken.drain(..) {
            let mut corrections = Vec::with_capacity(counts.len());
            let mut any = false;
            for (limit, slice, n) in counts {
                let by = i64::try_from(i128::from(used.of(&limit)) - i128::from(n));
                let by = by.unwrap_or(i64::MAX);
                any |= by != 0;
                // Those that were right go along: which of two of one span is meant is told by place.
                corrections.push(Correction { limit, slice, by });
            }
            if any {
                self.shared.tell(Wrong { owner, corrections });
            }
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        self.settle(Ask { requests: 0, tokens: 0 });
    }
}

/// The owner's name for the store. A model is nobody's, and belongs to whoever runs the gateway.
pub(super) fn account(owner: &OwnerId) -> AccountId {
    match owner.kind {
        OwnerKind::Level(kind) => {
            AccountId::new(kind, account_name(kind, &owner.tenant, &owner.name))
        }
        OwnerKind::Model => {
            let rule = Str::from_static("model");
            AccountId { rule, ..AccountId::new(Owner::Operator, owner.name.clone()) }
        }
    }
}

/// The store knows limits and not whose they are.
fn named(kind: OwnerKind, verdict: Verdict) -> Verdict {
    let rule = Str::from(format!("{} {}", kind.name(), verdict.rule));
    Verdict { rule, ..verdict }
}

async fn correct(
    store: Arc<dyn Counters>,
    mut receive: mpsc::Receiver<Wrong>,
    health: Arc<Health>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while receive.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let told = join_all(batch.iter().map(|w| store.correct(&w.owner, &w.corrections))).await;
        let lost = told.iter().filter(|told| told.is_err()).count();
        health.lost.fetch_add(lost as u64, Ordering::Relaxed);
        batch.clear();
    }
}

#[cfg(test)]
mod tests;
