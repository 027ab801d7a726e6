//! Places among an owner's running calls that replicas share: a cap of five is five, and not five in
//! each of them.
//!
//! A call has a place in this process first, and then one with the store, which a task renews while
//! the call runs and another gives back at its end. A store that does not answer is gone without:
//! each replica then lets in its part of the cap by its own count. What was not given back in time
//! lapses; what has lapsed while its call runs, with a store that has lost its memory, is taken
//! again, since that call does run.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use llm_core::call::CallId;
use llm_core::ledger::AccountId;
use llm_core::seam::Clock;
use llm_core::store::Slots;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::mpsc;

use super::flight::Flight;
use super::limits::{OwnerId, OwnerKind};
use super::shared::account;

/// For how long a place is held without a word: as long as those of a dead replica are missing.
const TTL: Duration = Duration::from_secs(60);
/// A word in time, with two more to come should one be lost.
const RENEW_EVERY: Duration = Duration::from_secs(20);
/// Places that wait to be given back. A store that is behind by more is not well, and they lapse.
const GIVEN_MAX: usize = 16_384;
/// Questions to the store at once.
const BATCH_MAX: usize = 64;

/// Who has a cap, with our own count of it.
pub(super) type Capped = SmallVec<[(OwnerId, Arc<Flight>); 1]>;

/// All places of this process.
#[derive(Debug)]
pub(super) struct Places {
    store: Arc<dyn Slots>,
    held: Mutex<HashMap<CallId, AccountId>>,
    given: mpsc::Sender<(CallId, AccountId)>,
    seed: u128,
    next: AtomicU64,
    degraded: AtomicBool,
}

/// One of them: dropped, it is given back.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: CallId,
}

/// Why a call has none.
#[derive(Debug)]
pub(super) enum NotPlaced {
    /// So many of an owner run, and no more may.
    Full {
        /// Whose.
        kind: OwnerKind,
        /// How many run, everywhere.
        held: u64,
        /// How many may.
        max: u32,
    },
    /// Nobody could say: they are held here, and told when somebody listens again.
    Unavailable(Vec<Place>),
}

impl Places {
    /// Starts the tasks behind them, which end with the last of its places. Must be called within a
    /// runtime. The seed is this process's own: no two may have the same.
    pub(super) fn start(store: Arc<dyn Slots>, seed: u128, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (given, receive) = mpsc::channel(GIVEN_MAX);
        tokio::spawn(give_back(Arc::clone(&store), receive));
        let (held, next, degraded) = Default::default();
        let places = Arc::new(Self { store, held, given, seed, next, degraded });
        let weak = Arc::downgrade(&places);
        tokio::spawn(async move {
            loop {
                clock.sleep(RENEW_EVERY).await;
                let Some(places) = weak.upgrade() else { return };
                places.renew().await;
            }
        });
        places
    }

    /// A place with every owner, or with none. Where nobody answers, what is taken is told later.
    pub(super) async fn take(self: &Arc<Self>, capped: &Capped) -> Result<Vec<Place>, NotPlaced> {
        let mut taken = Vec::with_capacity(capped.len());
        let mut unanswered = false;
        for (owner, flight) in capped {
            let (account, max) = (account(owner), flight.max());
            // Held before it is asked for: an answer that is lost may have been a yes.
            let place = self.place(account.clone());
            let (store, id) = (&self.store, place.id);
            taken.push(place);
            if unanswered {
                continue;
            }
            match store.take(&account, max, id, TTL).await {
                Ok(verdict) if verdict.granted => {}
                Ok(verdict) => {
                    self.degraded.store(false, Ordering::Relaxed);
                    let (kind, held) = (owner.kind, verdict.held);
                    return Err(NotPlaced::Full { kind, held, max });
                }
                Err(error) => {
                    tracing::debug!(%error, "shared places are gone without");
                    unanswered = true;
                }
            }
        }
        self.degraded.store(unanswered, Ordering::Relaxed);
        if unanswered { Err(NotPlaced::Unavailable(taken)) } else { Ok(taken) }
    }

    /// Whether each replica counts alone.
    pub(super) fn is_degraded(&self) -> bool {
        self.degraded.load(Ordering::Relaxed)
    }

    fn place(self: &Arc<Self>, owner: AccountId) -> Place {
        let number = u128::from(self.next.fetch_add(1, Ordering::Relaxed));
        let id = CallId::new(0, self.seed ^ number);
        self.held.lock().insert(id, owner);
        Place { places: Arc::clone(self), id }
    }

    async fn renew(&self) {
        let held: Vec<_> =
            self.held.lock().iter().map(|(id, owner)| (*id, owner.clone())).collect();
        for some in held.chunks(BATCH_MAX) {
            join_all(some.iter().map(|(id, owner)| self.renew_one(*id, owner))).await;
        }
    }

    async fn renew_one(&self, id: CallId, owner: &AccountId) {
        let kept = self.store.renew(owner, id, TTL).await;
        if kept == Ok(false) && self.held.lock().contains_key(&id) {
            // It runs, whether or not there is room.
            let _ = self.store.take(owner, u32::MAX, id, TTL).await;
        }
    }
}

/// Into how many parts a cap is cut where nobody answers: at least one may run.
pub(super) fn part(max: u32, replicas: NonZeroU32) -> u32 {
    max.div_ceil(replicas.get())
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(owner) = self.places.held.lock().remove(&self.id) {
            // Without room it lapses.
            let _ = self.places.given.try_send((self.id, owner));
        }
    }
}

async fn give_back(store: Arc<dyn Slots>, mut receive: mpsc::Receiver<(CallId, AccountId)>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while receive.recv_many(&mut batch, BATCH_MAX).await > 0 {
        join_all(batch.iter().map(|(id, owner)| store.give_back(owner, *id))).await;
        batch.clear();
    }
}

#[cfg(test)]
mod tests;
