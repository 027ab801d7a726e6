//! `Idempotency-Key`: what a caller sends so that asking twice is paid once.
//!
//! The actors are the *slot* (a tenant and the key it sent), the *run* (the call that has the slot),
//! its *record* (running, done or indefinite), the *fingerprint* of what was asked, and the process
//! that runs it, which may die. A slot without record is absent.
//!
//! ```text
//!              claim                    whole answer
//!   absent ───────────▶ running(owner) ──────────────▶ done(answer) ──24 h──▶ absent
//!     ▲                   │   │   │ paid for, and broke off
//!     │ nothing was paid  │   │   └──────────────────▶ indefinite ──24 h──▶ absent
//!     └───────────────────┘   │ owner dead: as its hold ended
//!     ▲     the next one runs ├── voided or never made ─▶ running(other owner)
//!     │                       └── paid, or nobody knows ▶ indefinite
//! ```
//!
//! What is not paid for is not kept: a request that is refused as wrong, too large or too soon has
//! cost nothing, and is forgotten, so that its next try is a first one; the key is there so that
//! nobody pays twice, and not so that a mistake lasts for a day. That no run is forgotten while
//! money may have moved is the other half of it.
//!
//! Deliberately absent: storage ([`IdempotencyStore`] is a compare-and-swap, so that all rules are
//! here), reading what is kept (a stream is kept in the bytes that its caller saw), and time. A run's hold is named after its call, so
//! a record needs no step in which it learns of it.

mod claim;
mod fingerprint;
mod key;
mod record;

use std::fmt;

use jiff::Timestamp;

pub use claim::{CLAIM_TRIES_MAX, Claimed, Ending, Owners, claim, finish};
pub use fingerprint::{Asked, Fingerprint};
pub use key::{HEADER, HEADER_OURS, IdempotencyKey, KEY_BYTES_MAX, NotIdempotencyKey};
pub use record::{
    Answer, BODY_BYTES_MAX, Decision, Fate, Form, Kept, Record, Recovery, Refused, Seen, State,
    TTL, decide, recover,
};

use crate::ledger::Owner;
use crate::principal::{Principal, TenantId, account_name};
use crate::store::Stored;

/// What a record is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Whose: two of them never meet, whatever keys they send. A host whose tenants have many
    /// callers says which of them it is here, too ([`Slot::of`]).
    pub tenant: TenantId,
    /// What was sent.
    pub key: IdempotencyKey,
}

impl Slot {
    /// The slot of one virtual key of a tenant: callers who number their requests from 1 share a
    /// tenant, and must not meet. A slash in a tenant's name is written `%2F`.
    pub fn of(principal: &Principal, key: IdempotencyKey) -> Self {
        Self {
            tenant: TenantId(account_name(Owner::User, &principal.tenant, &principal.key.0)),
            key,
        }
    }
}

/// Where records are. A body is what a model has said to somebody: a store that outlasts the
/// process keeps it sealed.
pub trait IdempotencyStore: Send + Sync + fmt::Debug + 'static {
    /// What is there, expired or not.
    fn read<'a>(&'a self, slot: &'a Slot) -> Stored<'a, Option<Record>>;

    /// Writes a record where the slot is as it was seen; `None` is a slot without record. Otherwise
    /// it is a [`StoreError::Conflict`](crate::store::StoreError::Conflict), except where the very
    /// run and step are there already: whoever does not know whether a write happened repeats it.
    /// A store that has no room for a body keeps the record as [`Kept::Dropped`]; one that has no
    /// room for a record is full.
    fn write<'a>(&'a self, slot: &'a Slot, seen: Option<Seen>, next: &'a Record) -> Stored<'a, ()>;

    /// Forgets a record as it was seen. One that has changed since stays; one that is not there is
    /// forgotten.
    fn remove<'a>(&'a self, slot: &'a Slot, seen: Seen) -> Stored<'a, ()>;

    /// Forgets records whose time is over, the longest expired first, and not more than `max`:
    /// how many.
    fn sweep(&self, now: Timestamp, max: usize) -> Stored<'_, usize>;
}

#[cfg(test)]
mod tests;
