//! What a plan grants every month: which grant is due is computed, never swept.
//!
//! A grant's event id is made of its period and its plan, so that a restart, or two replicas at the
//! same moment, grant once. Moving to another plan takes effect at once: it grants what the new
//! plan gives beyond what this period has already got, and nothing that was granted is taken away;
//! who moves down and up again gets nothing twice. Nobody is granted the past: a period in which
//! nobody asked has granted nothing.

use std::num::NonZeroU8;

use jiff::{SignedDuration, Timestamp};

use super::{Grant, Source, Wallet};
use crate::Str;
use crate::money::{Credits, Unit};
use crate::quota::{Length, Mode, Period, Window, WindowId, Zone};

/// What a plan grants every month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monthly<U: Unit = Credits> {
    /// The plan's name.
    pub plan: Str,
    /// How much it grants in a period.
    pub amount: U,
    /// In how many periods it may be spent, its own included; `None` is without end.
    pub periods: Option<NonZeroU8>,
}

/// From when months are counted. It belongs to the wallet and stays when the plan changes, and so
/// does the zone: otherwise every change began a new period, and granted a whole one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// When it all began: nothing is due before.
    pub since: Timestamp,
    /// Where a period begins.
    pub turn: Turn,
}

/// Where a period begins, at midnight in the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// On the first of the month. The first period is granted whole, however late it began.
    Calendar,
    /// On the day of the month on which it all began; on the last day of months without it.
    Anniversary,
}

const MONTH: Period = Period { count: 1, length: Length::Month };
const DAY: Period = Period { count: 1, length: Length::Day };
/// Half a day: the middle of a day is in it, whichever way its clocks are set.
const HALF: SignedDuration = SignedDuration::from_hours(12);
const HOURS: i64 = 24;

impl Anchor {
    /// The period that has an instant; `None` before it all began.
    pub fn period_at(&self, zone: &Zone, instant: Timestamp) -> Option<WindowId> {
        if instant < self.since {
            return None;
        }
        let months = Window::new(MONTH, Mode::Calendar, zone)?;
        match self.turn {
            Turn::Calendar => Some(months.window_at(instant)),
            Turn::Anniversary => {
                let turns = Turns { months, days: Window::new(DAY, Mode::Calendar, zone)? };
                Some(turns.around(self.since, instant))
            }
        }
    }
}

/// Months that begin on another day than the first, on the windows that quotas count in.
struct Turns {
    months: Window,
    days: Window,
}

impl Turns {
    fn around(&self, since: Timestamp, instant: Timestamp) -> WindowId {
        let first = self.months.window_at(since).start;
        let into = self.days.window_at(since).start.duration_since(first);
        let day = into.saturating_add(HALF).as_hours() / HOURS;
        let month = self.months.window_at(instant);
        let here = self.turn(&month, day);
        if instant < here {
            let before =
                self.months.window_at(month.start.saturating_sub(HALF).unwrap_or(month.start));
            WindowId { start: self.turn(&before, day), end: here }
        } else {
            let after = self.months.window_at(month.end);
            WindowId { start: here, end: self.turn(&after, day) }
        }
    }

    /// Midnight of a day of a month, counted from 0, or of its last day.
    fn turn(&self, month: &WindowId, day: i64) -> Timestamp {
        let noon = SignedDuration::from_hours(day * HOURS).saturating_add(HALF);
        let last = month.end.saturating_sub(HALF).unwrap_or(month.end);
        let within = month.start.saturating_add(noon).unwrap_or(last).min(last);
        self.days.window_at(within).start
    }
}

impl<U: Unit> Monthly<U> {
    /// The grant that is due at an instant; `None` when this period has got it, or as much.
    ///
    /// A plan grants once in a period: if its own amount is changed, that holds from the next on.
    pub fn due(
        &self,
        wallet: &Wallet<U>,
        anchor: &Anchor,
        zone: &Zone,
        now: Timestamp,
    ) -> Option<Grant<U>> {
        let period = anchor.period_at(zone, now)?;
        let under = prefix(&period);
        let event = Str::from(format!("{under}{}", self.plan));
        if wallet.granted(&event).is_some() {
            return None;
        }
        let amount = self.amount.saturating_sub(wallet.granted_under(&under));
        if amount <= U::ZERO {
            return None;
        }
        let expires_at = self.periods.map(|periods| {
            let more = (1..periods.get())
                .fold(period, |at, _| anchor.period_at(zone, at.end).unwrap_or(at));
            more.end
        });
        Some(Grant { event, amount, source: Source::Granted, expires_at })
    }
}

/// How the events of a period's grants begin: what a store brings back before it asks what is due.
pub fn prefix(period: &WindowId) -> String {
    format!("monthly/{}/", period.start)
}

#[cfg(test)]
mod tests;
