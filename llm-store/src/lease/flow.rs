//! What the table does for those who wait and for the worker: who is admitted, what to ask for.

use std::time::Instant;

use foldhash::HashMap;
use llm_core::ledger::AccountId;
use llm_core::ledger::rules::{Refused, Violation};
use llm_core::money::Unit;
use llm_core::store::vault::LeaseAsk;
use llm_core::store::{Audit, NotReserved};

use crate::plant::{Mistake, planted};

use super::queue::Ticket;
use super::table::{Asked, Path, Table, unavailable};

/// Credit to ask for.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Ask<U: Unit> {
    pub(super) slot: u32,
    pub(super) ask: LeaseAsk<U>,
    pub(super) since: Instant,
}

impl<U: Unit> Table<U> {
    /// Turns an answered place into a hold. One that was not answered in time goes on if its
    /// accounts are trusted.
    pub(super) fn seat(
        &mut self,
        ticket: Ticket,
        path: &Path<U>,
        now: Instant,
    ) -> Result<Asked<U>, NotReserved<U>> {
        let gone = || NotReserved::from(unavailable("no place in the queue"));
        let waiter = self.queue.leave(ticket).ok_or_else(gone)?;
        let (hold, slots, amount) = (waiter.hold, waiter.slots, waiter.amount);
        let taken = match waiter.answer {
            Some(answer) => answer,
            None if self.fits(&slots, amount, true) => self.take(hold, &slots, amount, true, now),
            None => Err(unavailable("credit was not leased in time").into()),
        };
        let proof = match taken {
            Ok(proof) => proof,
            Err(why) => {
                self.unname(&slots);
                return Err(why);
            }
        };
        // The same hold may have been made by somebody else, or all holds have ceased.
        let again = match self.stands() {
            Ok(()) => self.again(hold, path, amount),
            Err(error) => Err(error.into()),
        };
        match again {
            Ok(None) => {
                self.unname(&slots);
                self.insert(proof.clone(), slots);
                Ok(Asked::Made(proof))
            }
            Ok(Some(proof)) => {
                self.give_back(&slots, amount);
                Ok(Asked::Open(proof))
            }
            Err(why) => {
                self.give_back(&slots, amount);
                Err(why)
            }
        }
    }

    /// Gives a place up, and what was set aside for it.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        let Some(waiter) = self.queue.leave(ticket) else { return };
        match waiter.answer {
            Some(Ok(_)) => self.give_back(&waiter.slots, waiter.amount),
            Some(Err(_)) | None => self.unname(&waiter.slots),
        }
    }

    /// Sets aside for those who wait what fits by now, first come first.
    pub(super) fn admit(&mut self, now: Instant) {
        if self.queue.waiting == 0 {
            return;
        }
        let trusting = self.down_since.is_some();
        let places = self.queue.places.iter().filter(|(_, waiter)| waiter.answer.is_none());
        let fitting: Vec<Ticket> = places
            .filter(|(_, waiter)| self.fits(&waiter.slots, waiter.amount, trusting))
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in fitting {
            let Some(waiter) = self.queue.places.get(&ticket) else { continue };
            let (hold, slots, amount) = (waiter.hold, waiter.slots.clone(), waiter.amount);
            // Looked at again: those before may have taken it.
            if self.fits(&slots, amount, trusting) {
                let taken = self.take(hold, &slots, amount, trusting, now);
                self.queue.answer(ticket, taken);
            }
        }
    }

    /// Answers those who wait for an account with its refusal, where it is theirs too.
    pub(super) fn refuse(&mut self, slot: u32, now: Instant) {
        let row = &self.rows[slot];
        let answer = |at: usize, amount: U| {
            let why = row.refusal(at, amount, now)?;
            Some(NotReserved::Refused { account: Some(row.id.clone()), why })
        };
        let mut answers = Vec::new();
        for (ticket, waiter) in &self.queue.places {
            let at = waiter.slots.iter().position(|of| *of == slot);
            if waiter.answer.is_none()
                && let Some(why) = at.and_then(|at| answer(at, waiter.amount))
            {
                answers.push((*ticket, why));
            }
        }
        answers.into_iter().for_each(|(ticket, why)| self.queue.answer(ticket, Err(why)));
    }

    /// Answers those who wait for any of these accounts.
    pub(super) fn fail(&mut self, slots: &[u32], why: &NotReserved<U>) {
        let places = self.queue.places.iter().filter(|(_, waiter)| {
            waiter.answer.is_none() && waiter.slots.iter().any(|slot| slots.contains(slot))
        });
        let tickets: Vec<Ticket> = places.map(|(ticket, _)| *ticket).collect();
        tickets.into_iter().for_each(|ticket| self.queue.answer(ticket, Err(why.clone())));
    }

    /// Puts a row on the list of those to ask for.
    pub(super) fn want(&mut self, slot: u32) {
        if !self.rows[slot].wanted {
            self.rows[slot].wanted = true;
            self.wants.push(slot);
        }
    }

    /// What to ask the vault for: what those who wait lack, first come first, what was used on
    /// trust, and what will be needed soon.
    pub(super) fn asks(&mut self, most: usize, now: Instant) -> Vec<Ask<U>> {
        let mut lacks: HashMap<u32, (U, U)> = HashMap::default();
        let mut order = Vec::new();
        for waiter in self.queue.places.values().filter(|waiter| waiter.answer.is_none()) {
            for slot in &waiter.slots {
                let Some(lack) = self.rows[*slot].lack(waiter.amount) else { continue };
                if let Some((least, all)) = lacks.get_mut(slot) {
                    *least = lack.min(*least);
                    *all = all.saturating_add(waiter.amount);
                } else if order.len() < most {
                    order.push(*slot);
                    lacks.insert(*slot, (lack, lack));
                }
            }
        }
        let room = most.saturating_sub(order.len()).min(self.wants.len());
        for slot in self.wants.drain(..room) {
            let row = &mut self.rows[slot];
            row.wanted = false;
            let debt = row.lack(U::ZERO);
            if debt.is_none() && row.like(U::ZERO, U::ZERO, now) <= U::ZERO {
                continue;
            }
            lacks.entry(slot).or_insert_with(|| {
                order.push(slot);
                let least = debt.unwrap_or(U::ZERO);
                (least, least)
            });
        }
        let ask = |slot: u32| {
            let (least, all) = lacks.get(&slot).copied()?;
            let row = &mut self.rows[slot];
            row.moving = true;
            let like = row.like(least, all, now).max(least);
            let (account, limit, has) = (row.id.clone(), row.limit, row.leased);
            let ask = LeaseAsk { account, limit, has, least, like };
            Some(Ask { slot, ask, since: now })
        };
        order.into_iter().filter_map(ask).collect()
    }

    /// What was asked for is leased.
    pub(super) fn lent(&mut self, asks: &[Ask<U>], has: &[U], now: Instant) {
        for (Ask { slot, ask, .. }, has) in asks.iter().zip(has) {
            self.rows[*slot].granted(*has, ask.least, ask.like, now);
        }
        self.answered(asks);
    }

    /// One of these was refused, and all with it. Whether it is known which.
    pub(super) fn refused(
        &mut self,
        asks: &[Ask<U>],
        account: Option<&AccountId>,
        why: Refused<U>,
        now: Instant,
    ) -> bool {
        self.answered(asks);
        let said = asks.iter().find(|ask| Some(&ask.ask.account) == account);
        let said = said.or(if let [only] = asks { Some(only) } else { None });
        if let Some(Ask { slot, ask, since }) = said {
            self.rows[*slot].refused(ask.least, why, *since, now);
            self.refuse(*slot, now);
        }
        // Those that were asked for with it are asked for again.
        self.want_debts(asks);
        said.is_some()
    }

    /// No answer came: whether any of it is leased, nobody knows.
    pub(super) fn unheard(&mut self, asks: &[Ask<U>]) {
        for Ask { slot, ask, .. } in asks {
            let row = &mut self.rows[*slot];
            row.doubtful = true;
            if planted(Mistake::LossBelieved) {
                row.leased = row.leased.saturating_add(ask.like);
            }
        }
        self.answered(asks);
        self.want_debts(asks);
    }

    /// Whatever the answer was, what is known here is all that will be known.
    fn answered(&mut self, asks: &[Ask<U>]) {
        for ask in asks {
            self.rows[ask.slot].moving = false;
        }
        self.progress();
    }

    fn want_debts(&mut self, asks: &[Ask<U>]) {
        for ask in asks {
            if self.rows[ask.slot].indebted() {
                self.want(ask.slot);
            }
        }
    }

    /// Adds what the vault cannot see: holds, and whether the accounts here are their sum.
    pub(super) fn verify(&self, audit: &mut Audit) {
        // Of this process: to a vault, holds are leases.
        audit.holds_open = self.holds.len() as u64;
        let mut held: HashMap<u32, U> = HashMap::default();
        let granted = self.queue.places.values().filter(|w| matches!(w.answer, Some(Ok(_))));
        let holds = self.holds.values().map(|hold| (&hold.slots, hold.proof.amount()));
        for (slots, amount) in holds.chain(granted.map(|waiter| (&waiter.slots, waiter.amount))) {
            for slot in slots {
                let sum = held.entry(*slot).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        for row in self.rows.iter() {
            let slot = self.rows.find(&row.id);
            let sum = slot.and_then(|slot| held.get(&slot)).copied().unwrap_or_default();
            if sum != row.held || row.paid.is_negative() || row.leased.is_negative() {
                audit.problems.push((row.id.clone(), Violation::Journal));
            }
        }
    }
}
