//! What was settled lately.
//!
//! In two generations, of which the older one is forgotten as a whole once the younger one is full.
//! Rejected: one table from which the oldest is taken for each that is added. It leaves marks where it took
//! something, grows to twice its size when there are too many of them, and costs each call a removal.

use std::mem::swap;

use foldhash::HashMap;
use llm_core::ledger::{HoldId, Receipt};
use llm_core::money::Unit;

/// Receipts of one generation. Whoever settles twice gets the first answer: a repetition comes within a
/// call's life, and as many calls as these later nobody asks any more.
const GENERATION: usize = 1 << 15;

/// The receipts of the latest holds: of one generation at the least, and of two at the most.
#[derive(Default)]
pub(super) struct Receipts<U: Unit> {
    young: HashMap<HoldId, Receipt<U>>,
    old: HashMap<HoldId, Receipt<U>>,
}

impl<U: Unit> Receipts<U> {
    /// What a hold was settled with, if that is remembered.
    pub(super) fn get(&self, id: HoldId) -> Option<&Receipt<U>> {
        self.young.get(&id).or_else(|| self.old.get(&id))
    }

    /// A hold was settled.
    pub(super) fn insert(&mut self, id: HoldId, receipt: Receipt<U>) {
        if self.young.len() >= GENERATION {
            swap(&mut self.young, &mut self.old);
            // Keeps its place in memory for those that come.
            self.young.clear();
        }
        self.young.insert(id, receipt);
    }
}

#[cfg(test)]
mod tests {
    use llm_core::money::Money;
    use llm_core::usage::UsageSource;

    use super::*;

    fn receipt(n: u128) -> Receipt {
        let (posted, source) = (Money(i64::try_from(n).unwrap()), UsageSource::Reported);
        Receipt { hold: HoldId(n), posted, released: Money(0), loss: Money(0), source }
    }

    #[test]
    fn the_latest_are_remembered_in_the_same_memory() {
        let mut receipts = Receipts::default();
        let mut room = 0;
        let all = 10 * GENERATION as u128 + 7;
        for n in 0..all {
            receipts.insert(HoldId(n), receipt(n));
            if n == 2 * GENERATION as u128 {
                room = receipts.young.capacity() + receipts.old.capacity();
            }
        }
        assert_eq!(receipts.young.capacity() + receipts.old.capacity(), room);
        let known = |n: u128| receipts.get(HoldId(n)).map(|receipt| receipt.posted);
        let latest = (all - GENERATION as u128)..all;
        assert!(latest.into_iter().all(|n| known(n) == Some(receipt(n).posted)));
        assert_eq!(known(all - 2 * GENERATION as u128 - 7), None);
        assert!(receipts.young.len() + receipts.old.len() <= 2 * GENERATION);
    }
}
