//! The steps of a wallet. Each computes its entries, or refuses; then all of them are applied, so
//! that nothing is ever half done.

use jiff::Timestamp;

use super::{
    BUCKETS_MAX, BucketId, Cause, Charge, EVENT_MAX, Entry, Grant, Granted, HOLDS_MAX, Open,
    RECORDS_MAX, Refund, Refunded, Refused, Room, Source, Step, Wallet, is_over,
};
use crate::ledger::{HoldId, HoldProof};
use crate::money::Unit;

impl<U: Unit> Wallet<U> {
    /// Puts something in. The same event again changes nothing and gets the first receipt, also
    /// after what was granted has ended; with other terms it is refused.
    pub fn grant(
        &mut self,
        grant: Grant<U>,
        now: Timestamp,
    ) -> Result<Step<Granted<U>, U>, Refused<U>> {
        if let Some(first) = self.grants.get(&grant.event) {
            return if first.grant == grant { Ok(again(first)) } else { Err(Refused::OtherTerms) };
        }
        may_be(&grant.event, grant.amount)?;
        if is_over(grant.expires_at, now) {
            return Err(Refused::Over);
        }
        self.has_room(grant.amount)?;
        let mut entries = self.lapses(now);
        let Grant { event, amount, source, expires_at } = grant;
        let mut places = Places::new(self, now);
        let bucket = places.place(source, expires_at)?;
        let cause = Cause::Grant { event: event.clone(), source, expires_at };
        entries.push(entry(now, cause, bucket, amount, U::ZERO, U::ZERO));
        self.take_all(&entries);
        let grant = Grant { event, amount, source, expires_at };
        Ok(Step { receipt: Granted { at: now, grant, bucket }, entries })
    }

    /// Sets aside, from what ends first. An open hold asked for again gives the same proof; with
    /// another amount it is refused, and so is one that has ended: a repetition that was late on
    /// its way must not show money that is set aside no more.
    pub fn reserve(
        &mut self,
        id: HoldId,
        amount: U,
        now: Timestamp,
    ) -> Result<Step<HoldProof<U>, U>, Refused<U>> {
        if self.charges.contains_key(&id) {
            return Err(Refused::Ended);
        }
        if let Some(open) = self.holds.get(&id) {
            if open.amount() != amount {
                return Err(Refused::OtherTerms);
            }
            // It is covered by what it has set aside, whatever else has gone since.
            let receipt = self.proof(id, amount, amount)?;
            return Ok(Step { receipt, entries: Vec::new() });
        }
        let receipt = self.proof(id, amount, self.available(now))?;
        if self.holds.len() >= HOLDS_MAX {
            return Err(Refused::Full(Room::Holds));
        }
        // Room for its end too: a settlement is never refused for want of it.
        if self.holds.len() + self.records() >= RECORDS_MAX {
            return Err(Refused::Full(Room::Records));
        }
        let mut entries = self.lapses(now);
        let cause = Cause::Reserve(id);
        let mut missing = amount;
        for bucket in self.buckets.iter().filter(|b| !b.is_over(now)) {
            let part = missing.min(bucket.left);
            if part > U::ZERO {
                missing = missing.saturating_sub(part);
                let left = U::ZERO.saturating_sub(part);
                entries.push(entry(now, cause.clone(), bucket.id, left, part, U::ZERO));
            }
        }
        debug_assert_eq!(missing, U::ZERO, "more was proved than there is");
        if amount == U::ZERO {
            entries.push(nothing(now, cause));
        }
        self.take_all(&entries);
        Ok(Step { receipt, entries })
    }

    /// Ends a hold: what it cost is spent, out of what was taken first, and the rest given back.
    /// What was held before its bucket's end may be spent after it; what is given back then has
    /// ended. A hold that has ended keeps its end, whatever comes later.
    pub fn settle(
        &mut self,
        id: HoldId,
        actual: U,
        now: Timestamp,
    ) -> Result<Step<Charge<U>, U>, Refused<U>> {
        if let Some(first) = self.charges.get(&id) {
            return Ok(again(first));
        }
        let open = self.holds.get(&id).ok_or(Refused::UnknownHold)?;
        let held = open.amount();
        if actual.is_negative() {
            return Err(Refused::Amount);
        }
        if actual > held {
            return Err(Refused::Overrun { actual, held });
        }
        let mut entries = self.lapses(now);
        entries.extend(self.ends(id, open, actual, now));
        self.take_all(&entries);
        let receipt = self.charges.get(&id).cloned().ok_or(Refused::UnknownHold)?;
        debug_assert_eq!(receipt.charged, actual);
        debug_assert_eq!(receipt.charged.checked_add(receipt.released), Some(held));
        Ok(Step { receipt, entries })
    }

    /// Gives a hold back whole.
    pub fn release(
        &mut self,
        id: HoldId,
        now: Timestamp,
    ) -> Result<Step<Charge<U>, U>, Refused<U>> {
        self.settle(id, U::ZERO, now)
    }

    fn ends(&self, id: HoldId, open: &Open<U>, actual: U, now: Timestamp) -> Vec<Entry<U>> {
        let cause = if actual == U::ZERO { Cause::Release(id) } else { Cause::Settle(id) };
        let mut entries = Vec::with_capacity(open.parts.len());
        let mut due = actual;
        for (bucket, part) in &open.parts {
            let spent = due.min(*part);
            due = due.saturating_sub(spent);
            let back = part.saturating_sub(spent);
            let held = U::ZERO.saturating_sub(*part);
            entries.push(entry(now, cause.clone(), *bucket, back, held, spent));
            let late = self.bucket(*bucket).is_some_and(|b| b.is_over(now));
            if late && back > U::ZERO {
                let cause = Cause::Expire { given_back_by: Some(id) };
                let gone = U::ZERO.saturating_sub(back);
                entries.push(entry(now, cause, *bucket, gone, U::ZERO, U::ZERO));
            }
        }
        if open.parts.is_empty() {
            entries.push(nothing(now, cause));
        }
        debug_assert_eq!(due, U::ZERO, "more was settled than the hold's parts have");
        entries
    }

    /// Writes off what has ended. Every other step does this first; asking for it is only needed
    /// where the journal should say so on time.
    pub fn expire(&mut self, now: Timestamp) -> Step<U, U> {
        let entries = self.lapses(now);
        let gone = entries.iter().fold(U::ZERO, |sum, e| sum.saturating_sub(e.left));
        self.take_all(&entries);
        Step { receipt: gone, entries }
    }

    /// Gives back what was charged, in part or whole: what was taken last comes back first. The
    /// same event again changes nothing and gets the first receipt.
    pub fn refund(
        &mut self,
        refund: Refund<U>,
        now: Timestamp,
    ) -> Result<Step<Refunded<U>, U>, Refused<U>> {
        if let Some(first) = self.refunds.get(&refund.event) {
            return if first.is(&refund) { Ok(again(first)) } else { Err(Refused::OtherTerms) };
        }
        let Refund { event, charge: id, amount, usable_until } = refund;
        may_be(&event, amount)?;
        let charge = self.charges.get(&id).ok_or(Refused::UnknownCharge)?;
        let refundable = charge.refundable();
        if amount > refundable {
            return Err(Refused::OverRefund { asked: amount, refundable });
        }
        self.has_room(amount)?;
        let mut entries = self.lapses(now);
        let mut places = Places::new(self, now);
        let (mut skip, mut missing) = (charge.refunded, amount);
        for part in charge.parts.iter().rev() {
            let before = skip.min(part.amount);
            skip = skip.saturating_sub(before);
            let back = part.amount.saturating_sub(before).min(missing);
            missing = missing.saturating_sub(back);
            if back == U::ZERO {
                continue;
            }
            let expires_at = part.expires_at.map(|end| usable_until.map_or(end, |u| u.max(end)));
            let bucket = places.place(Source::Refunded, expires_at)?;
            let cause = Cause::Refund { event: event.clone(), charge: id, expires_at };
            let spent = U::ZERO.saturating_sub(back);
            entries.push(entry(now, cause, bucket, back, U::ZERO, spent));
            if is_over(expires_at, now) {
                let cause = Cause::Expire { given_back_by: None };
                entries.push(entry(now, cause, bucket, spent, U::ZERO, U::ZERO));
            }
        }
        debug_assert_eq!(missing, U::ZERO, "more was refunded than the charge's parts have");
        self.take_all(&entries);
        Ok(Step { receipt: Refunded { at: now, event, charge: id, amount }, entries })
    }

    /// The entries that write off what has ended.
    fn lapses(&self, now: Timestamp) -> Vec<Entry<U>> {
        let over = self.buckets.iter().filter(|b| b.is_over(now) && b.left > U::ZERO);
        let cause = Cause::Expire { given_back_by: None };
        let gone = over.map(|b| {
            let gone = U::ZERO.saturating_sub(b.left);
            entry(now, cause.clone(), b.id, gone, U::ZERO, U::ZERO)
        });
        gone.collect()
    }

    /// Whether one more record and so much more fit: whatever is in a wallet can be added up.
    fn has_room(&self, amount: U) -> Result<(), Refused<U>> {
        if self.holds.len() + self.records() >= RECORDS_MAX {
            return Err(Refused::Full(Room::Records));
        }
        let all = self.buckets.iter().flat_map(|b| [b.left, b.held]);
        let sum = all.into_iter().try_fold(amount, |sum, part| sum.checked_add(part));
        sum.map(|_| ()).ok_or(Refused::Range)
    }

    fn take_all(&mut self, entries: &[Entry<U>]) {
        for entry in entries {
            let applied = self.take(entry);
            debug_assert_eq!(applied, Ok(()), "a step made an entry that does not apply");
        }
        debug_assert_eq!(self.invariant(), Ok(()));
    }
}

/// Where what comes in goes: into the bucket that has its source and end, or into a new one.
struct Places<'a, U: Unit> {
    wallet: &'a Wallet<U>,
    now: Timestamp,
    made: u64,
    new: Vec<(Source, Option<Timestamp>, BucketId)>,
}

impl<'a, U: Unit> Places<'a, U> {
    fn new(wallet: &'a Wallet<U>, now: Timestamp) -> Self {
        Self { wallet, now, made: wallet.made, new: Vec::new() }
    }

    fn place(
        &mut self,
        source: Source,
        expires_at: Option<Timestamp>,
    ) -> Result<BucketId, Refused<U>> {
        let over = is_over(expires_at, self.now);
        // Buckets without a hold that have ended are written off in this very step.
        let stay = self.wallet.buckets.iter().filter(|b| b.held > U::ZERO || !b.is_over(self.now));
        let all = || stay.clone().map(|b| (b.source, b.expires_at, b.id)).chain(self.new.clone());
        if !over && let Some((.., id)) = all().find(|(s, e, _)| (*s, *e) == (source, expires_at)) {
            return Ok(id);
        }
        if all().count() >= BUCKETS_MAX {
            return Err(Refused::Full(Room::Buckets));
        }
        self.made = self.made.checked_add(1).ok_or(Refused::Range)?;
        let id = BucketId(self.made);
        // What ends as it comes in leaves no bucket behind, and so none to share.
        if !over {
            self.new.push((source, expires_at, id));
        }
        Ok(id)
    }
}

fn may_be<U: Unit>(event: &str, amount: U) -> Result<(), Refused<U>> {
    if event.is_empty() || event.len() > EVENT_MAX {
        return Err(Refused::Event);
    }
    if amount <= U::ZERO { Err(Refused::Amount) } else { Ok(()) }
}

fn again<R: Clone, U: Unit>(first: &R) -> Step<R, U> {
    Step { receipt: first.clone(), entries: Vec::new() }
}

fn entry<U: Unit>(
    at: Timestamp,
    cause: Cause,
    bucket: BucketId,
    left: U,
    held: U,
    spent: U,
) -> Entry<U> {
    Entry { at, cause, bucket: Some(bucket), left, held, spent }
}

fn nothing<U: Unit>(at: Timestamp, cause: Cause) -> Entry<U> {
    Entry { at, cause, bucket: None, left: U::ZERO, held: U::ZERO, spent: U::ZERO }
}
