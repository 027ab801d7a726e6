//! What is carried to the vault in one step: ends in their order, and what is given back.

use std::time::{Duration, Instant};

use foldhash::HashMap;
use llm_core::ledger::AccountId;
use llm_core::money::Unit;
use llm_core::store::vault::{Ended, Fold};

use crate::plant::{Mistake, planted};

use super::ledger::FOLD_MAX;
use super::table::{Standing, Table};

/// How long an end waits for others to go with: a step costs the vault a commit, however many ends
/// are in it.
pub(super) const GATHER: Duration = Duration::from_millis(20);
/// Rows that are looked at for idle credit in one go.
const SWEEP_MAX: usize = 1024;
/// In so many goes every row is looked at, however many there are.
const SWEEPS: usize = 8;

/// A step under way. Repeated as it is until it is known to have happened.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Batch<U: Unit> {
    pub(super) fold: Fold<U>,
    pays: HashMap<u32, Pay<U>>,
    kept: Vec<u32>,
}

/// What ends of a batch have paid of an account, and what of it the vault is told.
#[derive(Clone, Copy, Debug, Default)]
struct Pay<U: Unit> {
    said: U,
    told: U,
}

impl<U: Unit> Batch<U> {
    fn new() -> Self {
        let fold = Fold { ended: Vec::new(), keeps: Vec::new() };
        Self { fold, pays: HashMap::default(), kept: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.fold.ended.is_empty() && self.fold.keeps.is_empty()
    }
}

impl<U: Unit> Table<U> {
    /// Whether ends have waited long enough.
    pub(super) fn fold_due(&self, now: Instant) -> bool {
        let old = self.ends.oldest().is_some_and(|at| now.saturating_duration_since(at) >= GATHER);
        let asked = self.flush > self.ends.folded() || self.standing == Standing::Leaving;
        self.ends.len() > 0 && (old || asked || self.ends.len() >= FOLD_MAX)
    }

    /// The next step, if there is one. A sweep gives back what is idle.
    pub(super) fn batch(&mut self, sweep: bool, now: Instant) -> Option<Batch<U>> {
        let mut batch = Batch::new();
        if self.fold_due(now) {
            self.add_ends(&mut batch);
        }
        let leaving = self.standing == Standing::Leaving;
        if sweep || leaving {
            self.add_keeps(&mut batch, leaving, now);
        }
        (!batch.is_empty()).then_some(batch)
    }

    fn add_ends(&mut self, batch: &mut Batch<U>) {
        let mut indebted = None;
        for end in self.ends.iter().take(FOLD_MAX) {
            let mut settlement = end.settlement;
            for slot in &end.slots {
                let row = &self.rows[*slot];
                let told = batch.pays.get(slot).copied().unwrap_or_default().told;
                let left = row.leased.saturating_sub(told);
                if row.dry && row.known {
                    // The vault has refused what was used on trust: there is a limit after all,
                    // and it holds. The operator pays what it does not cover.
                    settlement.tenant = settlement.tenant.min(left).max(U::ZERO);
                } else if !row.known || left < settlement.tenant {
                    indebted = Some(*slot);
                }
            }
            if indebted.is_some() {
                break;
            }
            let over = end.settlement.tenant.saturating_sub(settlement.tenant);
            settlement.operator = settlement.operator.saturating_add(over);
            for slot in &end.slots {
                let pay = batch.pays.entry(*slot).or_default();
                pay.said = pay.said.saturating_add(end.settlement.tenant);
                pay.told = pay.told.saturating_add(settlement.tenant);
            }
            let path = end.slots.iter().map(|slot| self.rows[*slot].id.clone()).collect();
            batch.fold.ended.push(Ended { settlement, amount: end.amount, path });
        }
        if let Some(slot) = indebted {
            self.want(slot);
        }
    }

    fn add_keeps(&mut self, batch: &mut Batch<U>, all: bool, now: Instant) {
        let most = SWEEP_MAX.max(self.rows.len() / SWEEPS);
        let slots = if all { self.rows.slots() } else { self.rows.turn(most) };
        for slot in slots {
            if self.rows[slot].idle(now) {
                self.rows.give_up(slot);
                continue;
            }
            let told = batch.pays.get(&slot).copied().unwrap_or_default().told;
            let row = &mut self.rows[slot];
            let spare = row.spare(now, all);
            // A lost answer may have left more there than we know of.
            if spare > U::ZERO || row.doubtful {
                let keep = row.leased.saturating_sub(told);
                debug_assert!(!keep.is_negative(), "less than nothing is kept");
                row.moving = true;
                let named: (AccountId, U) = (row.id.clone(), keep);
                batch.fold.keeps.push(named);
                batch.kept.push(slot);
            }
        }
    }

    /// A step has happened.
    pub(super) fn folded(&mut self, batch: &Batch<U>) {
        for _ in &batch.fold.ended {
            let Some(end) = self.ends.pop() else { break };
            self.unname(&end.slots);
        }
        if planted(Mistake::EndForgotten) {
            self.ends.pop();
        }
        for (slot, Pay { said, told }) in &batch.pays {
            let row = &mut self.rows[*slot];
            row.leased = row.leased.saturating_sub(*told);
            row.paid = row.paid.saturating_sub(*said);
            row.version += 1;
            debug_assert!(!row.paid.is_negative() && !row.leased.is_negative());
        }
        for slot in &batch.kept {
            let row = &mut self.rows[*slot];
            (row.doubtful, row.moving) = (false, false);
        }
        self.progress();
    }

    /// Whether everything is given back.
    pub(super) fn is_left(&self) -> bool {
        let clean = |row: &super::row::Row<U>| row.free() <= U::ZERO && !row.doubtful;
        let nobody = self.ends.len() == 0 && self.queue.places.is_empty();
        nobody && self.rows.iter().all(clean)
    }
}
