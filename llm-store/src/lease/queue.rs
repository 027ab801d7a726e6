//! Those who wait for credit, first come first.
//!
//! Credit that arrives is set aside for them under the lock in which it arrives, so that nobody who
//! comes later is before them. Who leaves takes the place out, and what was set aside goes back.

use std::collections::BTreeMap;
use std::task::Waker;

use llm_core::ledger::{HoldId, HoldProof};
use llm_core::money::Unit;
use llm_core::store::NotReserved;

use super::rows::Slots;

/// Calls that may wait for credit at once: each is a caller whose body is in memory.
pub(super) const WAITERS_MAX: usize = 16 << 10;

/// A place.
pub(super) type Ticket = u64;

/// The places.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Queue<U: Unit> {
    pub(super) places: BTreeMap<Ticket, Waiter<U>>,
    next: Ticket,
    /// How many have not been answered.
    pub(super) waiting: usize,
}

/// A call that waits.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Waiter<U: Unit> {
    pub(super) hold: HoldId,
    pub(super) slots: Slots,
    pub(super) amount: U,
    pub(super) answer: Option<Result<HoldProof<U>, NotReserved<U>>>,
    waker: Option<Waker>,
}

impl<U: Unit> Default for Queue<U> {
    fn default() -> Self {
        Self { places: BTreeMap::new(), next: 0, waiting: 0 }
    }
}

impl<U: Unit> Queue<U> {
    /// A place at the end, if there is one.
    pub(super) fn join(&mut self, hold: HoldId, slots: Slots, amount: U) -> Option<Ticket> {
        if self.places.len() >= WAITERS_MAX {
            return None;
        }
        self.next += 1;
        self.waiting += 1;
        let waiter = Waiter { hold, slots, amount, answer: None, waker: None };
        self.places.insert(self.next, waiter);
        Some(self.next)
    }

    /// Whether a place is answered; whoever asks is woken when it is.
    pub(super) fn look(&mut self, ticket: Ticket, waker: &Waker) -> bool {
        let Some(waiter) = self.places.get_mut(&ticket) else { return true };
        if waiter.answer.is_none() {
            waiter.waker = Some(waker.clone());
        }
        waiter.answer.is_some()
    }

    /// Answers a place.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Result<HoldProof<U>, NotReserved<U>>) {
        let Some(waiter) = self.places.get_mut(&ticket) else { return };
        debug_assert!(waiter.answer.is_none(), "answered twice");
        waiter.answer = Some(answer);
        self.waiting -= 1;
        if let Some(waker) = waiter.waker.take() {
            waker.wake();
        }
    }

    /// Takes a place out.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waiter<U>> {
        let waiter = self.places.remove(&ticket)?;
        self.waiting -= usize::from(waiter.answer.is_none());
        Some(waiter)
    }
}
