//! What one call counts with all its owners: everywhere or nowhere, and settled once.

use std::fmt;
use std::sync::Arc;

use llm_core::quota::Verdict;
use llm_core::seam::Clock;
use parking_lot::MutexGuard;
use smallvec::SmallVec;

use super::{Ask, Hold, MeterSet, Meters, Now, Numbered, Of, Share};
use crate::stage::admit::shared::Borrowed;

/// Owners with limits that a call usually has at the most: its key, user, team, organisation and
/// tenant, and the model. More cost an allocation.
pub const OWNERS_PER_CALL: usize = 6;

/// What a call has counted. Dropped without [`Booking::settle`], it gives back all that can be.
#[must_use = "dropping it gives the counts back"]
pub struct Booking {
    sets: SmallVec<[Arc<MeterSet>; OWNERS_PER_CALL]>,
    entries: SmallVec<[Entry; 4]>,
    clock: Arc<dyn Clock>,
    admitted: bool,
    /// What was counted with others. Boxed: it is large, and nearly nobody shares.
    borrowed: Option<Box<Borrowed>>,
    /// Whether the windows were to be shared, and nobody could be asked.
    pub(in crate::stage::admit) alone: bool,
    /// The tightest rule on requests, as it stood when the call was counted. Boxed, as its caller will
    /// be told it.
    pub requests: Option<Box<Verdict>>,
    /// The tightest rule on tokens.
    pub tokens: Option<Box<Verdict>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    set: usize,
    meter: u32,
    of: Of,
    hold: Hold,
}

type Locked<'a> = SmallVec<[MutexGuard<'a, Meters>; OWNERS_PER_CALL]>;

/// Counts against all meters of all sets, or against none. Callers hand the sets over narrowest
/// owner first: locks are taken in that order everywhere, and a key that is too fast must not use
/// up a pace of its team that cannot be given back. `Err` is the refusal that lasts longest.
pub fn book(
    sets: SmallVec<[Arc<MeterSet>; OWNERS_PER_CALL]>,
    ask: Ask,
    share: Share,
    now: Now,
    clock: Arc<dyn Clock>,
) -> Result<Box<Booking>, Box<Verdict>> {
    // Boxed from the start: it is handed from hand to hand until it lies in the answer.
    let mut booking = Box::new(Booking {
        sets,
        entries: SmallVec::new(),
        clock,
        admitted: false,
        borrowed: None,
        alone: false,
        requests: None,
        tokens: None,
    });
    let Booking { sets, entries, .. } = &mut *booking;
    let mut booked = Booked { entries, requests: None, tokens: None };
    {
        let mut locked: Locked<'_> = SmallVec::new();
        locked.extend(sets.iter().map(|set| set.0.lock()));
        // What cannot be taken back comes last.
        let refusal = booked
            .take(&mut locked, true, (ask, share), now)
            .or_else(|| booked.take(&mut locked, false, (ask, share), now));
        if let Some(refusal) = refusal {
            for entry in booked.entries.drain(..) {
                locked[entry.set].settle(&entry, 0, now);
            }
            return Err(Box::new(refusal));
        }
    }
    let (requests, tokens) = (booked.requests.map(Box::new), booked.tokens.map(Box::new));
    (booking.requests, booking.tokens) = (requests, tokens);
    Ok(booking)
}

struct Booked<'b> {
    entries: &'b mut SmallVec<[Entry; 4]>,
    requests: Option<Verdict>,
    tokens: Option<Verdict>,
}

impl Booked<'_> {
    /// Asks on after a refusal, so that the caller hears of the longest wait and not of the first;
    /// but not what could not be taken back.
    fn take(
        &mut self,
        locked: &mut Locked<'_>,
        reversible: bool,
        (ask, share): (Ask, Share),
        now: Now,
    ) -> Option<Verdict> {
        let mut refusal = None;
        for (set, meters) in locked.iter_mut().enumerate() {
            for Numbered { number, meter, .. } in &mut meters.list {
                if meter.is_reversible() != reversible {
                    continue;
                }
                let (verdict, hold) = meter.take(ask, share, now);
                if !verdict.allowed {
                    if !reversible {
                        return Some(verdict);
                    }
                    refusal = Some(longer(refusal, verdict));
                    continue;
                }
                self.entries.push(Entry { set, meter: *number, of: meter.of, hold });
                if share == Share::Noted && meter.is_window() {
                    // Others know what is left.
                    continue;
                }
                let tightest = match meter.of {
                    Of::Requests => &mut self.requests,
                    Of::Tokens => &mut self.tokens,
                };
                *tightest = Some(tighter(tightest.take(), verdict));
            }
        }
        refusal
    }
}

impl Meters {
    /// A meter whose rule is gone may still count; one that is gone has nothing to correct.
    fn settle(&mut self, entry: &Entry, used: u64, now: Now) {
        if let Some(meter) = self.find(entry.meter) {
            meter.settle(entry.hold, used, now.instant);
        }
    }
}

/// The one that lasts longer; never lasts longest.
fn longer(a: Option<Verdict>, b: Verdict) -> Verdict {
    match a {
        Some(a)
            if a.resets_at.is_none() || (b.resets_at.is_some() && a.resets_at >= b.resets_at) =>
        {
            a
        }
        Some(_) | None => b,
    }
}

/// The one with the smaller share left, which is the one that a caller should hear of.
pub(in crate::stage::admit) fn tighter(a: Option<Verdict>, b: Verdict) -> Verdict {
    let share = |v: &Verdict, other: &Verdict| u128::from(v.remaining) * u128::from(other.limit);
    match a {
        Some(a) if share(&a, &b) <= share(&b, &a) => a,
        Some(_) | None => b,
    }
}

impl Booking {
    /// The call is in: from now on it counts as a request, however it ends.
    pub fn admit(&mut self) {
        self.admitted = true;
    }

    /// Keeps what was counted with others, to be settled with the rest.
    pub(in crate::stage::admit) fn borrow(&mut self, mut borrowed: Borrowed) {
        let join = |own: &mut Option<Box<Verdict>>, other: Option<Verdict>| {
            if let Some(other) = other {
                *own = Some(Box::new(tighter(own.take().map(|own| *own), other)));
            }
        };
        join(&mut self.requests, borrowed.requests.take());
        join(&mut self.tokens, borrowed.tokens.take());
        self.borrowed = Some(Box::new(borrowed));
    }

    /// Replaces the tokens set aside by those that were used. The first time counts.
    pub fn settle(&mut self, used_tokens: u64) {
        if let Some(mut borrowed) = self.borrowed.take() {
            let requests = u64::from(self.admitted);
            borrowed.settle(Ask { requests, tokens: used_tokens });
        }
        if self.entries.is_empty() {
            return;
        }
        let now = Now::of(&*self.clock);
        let entries = std::mem::take(&mut self.entries);
        for (i, set) in self.sets.iter().enumerate() {
            let mut meters = set.0.lock();
            for entry in entries.iter().filter(|entry| entry.set == i) {
                let used = match entry.of {
                    Of::Requests => u64::from(self.admitted),
                    Of::Tokens => used_tokens,
                };
                meters.settle(entry, used, now);
            }
        }
        debug_assert!(self.entries.is_empty(), "settled once");
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.settle(0);
    }
}

impl fmt::Debug for Booking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Booking")
            .field("entries", &self.entries)
            .field("admitted", &self.admitted)
            .finish_non_exhaustive()
    }
}
