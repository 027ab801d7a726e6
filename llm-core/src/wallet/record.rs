//! What a wallet remembers of things that have ended, so that asking again changes nothing.

use jiff::Timestamp;

use super::{BucketId, Grant, Refund, Source, Wallet};
use crate::ledger::HoldId;
use crate::money::{Credits, Unit};

/// What became of a grant. The same event again gets the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted<U: Unit = Credits> {
    /// When.
    pub at: Timestamp,
    /// Its terms.
    pub grant: Grant<U>,
    /// Where it went.
    pub bucket: BucketId,
}

/// What became of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge<U: Unit = Credits> {
    /// The hold.
    pub hold: HoldId,
    /// When it ended.
    pub at: Timestamp,
    /// What was spent.
    pub charged: U,
    /// What was given back, whether or not it could still be used.
    pub released: U,
    /// How much of that went into buckets that had ended, and so ended too.
    pub lapsed: U,
    /// How much has been refunded since.
    pub refunded: U,
    /// What was spent, bucket by bucket, in the order in which it was taken.
    pub parts: Vec<Part<U>>,
}

/// What a charge took from one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<U: Unit = Credits> {
    /// Where the bucket's content had come from.
    pub source: Source,
    /// When the bucket ended.
    pub expires_at: Option<Timestamp>,
    /// How much.
    pub amount: U,
}

impl<U: Unit> Charge<U> {
    pub(super) fn new(hold: HoldId, at: Timestamp) -> Self {
        let (charged, released, lapsed, refunded) = (U::ZERO, U::ZERO, U::ZERO, U::ZERO);
        Self { hold, at, charged, released, lapsed, refunded, parts: Vec::new() }
    }

    /// What may still be refunded.
    pub fn refundable(&self) -> U {
        self.charged.saturating_sub(self.refunded)
    }
}

/// What became of a refund. The same event again gets the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded<U: Unit = Credits> {
    /// When.
    pub at: Timestamp,
    /// The event outside.
    pub event: super::Str,
    /// What had been charged.
    pub charge: HoldId,
    /// How much came back.
    pub amount: U,
}

impl<U: Unit> Refunded<U> {
    /// Whether a refund asks for what was given.
    pub(super) fn is(&self, refund: &Refund<U>) -> bool {
        self.charge == refund.charge && self.amount == refund.amount
    }
}

/// Something that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<U: Unit = Credits> {
    /// A grant.
    Granted(Granted<U>),
    /// A hold.
    Charged(Charge<U>),
    /// A refund.
    Refunded(Refunded<U>),
}

impl<U: Unit> Wallet<U> {
    /// Takes out what ended before an instant, for a store that keeps records under their ids. It
    /// must [bring back](Wallet::recall) the one that a step names before it takes the step, or
    /// the step happens twice: a grant or refund by its event, a hold by its id, a refund's charge.
    /// The grants of a running month must stay ([`super::monthly::Monthly::due`] counts them).
    pub fn shelve(&mut self, before: Timestamp) -> Vec<Record<U>> {
        let grants = self.grants.extract_if(.., |_, r| r.at < before);
        let mut out: Vec<_> = grants.map(|(_, r)| Record::Granted(r)).collect();
        let charges = self.charges.extract_if(.., |_, r| r.at < before);
        out.extend(charges.map(|(_, r)| Record::Charged(r)));
        let refunds = self.refunds.extract_if(.., |_, r| r.at < before);
        out.extend(refunds.map(|(_, r)| Record::Refunded(r)));
        out
    }

    /// Brings a record back. What the wallet remembers itself is newer and stays.
    pub fn recall(&mut self, record: Record<U>) {
        match record {
            Record::Granted(r) => {
                self.grants.entry(r.grant.event.clone()).or_insert(r);
            }
            Record::Charged(r) => {
                self.charges.entry(r.hold).or_insert(r);
            }
            Record::Refunded(r) => {
                self.refunds.entry(r.event.clone()).or_insert(r);
            }
        }
    }

    pub(super) fn records(&self) -> usize {
        self.grants.len() + self.charges.len() + self.refunds.len()
    }
}
