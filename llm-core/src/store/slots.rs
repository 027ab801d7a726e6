//! How many calls of an owner run at once, over all replicas.
//!
//! A slot is a lease: whoever has one renews it while the call runs and gives it back at its end.
//! Whoever dies without a word gives it back by its expiry.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::Stored;
use crate::call::CallId;
use crate::ledger::AccountId;

/// Whether a call may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotVerdict {
    /// Whether it has a slot.
    pub granted: bool,
    /// How many have one, itself included.
    pub held: u64,
    /// How many may.
    pub max: u32,
    /// Granted: when the slot expires. Refused: when one is free if nobody renews and nobody gives
    /// back; `None` if never.
    pub until: Option<Timestamp>,
}

/// Slots that replicas share.
pub trait Slots: Send + Sync + fmt::Debug + 'static {
    /// Takes a slot of an owner, who may have `max` at once. The same call again has the same slot,
    /// for `ttl` from now.
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        max: u32,
        call: CallId,
        ttl: Duration,
    ) -> Stored<'a, SlotVerdict>;

    /// Holds on to a slot for `ttl` from now. False when it has expired: somebody else may have it.
    fn renew<'a>(&'a self, owner: &'a AccountId, call: CallId, ttl: Duration) -> Stored<'a, bool>;

    /// Gives a slot back. False when it was gone already.
    fn give_back<'a>(&'a self, owner: &'a AccountId, call: CallId) -> Stored<'a, bool>;
}
