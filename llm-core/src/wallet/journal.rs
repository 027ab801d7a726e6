//! A wallet is the sum of its journal: how an entry is applied, and what must hold afterwards.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    BUCKETS_MAX, Bucket, BucketId, Cause, Charge, Entry, Grant, Granted, Part, Refunded, Source,
    Wallet,
};
use crate::ledger::HoldId;
use crate::ledger::rules::Violation;
use crate::money::Unit;

impl<U: Unit> Wallet<U> {
    /// The wallet that a journal leaves, records included.
    pub fn replay<'a>(journal: impl IntoIterator<Item = &'a Entry<U>>) -> Result<Self, Violation> {
        let mut wallet = Self::default();
        for entry in journal {
            wallet.take(entry)?;
        }
        wallet.invariant()?;
        Ok(wallet)
    }

    /// The law of wallets: balances, holds and records are the sums of the journal, and whatever
    /// came in is left, held, spent or ended.
    pub fn check(&self, journal: &[Entry<U>]) -> Result<(), Violation> {
        self.invariant()?;
        let told = Self::replay(journal)?;
        let same = self.buckets == told.buckets
            && self.made == told.made
            && self.holds == told.holds
            // What is shelved is told and not remembered; what is remembered must be told.
            && self.grants.iter().all(|(id, r)| told.grants.get(id) == Some(r))
            && self.charges.iter().all(|(id, r)| told.charges.get(id) == Some(r))
            && self.refunds.iter().all(|(id, r)| told.refunds.get(id) == Some(r));
        if same && self.is_conserved(journal) { Ok(()) } else { Err(Violation::Journal) }
    }

    fn is_conserved(&self, journal: &[Entry<U>]) -> bool {
        let pieces = |amount: U| i128::from(amount.pieces());
        let (mut granted, mut spent, mut ended) = (0, 0, 0);
        for entry in journal {
            spent += pieces(entry.spent);
            match entry.cause {
                Cause::Grant { .. } => granted += pieces(entry.left),
                Cause::Expire { .. } => ended -= pieces(entry.left),
                // What moves between left, held and spent, and in sum not at all.
                Cause::Reserve(_) | Cause::Settle(_) | Cause::Release(_) | Cause::Refund { .. } => {
                    let moved = pieces(entry.left) + pieces(entry.held) + pieces(entry.spent);
                    if moved != 0 {
                        return false;
                    }
                }
            }
        }
        let has: i128 = self.buckets.iter().map(|b| pieces(b.left) + pieces(b.held)).sum();
        granted == has + spent + ended
    }

    /// Applies an entry. Steps make only entries that apply; a journal from elsewhere is not
    /// trusted.
    pub(super) fn take(&mut self, entry: &Entry<U>) -> Result<(), Violation> {
        let bucket = match (entry.bucket, &entry.cause) {
            (None, _) if (entry.left, entry.held, entry.spent) != (U::ZERO, U::ZERO, U::ZERO) => {
                return Err(Violation::Journal);
            }
            (None, _) => None,
            (Some(id), Cause::Grant { source, expires_at, .. }) => {
                Some(self.open_bucket(id, *source, *expires_at))
            }
            (Some(id), Cause::Refund { expires_at, .. }) => {
                Some(self.open_bucket(id, Source::Refunded, *expires_at))
            }
            (
                Some(id),
                Cause::Reserve(_) | Cause::Settle(_) | Cause::Release(_) | Cause::Expire { .. },
            ) => self.buckets.iter().position(|b| b.id == id),
        };
        let moved = match (entry.bucket, bucket) {
            (Some(_), Some(at)) => Some(self.shift(at, entry)?),
            (Some(_), None) => return Err(Violation::Journal),
            (None, _) => None,
        };
        self.note(entry, moved)
    }

    /// The place of a bucket, which is made if there is none.
    fn open_bucket(
        &mut self,
        id: BucketId,
        source: Source,
        expires_at: Option<Timestamp>,
    ) -> usize {
        if let Some(at) = self.buckets.iter().position(|b| b.id == id) {
            return at;
        }
        let bucket = Bucket { id, source, left: U::ZERO, held: U::ZERO, expires_at };
        let at = self.buckets.partition_point(|b| b.turn() < bucket.turn());
        self.buckets.insert(at, bucket);
        self.made = self.made.max(id.0);
        at
    }

    /// Moves a bucket, and removes it when nothing is in it. Gives it as it was afterwards.
    fn shift(&mut self, at: usize, entry: &Entry<U>) -> Result<Bucket<U>, Violation> {
        let bucket = self.buckets.get_mut(at).ok_or(Violation::Journal)?;
        bucket.left = bucket.left.checked_add(entry.left).ok_or(Violation::Range)?;
        bucket.held = bucket.held.checked_add(entry.held).ok_or(Violation::Range)?;
        if bucket.left.is_negative() || bucket.held.is_negative() {
            return Err(Violation::NegativeHeld);
        }
        let after = *bucket;
        if after.left == U::ZERO && after.held == U::ZERO {
            self.buckets.remove(at);
        }
        Ok(after)
    }

    /// Notes what an entry means for holds and records.
    fn note(&mut self, entry: &Entry<U>, moved: Option<Bucket<U>>) -> Result<(), Violation> {
        match (&entry.cause, moved) {
            (Cause::Grant { event, source, expires_at }, Some(bucket)) => {
                let (event, at, amount) = (event.clone(), entry.at, entry.left);
                let (source, expires_at) = (*source, *expires_at);
                let grant = Grant { event: event.clone(), amount, source, expires_at };
                let again = self.grants.insert(event, Granted { at, grant, bucket: bucket.id });
                if again.is_some() { Err(Violation::OtherTerms) } else { Ok(()) }
            }
            (Cause::Reserve(id), moved) => {
                if self.charges.contains_key(id) {
                    return Err(Violation::State);
                }
                let parts = &mut self.holds.entry(*id).or_default().parts;
                parts.extend(moved.map(|bucket| (bucket.id, entry.held)));
                Ok(())
            }
            (Cause::Settle(id) | Cause::Release(id), moved) => self.end_part(*id, entry, moved),
            (Cause::Expire { given_back_by: None }, Some(_)) => Ok(()),
            (Cause::Expire { given_back_by: Some(id) }, Some(_)) => {
                let charge = self.charges.get_mut(id).ok_or(Violation::UnknownHold)?;
                charge.lapsed = charge.lapsed.checked_sub(entry.left).ok_or(Violation::Range)?;
                Ok(())
            }
            (Cause::Refund { event, charge: id, .. }, Some(_)) => {
                let charge = self.charges.get_mut(id).ok_or(Violation::UnknownHold)?;
                let refunded = charge.refunded.checked_add(entry.left).ok_or(Violation::Range)?;
                if refunded > charge.charged {
                    return Err(Violation::Overrun);
                }
                charge.refunded = refunded;
                let refund = self.refunds.entry(event.clone()).or_insert_with(|| Refunded {
                    at: entry.at,
                    event: event.clone(),
                    charge: *id,
                    amount: U::ZERO,
                });
                refund.amount = refund.amount.checked_add(entry.left).ok_or(Violation::Range)?;
                Ok(())
            }
            (Cause::Grant { .. } | Cause::Expire { .. } | Cause::Refund { .. }, None) => {
                Err(Violation::Journal)
            }
        }
    }

    /// A hold's part in one bucket has ended; with its last part, so has the hold.
    fn end_part(
        &mut self,
        id: HoldId,
        entry: &Entry<U>,
        moved: Option<Bucket<U>>,
    ) -> Result<(), Violation> {
        let open = self.holds.get_mut(&id).ok_or(Violation::UnknownHold)?;
        let charge = self.charges.entry(id).or_insert_with(|| Charge::new(id, entry.at));
        if let Some(bucket) = moved {
            let part = open.parts.iter().position(|(of, _)| *of == bucket.id);
            let (_, held) = open.parts.remove(part.ok_or(Violation::NotHeld)?);
            if held.checked_add(entry.held) != Some(U::ZERO) {
                return Err(Violation::NotHeld);
            }
            if entry.left.is_negative() || entry.spent.is_negative() {
                return Err(Violation::NegativeSettled);
            }
            charge.charged = charge.charged.checked_add(entry.spent).ok_or(Violation::Range)?;
            charge.released = charge.released.checked_add(entry.left).ok_or(Violation::Range)?;
            if entry.spent > U::ZERO {
                let Bucket { source, expires_at, .. } = bucket;
                charge.parts.push(Part { source, expires_at, amount: entry.spent });
            }
        }
        if open.parts.is_empty() {
            self.holds.remove(&id);
        }
        Ok(())
    }

    /// What holds after every step.
    pub fn invariant(&self) -> Result<(), Violation> {
        let in_turn = self.buckets.is_sorted_by(|a, b| a.turn() < b.turn());
        if self.buckets.len() > BUCKETS_MAX || !in_turn {
            return Err(Violation::Journal);
        }
        let mut sum = U::ZERO;
        let mut kinds = BTreeSet::new();
        for bucket in &self.buckets {
            if bucket.left.is_negative() || bucket.held.is_negative() {
                return Err(Violation::NegativeHeld);
            }
            sum = sum.checked_add(bucket.left).ok_or(Violation::Range)?;
            sum = sum.checked_add(bucket.held).ok_or(Violation::Range)?;
            if !kinds.insert((bucket.source, bucket.expires_at)) {
                return Err(Violation::Journal);
            }
        }
        let mut held = BTreeMap::<BucketId, U>::new();
        for (bucket, part) in self.holds.values().flat_map(|open| &open.parts) {
            let sum = held.entry(*bucket).or_default();
            *sum = sum.checked_add(*part).ok_or(Violation::Range)?;
        }
        for bucket in &self.buckets {
            if held.remove(&bucket.id).unwrap_or_default() != bucket.held {
                return Err(Violation::NotHeld);
            }
        }
        // What is left is held in buckets that do not exist.
        if held.values().any(|part| *part != U::ZERO) {
            return Err(Violation::NotHeld);
        }
        let over = self.charges.values().any(|c| c.refunded > c.charged || c.lapsed > c.released);
        if over { Err(Violation::Overrun) } else { Ok(()) }
    }
}
