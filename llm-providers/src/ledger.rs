//! Accounts in memory: what a program that embeds the gateway has until it brings a store.
//!
//! Exact while the process lives, and gone with it. The arithmetic is that of
//! [`llm_core::ledger::rules`]; what is here is where the numbers stand. Deliberately absent: a
//! journal. Balances of accounts are bounded by the accounts there are, while a journal grows with
//! every call, and there is nobody here to read it.

mod receipts;

use std::fmt;

use foldhash::{HashMap, HashSet};
use jiff::Timestamp;
use llm_core::idempotency::{Fate, Owners};
use llm_core::ledger::rules::{self, Account, Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::seam::BoxFuture;
use llm_core::store::vault::Tenure;
use llm_core::store::{Audit, Ledger, LedgerHealth, Line, NotReserved, StoreError, Stored};
use parking_lot::Mutex;
use smallvec::SmallVec;

use receipts::Receipts;

/// Accounts of windows that have passed are forgotten beyond so many.
const ACCOUNTS_MAX: usize = 1 << 20;

/// The ledger.
pub struct MemoryLedger<U: Unit = Money>(Mutex<Table<U>>);

#[derive(Default)]
struct Table<U: Unit> {
    /// Where each account stands among the rows.
    places: HashMap<AccountId, usize>,
    /// The accounts, each at its place until accounts are swept: a hold knows its own, and is settled
    /// without looking for them.
    rows: Vec<(AccountId, Account<U>)>,
    holds: HashMap<HoldId, Hold<U>>,
    receipts: Receipts<U>,
    /// What the operator lost.
    loss: U,
    /// At how many accounts those of past windows are forgotten.
    sweep_at: usize,
}

impl<U: Unit> Default for MemoryLedger<U> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

struct Hold<U: Unit> {
    proof: HoldProof<U>,
    /// The places of its accounts.
    path: SmallVec<[usize; 4]>,
}

impl<U: Unit> MemoryLedger<U> {
    /// What the operator lost so far.
    pub fn loss(&self) -> U {
        self.0.lock().loss
    }

    /// Holds that have not ended.
    pub fn holds_open(&self) -> usize {
        self.0.lock().holds.len()
    }

    /// All accounts, in order.
    pub fn accounts(&self) -> Vec<(AccountId, Account<U>)> {
        let table = self.0.lock();
        let mut all = table.rows.clone();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }
}

impl<U: Unit> Table<U> {
    fn reserve(
        &mut self,
        id: HoldId,
        lines: &[Line<U>],
        amount: U,
    ) -> Result<HoldProof<U>, NotReserved<U>> {
        if let Some(hold) = self.holds.get(&id) {
            let held = |line: &Line<U>| {
                self.places.get(&line.account).is_some_and(|place| hold.path.contains(place))
            };
            let same = hold.proof.amount() == amount
                && hold.path.len() == lines.len()
                && lines.iter().all(held);
            let other = StoreError::from(Violation::OtherTerms);
            return if same { Ok(hold.proof.clone()) } else { Err(other.into()) };
        }
        if self.receipts.get(id).is_some() {
            return Err(StoreError::from(Violation::State).into());
        }
        self.make_room(lines);
        // Looked at first and written then: what is refused leaves no account behind.
        let mut path: SmallVec<[Option<usize>; 4]> = SmallVec::new();
        let mut rows: SmallVec<[Account<U>; 4]> = SmallVec::new();
        let mut asked: SmallVec<[&Line<U>; 4]> = SmallVec::new();
        for line in lines {
            // An account that stood twice would be asked once and pay twice.
            if asked.iter().any(|other| other.account == line.account) {
                continue;
            }
            let place = self.places.get(&line.account).copied();
            let there = place.and_then(|place| self.rows.get(place));
            let fresh = || Account { limit: line.limit, ..Account::default() };
            let mut row = there.map_or_else(fresh, |(_, row)| *row);
            if line.account.window.is_some() {
                // What was sold may have changed; what was spent has not.
                row.limit = line.limit;
            }
            path.push(place);
            rows.push(row);
            asked.push(line);
        }
        let reserved = {
            let mut rows: SmallVec<[_; 4]> = rows.iter_mut().collect();
            rules::reserve(&mut rows, id, amount)
        };
        let proof = reserved.map_err(|why| {
            let account = match why {
                Refused::Exhausted { account, .. } => asked.get(account),
                Refused::Negative | Refused::NoAccount => None,
            };
            NotReserved::Refused { account: account.map(|line| line.account.clone()), why }
        })?;
        let mut held = SmallVec::new();
        for ((place, row), line) in path.into_iter().zip(rows).zip(asked) {
            let place = place.unwrap_or_else(|| self.open(&line.account));
            if let Some((_, there)) = self.rows.get_mut(place) {
                *there = row;
            }
            held.push(place);
        }
        self.holds.insert(id, Hold { proof: proof.clone(), path: held });
        Ok(proof)
    }

    /// A place for an account.
    fn open(&mut self, account: &AccountId) -> usize {
        *self.places.entry(account.clone()).or_insert_with(|| {
            self.rows.push((account.clone(), Account::default()));
            self.rows.len() - 1
        })
    }

    fn settle(&mut self, settlement: &Settlement<U>) -> Result<Receipt<U>, StoreError> {
        let id = settlement.hold;
        if let Some(receipt) = self.receipts.get(id) {
            return Ok(*receipt);
        }
        let hold = self.holds.get(&id).ok_or(Violation::UnknownHold)?;
        let held = hold.proof.amount();
        if settlement.tenant.is_negative() || settlement.operator.is_negative() {
            return Err(Violation::NegativeSettled.into());
        }
        // All rows are computed before any is written, so that an error leaves none half done.
        let mut rows: SmallVec<[Account<U>; 4]> = SmallVec::new();
        for place in &hold.path {
            let mut row = self.rows.get(*place).ok_or(Violation::NotHeld)?.1;
            row.settle(held, settlement.tenant)?;
            rows.push(row);
        }
        for (place, row) in hold.path.iter().zip(rows) {
            if let Some((_, there)) = self.rows.get_mut(*place) {
                *there = row;
            }
        }
        self.loss = self.loss.saturating_add(settlement.operator);
        self.holds.remove(&id);
        let receipt = Receipt {
            hold: id,
            posted: settlement.tenant,
            released: held.saturating_sub(settlement.tenant),
            loss: settlement.operator,
            source: settlement.source,
        };
        self.receipts.insert(id, receipt);
        debug_assert!(receipt.posted <= held && !receipt.released.is_negative());
        Ok(receipt)
    }

    /// Forgets accounts of windows that have passed and on which nothing is set aside. What time it
    /// is, the windows of the call say.
    fn make_room(&mut self, lines: &[Line<U>]) {
        if self.rows.len() < self.sweep_at.max(ACCOUNTS_MAX) {
            return;
        }
        let now = lines.iter().filter_map(|l| Some(l.account.window?.start)).max();
        if let Some(now) = now {
            self.sweep(now);
        }
        // Looking at all again is worth it once there are half as many more.
        self.sweep_at = (self.rows.len() / 2 * 3).max(ACCOUNTS_MAX);
    }

    /// Those that stay move together, and the holds on them learn their new places.
    fn sweep(&mut self, now: Timestamp) {
        let held: HashSet<usize> = self.holds.values().flat_map(|h| &h.path).copied().collect();
        let mut moved: Vec<Option<usize>> = Vec::with_capacity(self.rows.len());
        let mut kept = 0..;
        self.rows.retain(|(id, _)| {
            let stays =
                held.contains(&moved.len()) || id.window.is_none_or(|window| window.end > now);
            moved.push(if stays { kept.next() } else { None });
            stays
        });
        let to = |place: usize| moved.get(place).copied().flatten();
        self.places.retain(|_, place| {
            let to = to(*place);
            *place = to.unwrap_or(*place);
            to.is_some()
        });
        for place in self.holds.values_mut().flat_map(|hold| &mut hold.path) {
            // What is held has stayed.
            *place = to(*place).unwrap_or(*place);
        }
    }

    fn verify(&self) -> Audit {
        let mut held: HashMap<usize, U> = HashMap::default();
        for hold in self.holds.values() {
            for place in &hold.path {
                let sum = held.entry(*place).or_default();
                *sum = sum.saturating_add(hold.proof.amount());
            }
        }
        let problem = |(place, (id, account)): (usize, &(AccountId, Account<U>))| {
            let expected = held.get(&place).copied().unwrap_or_default();
            let broken = account.invariant().err();
            let unequal = (expected != account.held).then_some(Violation::Journal);
            broken.or(unequal).map(|violation| (id.clone(), violation))
        };
        Audit {
            accounts: self.rows.len() as u64,
            holds_open: self.holds.len() as u64,
            entries: 0,
            problems: self.rows.iter().enumerate().filter_map(problem).collect(),
        }
    }
}

impl<U: Unit> Ledger<U> for MemoryLedger<U> {
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line<U>],
        amount: U,
    ) -> BoxFuture<'a, Result<HoldProof<U>, NotReserved<U>>> {
        let reserved = self.0.lock().reserve(hold, path, amount);
        Box::pin(std::future::ready(reserved))
    }

    fn dispatch(&self, hold: HoldId, _: U) -> Result<(), StoreError> {
        // What a crash would make of the cost is nothing: the hold is gone with it.
        let known = self.0.lock().holds.contains_key(&hold);
        if known { Ok(()) } else { Err(Violation::UnknownHold.into()) }
    }

    fn watermark(&self, _: HoldId, _: U) -> Result<(), StoreError> {
        // What a crash would leave of it is nothing.
        Ok(())
    }

    fn settle(&self, settlement: &Settlement<U>) -> Result<Receipt<U>, StoreError> {
        self.0.lock().settle(settlement)
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>> {
        let table = self.0.lock();
        let place = table.places.get(account);
        let found = place.and_then(|place| table.rows.get(*place)).map(|(_, row)| *row);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()> {
        let mut table = self.0.lock();
        let place = table.open(account);
        if let Some((_, row)) = table.rows.get_mut(place) {
            row.limit = limit;
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn health(&self) -> Option<LedgerHealth<U>> {
        let table = self.0.lock();
        let holds_open = table.holds.len() as u64;
        Some(LedgerHealth { holds_open, loss: table.loss, ..LedgerHealth::default() })
    }

    fn verify(&self) -> Stored<'_, Audit> {
        let audit = self.0.lock().verify();
        Box::pin(std::future::ready(Ok(audit)))
    }
}

/// What became of a call's hold, for who asks again under the same idempotency key. There is one
/// process, and it lives.
impl<U: Unit> Owners for MemoryLedger<U> {
    fn fate<'a>(&'a self, _: &'a Tenure, hold: HoldId) -> Stored<'a, Fate> {
        let table = self.0.lock();
        let fate = match (table.holds.contains_key(&hold), table.receipts.get(hold)) {
            (true, _) => Fate::Alive,
            (false, None) => Fate::NeverHeld,
            (false, Some(receipt)) if receipt.posted > U::ZERO => Fate::Paid,
            (false, Some(_)) => Fate::Voided,
        };
        Box::pin(std::future::ready(Ok(fate)))
    }
}

impl<U: Unit> fmt::Debug for MemoryLedger<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryLedger({} holds open)", self.holds_open())
    }
}

#[cfg(test)]
mod tests;
