//! Everything that a lock covers: accounts in use, holds, those who wait for credit, and ends that
//! are not folded. Arithmetic only; whoever has the lock never waits for anything else.

use std::collections::BTreeSet;
use std::task::Waker;
use std::time::Instant;

use foldhash::HashMap;
use llm_core::Str;
use llm_core::ledger::rules::{self, Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::Unit;
use llm_core::store::{Line, NotReserved, StoreError};
use smallvec::SmallVec;

use crate::journal::Position;

use super::ends::{End, Ends, Recent, receipt};
use super::queue::{Queue, Ticket};
use super::rows::{Rows, Slots};

/// A path in its order, without twins, each with its limit.
pub(super) type Path<U> = SmallVec<[Line<U>; 4]>;

/// What the lock covers.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Table<U: Unit> {
    pub(super) rows: Rows<U>,
    pub(super) holds: HashMap<HoldId, Hold<U>>,
    pub(super) ends: Ends<U>,
    pub(super) recent: Recent<U>,
    pub(super) queue: Queue<U>,
    /// Rows to lease for ahead of need.
    pub(super) wants: Vec<u32>,
    /// Holds whose end the journal has not taken; written again from time to time.
    pub(super) unwritten: BTreeSet<HoldId>,
    pub(super) standing: Standing,
    /// Since when the vault has not answered.
    pub(super) down_since: Option<Instant>,
    /// Everything that ended before this is to be folded now.
    pub(super) flush: u64,
    /// Who waits for the worker to get somewhere.
    pub(super) watchers: Vec<Waker>,
}

/// Whether holds are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Open,
    /// Everything is to be given back.
    Leaving,
    /// It is.
    Left,
    /// The vault has declared us dead.
    Fenced,
}

/// A hold that has not ended.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Hold<U: Unit> {
    pub(super) proof: HoldProof<U>,
    pub(super) slots: Slots,
    /// Whether its line is in the journal.
    pub(super) opened: bool,
    /// What the journal knows to be owed for what was sent, if anything was.
    pub(super) sent: Option<U>,
    /// How it ends, from when that is being written: the first word holds.
    pub(super) ending: Option<Settlement<U>>,
}

/// What became of an ask.
#[derive(Debug)]
pub(super) enum Asked<U: Unit> {
    /// Set aside; to be written into the journal.
    Made(HoldProof<U>),
    /// Made before, and written.
    Open(HoldProof<U>),
    /// Credit has to be leased first.
    Wait(Ticket),
}

/// What the end of a hold needs.
#[derive(Debug)]
pub(super) enum Ending<U: Unit> {
    /// It has ended before.
    Ended(Receipt<U>),
    /// To be written. The mark is this writer's, if it is the first.
    Write { settlement: Settlement<U>, amount: U, mark: u64 },
}

impl<U: Unit> Default for Table<U> {
    fn default() -> Self {
        Self {
            rows: Rows::default(),
            holds: HashMap::default(),
            ends: Ends::default(),
            recent: Recent::default(),
            queue: Queue::default(),
            wants: Vec::new(),
            unwritten: BTreeSet::new(),
            standing: Standing::Open,
            down_since: None,
            flush: 0,
            watchers: Vec::new(),
        }
    }
}

impl<U: Unit> Table<U> {
    /// Sets an amount aside, or says what is missing for it.
    pub(super) fn reserve(
        &mut self,
        hold: HoldId,
        path: &[Line<U>],
        amount: U,
        now: Instant,
    ) -> Result<Asked<U>, NotReserved<U>> {
        self.stands()?;
        if let Some(proof) = self.again(hold, path, amount)? {
            return Ok(Asked::Open(proof));
        }
        let loss = AccountId::loss();
        let nobody = path.is_empty() && amount != U::ZERO;
        if nobody || path.iter().any(|line| line.account == loss) {
            return Err(NotReserved::Refused { account: None, why: Refused::NoAccount });
        }
        if amount.is_negative() {
            return Err(NotReserved::Refused { account: None, why: Refused::Negative });
        }
        let mut slots = Slots::new();
        for line in path {
            let slot = self.rows.open(&line.account, line.limit, now);
            slots.push(slot.ok_or(full("too many accounts are in use"))?);
        }
        let trusting = self.down_since.is_some();
        if self.fits(&slots, amount, trusting) {
            let proof = self.take(hold, &slots, amount, trusting, now)?;
            self.insert(proof.clone(), slots);
            return Ok(Asked::Made(proof));
        }
        for (at, slot) in slots.iter().enumerate() {
            if let Some(why) = self.rows[*slot].refusal(at, amount, now) {
                let account = Some(self.rows[*slot].id.clone());
                return Err(NotReserved::Refused { account, why });
            }
        }
        let ticket = self.queue.join(hold, slots.clone(), amount);
        let ticket = ticket.ok_or(unavailable("too many calls wait for credit"))?;
        self.name(&slots);
        Ok(Asked::Wait(ticket))
    }

    /// The hold of that name, if there is one on these terms.
    pub(super) fn again(
        &self,
        hold: HoldId,
        path: &[Line<U>],
        amount: U,
    ) -> Result<Option<HoldProof<U>>, NotReserved<U>> {
        if self.recent.get(hold).is_some() {
            return Err(StoreError::from(Violation::State).into());
        }
        let Some(held) = self.holds.get(&hold) else { return Ok(None) };
        let rows = &self.rows;
        let names = held.slots.iter().map(|slot| &rows[*slot].id);
        let same = held.proof.amount() == amount && names.eq(path.iter().map(|l| &l.account));
        if !same {
            return Err(StoreError::from(Violation::OtherTerms).into());
        }
        if held.ending.is_some() {
            return Err(StoreError::from(Violation::State).into());
        }
        if !held.opened {
            // Not to be shown before it is written, and not to be written twice: the second line
            // might come after the hold's end.
            let words = Str::from_static("the hold is being made at this moment");
            return Err(StoreError::Conflict(words).into());
        }
        Ok(Some(held.proof.clone()))
    }

    /// Whether holds are made at all.
    pub(super) fn stands(&self) -> Result<(), StoreError> {
        match self.standing {
            Standing::Open => Ok(()),
            Standing::Leaving | Standing::Left => Err(unavailable("the ledger is shut down")),
            Standing::Fenced => {
                let words = "another process was given this one's place";
                Err(StoreError::Conflict(Str::from_static(words)))
            }
        }
    }

    pub(super) fn fits(&self, slots: &[u32], amount: U, trusting: bool) -> bool {
        let mut rows = slots.iter().map(|slot| &self.rows[*slot]);
        rows.all(|row| row.lack(amount).is_none() || (trusting && row.trusted()))
    }

    /// Sets aside what fits.
    pub(super) fn take(
        &mut self,
        hold: HoldId,
        slots: &[u32],
        amount: U,
        trusting: bool,
        now: Instant,
    ) -> Result<HoldProof<U>, NotReserved<U>> {
        let rows = slots.iter().map(|slot| self.rows[*slot].account(trusting));
        let mut rows: SmallVec<[rules::Account<U>; 6]> = rows.collect();
        let mut refs: SmallVec<[&mut rules::Account<U>; 6]> = rows.iter_mut().collect();
        let proof = rules::reserve(&mut refs, hold, amount).map_err(|why| {
            let at =
                if let Refused::Exhausted { account, .. } = why { Some(account) } else { None };
            let account = at.and_then(|at| slots.get(at)).map(|slot| self.rows[*slot].id.clone());
            NotReserved::Refused { account, why }
        })?;
        for slot in slots {
            let row = &mut self.rows[*slot];
            row.take(amount, now);
            let want = row.runs_low(now) || row.indebted();
            if want && !row.wanted {
                row.wanted = true;
                self.wants.push(*slot);
            }
        }
        Ok(proof)
    }

    /// Notes a hold that was taken.
    pub(super) fn insert(&mut self, proof: HoldProof<U>, slots: Slots) {
        self.name(&slots);
        let (id, opened, sent, ending) = (proof.id(), false, None, None);
        let hold = Hold { proof, slots, opened, sent, ending };
        let before = self.holds.insert(id, hold);
        debug_assert!(before.is_none(), "a hold was made twice");
    }

    fn name(&mut self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.rows[*slot].refs += 1);
    }

    /// Names rows no more.
    pub(super) fn unname(&mut self, slots: &[u32]) {
        for slot in slots {
            debug_assert!(self.rows[*slot].refs > 0);
            self.rows[*slot].refs -= 1;
        }
    }

    /// The journal has a hold's line, or has refused it: then the hold was not made.
    pub(super) fn opened(&mut self, id: HoldId, written: bool) {
        if written {
            if let Some(hold) = self.holds.get_mut(&id) {
                hold.opened = true;
            }
        } else if let Some(hold) = self.holds.remove(&id) {
            self.give_back(&hold.slots, hold.proof.amount());
        }
    }

    /// Gives back what was taken and came to nothing.
    pub(super) fn give_back(&mut self, slots: &[u32], amount: U) {
        slots.iter().for_each(|slot| self.rows[*slot].end(amount, U::ZERO));
        self.unname(slots);
    }

    /// A hold that may be sent, watched and ended.
    pub(super) fn hold(&mut self, id: HoldId) -> Result<&mut Hold<U>, StoreError> {
        let known = self.holds.get_mut(&id).filter(|hold| hold.opened);
        known.ok_or_else(|| StoreError::from(Violation::UnknownHold))
    }

    /// Begins a hold's end.
    pub(super) fn ending(&mut self, asked: &Settlement<U>) -> Result<Ending<U>, StoreError> {
        if let Some(receipt) = self.recent.get(asked.hold) {
            return Ok(Ending::Ended(receipt));
        }
        let hold = self.hold(asked.hold)?;
        let amount = hold.proof.amount();
        if asked.tenant.is_negative() || asked.operator.is_negative() {
            return Err(Violation::NegativeSettled.into());
        }
        if asked.tenant > amount {
            return Err(Violation::Overrun.into());
        }
        let settlement = *hold.ending.get_or_insert(*asked);
        let mark = self.ends.begin();
        Ok(Ending::Write { settlement, amount, mark })
    }

    /// The line of an end is written. Of two who wrote the same end, the first to come here ends
    /// the hold.
    pub(super) fn ended(
        &mut self,
        settlement: Settlement<U>,
        ticket: u64,
        line: Position,
        now: Instant,
    ) {
        let Some(hold) = self.holds.remove(&settlement.hold) else {
            return self.ends.failed(ticket);
        };
        self.unwritten.remove(&settlement.hold);
        let amount = hold.proof.amount();
        for slot in &hold.slots {
            self.rows[*slot].end(amount, settlement.tenant);
        }
        self.recent.push(receipt(&settlement, amount));
        self.ends.push(End { settlement, amount, slots: hold.slots, at: now, ticket }, line);
    }

    /// Wakes whoever waits for the worker.
    pub(super) fn progress(&mut self) {
        self.watchers.drain(..).for_each(Waker::wake);
    }
}

pub(super) fn unavailable(words: &'static str) -> StoreError {
    StoreError::Unavailable(Str::from_static(words))
}

fn full(words: &'static str) -> StoreError {
    StoreError::Full(Str::from_static(words))
}
