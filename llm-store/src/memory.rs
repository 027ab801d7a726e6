//! The vault as a value in memory: for library users without a disk, for the simulator, and the
//! reference by which the others are measured.
//!
//! Its actors are those of the trait: owners, accounts, leases, holds that have ended, and entries
//! that the balances are the sum of. One lock, held for the arithmetic of one step. Deliberately
//! absent: anything that outlasts the process, and a chain of hashes, since who can change the
//! entries here can change the code that would check them.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::Str;
use llm_core::ledger::rules::{Account, Violation};
use llm_core::ledger::{AccountId, Entry, EntryKind, HoldId, Settlement};
use llm_core::money::{Money, Unit};
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::vault::{Ended, Estate, Fold, LeaseAsk, Tenure, Vault};
use llm_core::store::{Audit, NotReserved, StoreError, Stored};
use parking_lot::Mutex;

use crate::grant::{LIVES_MAX, check_asks, check_fold, fenced, grant, overdrawn, payers, refused};
use crate::plant::{Mistake, planted};

/// Accounts in memory.
pub struct MemoryVault<U: Unit = Money> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<U>>,
}

#[derive(Default)]
#[cfg_attr(test, derive(Clone, Debug))]
struct State<U: Unit> {
    owners: BTreeMap<Str, Owner>,
    accounts: BTreeMap<AccountId, Account<U>>,
    leases: BTreeMap<(Str, AccountId), U>,
    holds: BTreeMap<HoldId, Settlement<U>>,
    entries: Vec<Entry<U>>,
}

/// A replica: one epoch of it lives at a time.
#[cfg_attr(test, derive(Clone, Debug))]
struct Owner {
    epoch: u64,
    buried: bool,
    heard: Instant,
    lives: Instant,
}

/// What a step will have changed, if all of it may.
struct Draft<'a, U: Unit> {
    state: &'a State<U>,
    who: &'a Tenure,
    rows: BTreeMap<AccountId, (Account<U>, U)>,
    holds: BTreeMap<HoldId, Settlement<U>>,
    entries: Vec<Entry<U>>,
}

impl<U: Unit> MemoryVault<U> {
    /// Empty.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }
}

#[cfg(test)]
impl<U: Unit> MemoryVault<U> {
    /// Another one that is as this one is now: a test goes on from here in more than one way.
    pub(crate) fn fork(&self) -> Self {
        Self { clock: Arc::clone(&self.clock), state: Mutex::new(self.state.lock().clone()) }
    }

    /// All that it knows.
    pub(crate) fn told(&self) -> String {
        format!("{:?}", self.state.lock())
    }
}

impl<U: Unit> State<U> {
    fn check(&self, who: &Tenure) -> Result<(), StoreError> {
        let owner = self.owners.get(&who.replica).ok_or_else(fenced)?;
        let dead = owner.buried || owner.epoch != who.epoch;
        if dead && !planted(Mistake::FenceIgnored) { Err(fenced()) } else { Ok(()) }
    }

    fn leased(&self, replica: &Str, account: &AccountId) -> U {
        self.leases.get(&(replica.clone(), account.clone())).copied().unwrap_or_default()
    }

    fn estate(&self, replica: &Str, epoch: u64) -> Estate<U> {
        let of = Tenure { replica: replica.clone(), epoch };
        let mine = self.leases.iter().filter(|((owner, _), _)| owner == replica);
        let leases = mine.map(|((_, account), amount)| (account.clone(), *amount)).collect();
        Estate { of, leases }
    }

    fn set_leased(&mut self, replica: &Str, account: &AccountId, amount: U) {
        let key = (replica.clone(), account.clone());
        if amount == U::ZERO {
            self.leases.remove(&key);
        } else {
            self.leases.insert(key, amount);
        }
    }

    fn enter(&mut self, replica: &str, now: Instant) -> (Tenure, Vec<Estate<U>>) {
        let replica = Str::from(replica);
        let before = self.owners.get(&replica).map_or(0, |owner| owner.epoch);
        let estate = self.estate(&replica, before);
        let owner = Owner { epoch: before + 1, buried: false, heard: now, lives: now };
        self.owners.insert(replica.clone(), owner);
        let left = if estate.leases.is_empty() { Vec::new() } else { vec![estate] };
        (Tenure { replica, epoch: before + 1 }, left)
    }

    fn lease(&mut self, who: &Tenure, asks: &[LeaseAsk<U>]) -> Result<Vec<U>, NotReserved<U>> {
        check_asks(asks)?;
        self.check(who)?;
        // What an account's limit is, is said and not asked for: it counts whatever is refused.
        for LeaseAsk { account, limit, .. } in asks {
            let opened = Account { limit: *limit, ..Account::default() };
            let row = self.accounts.entry(account.clone()).or_insert(opened);
            if account.window.is_some() {
                row.limit = *limit;
            }
        }
        let mut granted = Vec::with_capacity(asks.len());
        for (at, ask) in asks.iter().enumerate() {
            let row = self.accounts.get(&ask.account).copied().unwrap_or_default();
            let known = self.leased(&who.replica, &ask.account);
            let more = grant(&row, known, ask).map_err(|(_, why)| refused(asks, at, why))?;
            granted.push((more, known.saturating_add(more)));
        }
        for (ask, (more, has)) in asks.iter().zip(&granted) {
            if let Some(row) = self.accounts.get_mut(&ask.account) {
                row.held = row.held.saturating_add(*more);
                let kept = *more == U::ZERO || row.within().is_ok();
                debug_assert!(kept || planted(Mistake::LimitIgnored));
            }
            self.set_leased(&who.replica, &ask.account, *has);
        }
        Ok(granted.into_iter().map(|(_, has)| has).collect())
    }

    fn apply(&mut self, who: &Tenure, draft: Drafted<U>) {
        let (rows, holds, entries) = draft;
        for (account, (row, lease)) in rows {
            self.set_leased(&who.replica, &account, lease);
            self.accounts.insert(account, row);
        }
        self.holds.extend(holds);
        self.entries.extend(entries);
    }

    fn bury(&mut self, who: &Tenure, used: bool) -> Result<(), StoreError> {
        let owner = self.owners.get(&who.replica).ok_or_else(fenced)?;
        if who.epoch > owner.epoch {
            return Err(fenced());
        }
        // An epoch before the last has left everything to those after it.
        if who.epoch < owner.epoch || owner.buried {
            return Ok(());
        }
        let mut draft = Draft::new(self, who);
        for (account, amount) in self.estate(&who.replica, who.epoch).leases {
            let (row, lease) = draft.row(&account)?;
            row.settle(amount, if used { amount } else { U::ZERO })?;
            *lease = U::ZERO;
            if used {
                // No hold: nobody knows which.
                draft.note(account, HoldId(0), EntryKind::Settle, amount);
            }
        }
        let drafted = draft.done();
        self.apply(who, drafted);
        if let Some(owner) = self.owners.get_mut(&who.replica) {
            owner.buried = true;
        }
        Ok(())
    }

    fn verify(&self) -> Audit {
        let mut paid: BTreeMap<&AccountId, U> = BTreeMap::new();
        for entry in &self.entries {
            let sum = paid.entry(&entry.account).or_default();
            *sum = sum.saturating_add(entry.settled);
        }
        let mut leased: BTreeMap<&AccountId, U> = BTreeMap::new();
        for ((_, account), amount) in &self.leases {
            let sum = leased.entry(account).or_default();
            *sum = sum.saturating_add(*amount);
        }
        let mut problems = Vec::new();
        for (id, row) in &self.accounts {
            problems.extend(row.invariant().err().map(|law| (id.clone(), law)));
            let sums = (paid.remove(id), leased.remove(id));
            if (sums.0.unwrap_or_default(), sums.1.unwrap_or_default()) != (row.settled, row.held) {
                problems.push((id.clone(), Violation::Journal));
            }
        }
        let lost = paid.into_keys().chain(leased.into_keys());
        problems.extend(lost.map(|id| (id.clone(), Violation::Journal)));
        Audit {
            accounts: self.accounts.len() as u64,
            holds_open: self.leases.len() as u64,
            entries: self.entries.len() as u64,
            problems,
        }
    }
}

type Drafted<U> =
    (BTreeMap<AccountId, (Account<U>, U)>, BTreeMap<HoldId, Settlement<U>>, Vec<Entry<U>>);

impl<'a, U: Unit> Draft<'a, U> {
    fn new(state: &'a State<U>, who: &'a Tenure) -> Self {
        Self { state, who, rows: BTreeMap::new(), holds: BTreeMap::new(), entries: Vec::new() }
    }

    /// An account and what the owner has of it, as they will be.
    fn row(&mut self, account: &AccountId) -> Result<&mut (Account<U>, U), StoreError> {
        if !self.rows.contains_key(account) {
            let known = self.state.accounts.get(account).copied();
            let row = match known {
                None if *account == AccountId::loss() => Account::unlimited(),
                known => known.ok_or_else(|| overdrawn(account))?,
            };
            let lease = self.state.leased(&self.who.replica, account);
            self.rows.insert(account.clone(), (row, lease));
        }
        self.rows.get_mut(account).ok_or_else(|| overdrawn(account))
    }

    fn note(&mut self, account: AccountId, hold: HoldId, kind: EntryKind, settled: U) {
        let held = match kind {
            EntryKind::Loss => U::ZERO,
            EntryKind::Reserve | EntryKind::Settle | EntryKind::Release | EntryKind::Adjust => {
                U::ZERO.saturating_sub(settled)
            }
        };
        self.entries.push(Entry { account, hold, kind, settled, held });
    }

    fn end(&mut self, ended: &Ended<U>) -> Result<(), StoreError> {
        let Settlement { hold, tenant, operator, .. } = ended.settlement;
        let before = self.state.holds.contains_key(&hold) || self.holds.contains_key(&hold);
        if before && !planted(Mistake::CountedTwice) {
            return Ok(());
        }
        for account in payers(ended) {
            let (row, lease) = self.row(account)?;
            if *lease < tenant {
                return Err(overdrawn(account));
            }
            *lease = lease.saturating_sub(tenant);
            row.settle(tenant, tenant)?;
            self.note(account.clone(), hold, EntryKind::Settle, tenant);
        }
        if operator > U::ZERO {
            let (row, _) = self.row(&AccountId::loss())?;
            row.settled = row.settled.checked_add(operator).ok_or(Violation::Range)?;
            self.note(AccountId::loss(), hold, EntryKind::Loss, operator);
        }
        self.holds.insert(hold, ended.settlement);
        Ok(())
    }

    fn keep(&mut self, account: &AccountId, keep: U) -> Result<(), StoreError> {
        if !self.state.accounts.contains_key(account) {
            return Ok(());
        }
        let (row, lease) = self.row(account)?;
        let back = lease.saturating_sub(keep).max(U::ZERO);
        *lease = lease.saturating_sub(back);
        row.release(back)?;
        Ok(())
    }

    fn done(self) -> Drafted<U> {
        (self.rows, self.holds, self.entries)
    }
}

impl<U: Unit> Vault<U> for MemoryVault<U> {
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate<U>>)> {
        let now = self.clock.now();
        Box::pin(ready(Ok(self.state.lock().enter(replica, now))))
    }

    fn beat<'a>(&'a self, who: &'a Tenure, lives: Duration) -> Stored<'a, ()> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let beaten = state.check(who).map(|()| {
            if let Some(owner) = state.owners.get_mut(&who.replica) {
                owner.heard = now;
                owner.lives = now + lives.min(LIVES_MAX);
            }
        });
        Box::pin(ready(beaten))
    }

    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk<U>],
    ) -> BoxFuture<'a, Result<Vec<U>, NotReserved<U>>> {
        Box::pin(ready(self.state.lock().lease(who, asks)))
    }

    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold<U>) -> Stored<'a, ()> {
        let mut state = self.state.lock();
        let drafted = check_fold(batch).map_err(StoreError::from).and_then(|()| {
            state.check(who)?;
            let mut draft = Draft::new(&state, who);
            batch.ended.iter().try_for_each(|ended| draft.end(ended))?;
            batch.keeps.iter().try_for_each(|(account, keep)| draft.keep(account, *keep))?;
            Ok(draft.done())
        });
        Box::pin(ready(drafted.map(|drafted| state.apply(who, drafted))))
    }

    fn silent(&self, since: Duration) -> Stored<'_, Vec<Estate<U>>> {
        let now = self.clock.now();
        let state = self.state.lock();
        let silent = state.owners.iter().filter(|(_, owner)| {
            !owner.buried && now >= owner.lives && now.duration_since(owner.heard) >= since
        });
        let estates = silent.map(|(replica, owner)| state.estate(replica, owner.epoch)).collect();
        Box::pin(ready(Ok(estates)))
    }

    fn bury<'a>(&'a self, who: &'a Tenure, used: bool) -> Stored<'a, ()> {
        Box::pin(ready(self.state.lock().bury(who, used)))
    }

    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement<U>>> {
        Box::pin(ready(Ok(self.state.lock().holds.get(&hold).copied())))
    }

    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>> {
        Box::pin(ready(Ok(self.state.lock().accounts.get(account).copied())))
    }

    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()> {
        self.state.lock().accounts.entry(account.clone()).or_default().limit = limit;
        Box::pin(ready(Ok(())))
    }

    fn verify(&self) -> Stored<'_, Audit> {
        Box::pin(ready(Ok(self.state.lock().verify())))
    }
}

impl<U: Unit> fmt::Debug for MemoryVault<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accounts = self.state.lock().accounts.len();
        f.debug_struct("MemoryVault").field("accounts", &accounts).finish_non_exhaustive()
    }
}
