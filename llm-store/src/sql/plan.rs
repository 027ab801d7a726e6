//! What a batch changes, computed before anything is written: given the rows as they are, the rows
//! as they will be, and the entries that say why. Pure, so that both stores do the same and an
//! error leaves nothing half done.

use std::collections::{BTreeMap, BTreeSet};

use llm_core::ledger::rules::Violation;
use llm_core::ledger::{AccountId, HoldId, Settlement};
use llm_core::money::Unit;
use llm_core::store::StoreError;
use llm_core::store::vault::{Ended, Fold, Tenure};

use super::chain::{Link, Shares, follow};
use super::row::{Row, epoch_of};
use crate::grant::{overdrawn, payers};

pub(super) type Rows<U> = BTreeMap<AccountId, Row<U>>;

/// An entry to be written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) account: i64,
    pub(super) seq: i64,
    /// The holds that it is the sum of; none when an owner was buried.
    pub(super) holds: Vec<u8>,
    pub(super) kind: &'static str,
    pub(super) amount: i64,
    pub(super) hash: [u8; 32],
}

/// What to write: all of it, or nothing.
#[derive(Debug)]
pub(super) struct Change<'a, U: Unit> {
    who: &'a Tenure,
    pub(super) at: i64,
    pub(super) rows: Rows<U>,
    /// With in how many entries each is.
    pub(super) holds: BTreeMap<HoldId, (Settlement<U>, i64)>,
    pub(super) entries: Vec<Written>,
    sums: BTreeMap<(AccountId, &'static str), Sum<U>>,
}

/// What a batch adds to an account: one entry, however many holds there are. Written one for each, they
/// cost more than all else that a call does.
#[derive(Debug)]
struct Sum<U> {
    amount: U,
    shares: Shares,
}

/// Each hold of a batch once, in its order: what is said of it first, counts.
pub(super) fn once<U: Unit>(batch: &Fold<U>) -> Vec<&Ended<U>> {
    let mut seen = BTreeSet::new();
    batch.ended.iter().filter(|ended| seen.insert(ended.settlement.hold)).collect()
}

/// The accounts that these ends and keeps may move, but losses.
pub(super) fn moved<U: Unit>(ends: &[&Ended<U>], keeps: &[(AccountId, U)]) -> BTreeSet<AccountId> {
    let mut all: BTreeSet<AccountId> = keeps.iter().map(|(id, _)| id.clone()).collect();
    all.extend(ends.iter().flat_map(|ended| payers(ended)).cloned());
    all
}

impl<'a, U: Unit> Change<'a, U> {
    pub(super) fn new(who: &'a Tenure, rows: Rows<U>, at: i64) -> Self {
        let (holds, entries, sums) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { who, at, rows, holds, entries, sums }
    }

    /// Holds that have ended and are not known yet, and what is kept.
    pub(super) fn fold(
        mut self,
        ends: &[&Ended<U>],
        keeps: &[(AccountId, U)],
    ) -> Result<Self, StoreError> {
        for ended in ends {
            self.end(ended)?;
        }
        for ((account, kind), Sum { amount, shares }) in std::mem::take(&mut self.sums) {
            self.note(&account, shares.stored(), kind, amount)?;
        }
        for (account, keep) in keeps {
            if let Some(row) = self.rows.get_mut(account) {
                let back = row.mine.saturating_sub(*keep).max(U::ZERO);
                row.mine = row.mine.saturating_sub(back);
                row.account.release(back)?;
            }
        }
        Ok(self)
    }

    /// All that was leased is paid, or given back.
    pub(super) fn bury(mut self, used: bool) -> Result<Self, StoreError> {
        let accounts: Vec<AccountId> = self.rows.keys().cloned().collect();
        for account in accounts {
            let row = self.rows.get_mut(&account).ok_or_else(|| overdrawn(&account))?;
            let all = std::mem::replace(&mut row.mine, U::ZERO);
            row.account.settle(all, if used { all } else { U::ZERO })?;
            if used && all > U::ZERO {
                self.note(&account, Vec::new(), "settle", all)?;
            }
        }
        Ok(self)
    }

    fn end(&mut self, ended: &Ended<U>) -> Result<(), StoreError> {
        let Settlement { hold, tenant, operator, .. } = ended.settlement;
        let mut lines = 0;
        for account in payers(ended) {
            let row = self.rows.get_mut(account).ok_or_else(|| overdrawn(account))?;
            if row.mine < tenant {
                return Err(overdrawn(account));
            }
            row.mine = row.mine.saturating_sub(tenant);
            row.account.settle(tenant, tenant)?;
            self.add(account, hold, "settle", tenant)?;
            lines += 1;
        }
        if operator > U::ZERO {
            let loss = AccountId::loss();
            let row = self.rows.get_mut(&loss).ok_or_else(|| overdrawn(&loss))?;
            let paid = row.account.settled.checked_add(operator).ok_or(Violation::Range)?;
            row.account.settled = paid;
            self.add(&loss, hold, "loss", operator)?;
            lines += 1;
        }
        self.holds.insert(hold, (ended.settlement, lines));
        Ok(())
    }

    fn add(
        &mut self,
        account: &AccountId,
        hold: HoldId,
        kind: &'static str,
        amount: U,
    ) -> Result<(), StoreError> {
        let none = || Sum { amount: U::ZERO, shares: Shares::default() };
        let sum = self.sums.entry((account.clone(), kind)).or_insert_with(none);
        sum.amount = sum.amount.checked_add(amount).ok_or(Violation::Range)?;
        sum.shares.push(hold, amount.pieces());
        Ok(())
    }

    fn note(
        &mut self,
        account: &AccountId,
        holds: Vec<u8>,
        kind: &'static str,
        amount: U,
    ) -> Result<(), StoreError> {
        let row = self.rows.get_mut(account).ok_or_else(|| overdrawn(account))?;
        let (amount, seq) = (amount.pieces(), row.seq + 1);
        let (replica, epoch, at) = (&*self.who.replica, epoch_of(self.who.epoch), self.at);
        let hash =
            follow(&row.head, &Link { seq, holds: &holds, kind, amount, replica, epoch, at });
        (row.seq, row.head) = (seq, hash);
        self.entries.push(Written { account: row.id, seq, holds, kind, amount, hash });
        Ok(())
    }
}
