//! Where things live that outlast a call: the seams behind which stores stand.
//!
//! One trait for each kind of need, because they fail differently: money refuses when it cannot be
//! written, a request log drops and counts, a cache misses. All are object-safe. [`HoldLog`] alone
//! is synchronous: it is what stands between a caller and a charge that is not yet durable, and an
//! append to a file is faster than a task switch.

mod record;
mod slots;
pub mod vault;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::Str;
use crate::ledger::book::ReserveError;
use crate::ledger::rules::{Account, Refused, Violation};
use crate::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use crate::money::{Money, Unit};
use crate::principal::{Grant, KeyId, TenantId, UserId};
use crate::quota::{Limit, Verdict, WindowId};
use crate::seam::BoxFuture;

pub use record::{CallRecord, Outcome, Tried};
pub use slots::{SlotVerdict, Slots};

/// What a store answers with, sooner or later.
pub type Stored<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Why a store did not do it. The message names places and never contents or secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or took too long: whether it happened is unknown. Ask again under the
    /// same id.
    #[error("the store is not available: {0}")]
    Unavailable(Str),
    /// It is full, or a quota of its own is used up: nothing happened, and nothing will until
    /// somebody makes room.
    #[error("the store is full: {0}")]
    Full(Str),
    /// Somebody else changed the same thing first: nothing happened. Read again.
    #[error("changed by somebody else: {0}")]
    Conflict(Str),
    /// What is stored breaks its own laws. Nobody may go on as if it did not.
    #[error("the store is corrupt: {0}")]
    Corrupt(Str),
    /// The ledger's laws forbid it: a mistake of ours.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Conflict(_) => true,
            Self::Full(_) | Self::Corrupt(_) | Self::Violation(_) => false,
        }
    }
}

/// Why nothing was set aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReserved<U: Unit = Money> {
    /// An account is exhausted: the caller's answer.
    #[error("{why}")]
    Refused {
        /// The account that said so, where one did.
        account: Option<AccountId>,
        /// What it said.
        why: Refused<U>,
    },
    /// Nobody could say: never to be taken for a refusal, and never for a permission.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<U: Unit> From<ReserveError<U>> for NotReserved<U> {
    fn from(error: ReserveError<U>) -> Self {
        match error {
            ReserveError::Refused { account, why } => Self::Refused { account, why },
            ReserveError::Violation(violation) => Self::Store(violation.into()),
        }
    }
}

/// One account of a path, and the limit it opens with: windows come into being with the first call
/// that falls into them, and nobody sweeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<U: Unit = Money> {
    /// The account.
    pub account: AccountId,
    /// Its limit: of an account of a window as it is now, of one without when it does not exist yet.
    /// `None` is without limit, declared so.
    pub limit: Option<U>,
}

/// How a ledger is doing: plain numbers of about one moment, that nobody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerHealth<U: Unit = Money> {
    /// Holds that have not ended.
    pub holds_open: u64,
    /// Holds that a crash left open, and that were ended since.
    pub reclaimed: u64,
    /// What the operator paid since this process began.
    pub loss: U,
    /// How long the oldest end waits that is not stored for good.
    pub lag: Duration,
    /// Whether the store behind it does not answer.
    pub degraded: bool,
}

/// Accounts that pay. Every step is idempotent by the hold's id, so that whoever does not know
/// whether a step happened repeats it.
///
/// Only a reservation may wait, for a lease of credit from a store far away. What follows is called
/// where nobody can wait: between a frame and its last byte, or in a drop. Whoever keeps money over
/// a network writes the steps to a [`HoldLog`] first and carries them on later.
pub trait Ledger<U: Unit = Money>: Send + Sync + fmt::Debug + 'static {
    /// Sets an amount aside on every account of a path, or on none. The same hold again gives the
    /// same proof while it is open, and [`Violation::State`] once it has ended.
    fn reserve<'a>(
        &'a self,
        hold: HoldId,
        path: &'a [Line<U>],
        amount: U,
    ) -> BoxFuture<'a, Result<HoldProof<U>, NotReserved<U>>>;

    /// A call of this hold is about to be sent, and from then on the hold owes so much for all that
    /// was sent: earlier attempts, and what this one reads. Returns before anything is sent. What a
    /// crash makes of it is the store's policy.
    fn dispatch(&self, hold: HoldId, cost: U) -> Result<(), StoreError>;

    /// What has come so far costs this much, prompt included.
    fn watermark(&self, hold: HoldId, cost: U) -> Result<(), StoreError>;

    /// Ends a hold. A hold that has ended answers with its first receipt.
    fn settle(&self, settlement: &Settlement<U>) -> Result<Receipt<U>, StoreError>;

    /// Gives a hold back whole.
    fn release(&self, hold: HoldId) -> Result<Receipt<U>, StoreError> {
        self.settle(&Settlement::void(hold))
    }

    /// An account, with everything that was written before the question; `None` when there is no
    /// such account.
    fn balance<'a>(&'a self, account: &'a AccountId) -> Stored<'a, Option<Account<U>>>;

    /// Opens an account or changes its limit. `None` is without limit, declared so.
    fn set_limit<'a>(&'a self, account: &'a AccountId, limit: Option<U>) -> Stored<'a, ()>;

    /// Recomputes every balance from its journal.
    fn verify(&self) -> Stored<'_, Audit>;

    /// How it is doing; `None` where nobody keeps count.
    fn health(&self) -> Option<LedgerHealth<U>> {
        None
    }
}

/// What a recomputation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Accounts looked at.
    pub accounts: u64,
    /// Holds that have not ended.
    pub holds_open: u64,
    /// Journal entries added up.
    pub entries: u64,
    /// Accounts that break a law; empty when all is well.
    pub problems: Vec<(AccountId, Violation)>,
}

/// The journal on this machine: appended before anything is sent and before a caller's last byte,
/// so that a process that dies has lost nothing. Returns when the line is as durable as the
/// configuration promises; never waits for a network.
pub trait HoldLog<U: Unit = Money>: Send + Sync + fmt::Debug + 'static {
    /// A hold was made, and its call is about to be sent.
    fn open(&self, proof: &HoldProof<U>, path: &[AccountId]) -> Result<(), StoreError>;

    /// What has come so far costs this much, prompt included.
    fn watermark(&self, hold: HoldId, cost: U) -> Result<(), StoreError>;

    /// The hold has ended.
    fn close(&self, settlement: &Settlement<U>) -> Result<(), StoreError>;
}

/// The hash of a virtual key; the key itself is stored nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    /// The first bytes tell two keys apart; all of them would let a log reader look keys up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, ..] = self.0;
        write!(f, "KeyHash({a:02x}{b:02x}{c:02x}…)")
    }
}

/// What a key is to whoever shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// It works.
    Known {
        /// What it gives.
        grant: Arc<Grant>,
        /// The first instant at which time alone makes it less: nobody may remember it for longer.
        until: Option<Timestamp>,
    },
    /// It is known and may not ask models: it rests, or is an administrator's.
    Barred,
    /// There is no such key, or none any more.
    Unknown,
}

/// Who is who.
pub trait Directory: Send + Sync + fmt::Debug + 'static {
    /// What a key is at this instant.
    fn grant<'a>(&'a self, key: &'a KeyHash) -> Stored<'a, Shown>;

    /// Keys ([`Principal::key`](crate::principal::Principal)) that were revoked or changed since a
    /// cursor, and the next cursor: what lets a replica forget what it remembers. A part of them
    /// where there are many; none, and the same cursor, at the end. A cursor that the store has not
    /// reached is answered with the last one there is.
    fn changed(&self, since: u64) -> Stored<'_, (Vec<KeyId>, u64)>;
}

/// The request log. May drop under pressure, and counts what it dropped; money never passes here.
pub trait CallLog: Send + Sync + fmt::Debug + 'static {
    /// Appends records, all or none.
    fn append<'a>(&'a self, batch: &'a [CallRecord]) -> Stored<'a, ()>;
}

/// Names a recording. The scope is part of it, so that nobody is answered with what belongs to
/// somebody else by forgetting an argument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CacheKey {
    /// Whose data it is.
    pub tenant: TenantId,
    /// Within the tenant: the key, user or team it is kept for; empty for all.
    pub scope: Str,
    /// The question.
    pub question: [u8; 32],
}

/// Which recordings to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// Those of a tag.
    Tag(TenantId, Str),
    /// Those of a scope.
    Scope(TenantId, Str),
    /// Those of a tenant.
    Tenant(TenantId),
}

impl Purge {
    /// Those that calls of a key made.
    pub fn key(tenant: TenantId, key: &KeyId) -> Self {
        Self::Tag(tenant, label("key", &key.0))
    }

    /// Those that calls of a user made.
    pub fn user(tenant: TenantId, user: &UserId) -> Self {
        Self::Tag(tenant, label("user", &user.0))
    }

    /// Those of a model, by the name that callers send.
    pub fn model(tenant: TenantId, model: &str) -> Self {
        Self::Tag(tenant, label("model", model))
    }
}

/// The tag under which a recording stands for its key, user or model, beside the tags that its
/// caller gave it: `key:…`, `user:…`, `model:…`.
pub fn label(kind: &'static str, name: &str) -> Str {
    Str::from(format!("{kind}:{name}"))
}

/// Answers worth keeping. A failure is a miss; nobody's call fails for it.
pub trait CacheStore: Send + Sync + fmt::Debug + 'static {
    /// A recording that is still fresh.
    fn get<'a>(&'a self, key: &'a CacheKey) -> Stored<'a, Option<Bytes>>;

    /// Keeps a recording for as long as `ttl`.
    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        recording: Bytes,
        ttl: Duration,
        tags: &'a [Str],
    ) -> Stored<'a, ()>;

    /// Forgets, and says how many.
    fn purge<'a>(&'a self, what: &'a Purge) -> Stored<'a, u64>;
}

/// What a count turned out to be too low or too high by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The limit that counted.
    pub limit: Limit,
    /// What it was booked under: [`Verdict::slice`].
    pub slice: WindowId,
    /// By how much; negative gives back.
    pub by: i64,
}

/// Counts that several replicas share. The store's own clock decides which window it is.
pub trait Counters: Send + Sync + fmt::Debug + 'static {
    /// Counts `n` against each rule of an owner, or against none. The first refusal is the answer
    /// when there is one.
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        asks: &'a [(Limit, u64)],
    ) -> Stored<'a, Vec<Verdict>>;

    /// Puts right what was taken, more or less, and past the limit if need be: what has flowed has
    /// flowed. In the order of the question that took, where two of its limits count the same. A
    /// slice that counts no more is left alone.
    ///
    /// Not to be asked again when nobody knows whether it happened: it would happen twice.
    fn correct<'a>(&'a self, owner: &'a AccountId, corrections: &'a [Correction])
    -> Stored<'a, ()>;
}

#[cfg(test)]
mod tests;
