//! The whole ledger as a value: accounts, holds and the journal.
//!
//! ```text
//!      reserve          dispatch         settle
//!   ∅ ────────▶ held ────────────▶ running ────────▶ posted
//!                │                    │
//!                └──── release ──────▶┴────────────▶ voided
//! ```
//!
//! Ends are final, and each step may be repeated: a second resolution returns the first one's
//! receipt. Only an estimate that a crash forced may be corrected, once ([`Book::adjust`]). A store
//! that does the same in SQL is right when it does what this does.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{Account, Refused, Violation, reserve};
use super::{AccountId, Entry, EntryKind, HoldId, HoldProof, Receipt, Settlement};
use crate::money::{Money, Unit};
use crate::usage::UsageSource;

/// Accounts, holds and the journal that they are the sum of.
#[derive(Clone, Debug, Default)]
pub struct Book<U: Unit = Money> {
    accounts: BTreeMap<AccountId, Account<U>>,
    holds: BTreeMap<HoldId, Hold<U>>,
    journal: Vec<Entry<U>>,
}

/// A hold and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold<U: Unit = Money> {
    /// What every stage below must show.
    pub proof: HoldProof<U>,
    /// The accounts it was made on, narrowest first.
    pub path: Vec<AccountId>,
    /// Where it stands.
    pub state: HoldState<U>,
}

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState<U: Unit = Money> {
    /// Set aside; nothing was sent.
    Held,
    /// Something was sent.
    Running {
        /// What was owed for it before anything came.
        sent: U,
        /// The last watermark, once there is one.
        watermark: Option<U>,
    },
    /// Resolved: paid, wholly or in part or by nobody.
    Closed(Receipt<U>),
}

/// Why a hold was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError<U: Unit = Money> {
    /// The caller's doing.
    #[error("{why}")]
    Refused {
        /// The account that said so, where one did.
        account: Option<AccountId>,
        /// What it said.
        why: Refused<U>,
    },
    /// Ours.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl<U: Unit> ReserveError<U> {
    /// Names the account that refused, of the path as [`reserve`] was given it.
    pub fn on(path: &[AccountId], why: Refused<U>) -> Self {
        let account = match why {
            Refused::Exhausted { account, .. } => path.get(account).cloned(),
            Refused::Negative | Refused::NoAccount => None,
        };
        Self::Refused { account, why }
    }
}

impl<U: Unit> Book<U> {
    /// Opens an account or changes its limit; what is used stays used.
    pub fn set_limit(&mut self, account: AccountId, limit: Option<U>) {
        self.accounts.entry(account).or_default().limit = limit;
    }

    /// Sets aside on every account of a path, or on none. The same hold again gives the same
    /// proof; with other terms it is an error, and so is one that has ended: a repetition that was
    /// late on its way must not show money that is set aside no more.
    pub fn reserve(
        &mut self,
        id: HoldId,
        path: &[AccountId],
        amount: U,
    ) -> Result<HoldProof<U>, ReserveError<U>> {
        // Sorted and without twins: an account that stood twice would be asked once and pay twice.
        let path: BTreeSet<&AccountId> = path.iter().collect();
        if let Some(hold) = self.holds.get(&id) {
            let same = hold.proof.amount() == amount && hold.path.iter().eq(path);
            return match hold.state {
                _ if !same => Err(Violation::OtherTerms.into()),
                HoldState::Held | HoldState::Running { .. } => Ok(hold.proof.clone()),
                HoldState::Closed(_) => Err(Violation::State.into()),
            };
        }
        // Losses are booked without a hold, and a hold on them would be paid by nobody.
        if path.contains(&AccountId::loss()) {
            return Err(ReserveError::on(&[], Refused::NoAccount));
        }
        let mut rows: Vec<&mut Account<U>> =
            self.accounts.iter_mut().filter(|(id, _)| path.contains(id)).map(|(_, a)| a).collect();
        if rows.len() != path.len() {
            return Err(ReserveError::on(&[], Refused::NoAccount));
        }
        let path: Vec<AccountId> = path.into_iter().cloned().collect();
        let proof = reserve(&mut rows, id, amount).map_err(|why| ReserveError::on(&path, why))?;
        for account in path.clone() {
            self.note(account, id, EntryKind::Reserve, U::ZERO, amount);
        }
        let state = HoldState::Held;
        self.holds.insert(id, Hold { proof: proof.clone(), path, state });
        debug_assert_eq!(proof.id(), id);
        debug_assert!(!proof.amount().is_negative());
        Ok(proof)
    }

    /// Notes that something was sent, and what is owed for it. Never goes back.
    pub fn dispatch(&mut self, id: HoldId, cost: U) -> Result<(), Violation> {
        self.run(id, cost, None)
    }

    /// Notes how much has come. Never goes back.
    pub fn watermark(&mut self, id: HoldId, cost: U) -> Result<(), Violation> {
        self.run(id, U::ZERO, Some(cost))
    }

    fn run(&mut self, id: HoldId, cost: U, mark: Option<U>) -> Result<(), Violation> {
        let hold = self.holds.get_mut(&id).ok_or(Violation::UnknownHold)?;
        hold.state = match hold.state {
            HoldState::Held => HoldState::Running { sent: cost, watermark: mark },
            HoldState::Running { sent, watermark } => {
                HoldState::Running { sent: sent.max(cost), watermark: watermark.max(mark) }
            }
            HoldState::Closed(_) => return Err(Violation::State),
        };
        Ok(())
    }

    /// Ends a hold. A hold that has ended keeps its end, whatever comes later.
    pub fn settle(&mut self, settlement: Settlement<U>) -> Result<Receipt<U>, Violation> {
        let Settlement { hold: id, tenant, operator, source } = settlement;
        let hold = self.holds.get(&id).ok_or(Violation::UnknownHold)?;
        if let HoldState::Closed(receipt) = hold.state {
            return Ok(receipt);
        }
        let (held, path) = (hold.proof.amount(), hold.path.clone());
        if tenant.is_negative() || operator.is_negative() {
            return Err(Violation::NegativeSettled);
        }
        if tenant > held {
            return Err(Violation::Overrun);
        }
        // All rows are computed before any is written, so that an error leaves none half done.
        let mut rows = Vec::with_capacity(path.len());
        for account in &path {
            let mut row = *self.accounts.get(account).ok_or(Violation::NotHeld)?;
            row.settle(held, tenant)?;
            rows.push((account.clone(), row));
        }
        if operator != U::ZERO {
            let mut loss = self.accounts.get(&AccountId::loss()).copied().unwrap_or_default();
            loss.lose(operator)?;
            rows.push((AccountId::loss(), loss));
        }
        self.accounts.extend(rows);
        let kind = if tenant == U::ZERO { EntryKind::Release } else { EntryKind::Settle };
        for account in path {
            self.note(account, id, kind, tenant, U::ZERO.saturating_sub(held));
        }
        if operator != U::ZERO {
            self.note(AccountId::loss(), id, EntryKind::Loss, operator, U::ZERO);
        }
        let released = held.saturating_sub(tenant);
        let receipt = Receipt { hold: id, posted: tenant, released, loss: operator, source };
        if let Some(hold) = self.holds.get_mut(&id) {
            hold.state = HoldState::Closed(receipt);
        }
        debug_assert!(receipt.posted <= held && !receipt.released.is_negative());
        debug_assert_eq!(receipt.posted.checked_add(receipt.released), Some(held));
        Ok(receipt)
    }

    /// Gives a hold back whole.
    pub fn release(&mut self, id: HoldId) -> Result<Receipt<U>, Violation> {
        self.settle(Settlement::void(id))
    }

    /// A late word on a hold that a recovery has ended by estimate: the owner was only cut off, and
    /// knows what the call used. Corrects the estimate once, downwards freely, upwards within what
    /// the hold gave back and what the limits allow by now; the rest is the operator's.
    pub fn adjust(&mut self, late: Settlement<U>) -> Result<Receipt<U>, Violation> {
        let hold = self.holds.get(&late.hold).ok_or(Violation::UnknownHold)?;
        let HoldState::Closed(first) = hold.state else { return Err(Violation::State) };
        let (estimated, known) = (UsageSource::Estimated, late.source != UsageSource::Estimated);
        if first.source != estimated || !known {
            return Ok(first);
        }
        if late.tenant.is_negative() || late.operator.is_negative() {
            return Err(Violation::NegativeSettled);
        }
        let held = hold.proof.amount();
        let due = late.tenant.min(held);
        let by = due.saturating_sub(first.posted);
        let mut rows = BTreeMap::new();
        for account in &hold.path {
            rows.insert(account.clone(), *self.accounts.get(account).ok_or(Violation::NotHeld)?);
        }
        let fits = rows.values_mut().all(|row| row.adjust(by).is_ok());
        let posted = if fits { due } else { first.posted };
        let loss = late.tenant.saturating_add(late.operator).saturating_sub(posted);
        // A loss that was booked stays booked: the operator is not refunded by a caller.
        let more = loss.saturating_sub(first.loss).max(U::ZERO);
        let mut operator = self.accounts.get(&AccountId::loss()).copied().unwrap_or_default();
        operator.lose(more)?;
        if fits && by != U::ZERO {
            for account in rows.keys() {
                self.note(account.clone(), late.hold, EntryKind::Adjust, by, U::ZERO);
            }
            self.accounts.extend(rows);
        }
        if more != U::ZERO {
            self.accounts.insert(AccountId::loss(), operator);
            self.note(AccountId::loss(), late.hold, EntryKind::Loss, more, U::ZERO);
        }
        let (released, loss) = (held.saturating_sub(posted), first.loss.saturating_add(more));
        let receipt = Receipt { hold: late.hold, posted, released, loss, source: late.source };
        if let Some(hold) = self.holds.get_mut(&late.hold) {
            hold.state = HoldState::Closed(receipt);
        }
        debug_assert!(receipt.posted <= held && !receipt.released.is_negative());
        debug_assert!(receipt.loss >= first.loss);
        Ok(receipt)
    }

    /// An account.
    pub fn account(&self, id: &AccountId) -> Option<&Account<U>> {
        self.accounts.get(id)
    }

    /// A hold.
    pub fn hold(&self, id: HoldId) -> Option<&Hold<U>> {
        self.holds.get(&id)
    }

    /// Holds that have not ended, by id: what a recovery walks through.
    pub fn open(&self) -> impl Iterator<Item = &Hold<U>> {
        self.holds.values().filter(|h| !matches!(h.state, HoldState::Closed(_)))
    }

    /// Everything that ever moved, in order.
    pub fn journal(&self) -> &[Entry<U>] {
        &self.journal
    }

    /// Recomputes everything: each balance is the sum of its journal, what is held is the sum of
    /// the open holds, and no account breaks a law.
    pub fn verify(&self) -> Result<(), (AccountId, Violation)> {
        let mut open: BTreeMap<&AccountId, U> = BTreeMap::new();
        for hold in self.open() {
            for account in &hold.path {
                let sum = open.entry(account).or_default();
                *sum = sum.saturating_add(hold.proof.amount());
            }
        }
        let mut sums: BTreeMap<&AccountId, (U, U)> = BTreeMap::new();
        for entry in &self.journal {
            let (settled, held) = sums.entry(&entry.account).or_default();
            *settled = settled.saturating_add(entry.settled);
            *held = held.saturating_add(entry.held);
        }
        for (id, account) in &self.accounts {
            let fail = |violation| Err((id.clone(), violation));
            if let Err(violation) = account.invariant() {
                return fail(violation);
            }
            let held = open.get(id).copied().unwrap_or_default();
            let sums = sums.remove(id).unwrap_or_default();
            if sums != (account.settled, account.held) || held != account.held {
                return fail(Violation::Journal);
            }
        }
        // What is left moved an account that does not exist.
        sums.into_keys().next().map_or(Ok(()), |id| Err((id.clone(), Violation::Journal)))
    }

    fn note(&mut self, account: AccountId, hold: HoldId, kind: EntryKind, settled: U, held: U) {
        self.journal.push(Entry { account, hold, kind, settled, held });
    }
}
