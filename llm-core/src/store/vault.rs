//! Accounts that outlast every process: what credit is leased from, and what journals are folded
//! into.
//!
//! A process does not ask here for each call. It takes *leases*: credit of one account, set aside in
//! its name, out of which it makes holds in memory. A lease is itself a hold, so that the limit
//! stays exact whatever crashes: paid + leased ≤ limit at every commit that raises either. What has
//! ended is carried here later, in batches, and moves from leased to paid; what is not needed is
//! given back.
//!
//! Every step may be repeated: a fold by the ids of its holds, all others by what they say (a lease
//! is told as how much the owner has of an account *after* it). An owner is a process: a replica's
//! name and an epoch that only grows. One that was declared dead is fenced, and everything that it
//! asks is a [`StoreError::Conflict`](super::StoreError::Conflict).

use std::fmt;
use std::time::Duration;

use super::{Audit, NotReserved, Stored};
use crate::Str;
use crate::ledger::rules::Account;
use crate::ledger::{AccountId, HoldId, Settlement};
use crate::money::{Money, Unit};
use crate::seam::BoxFuture;

/// A process that holds leases.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenure {
    /// Where it runs: the same after a restart, since its journal is there.
    pub replica: Str,
    /// Which process there; each start is a new one.
    pub epoch: u64,
}

/// Credit that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAsk<U: Unit = Money> {
    /// Of which account.
    pub account: AccountId,
    /// Its limit: that of a window's account is told with each ask and replaces the one that is
    /// stored; that of an account without window counts when the account is opened. `None` is
    /// without limit, declared so.
    pub limit: Option<U>,
    /// How much the owner has of it already, as it knows: an ask that is repeated is not granted
    /// twice.
    pub has: U,
    /// How much more it needs at the least.
    pub least: U,
    /// How much more it would like. A store gives less than that when others may need it: near a
    /// limit it gives `least`.
    pub like: U,
}

/// A hold that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended<U: Unit = Money> {
    /// How it ended.
    pub settlement: Settlement<U>,
    /// What was set aside for it.
    pub amount: U,
    /// The accounts it was made on.
    pub path: Vec<AccountId>,
}

/// What is carried to the store in one step, all or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold<U: Unit = Money> {
    /// Holds that have ended. One that was folded before changes nothing.
    pub ended: Vec<Ended<U>>,
    /// How much the owner keeps of accounts from now on, beside what `ended` has paid: less than
    /// before is given back. Accounts that are not named keep what they have.
    pub keeps: Vec<(AccountId, U)>,
}

/// What an owner has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estate<U: Unit = Money> {
    /// Whose it is.
    pub of: Tenure,
    /// Its leases.
    pub leases: Vec<(AccountId, U)>,
}

/// The accounts.
pub trait Vault<U: Unit = Money>: Send + Sync + fmt::Debug + 'static {
    /// A process begins: a new epoch of a replica, and what its earlier epochs have left, which is
    /// its own to recover since it has their journal. They are fenced from now on. Their leases are
    /// the new epoch's.
    fn enter<'a>(&'a self, replica: &'a str) -> Stored<'a, (Tenure, Vec<Estate<U>>)>;

    /// The process lives, and wants to be taken for living for so long.
    fn beat<'a>(&'a self, who: &'a Tenure, lives: Duration) -> Stored<'a, ()>;

    /// Sets credit aside for all of these, or for none: how much the owner has of each after it.
    fn lease<'a>(
        &'a self,
        who: &'a Tenure,
        asks: &'a [LeaseAsk<U>],
    ) -> BoxFuture<'a, Result<Vec<U>, NotReserved<U>>>;

    /// Carries a batch out.
    fn fold<'a>(&'a self, who: &'a Tenure, batch: &'a Fold<U>) -> Stored<'a, ()>;

    /// Owners that have not been heard of for so long. Nothing is done to them.
    fn silent(&self, since: Duration) -> Stored<'_, Vec<Estate<U>>>;

    /// Fences an owner that will not come back, and pays what it had leased in full to the account
    /// it was leased from (`true`: it may have been used, and nobody can say) or gives it back.
    fn bury<'a>(&'a self, who: &'a Tenure, used: bool) -> Stored<'a, ()>;

    /// How a hold ended, if it was folded: what answers whoever asks about it again.
    fn ended<'a>(&'a self, hold: HoldId) -> Stored<'a, Option<Settlement<U>>>;

    /// An account: `held` is what is leased.
    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>>;

    /// Opens an account or changes its limit.
    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()>;

    /// Recomputes every balance from the entries and every lease from its owners.
    fn verify(&self) -> Stored<'_, Audit>;
}
