//! One account as this process sees it: what it has leased, what of it is held or paid, and when
//! to ask for more or to give back. Pure: time is told.

use std::time::{Duration, Instant};

use llm_core::ledger::AccountId;
use llm_core::ledger::rules::{Account, Refused};
use llm_core::money::Unit;

use crate::plant::{Mistake, planted};

/// How long a refusal is believed: an exhausted account costs two questions a second, and credit
/// that comes back elsewhere is seen well within one.
pub(super) const REFUSAL: Duration = Duration::from_millis(400);
/// Where an answer takes long, a refusal is believed for twice as long: on a machine that is late
/// with everything, whoever comes would else wait in vain for the next answer, and come again.
const REFUSAL_MAX: Duration = Duration::from_secs(5);
/// So long after an account was seen to be near its limit, nothing is leased ahead of need.
const SCARCE: Duration = Duration::from_secs(30);
/// What was not used for so long is given back; twice that passes until it is seen.
const IDLE: Duration = Duration::from_secs(1);
/// The same near a limit, where somebody else may be refused for it.
const IDLE_SCARCE: Duration = Duration::from_millis(250);
/// A lease covers so many seconds of what is set aside in one.
const AHEAD: i64 = 2;
/// No more than so often is credit leased ahead that nobody waits for.
const AHEAD_PAUSE: Duration = Duration::from_millis(100);
/// How many calls' worth is liked of an account without limit at first: nobody else lacks it.
const UNLIMITED_TIMES: i64 = 64;

/// An account.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Row<U: Unit> {
    pub(super) id: AccountId,
    /// Its limit as calls state it.
    pub(super) limit: Option<U>,
    /// What the vault has set aside for us, as far as we know: never more than it has.
    pub(super) leased: U,
    /// What open holds have of it.
    pub(super) held: U,
    /// What ended holds have paid of it and the vault does not know yet.
    pub(super) paid: U,
    /// Holds, ended holds and waiters that name this row.
    pub(super) refs: u32,
    /// The vault has this account.
    pub(super) known: bool,
    /// The vault has refused: whatever calls state, there is a limit.
    pub(super) limited: bool,
    /// An ask was sent and not answered: the vault may have set more aside than we know.
    pub(super) doubtful: bool,
    /// Credit that was used on trust will not be leased any more.
    pub(super) dry: bool,
    /// Somebody has put this row on the list of those to ask for.
    pub(super) wanted: bool,
    /// The vault is being asked to set more aside, or to take some back: what it says of this
    /// account and what is known here may differ until it has answered.
    pub(super) moving: bool,
    /// Grows whenever `leased` changes.
    pub(super) version: u64,
    refusal: Option<Refusal<U>>,
    scarce_until: Option<Instant>,
    ahead_after: Instant,
    spend: Spend<U>,
    mark: Instant,
    /// The least that was free since `mark`.
    lowest: U,
}

/// What the vault said no to.
#[derive(Clone, Copy, Debug)]
struct Refusal<U: Unit> {
    until: Instant,
    lack: U,
    why: Refused<U>,
}

impl<U: Unit> Row<U> {
    pub(super) fn new(id: AccountId, limit: Option<U>, now: Instant) -> Self {
        Self {
            id,
            limit,
            leased: U::ZERO,
            held: U::ZERO,
            paid: U::ZERO,
            refs: 0,
            known: false,
            limited: false,
            doubtful: false,
            dry: false,
            wanted: false,
            moving: false,
            version: 0,
            refusal: None,
            scarce_until: None,
            ahead_after: now,
            spend: Spend { began: now, sum: U::ZERO, last: U::ZERO },
            mark: now,
            lowest: U::ZERO,
        }
    }

    /// What may still be held; less than nothing where holds were made on trust.
    pub(super) fn free(&self) -> U {
        self.leased.saturating_sub(self.held).saturating_sub(self.paid)
    }

    /// By how much the lease falls short of a call; `None` when it does not.
    pub(super) fn lack(&self, amount: U) -> Option<U> {
        let lack = amount.saturating_sub(self.free());
        if self.known && lack <= U::ZERO { None } else { Some(lack.max(U::ZERO)) }
    }

    /// Whether ended holds have used what is not leased: asked for before they are folded.
    pub(super) fn indebted(&self) -> bool {
        (!self.known || self.free().is_negative()) && !self.dry
    }

    /// Whether calls may go on while nobody can be asked.
    pub(super) fn trusted(&self) -> bool {
        self.limit.is_none() && !self.limited
    }

    /// The account that the rules see: its limit is the lease.
    pub(super) fn account(&self, trusting: bool) -> Account<U> {
        let limit = if trusting && self.trusted() { None } else { Some(self.leased) };
        Account { limit, settled: self.paid, held: self.held }
    }

    /// Sets aside.
    pub(super) fn take(&mut self, amount: U, now: Instant) {
        self.held = self.held.saturating_add(amount);
        self.spend.note(amount, now);
        self.lowest = self.lowest.min(self.free());
    }

    /// Gives back what was set aside, all but what was paid.
    pub(super) fn end(&mut self, amount: U, tenant: U) {
        debug_assert!(self.held >= amount && amount >= tenant);
        self.held = self.held.saturating_sub(amount);
        if planted(Mistake::RefundedTwice) {
            self.held = self.held.saturating_sub(amount.saturating_sub(tenant)).max(U::ZERO);
        }
        self.paid = self.paid.saturating_add(tenant);
    }

    /// Whether to lease ahead, so that no call waits.
    pub(super) fn runs_low(&self, now: Instant) -> bool {
        let like = self.spend.ahead(now);
        let low = self.free() < U::from_pieces(like.pieces() / 4);
        low && !self.wanted && !self.scarce(now) && now >= self.ahead_after
    }

    /// How much more to like, where this much is needed by those who wait.
    pub(super) fn like(&self, least: U, all: U, now: Instant) -> U {
        if self.scarce(now) {
            // Twice: a vault that gives no more than the least says that it is near the limit.
            return least.saturating_mul(2);
        }
        let times = if self.trusted() { UNLIMITED_TIMES } else { 2 };
        let ahead = self.spend.ahead(now).saturating_sub(self.free());
        ahead.max(all).max(least.saturating_mul(times))
    }

    /// The vault has answered an ask: so much is leased now.
    pub(super) fn granted(&mut self, has: U, least: U, like: U, now: Instant) {
        debug_assert!(has >= self.leased.saturating_add(least), "less than the least");
        let more = has.saturating_sub(self.leased);
        self.leased = has;
        self.version += 1;
        (self.known, self.doubtful, self.dry, self.refusal) = (true, false, false, None);
        self.ahead_after = now + AHEAD_PAUSE;
        if like > least && more <= least {
            self.scarce_until = Some(now + SCARCE);
            self.ahead_after = now + SCARCE;
        } else if least > U::ZERO {
            self.scarce_until = None;
        }
    }

    /// The vault has refused what it was asked at some instant.
    pub(super) fn refused(&mut self, least: U, why: Refused<U>, asked: Instant, now: Instant) {
        let believed = now.saturating_duration_since(asked).saturating_mul(2);
        let believed = believed.clamp(REFUSAL, REFUSAL_MAX);
        (self.known, self.limited) = (true, true);
        self.scarce_until = Some(now + SCARCE);
        self.ahead_after = now + believed;
        if least > U::ZERO {
            self.refusal = Some(Refusal { until: now + believed, lack: least, why });
        }
        // Nothing more comes for what was used on trust.
        self.dry |= self.free().is_negative();
    }

    /// The refusal that answers a call, if there was one lately. Its numbers are those of the
    /// vault, without what is idle here.
    pub(super) fn refusal(&self, at: usize, amount: U, now: Instant) -> Option<Refused<U>> {
        let lack = self.lack(amount)?;
        let said = self.refusal.filter(|said| now < said.until && lack >= said.lack)?;
        Some(match said.why {
            Refused::Exhausted { limit, settled, held, .. } => {
                let held = held.saturating_sub(self.free().max(U::ZERO)).max(U::ZERO);
                Refused::Exhausted { account: at, limit, settled, held, asked: amount }
            }
            Refused::Negative => Refused::Negative,
            Refused::NoAccount => Refused::NoAccount,
        })
    }

    /// Somebody has changed a limit: whatever was refused may be granted.
    pub(super) fn forgive(&mut self, limited: bool) {
        self.refusal = None;
        self.limited = limited;
    }

    /// What to give back by now. Leaves it out of the lease at once: nobody uses what is on its
    /// way back.
    pub(super) fn spare(&mut self, now: Instant, all: bool) -> U {
        let scarce = self.scarce(now);
        let idle = if scarce { IDLE_SCARCE } else { IDLE };
        if !all && now.saturating_duration_since(self.mark) < idle {
            return U::ZERO;
        }
        let free = self.free();
        let spare = match (all, scarce) {
            (true, _) => free,
            (false, true) => self.lowest.min(free),
            (false, false) => self.lowest.min(free).saturating_sub(self.spend.ahead(now)),
        };
        let spare = spare.max(U::ZERO);
        self.leased = self.leased.saturating_sub(spare);
        self.version += u64::from(spare > U::ZERO);
        (self.mark, self.lowest) = (now, self.free());
        spare
    }

    /// Whether nobody would miss this row.
    pub(super) fn idle(&self, now: Instant) -> bool {
        let told = self.refusal.is_none_or(|said| now >= said.until);
        let scarce = self.scarce(now) && self.spend.ahead(now) > U::ZERO;
        self.refs == 0
            && self.leased == U::ZERO
            && self.paid == U::ZERO
            && !self.doubtful
            && !self.wanted
            && told
            && !scarce
    }

    fn scarce(&self, now: Instant) -> bool {
        self.scarce_until.is_some_and(|until| now < until)
    }
}

/// How much is set aside in a second: the fuller of this one and the last.
#[derive(Clone, Copy, Debug)]
struct Spend<U: Unit> {
    began: Instant,
    sum: U,
    last: U,
}

impl<U: Unit> Spend<U> {
    const SECOND: Duration = Duration::from_secs(1);

    fn note(&mut self, amount: U, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age >= Self::SECOND {
            let recent = age < 2 * Self::SECOND;
            self.last = if recent { self.sum } else { U::ZERO };
            (self.sum, self.began) = (U::ZERO, now);
        }
        self.sum = self.sum.saturating_add(amount);
    }

    fn ahead(&self, now: Instant) -> U {
        let age = now.saturating_duration_since(self.began);
        let second = if age < Self::SECOND {
            self.sum.max(self.last)
        } else if age < 2 * Self::SECOND {
            self.sum
        } else {
            U::ZERO
        };
        second.saturating_mul(AHEAD)
    }
}
