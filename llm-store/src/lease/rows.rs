//! The accounts that are in use: found by name once for a call, by number afterwards.

use std::ops::{Index, IndexMut};
use std::time::Instant;

use foldhash::HashMap;
use llm_core::ledger::AccountId;
use llm_core::money::Unit;
use smallvec::SmallVec;

use super::row::Row;

/// Accounts of a hold, as numbers of rows.
pub(super) type Slots = SmallVec<[u32; 6]>;

/// Accounts in use at once. One that is not used for some seconds is given up, so that this is
/// reached by a flood of distinct keys only, and not by age.
const ROWS_MAX: usize = 1 << 20;

/// The rows.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Rows<U: Unit> {
    index: HashMap<AccountId, u32>,
    rows: Vec<Row<U>>,
    vacant: Vec<u32>,
    /// Where the next look for idle credit begins.
    next: usize,
}

impl<U: Unit> Default for Rows<U> {
    fn default() -> Self {
        Self { index: HashMap::default(), rows: Vec::new(), vacant: Vec::new(), next: 0 }
    }
}

impl<U: Unit> Rows<U> {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn find(&self, id: &AccountId) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The row of an account, new if there was none; `None` when there are too many.
    pub(super) fn open(&mut self, id: &AccountId, limit: Option<U>, now: Instant) -> Option<u32> {
        if let Some(slot) = self.find(id) {
            self[slot].limit = limit;
            return Some(slot);
        }
        if self.index.len() >= ROWS_MAX {
            return None;
        }
        let row = Row::new(id.clone(), limit, now);
        let slot = match self.vacant.pop() {
            Some(slot) => {
                self[slot] = row;
                slot
            }
            None => {
                let slot = u32::try_from(self.rows.len()).ok()?;
                self.rows.push(row);
                slot
            }
        };
        self.index.insert(id.clone(), slot);
        Some(slot)
    }

    /// The next so many rows in turn: everybody's comes.
    pub(super) fn turn(&mut self, most: usize) -> Vec<u32> {
        let count = most.min(self.rows.len());
        let from = if self.next < self.rows.len() { self.next } else { 0 };
        let turn = (from..self.rows.len()).chain(0..from).take(count);
        let slots: Vec<u32> = turn.filter_map(|at| u32::try_from(at).ok()).collect();
        self.next = from + count;
        slots.into_iter().filter(|slot| self.find(&self[*slot].id) == Some(*slot)).collect()
    }

    /// Every row in use.
    pub(super) fn slots(&self) -> Vec<u32> {
        self.index.values().copied().collect()
    }

    /// Gives a row up that nobody names.
    pub(super) fn give_up(&mut self, slot: u32) {
        debug_assert_eq!(self[slot].refs, 0);
        if let Some(slot) = self.index.remove(&self.rows[slot as usize].id) {
            self.vacant.push(slot);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row<U>> {
        self.index.values().map(|slot| &self[*slot])
    }
}

impl<U: Unit> Index<u32> for Rows<U> {
    type Output = Row<U>;

    fn index(&self, slot: u32) -> &Row<U> {
        &self.rows[slot as usize]
    }
}

impl<U: Unit> IndexMut<u32> for Rows<U> {
    fn index_mut(&mut self, slot: u32) -> &mut Row<U> {
        &mut self.rows[slot as usize]
    }
}
