//! The arithmetic of accounts: every store, the simulator's auditor and the tests use these.

use super::{HoldId, HoldProof};
use crate::money::Unit;

/// One account as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account<U: Unit> {
    /// The most that may be paid and set aside together. `None` is without limit, and only ever
    /// because somebody declared it so.
    pub limit: Option<U>,
    /// What is paid.
    pub settled: U,
    /// What is set aside.
    pub held: U,
}

/// Why nothing was set aside. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused<U: Unit> {
    /// An account of the path would pass its limit.
    #[error("{asked} asked for, {settled} of {limit} used and {held} reserved")]
    Exhausted {
        /// Which account of the path, counted from the first.
        account: usize,
        /// Its limit.
        limit: U,
        /// What it has paid.
        settled: U,
        /// What it has set aside.
        held: U,
        /// What was asked for.
        asked: U,
    },
    /// Less than nothing was asked for.
    #[error("a negative amount cannot be reserved")]
    Negative,
    /// Something costs money and nobody is there to pay it.
    #[error("no account pays for this")]
    NoAccount,
}

/// A law that an account or a settlement breaks. Never a caller's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Less than nothing is set aside.
    #[error("less than nothing is held")]
    NegativeHeld,
    /// Less than nothing was paid.
    #[error("less than nothing is settled")]
    NegativeSettled,
    /// More was given back than was set aside.
    #[error("more is settled or released than was held")]
    NotHeld,
    /// More was paid than the hold covers; the rest is the operator's.
    #[error("more is charged than was held")]
    Overrun,
    /// A number left its range.
    #[error("an amount is out of range")]
    Range,
    /// There is no such hold.
    #[error("no such hold")]
    UnknownHold,
    /// The same hold was asked for again, with other terms.
    #[error("the hold exists with other terms")]
    OtherTerms,
    /// The step does not follow from the hold's state.
    #[error("the hold is not in a state for that")]
    State,
    /// Balances and journal disagree.
    #[error("a balance is not the sum of its journal")]
    Journal,
}

impl<U: Unit> Account<U> {
    /// An account that may spend so much.
    pub fn limited(limit: U) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }

    /// An account that was declared to be without limit.
    pub fn unlimited() -> Self {
        Self::default()
    }

    /// What may still be set aside; `None` without limit. Zero, not less, when the limit was
    /// lowered below what is used.
    pub fn remaining(&self) -> Option<U> {
        let used = self.settled.saturating_add(self.held);
        self.limit.map(|limit| limit.saturating_sub(used).max(U::ZERO))
    }

    /// Sets aside: paid + set aside + amount ≤ limit, or nothing changes.
    pub fn reserve(&mut self, amount: U) -> Result<(), Refused<U>> {
        self.may_reserve(0, amount)?;
        let before = self.remaining();
        self.held = self.held.saturating_add(amount);
        debug_assert!(self.remaining() <= before, "reserving left more than there was");
        debug_assert_eq!(self.within(), Ok(()));
        Ok(())
    }

    fn may_reserve(&self, account: usize, amount: U) -> Result<(), Refused<U>> {
        if amount.is_negative() {
            return Err(Refused::Negative);
        }
        let (settled, held) = (self.settled, self.held);
        let used = settled.checked_add(held).and_then(|used| used.checked_add(amount));
        // Without limit, the range of the integer still is one.
        let limit = self.limit.unwrap_or(U::MAX);
        match used {
            Some(used) if used <= limit => Ok(()),
            _ => Err(Refused::Exhausted { account, limit, settled, held, asked: amount }),
        }
    }

    /// Pays `actual` out of `held` and gives the rest back.
    pub fn settle(&mut self, held: U, actual: U) -> Result<(), Violation> {
        if held.is_negative() || actual.is_negative() || held > self.held {
            return Err(Violation::NotHeld);
        }
        if actual > held {
            return Err(Violation::Overrun);
        }
        let settled = self.settled.checked_add(actual).ok_or(Violation::Range)?;
        let used = self.settled.saturating_add(self.held);
        self.held = self.held.saturating_sub(held);
        self.settled = settled;
        debug_assert!(self.settled.saturating_add(self.held) <= used, "settling used up more");
        debug_assert_eq!(self.invariant(), Ok(()));
        Ok(())
    }

    /// Gives all of `held` back.
    pub fn release(&mut self, held: U) -> Result<(), Violation> {
        let settled = self.settled;
        self.settle(held, U::ZERO)?;
        debug_assert!(self.settled == settled, "giving back is not paying");
        debug_assert!(!self.held.is_negative());
        Ok(())
    }

    /// Pays without a hold: the operator's own account only, which has no limit to pass.
    pub(super) fn lose(&mut self, amount: U) -> Result<(), Violation> {
        if amount.is_negative() {
            return Err(Violation::NegativeSettled);
        }
        debug_assert!(self.limit.is_none(), "losses are not refused");
        debug_assert!(self.held == U::ZERO, "losses are not planned");
        self.settled = self.settled.checked_add(amount).ok_or(Violation::Range)?;
        Ok(())
    }

    /// Corrects what was estimated, up or down. Up only as far as the limit allows at this
    /// instant: what the hold gave back may be spent by now.
    pub(super) fn adjust(&mut self, by: U) -> Result<(), Violation> {
        let settled = self.settled.checked_add(by).ok_or(Violation::Range)?;
        let after = Self { settled, ..*self };
        after.invariant()?;
        if !by.is_negative() {
            after.within()?;
        }
        debug_assert!(after.held == self.held, "a correction holds nothing");
        debug_assert!(by.is_negative() || after.within().is_ok());
        *self = after;
        Ok(())
    }

    /// What holds at every instant. That the limit is kept is not among it: an administrator may
    /// lower a limit below what is used, and then only new holds are refused.
    pub fn invariant(&self) -> Result<(), Violation> {
        match (self.held.is_negative(), self.settled.is_negative()) {
            (true, _) => Err(Violation::NegativeHeld),
            (false, true) => Err(Violation::NegativeSettled),
            (false, false) => Ok(()),
        }
    }

    /// [`Account::invariant`], and the limit: what holds after each step that sets aside.
    pub fn within(&self) -> Result<(), Violation> {
        self.invariant()?;
        let used = self.settled.checked_add(self.held).ok_or(Violation::Range)?;
        if self.limit.is_some_and(|limit| used > limit) { Err(Violation::Range) } else { Ok(()) }
    }
}

/// Sets the amount aside on all accounts of a path, or on none: all are asked first, so that
/// nothing has to be taken back. The only maker of proofs.
pub fn reserve<U: Unit>(
    path: &mut [&mut Account<U>],
    id: HoldId,
    amount: U,
) -> Result<HoldProof<U>, Refused<U>> {
    if path.is_empty() && amount != U::ZERO {
        return Err(Refused::NoAccount);
    }
    for (at, account) in path.iter().enumerate() {
        account.may_reserve(at, amount)?;
    }
    for account in path.iter_mut() {
        account.held = account.held.saturating_add(amount);
        debug_assert_eq!(account.within(), Ok(()));
    }
    debug_assert!(!amount.is_negative(), "an empty path has let a negative amount through");
    Ok(HoldProof { id, amount })
}
