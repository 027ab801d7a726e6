//! Which day it is where the operator lives: asked once for all records of a day.

use std::time::SystemTime;

use jiff::Timestamp;
use llm_core::quota::{Length, Mode, Period, Window, Zone};
use llm_core::store::StoreError;

/// The days of a zone, and the one that was asked for last.
pub(super) struct Days {
    zone: Zone,
    window: Window,
    from: i64,
    until: i64,
    day: i64,
}

impl Days {
    pub(super) fn new(zone: &Zone) -> Result<Self, StoreError> {
        let period = Period { count: 1, length: Length::Day };
        let window = Window::new(period, Mode::Calendar, zone);
        let window = window.ok_or_else(|| StoreError::Corrupt("a zone without days".into()))?;
        Ok(Self { zone: zone.clone(), window, from: 0, until: 0, day: 0 })
    }

    /// The day of an instant: `20261121`.
    pub(super) fn day(&mut self, at: SystemTime) -> i64 {
        let at = stamp(at);
        let micros = at.as_microsecond();
        if micros < self.from || micros >= self.until {
            let day = self.window.window_at(at);
            (self.from, self.until) = (day.start.as_microsecond(), day.end.as_microsecond());
            // The day of this instant and not of the day's start, which may lie in the one before
            // where clocks go back over midnight.
            self.day = number(&self.zone.show(at));
        }
        self.day
    }
}

pub(super) fn stamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::MAX)
}

/// `2026-11-21T…` as a number.
fn number(shown: &str) -> i64 {
    let date = shown.split('T').next().unwrap_or_default();
    let digits = date.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}
