//! What people have bought or been given, as pure rules: wallets, prices, grants, codes.
//!
//! A [`Wallet`] is a set of *buckets*, each with a source and an end; a *hold* takes from them,
//! what ends first before the rest, and remembers from which. Everything that moves is an [`Entry`]
//! of the journal: a step first computes its entries and then applies them, so that a wallet that
//! is [replayed](Wallet::replay) from its journal is the wallet itself. [`formula`] says what a job
//! costs, [`tariff`] what a call does, [`monthly`] what a plan grants and when, [`code`] what may be redeemed, [`guest`] what
//! strangers get, [`alert`] who should hear of a low balance.
//!
//! Deliberately absent: storage, clocks, payment providers and the sending of anything. A wallet is
//! what somebody has; what a key may spend is an account of [`crate::ledger`]. Both can stand on a
//! call's path, which is why a wallet's hold makes the ledger's proof.

pub mod alert;
pub mod code;
pub mod formula;
pub mod guest;
pub mod monthly;

mod journal;
mod record;
mod state;
mod step;
pub mod tariff;

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;

use crate::Str;
use crate::ledger::{HoldId, HoldProof};
use crate::money::{Credits, Unit};

pub use record::{Charge, Granted, Part, Record, Refunded};
pub use state::State;

/// Live buckets of one wallet. Grants of one source and end share a bucket: monthly grants and
/// years of purchases stay far below, and every hold walks over all of them.
pub const BUCKETS_MAX: usize = 256;
/// Open holds of one wallet: more than one person's jobs and calls in flight.
pub const HOLDS_MAX: usize = 4_096;
/// Ended things that a wallet remembers to answer repetitions. Beyond it new work is refused until
/// a store has [shelved](Wallet::shelve) some: what is forgotten could be done twice.
pub const RECORDS_MAX: usize = 100_000;
/// Bytes of an id from outside: a payment provider's event id fits several times.
pub const EVENT_MAX: usize = 256;

/// Names a bucket within its wallet. Counted, so that the lower of two is the older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId(pub u64);

/// Where what is in a bucket came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Given: by a plan, to a guest, by an administrator.
    Granted,
    /// Paid for.
    Bought,
    /// A code was redeemed.
    Redeemed,
    /// Spent once and given back.
    Refunded,
}

/// A part of a balance that has one source and one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket<U: Unit = Credits> {
    /// Which one.
    pub id: BucketId,
    /// Where it came from.
    pub source: Source,
    /// What may still be set aside.
    pub left: U,
    /// What open holds have set aside.
    pub held: U,
    /// The first instant at which it is worth nothing; `None` is without end.
    pub expires_at: Option<Timestamp>,
}

impl<U: Unit> Bucket<U> {
    /// Whether it has ended. The instant of its end is no longer in it.
    pub fn is_over(&self, now: Timestamp) -> bool {
        is_over(self.expires_at, now)
    }

    /// What is spent first: what ends first, and of that the oldest.
    fn turn(&self) -> (bool, Option<Timestamp>, BucketId) {
        (self.expires_at.is_none(), self.expires_at, self.id)
    }
}

fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| end <= now)
}

/// Something is put into a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<U: Unit = Credits> {
    /// The id of whatever happened: the same event grants once. `monthly/…`, `redeem/…` and
    /// `guest/…` are made here; whoever takes ids from outside puts a word of their own in front.
    pub event: Str,
    /// How much; more than nothing.
    pub amount: U,
    /// Where it comes from.
    pub source: Source,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Something that was charged is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund<U: Unit = Credits> {
    /// The id of whatever happened outside: the same event gives back once.
    pub event: Str,
    /// The hold whose settlement was charged.
    pub charge: HoldId,
    /// How much of it; more than nothing.
    pub amount: U,
    /// What comes back ends when it would have ended, but not before this: a job that fails after
    /// its credits' end should not take them along.
    pub usable_until: Option<Timestamp>,
}

/// What a step did: its receipt, and what the journal gains. A repeated step has no entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the entries belong into the journal"]
pub struct Step<R, U: Unit = Credits> {
    /// What became of it.
    pub receipt: R,
    /// What moved, in order.
    pub entries: Vec<Entry<U>>,
}

/// One line of a wallet's journal. Balances are the sums of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<U: Unit = Credits> {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The bucket that moved; `None` where nothing did, for holds of nothing.
    pub bucket: Option<BucketId>,
    /// By how much what may be set aside grew.
    pub left: U,
    /// By how much what is set aside grew.
    pub held: U,
    /// By how much what is spent grew.
    pub spent: U,
}

/// Why a bucket moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something was put in.
    Grant {
        /// The event outside.
        event: Str,
        /// Where it came from.
        source: Source,
        /// When it ends.
        expires_at: Option<Timestamp>,
    },
    /// Something was set aside.
    Reserve(HoldId),
    /// It was spent, in part or whole.
    Settle(HoldId),
    /// It was given back whole.
    Release(HoldId),
    /// Its end has come.
    Expire {
        /// The hold that gave it back after its end.
        given_back_by: Option<HoldId>,
    },
    /// What was spent came back.
    Refund {
        /// The event outside.
        event: Str,
        /// What had been charged.
        charge: HoldId,
        /// When it ends.
        expires_at: Option<Timestamp>,
    },
}

/// Why a step was not taken. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused<U: Unit = Credits> {
    /// There is not enough.
    #[error("{asked} asked for, {available} available")]
    Short {
        /// What was asked for.
        asked: U,
        /// What may be set aside.
        available: U,
    },
    /// Less than nothing, or nothing where something must be.
    #[error("an amount must be more than nothing")]
    Amount,
    /// The id is empty or too long.
    #[error("an event id has 1 to {EVENT_MAX} bytes")]
    Event,
    /// What is granted has ended already.
    #[error("what is granted would have ended already")]
    Over,
    /// The same id was used before, for something else.
    #[error("the id was used before, with other terms")]
    OtherTerms,
    /// The hold has ended.
    #[error("the hold has ended")]
    Ended,
    /// There is no such hold.
    #[error("no such hold")]
    UnknownHold,
    /// There is no such charge.
    #[error("no such charge")]
    UnknownCharge,
    /// More would be paid than was set aside.
    #[error("{actual} charged, {held} held")]
    Overrun {
        /// What was to be charged.
        actual: U,
        /// What was set aside.
        held: U,
    },
    /// More would come back than was charged.
    #[error("{asked} to be refunded, {refundable} of the charge is left")]
    OverRefund {
        /// What was to come back.
        asked: U,
        /// What may still come back.
        refundable: U,
    },
    /// A number would leave its range.
    #[error("an amount is out of range")]
    Range,
    /// There is no room.
    #[error("the wallet has no room for more {0}")]
    Full(Room),
}

/// What there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// [`BUCKETS_MAX`].
    Buckets,
    /// [`HOLDS_MAX`].
    Holds,
    /// [`RECORDS_MAX`].
    Records,
}

impl std::fmt::Display for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Buckets => "buckets",
            Self::Holds => "holds",
            Self::Records => "records",
        })
    }
}

/// What somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wallet<U: Unit = Credits> {
    /// In the order in which they are spent.
    buckets: Vec<Bucket<U>>,
    /// How many buckets there ever were.
    made: u64,
    holds: BTreeMap<HoldId, Open<U>>,
    grants: BTreeMap<Str, Granted<U>>,
    charges: BTreeMap<HoldId, Charge<U>>,
    refunds: BTreeMap<Str, Refunded<U>>,
}

/// An open hold: what was set aside, by bucket, in the order in which it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Open<U: Unit> {
    parts: Vec<(BucketId, U)>,
}

impl<U: Unit> Open<U> {
    fn amount(&self) -> U {
        // A sum of parts of a balance, which is within range.
        self.parts.iter().fold(U::ZERO, |sum, (_, part)| sum.saturating_add(*part))
    }
}

impl<U: Unit> Wallet<U> {
    /// What may be set aside at an instant.
    pub fn available(&self, now: Timestamp) -> U {
        let live = self.buckets.iter().filter(|b| !b.is_over(now));
        live.fold(U::ZERO, |sum, bucket| sum.saturating_add(bucket.left))
    }

    /// What open holds have set aside.
    pub fn held(&self) -> U {
        self.buckets.iter().fold(U::ZERO, |sum, bucket| sum.saturating_add(bucket.held))
    }

    /// The buckets, in the order in which they are spent. Those that have ended are among them
    /// until the next step, with what was left then.
    pub fn buckets(&self) -> &[Bucket<U>] {
        &self.buckets
    }

    /// What an open hold has set aside, and from where.
    pub fn hold(&self, id: HoldId) -> Option<&[(BucketId, U)]> {
        self.holds.get(&id).map(|open| open.parts.as_slice())
    }

    /// The open holds, for whoever must end those of a process that died.
    pub fn open_holds(&self) -> impl Iterator<Item = (HoldId, U)> {
        self.holds.iter().map(|(id, open)| (*id, open.amount()))
    }

    /// What became of a hold that has ended.
    pub fn charge(&self, hold: HoldId) -> Option<&Charge<U>> {
        self.charges.get(&hold)
    }

    /// What became of a grant.
    pub fn granted(&self, event: &str) -> Option<&Granted<U>> {
        self.grants.get(event)
    }

    /// The sum of all grants whose event begins so.
    pub fn granted_under(&self, prefix: &str) -> U {
        let from = self.grants.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let under = from.take_while(|(event, _)| event.starts_with(prefix));
        under.fold(U::ZERO, |sum, (_, granted)| sum.saturating_add(granted.grant.amount))
    }

    fn bucket(&self, id: BucketId) -> Option<&Bucket<U>> {
        self.buckets.iter().find(|b| b.id == id)
    }

    fn proof(&self, id: HoldId, amount: U, available: U) -> Result<HoldProof<U>, Refused<U>> {
        let mut balance = crate::ledger::rules::Account::limited(available);
        crate::ledger::rules::reserve(&mut [&mut balance], id, amount).map_err(|why| {
            use crate::ledger::rules::Refused as No;
            match why {
                No::Exhausted { .. } => Refused::Short { asked: amount, available },
                No::Negative | No::NoAccount => Refused::Amount,
            }
        })
    }
}

#[cfg(test)]
mod tests;
