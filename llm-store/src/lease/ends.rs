//! Holds that have ended and are not folded yet, in order; how far the journal may be given up;
//! and the receipts of those that ended lately.

use std::collections::VecDeque;
use std::time::Instant;

use foldhash::HashMap;
use llm_core::ledger::{HoldId, Receipt, Settlement};
use llm_core::money::Unit;

use crate::ebb::ebb;
use crate::journal::Position;

use super::rows::Slots;

/// Receipts that are remembered. A repetition comes within a call's life; so many calls later
/// nobody asks any more, and who does is answered by [`super::LeasedLedger::ended`].
pub(super) const RECENT_MAX: usize = 1 << 14;

/// A hold that has ended.
#[derive(Clone, Debug)]
pub(super) struct End<U: Unit> {
    pub(super) settlement: Settlement<U>,
    pub(super) amount: U,
    pub(super) slots: Slots,
    /// When it ended.
    pub(super) at: Instant,
    /// Its mark.
    pub(super) ticket: u64,
}

/// The queue. Bounded by the journal: each end in it has a line there.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ends<U: Unit> {
    queue: VecDeque<End<U>>,
    /// Ends that were ever pushed.
    pushed: u64,
    /// Ends from the beginning of their line to their fold, by ticket: behind which position the
    /// line lies or will lie, and whether it is done with.
    marks: VecDeque<(Position, bool)>,
    /// The ticket of the first mark.
    first: u64,
    /// The furthest line.
    last: Position,
}

impl<U: Unit> Default for Ends<U> {
    fn default() -> Self {
        let (queue, marks) = (VecDeque::new(), VecDeque::new());
        Self { queue, pushed: 0, marks, first: 0, last: Position::default() }
    }
}

impl<U: Unit> Ends<U> {
    /// A line is about to be written. What is the furthest now lies before it.
    pub(super) fn begin(&mut self) -> u64 {
        self.marks.push_back((self.last, false));
        self.first + self.marks.len() as u64 - 1
    }

    /// It was not written.
    pub(super) fn failed(&mut self, ticket: u64) {
        self.done(ticket);
    }

    /// One that was written there is folded already.
    pub(super) fn skip(&mut self, at: Position) {
        let ticket = self.begin();
        self.last = self.last.max(at);
        self.done(ticket);
    }

    /// It was written, there.
    pub(super) fn push(&mut self, end: End<U>, at: Position) {
        debug_assert!(end.ticket >= self.first, "an end without its mark");
        self.last = self.last.max(at);
        self.queue.push_back(end);
        self.pushed += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &End<U>> {
        self.queue.iter()
    }

    pub(super) fn oldest(&self) -> Option<Instant> {
        self.queue.front().map(|end| end.at)
    }

    /// The first one is folded.
    pub(super) fn pop(&mut self) -> Option<End<U>> {
        let end = self.queue.pop_front()?;
        ebb(&mut self.queue);
        self.done(end.ticket);
        Some(end)
    }

    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// How many are through.
    pub(super) fn folded(&self) -> u64 {
        self.pushed - self.queue.len() as u64
    }

    /// Up to here every end's line is folded. Ends are folded in the order in which they came
    /// here, which two threads may have changed from that of their lines; so it is not the last
    /// one's place.
    pub(super) fn horizon(&self) -> Position {
        self.marks.front().map_or(self.last, |(behind, _)| *behind)
    }

    /// The furthest line, folded or not.
    pub(super) fn last(&self) -> Position {
        self.last
    }

    fn done(&mut self, ticket: u64) {
        let at = usize::try_from(ticket - self.first).unwrap_or(usize::MAX);
        if let Some(mark) = self.marks.get_mut(at) {
            mark.1 = true;
        }
        while self.marks.front().is_some_and(|(_, done)| *done) {
            self.marks.pop_front();
            ebb(&mut self.marks);
            self.first += 1;
        }
    }
}

/// Receipts of the holds that ended last.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Recent<U: Unit> {
    receipts: HashMap<HoldId, Receipt<U>>,
    order: VecDeque<HoldId>,
}

impl<U: Unit> Default for Recent<U> {
    fn default() -> Self {
        Self { receipts: HashMap::default(), order: VecDeque::new() }
    }
}

impl<U: Unit> Recent<U> {
    pub(super) fn get(&self, hold: HoldId) -> Option<Receipt<U>> {
        self.receipts.get(&hold).copied()
    }

    pub(super) fn push(&mut self, receipt: Receipt<U>) {
        if self.receipts.insert(receipt.hold, receipt).is_none() {
            self.order.push_back(receipt.hold);
        }
        if self.order.len() > RECENT_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.receipts.remove(&oldest);
        }
    }
}

/// What a settlement of a hold comes to.
pub(super) fn receipt<U: Unit>(settlement: &Settlement<U>, amount: U) -> Receipt<U> {
    let Settlement { hold, tenant, operator, source } = *settlement;
    let released = amount.saturating_sub(tenant);
    Receipt { hold, posted: tenant, released, loss: operator, source }
}
