//! A wallet as a store keeps it: what is open, without what it remembers.

use super::{Bucket, BucketId, Open, Wallet};
use crate::ledger::HoldId;
use crate::ledger::rules::Violation;
use crate::money::{Credits, Unit};

/// All that a wallet has, but none of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State<U: Unit = Credits> {
    /// The live buckets, in any order.
    pub buckets: Vec<Bucket<U>>,
    /// How many buckets there ever were: the next one is newer than all of them.
    pub made: u64,
    /// The open holds, each with its parts in the order in which they were taken.
    pub holds: Vec<(HoldId, Vec<(BucketId, U)>)>,
}

impl<U: Unit> Wallet<U> {
    /// The wallet that was stored, with nothing [brought back](Wallet::recall) yet. What is stored
    /// is not trusted.
    pub fn restore(state: State<U>) -> Result<Self, Violation> {
        let State { mut buckets, made, holds } = state;
        buckets.sort_by_key(Bucket::turn);
        if buckets.iter().any(|bucket| bucket.id.0 > made) {
            return Err(Violation::Journal);
        }
        let holds = holds.into_iter().map(|(id, parts)| (id, Open { parts })).collect();
        let wallet = Self { buckets, made, holds, ..Self::default() };
        wallet.invariant()?;
        Ok(wallet)
    }

    /// How many buckets there ever were.
    pub fn made(&self) -> u64 {
        self.made
    }
}
