//! Which stretch of time an instant belongs to.

use std::cell::RefCell;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};

use super::limit::{Length, Period};

/// A time zone of the bundled database: the same on every host, and read without I/O.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// There is no time zone of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no time zone is called {0}")]
pub struct NotZone(pub String);

impl Zone {
    /// Universal time.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of an IANA name: `Asia/Seoul`.
    pub fn get(name: &str) -> Result<Self, NotZone> {
        // Named here and not through jiff's global database, which another feature set would have
        // look at the host's files.
        let found = TimeZoneDatabase::bundled().get(name);
        found.map(Self).map_err(|_| NotZone(name.to_owned()))
    }

    /// An instant as people there write it: `2026-12-01T00:00:00+09:00`.
    pub fn show(&self, instant: Timestamp) -> String {
        instant.display_with_offset(self.0.to_offset(instant)).to_string()
    }

    /// The same for whoever reads a sentence: `2026-12-01 00:00:00 KST`.
    pub fn tell(&self, instant: Timestamp) -> String {
        instant.to_zoned(self.0.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
    }
}

/// Which stretches of a length count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Any stretch of that length, wherever it begins.
    Rolling,
    /// Those of the calendar, one after the other.
    Calendar,
}

/// A stretch of time: its start is in it, its end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId {
    /// The first instant of it.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl WindowId {
    /// Whether an instant is in it.
    pub fn has(&self, instant: Timestamp) -> bool {
        self.start <= instant && instant < self.end
    }
}

impl fmt::Display for WindowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.end)
    }
}

/// The time that a limit counts. Pure: asked for an instant, it computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Rolling {
        length_ms: i64,
    },
    /// Stretches of a day, from local midnight.
    Within {
        seconds: i64,
        zone: Zone,
    },
    /// Stretches of hours longer than a day, which no calendar has: from 1970 on.
    Fixed {
        seconds: i64,
    },
    Calendar {
        grid: Grid,
        zone: Zone,
    },
}

/// A regular grid of local dates: every so many days from an origin, or every so many months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grid {
    Days { origin: Date, step: i64 },
    Months { step: i64 },
}

/// A window that was looked up.
struct Found {
    grid: Grid,
    zone: Zone,
    window: WindowId,
}

/// Days and months, here and where a tenant is.
const FOUND_MAX: usize = 4;

thread_local! {
    /// Those that this thread has found, the newest last.
    static FOUND: RefCell<Vec<Found>> = const { RefCell::new(Vec::new()) };
}

/// A rolling window is counted in slices of a 128th: its oldest slice counts whole, so that no
/// stretch ever exceeds the limit, at the price of less than one percent of it.
const SLICES: i64 = 128;
const DAY: i64 = 86_400;
/// Days are counted from here; weeks from the first Monday after.
const DAY_ZERO: Date = jiff::civil::date(1970, 1, 1);
const MONTH_ZERO: Date = jiff::civil::date(0, 1, 1);
const MONDAY_ZERO: Date = jiff::civil::date(1970, 1, 5);
/// How far the local date of an instant can be from the window that has it: clocks that go back
/// over midnight, and islands that skip a day.
const STEPS_MAX: u32 = 4;

impl Window {
    /// The windows of a period; `None` when it cannot be counted that way.
    pub fn new(period: Period, mode: Mode, zone: &Zone) -> Option<Self> {
        if !period.allows(mode) || period.count == 0 {
            return None;
        }
        let (count, zone) = (i64::from(period.count), zone.clone());
        let seconds = period.seconds().and_then(|s| i64::try_from(s).ok());
        Some(Self(match (mode, period.length, seconds) {
            (Mode::Rolling, _, seconds) => {
                Kind::Rolling { length_ms: seconds?.checked_mul(1_000)? }
            }
            (Mode::Calendar, Length::Second | Length::Minute | Length::Hour, seconds) => {
                let seconds = seconds?;
                if seconds > DAY { Kind::Fixed { seconds } } else { Kind::Within { seconds, zone } }
            }
            (Mode::Calendar, Length::Day, _) => days(DAY_ZERO, count, zone),
            (Mode::Calendar, Length::Week, _) => days(MONDAY_ZERO, 7 * count, zone),
            (Mode::Calendar, Length::Month, _) => months(count, zone),
            (Mode::Calendar, Length::Quarter, _) => months(3 * count, zone),
            (Mode::Calendar, Length::Year, _) => months(12 * count, zone),
        }))
    }

    /// What counts at an instant. Calendar windows lie one after the other; a rolling one moves on
    /// slice by slice.
    pub fn window_at(&self, instant: Timestamp) -> WindowId {
        let now = self.slice_at(instant);
        WindowId { start: self.reach_of(&now, instant), ..now }
    }

    /// What a count at an instant is booked under. Slices lie one after the other without gap and
    /// overlap; a calendar window is one slice.
    pub fn slice_at(&self, instant: Timestamp) -> WindowId {
        let slice = match &self.0 {
            Kind::Rolling { length_ms } => {
                let width = (length_ms + SLICES - 1) / SLICES;
                let start = ms_of(instant).div_euclid(width).saturating_mul(width);
                WindowId { start: at_ms(start), end: at_ms(start.saturating_add(width)) }
            }
            Kind::Within { seconds, zone } => {
                let day = Grid::Days { origin: DAY_ZERO, step: 1 }.around(instant, zone);
                let gone = instant.duration_since(day.start).as_secs();
                let start = later(day.start, gone - gone.rem_euclid(*seconds));
                // The last window of a day that its length does not divide ends with the day.
                WindowId { start, end: later(start, *seconds).min(day.end) }
            }
            Kind::Fixed { seconds } => {
                let into = ms_of(instant).div_euclid(1_000).rem_euclid(*seconds);
                let start = at_ms(ms_of(instant).div_euclid(1_000).saturating_sub(into) * 1_000);
                WindowId { start, end: later(start, *seconds) }
            }
            Kind::Calendar { grid, zone } => grid.around(instant, zone),
        };
        debug_assert!(slice.start < slice.end || slice.end == Timestamp::MAX, "an empty window");
        debug_assert!(slice.has(instant) || instant == Timestamp::MAX);
        slice
    }

    /// The start of the oldest slice that still counts at an instant, of which the slice is known:
    /// the calendar is not asked twice.
    pub(super) fn reach_of(&self, slice: &WindowId, instant: Timestamp) -> Timestamp {
        match &self.0 {
            Kind::Rolling { length_ms } => {
                let past = at_ms(ms_of(instant).saturating_sub(*length_ms));
                self.slice_at(past).start
            }
            Kind::Within { .. } | Kind::Fixed { .. } | Kind::Calendar { .. } => slice.start,
        }
    }

    /// When a slice stops counting.
    pub(super) fn leaves(&self, slice: &WindowId) -> Timestamp {
        match &self.0 {
            Kind::Rolling { length_ms } => at_ms(ms_of(slice.end).saturating_add(*length_ms)),
            Kind::Within { .. } | Kind::Fixed { .. } | Kind::Calendar { .. } => slice.end,
        }
    }
}

fn days(origin: Date, step: i64, zone: Zone) -> Kind {
    Kind::Calendar { grid: Grid::Days { origin, step }, zone }
}

fn months(step: i64, zone: Zone) -> Kind {
    Kind::Calendar { grid: Grid::Months { step }, zone }
}

impl Grid {
    /// The window of the grid that has an instant. Nearly always it is the one that was found last,
    /// and to look into a calendar costs a hundredth of a call.
    fn around(self, instant: Timestamp, zone: &Zone) -> WindowId {
        FOUND.with_borrow_mut(|found| {
            let is_it = |f: &&Found| f.grid == self && f.window.has(instant) && f.zone == *zone;
            if let Some(known) = found.iter().find(is_it) {
                return known.window;
            }
            let window = self.find(instant, zone);
            if found.len() == FOUND_MAX {
                found.remove(0);
            }
            found.push(Found { grid: self, zone: zone.clone(), window });
            window
        })
    }

    /// The local date only says where to look: where clocks go back over midnight, one date has two
    /// stretches, and the boundary is its first.
    fn find(self, instant: Timestamp, zone: &Zone) -> WindowId {
        let mut number = self.number(instant.to_zoned(zone.0.clone()).date());
        for _ in 0..STEPS_MAX {
            let (start, end) = (self.boundary(number, zone), self.boundary(number + 1, zone));
            if instant < start {
                number -= 1;
            } else if instant >= end && end < Timestamp::MAX {
                number += 1;
            } else {
                return WindowId { start, end };
            }
        }
        debug_assert!(false, "no window of {self:?} around {instant}");
        WindowId { start: instant, end: later(instant, 1) }
    }

    fn number(self, date: Date) -> i64 {
        match self {
            Self::Days { origin, step } => {
                let days = date.duration_since(origin).as_hours() / 24;
                days.div_euclid(step)
            }
            Self::Months { step } => {
                (i64::from(date.year()) * 12 + i64::from(date.month()) - 1).div_euclid(step)
            }
        }
    }

    /// The instant at which a window of the grid begins: midnight there, or the first instant
    /// after a gap that swallows it. Beyond the calendar's ends, the last instant there is.
    fn boundary(self, number: i64, zone: &Zone) -> Timestamp {
        let from = number.saturating_mul(match self {
            Self::Days { step, .. } | Self::Months { step } => step,
        });
        let (origin, span) = match self {
            Self::Days { origin, .. } => (origin, Span::new().try_days(from)),
            Self::Months { .. } => (MONTH_ZERO, Span::new().try_months(from)),
        };
        let date = span.and_then(|span| origin.checked_add(span));
        let midnight = date.and_then(|date| date.to_zoned(zone.0.clone()));
        let end = if number < 0 { Timestamp::MIN } else { Timestamp::MAX };
        midnight.map_or(end, |zoned| zoned.timestamp())
    }
}

/// Rounded down, also before 1970, where jiff's own rounds towards it.
fn ms_of(instant: Timestamp) -> i64 {
    // Not of all nanoseconds, whose division takes 128 bits: this runs several times per call.
    instant.as_second() * 1_000 + i64::from(instant.subsec_nanosecond()).div_euclid(1_000_000)
}

fn at_ms(ms: i64) -> Timestamp {
    let end = if ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(ms).unwrap_or(end)
}

fn later(instant: Timestamp, seconds: i64) -> Timestamp {
    instant.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
