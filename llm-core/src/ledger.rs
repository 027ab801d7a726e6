//! Who pays: holds, settlements and the accounts they move, as pure rules.
//!
//! The actors are a *hold* (money set aside before anything is sent), its *proof* (which everything
//! below the reserve stage must show), the *charge* (who pays what when a call has ended, however
//! it ended) and the *accounts* of a call's path, from the key to the tenant. [`rules`] moves one
//! path of accounts; [`book`] is the whole ledger as a value, by which stores are measured;
//! [`charge`] is the table of endings. Deliberately absent: storage, time and prices. Amounts
//! arrive computed.

pub mod book;
pub mod charge;
pub mod rules;

use std::fmt;

use crate::Str;
use crate::call::CallId;
use crate::money::{Money, Unit};
use crate::quota::WindowId;
use crate::usage::UsageSource;

/// Names a hold everywhere: 128 bits, made before anything else, so that whoever asks twice for
/// the same hold gets the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldId(pub u128);

impl From<CallId> for HoldId {
    fn from(call: CallId) -> Self {
        Self(call.as_u128())
    }
}

impl fmt::Debug for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Shows that money is set aside. Only [`rules::reserve`] makes one, so that no call reaches an
/// upstream on any other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldProof<U: Unit = Money> {
    id: HoldId,
    amount: U,
}

impl<U: Unit> HoldProof<U> {
    /// The hold.
    pub fn id(&self) -> HoldId {
        self.id
    }

    /// How much: a target that could cost more is not eligible.
    pub fn amount(&self) -> U {
        self.amount
    }
}

/// One account. Ordered from the narrowest to the widest, so that everybody who takes a path of
/// them takes it in the same order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId {
    /// Whose it is.
    pub owner: Owner,
    /// The owner's id.
    pub name: Str,
    /// The rule that limits it, where an owner has several (`$5/day` beside `$20/month`).
    pub rule: Str,
    /// The window it counts; `None` for a balance without one. A new window is a new account, and
    /// a hold stays with the one it was made in.
    pub window: Option<WindowId>,
}

/// Whose an account is, narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A virtual key.
    Key,
    /// A person or service.
    User,
    /// A purpose.
    Feature,
    /// A group of keys.
    Team,
    /// Several teams.
    Org,
    /// All of a tenant.
    Tenant,
    /// Whoever runs the gateway: pays what no caller owes.
    Operator,
}

impl Owner {
    /// The word for it in stores and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::User => "user",
            Self::Feature => "feature",
            Self::Team => "team",
            Self::Org => "org",
            Self::Tenant => "tenant",
            Self::Operator => "operator",
        }
    }
}

impl AccountId {
    /// A balance without rule and window.
    pub fn new(owner: Owner, name: impl Into<Str>) -> Self {
        Self { owner, name: name.into(), rule: Str::default(), window: None }
    }

    /// Where losses go: what a call cost beyond its hold, and what nobody else owes.
    pub fn loss() -> Self {
        Self::new(Owner::Operator, Str::from_static("loss"))
    }
}

/// How a hold ends: the tenant's share and the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement<U: Unit = Money> {
    /// The hold.
    pub hold: HoldId,
    /// What its accounts pay; never more than was held.
    pub tenant: U,
    /// What the operator pays beside it.
    pub operator: U,
    /// How the amounts are known.
    pub source: UsageSource,
}

impl<U: Unit> Settlement<U> {
    /// Nothing was sent, or nothing is owed.
    pub fn void(hold: HoldId) -> Self {
        Self { hold, tenant: U::ZERO, operator: U::ZERO, source: UsageSource::Reported }
    }
}

/// What became of a settlement. A second one of the same hold gets the receipt of the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt<U: Unit = Money> {
    /// The hold.
    pub hold: HoldId,
    /// What its accounts paid.
    pub posted: U,
    /// What they got back.
    pub released: U,
    /// What the operator paid.
    pub loss: U,
    /// How the amounts are known.
    pub source: UsageSource,
}

/// One line of the journal. Balances are a cache of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<U: Unit = Money> {
    /// The account that moved.
    pub account: AccountId,
    /// The hold that moved it.
    pub hold: HoldId,
    /// Why.
    pub kind: EntryKind,
    /// By how much what is paid grew.
    pub settled: U,
    /// By how much what is set aside grew; negative when it was given back.
    pub held: U,
}

/// Why an account moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Money was set aside.
    Reserve,
    /// It was paid, in part or whole.
    Settle,
    /// It was given back whole.
    Release,
    /// The operator paid.
    Loss,
    /// What a crash had us estimate turned out to be known.
    Adjust,
}

#[cfg(test)]
mod tests;
