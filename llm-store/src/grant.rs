//! How much of what is asked for is granted, and what may be asked at all: the rules that every
//! vault keeps, as pure arithmetic.
//!
//! Deliberately absent: who asks, and where accounts are kept.

use std::collections::BTreeSet;
use std::time::Duration;

use llm_core::ledger::AccountId;
use llm_core::ledger::rules::{Account, Refused, Violation};
use llm_core::money::Unit;
use llm_core::store::vault::{Ended, Fold, LeaseAsk};
use llm_core::store::{NotReserved, StoreError};

use crate::plant::{Mistake, planted};

/// What somebody would like is one part of so many: ten times as much remains for the others.
const PARTS: i64 = 11;
/// Whoever wants to be taken for living for longer than a day has no heartbeat.
pub(crate) const LIVES_MAX: Duration = Duration::from_secs(86_400);

/// What an ask changes: by how much the account's lease grows, or what was refused.
///
/// What the owner has beyond what it knows of comes from an ask whose answer it has never heard:
/// that counts first. What it claims to have beyond what is known counts for nothing.
pub(crate) fn grant<U: Unit>(
    account: &Account<U>,
    known: U,
    ask: &LeaseAsk<U>,
) -> Result<U, (U, Refused<U>)> {
    let mut unheard = known.saturating_sub(ask.has).max(U::ZERO);
    if planted(Mistake::GrantedTwice) {
        unheard = U::ZERO;
    }
    if unheard > U::ZERO && unheard >= ask.least {
        return Ok(U::ZERO);
    }
    let least = ask.least.saturating_sub(unheard).max(U::ZERO);
    let like = ask.like.saturating_sub(unheard).max(least);
    let limit = account.limit.unwrap_or(U::MAX);
    let rest = limit.saturating_sub(account.settled).saturating_sub(account.held).max(U::ZERO);
    if planted(Mistake::LimitIgnored) {
        return Ok(least);
    }
    if least > rest {
        let (settled, held) = (account.settled, account.held);
        return Err((least, Refused::Exhausted { account: 0, limit, settled, held, asked: least }));
    }
    let share = U::from_pieces(rest.pieces() / PARTS);
    let granted = like.min(share).max(least);
    debug_assert!(granted >= least && granted <= like && granted <= rest);
    debug_assert!(!granted.is_negative());
    Ok(granted)
}

/// The refusal, by the place of its ask.
pub(crate) fn refused<U: Unit>(asks: &[LeaseAsk<U>], at: usize, why: Refused<U>) -> NotReserved<U> {
    let account = asks.get(at).map(|ask| ask.account.clone());
    let why = match why {
        Refused::Exhausted { limit, settled, held, asked, .. } => {
            Refused::Exhausted { account: at, limit, settled, held, asked }
        }
        Refused::Negative | Refused::NoAccount => why,
    };
    NotReserved::Refused { account, why }
}

/// Whether this may be asked at all, whatever the accounts say.
pub(crate) fn check_asks<U: Unit>(asks: &[LeaseAsk<U>]) -> Result<(), NotReserved<U>> {
    let mut seen = BTreeSet::new();
    for ask in asks {
        if ask.has.is_negative() || ask.least.is_negative() || ask.like.is_negative() {
            return Err(NotReserved::Refused { account: None, why: Refused::Negative });
        }
        // Losses are booked without a lease, and a lease of them would be paid by nobody.
        if ask.account == AccountId::loss() {
            return Err(NotReserved::Refused { account: None, why: Refused::NoAccount });
        }
        // Each would be answered with what the owner has after both.
        if !seen.insert(&ask.account) {
            return Err(StoreError::from(Violation::OtherTerms).into());
        }
    }
    Ok(())
}

/// Whether a batch keeps the laws that need no account to look at.
pub(crate) fn check_fold<U: Unit>(batch: &Fold<U>) -> Result<(), Violation> {
    for Ended { settlement, amount, path } in &batch.ended {
        let (tenant, operator) = (settlement.tenant, settlement.operator);
        if tenant.is_negative() || operator.is_negative() {
            return Err(Violation::NegativeSettled);
        }
        if tenant > *amount {
            return Err(Violation::Overrun);
        }
        if path.contains(&AccountId::loss()) || (path.is_empty() && tenant > U::ZERO) {
            return Err(Violation::NotHeld);
        }
    }
    if batch.keeps.iter().any(|(_, keep)| keep.is_negative()) {
        return Err(Violation::NegativeHeld);
    }
    Ok(())
}

/// The accounts of a path that pay: each once, narrowest first; none when nothing is paid.
pub(crate) fn payers<U: Unit>(ended: &Ended<U>) -> BTreeSet<&AccountId> {
    if ended.settlement.tenant == U::ZERO { BTreeSet::new() } else { ended.path.iter().collect() }
}

/// Somebody has paid with more than was leased to it: what was promised to others is gone.
pub(crate) fn overdrawn(account: &AccountId) -> StoreError {
    let AccountId { owner, name, .. } = account;
    StoreError::Corrupt(format!("{owner:?} {name}: more is paid than its owner had leased").into())
}

/// An owner that others have taken for dead, or that never was.
pub(crate) fn fenced() -> StoreError {
    StoreError::Conflict(llm_core::Str::from_static("the owner is fenced or unknown"))
}

#[cfg(test)]
mod tests;
