//! What has been counted against a limit.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::window::{Window, WindowId};
use crate::Str;

/// Counts of one rule, for one owner. Pure: whoever shares it between threads or replicas locks
/// it, or does the same in a store.
#[derive(Clone, Debug)]
pub struct Counter {
    rule: Str,
    limit: u64,
    window: Window,
    /// Never goes back: a clock that jumps must not open a window a second time.
    latest: Timestamp,
    /// Oldest first; at most the slices of a window.
    slices: VecDeque<Slice>,
}

#[derive(Clone, Copy, Debug)]
struct Slice {
    id: WindowId,
    used: u64,
    reserved: u64,
}

/// What a rule says, with all that a refusal must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it fits.
    pub allowed: bool,
    /// The rule.
    pub rule: Str,
    /// Its limit.
    pub limit: u64,
    /// What is used.
    pub used: u64,
    /// What is set aside.
    pub reserved: u64,
    /// What is left.
    pub remaining: u64,
    /// Refused: when it would fit, `None` if never. Allowed: when all that was counted is gone.
    pub resets_at: Option<Timestamp>,
    /// What the count is booked under; [`Counter::settle`] wants it back.
    pub slice: WindowId,
}

impl Counter {
    /// Counts nothing yet.
    pub fn new(rule: impl Into<Str>, limit: u64, window: Window) -> Self {
        let latest = Timestamp::MIN;
        Self { rule: rule.into(), limit, window, latest, slices: VecDeque::new() }
    }

    /// Another limit, under another name: what was counted stays.
    pub fn resize(&mut self, rule: impl Into<Str>, limit: u64) {
        (self.rule, self.limit) = (rule.into(), limit);
    }

    /// Whether `n` more would fit. Changes nothing.
    pub fn ask(&self, n: u64, now: Timestamp) -> Verdict {
        self.ask_within(self.limit, n, now)
    }

    fn ask_within(&self, limit: u64, n: u64, now: Timestamp) -> Verdict {
        let now = now.max(self.latest);
        let slice = self.slice_at(now);
        let reach = self.window.reach_of(&slice, now);
        let live = || self.slices.iter().filter(|s| s.id.start >= reach);
        let (used, reserved) = live().fold((0u64, 0u64), |(used, reserved), s| {
            (used.saturating_add(s.used), reserved.saturating_add(s.reserved))
        });
        let taken = used.saturating_add(reserved);
        let remaining = limit.saturating_sub(taken);
        let allowed = n <= remaining;
        let mut left = taken;
        let fits = live().find(|s| {
            left = left.saturating_sub(s.used.saturating_add(s.reserved));
            left.checked_add(n).is_some_and(|sum| sum <= limit)
        });
        let last = if allowed { live().next_back() } else { fits };
        let resets_at = last.map(|s| self.window.leaves(&s.id));
        let rule = self.rule.clone();
        debug_assert!(taken.saturating_add(remaining) >= limit);
        Verdict { allowed, rule, limit, used, reserved, remaining, resets_at, slice }
    }

    /// Nearly always the newest one, which then need not be computed.
    fn slice_at(&self, now: Timestamp) -> WindowId {
        match self.slices.back() {
            Some(newest) if newest.id.has(now) => newest.id,
            Some(_) | None => self.window.slice_at(now),
        }
    }

    /// Counts `n` if it fits.
    pub fn take(&mut self, n: u64, now: Timestamp) -> Verdict {
        self.count(self.limit, n, now, |used, _| used)
    }

    /// Sets `n` aside if it fits, until [`Counter::settle`] says what it was.
    pub fn reserve(&mut self, n: u64, now: Timestamp) -> Verdict {
        self.count(self.limit, n, now, |_, reserved| reserved)
    }

    /// Replaces what was set aside by what was used, which may be more: tokens that have flowed
    /// count even past the limit. A slice that counts no more is left alone.
    pub fn settle(&mut self, slice: WindowId, reserved: u64, used: u64) {
        if let Some(slice) = self.slices.iter_mut().find(|s| s.id == slice) {
            debug_assert!(slice.reserved >= reserved, "more is given back than was set aside");
            slice.reserved = slice.reserved.saturating_sub(reserved);
            slice.used = slice.used.saturating_add(used);
        }
    }

    /// Puts right what was used. A slice that counts no more is left alone.
    pub fn correct(&mut self, slice: WindowId, by: i64) {
        if let Some(slice) = self.slices.iter_mut().find(|s| s.id == slice) {
            slice.used = slice.used.saturating_add_signed(by);
        }
    }

    /// Sets `n` aside if it fits into another limit than the counter's own: a share of it, or
    /// whatever somebody else has allowed.
    pub fn reserve_within(&mut self, limit: u64, n: u64, now: Timestamp) -> Verdict {
        self.count(limit, n, now, |_, reserved| reserved)
    }

    /// Its limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The verdict after the count, so that `used` and `remaining` are what a caller may be told.
    /// Computed from the one before: asking a rolling window again would be half of the cost.
    fn count(
        &mut self,
        limit: u64,
        n: u64,
        now: Timestamp,
        field: for<'a> fn(&'a mut u64, &'a mut u64) -> &'a mut u64,
    ) -> Verdict {
        let mut verdict = self.ask_within(limit, n, now);
        if !verdict.allowed {
            return verdict;
        }
        self.latest = self.latest.max(now);
        let reach = self.window.reach_of(&verdict.slice, self.latest);
        while self.slices.front().is_some_and(|s| s.id.start < reach) {
            self.slices.pop_front();
        }
        if self.slices.back().is_none_or(|s| s.id != verdict.slice) {
            self.slices.push_back(Slice { id: verdict.slice, used: 0, reserved: 0 });
        }
        if let Some(Slice { used, reserved, .. }) = self.slices.back_mut() {
            let count = field(used, reserved);
            *count = count.saturating_add(n);
        }
        *field(&mut verdict.used, &mut verdict.reserved) += n;
        verdict.remaining -= n;
        verdict.resets_at = Some(self.window.leaves(&verdict.slice));
        debug_assert_eq!(verdict, Verdict { allowed: true, ..self.ask_within(limit, 0, now) });
        verdict
    }
}

/// Counts against every rule, or against none: all are asked first. `Err` is the first refusal.
pub fn take_all(
    counters: &mut [(&mut Counter, u64)],
    now: Timestamp,
) -> Result<Vec<Verdict>, Box<Verdict>> {
    for (counter, n) in counters.iter() {
        let verdict = counter.ask(*n, now);
        if !verdict.allowed {
            return Err(Box::new(verdict));
        }
    }
    Ok(counters.iter_mut().map(|(counter, n)| counter.take(*n, now)).collect())
}

/// The verdict that a caller should hear of: the one with the smallest share left.
pub fn tightest(verdicts: &[Verdict]) -> Option<&Verdict> {
    verdicts.iter().min_by(|a, b| {
        let (left, right) = (u128::from(a.remaining), u128::from(b.remaining));
        (left * u128::from(b.limit)).cmp(&(right * u128::from(a.limit)))
    })
}
