//! What people write for a limit, and what it means.
//!
//! ```text
//! limit    = quantity "/" period [ " rolling" | " calendar" ]
//! quantity = "$" decimal | count [ " requests" | " tokens" | " credits" ]
//! count    = decimal [ "K" | "M" | "B" ]
//! period   = [ number ] unit
//! unit     = "s" "second" | "m" "min" "minute" | "h" "hour" | "d" "day" | "w" "week"
//!          | "mo" "M" "month" | "Q" "quarter" | "y" "Y" "year"          (words also in plural)
//! ```
//!
//! One parser for three habits: words (`100/15minute`), the short forms of LiteLLM (`30d`, `1mo`)
//! and those of Bifrost (`1M`, `1Q`). A lone `m` is a minute and a lone `M` a month; no other
//! letter means two things.

use std::fmt;
use std::str::FromStr;

use super::window::{Mode, Window, Zone};
use crate::money::{Credits, Money, Unit, decimal};

/// So much in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// How much.
    pub quantity: Quantity,
    /// In how long.
    pub period: Period,
    /// Which stretches of that length count.
    pub mode: Mode,
}

/// How much of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantity {
    /// Calls.
    Requests(u64),
    /// Tokens, read and written.
    Tokens(u64),
    /// Money.
    Money(Money),
    /// App credits.
    Credits(Credits),
}

/// A length of time as the calendar has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    /// How many.
    pub count: u32,
    /// Of what.
    pub length: Length,
}

/// What a period is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks, from Monday.
    Week,
    /// Months.
    Month,
    /// Quarters.
    Quarter,
    /// Years.
    Year,
}

/// A text that is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotLimit {
    /// No quantity, or none that is exact.
    #[error("no amount: write 30, 1M tokens, $20 or 5 credits")]
    Quantity,
    /// No period.
    #[error("no period: write hour, 15minute, 7d, 1mo")]
    Period,
    /// Neither of the two modes, or one that the period cannot have.
    #[error("the period cannot be counted that way")]
    Mode,
}

/// Longer than any plan; keeps arithmetic far from the ends of the calendar.
const COUNT_MAX: u32 = 100_000;
const SECONDS_MAX: u64 = 100 * 366 * 86_400;

impl Period {
    /// Seconds, for the lengths that always have as many; a day of 24 hours.
    pub fn seconds(self) -> Option<u64> {
        let one = match self.length {
            Length::Second => 1,
            Length::Minute => 60,
            Length::Hour => 3_600,
            Length::Day => 86_400,
            Length::Week => 7 * 86_400,
            Length::Month | Length::Quarter | Length::Year => return None,
        };
        Some(one * u64::from(self.count))
    }

    /// Which stretches of counts count unless it is said: a single calendar unit means the calendar's,
    /// everything else any stretch of that length. `100/15minute` and `7d` roll, `$20/month` is
    /// the month on the wall.
    pub fn mode(self) -> Mode {
        match self.length {
            Length::Month | Length::Quarter | Length::Year => Mode::Calendar,
            Length::Day | Length::Week if self.count == 1 => Mode::Calendar,
            Length::Second | Length::Minute | Length::Hour | Length::Day | Length::Week => {
                Mode::Rolling
            }
        }
    }

    /// Whether it can be counted that way: a rolling month has no length.
    pub fn allows(self, mode: Mode) -> bool {
        match mode {
            Mode::Rolling => self.seconds().is_some(),
            Mode::Calendar => true,
        }
    }
}

impl Limit {
    /// The time it counts, in a time zone; `None` when it cannot be counted that way.
    pub fn window(&self, zone: &Zone) -> Option<Window> {
        if self.is_countable() { Window::new(self.period, self.mode, zone) } else { None }
    }

    /// Whether the mode suits quantity and period.
    pub fn is_countable(&self) -> bool {
        self.period.allows(self.mode) && (self.mode == Mode::Calendar || !self.quantity.is_paid())
    }

    /// Whether both count the same, up to where they end.
    pub fn counts_as(&self, other: &Self) -> bool {
        let same =
            std::mem::discriminant(&self.quantity) == std::mem::discriminant(&other.quantity);
        same && self.period == other.period && self.mode == other.mode
    }

    /// The one that ends first, of two that count the same.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        debug_assert!(self.counts_as(&other), "limits of two spans cannot be compared");
        if other.quantity < self.quantity { other } else { self }
    }

    /// The mode of a limit that names none.
    fn usual_mode(quantity: Quantity, period: Period) -> Mode {
        if quantity.is_paid() { Mode::Calendar } else { period.mode() }
    }
}

impl Quantity {
    /// Whether accounts count it and not counters. An account belongs to one window, so that such
    /// a limit never rolls: `$20/30d` are thirty days after thirty days.
    pub fn is_paid(self) -> bool {
        match self {
            Self::Money(_) | Self::Credits(_) => true,
            Self::Requests(_) | Self::Tokens(_) => false,
        }
    }
}

impl FromStr for Limit {
    type Err = NotLimit;

    fn from_str(text: &str) -> Result<Self, NotLimit> {
        let (quantity, rest) = text.trim().split_once('/').ok_or(NotLimit::Period)?;
        let quantity: Quantity = quantity.trim().parse()?;
        let (period, mode) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        let period: Period = period.parse()?;
        let mode = match mode.trim() {
            "" => Self::usual_mode(quantity, period),
            "rolling" => Mode::Rolling,
            "calendar" => Mode::Calendar,
            _ => return Err(NotLimit::Mode),
        };
        let limit = Self { quantity, period, mode };
        if limit.is_countable() { Ok(limit) } else { Err(NotLimit::Mode) }
    }
}

impl Limit {
    /// What is counted, without how much of it: `$/month`, `tokens/day rolling`. Limits of one span
    /// count the same, and differ only in where they end.
    pub fn span(&self) -> String {
        let of = match self.quantity {
            Quantity::Requests(_) => "requests",
            Quantity::Tokens(_) => "tokens",
            Quantity::Money(_) => "$",
            Quantity::Credits(_) => "credits",
        };
        let mode = match self.mode {
            mode if mode == Self::usual_mode(self.quantity, self.period) => "",
            Mode::Rolling => " rolling",
            Mode::Calendar => " calendar",
        };
        format!("{of}/{}{mode}", self.period)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.quantity, self.period)?;
        match self.mode {
            mode if mode == Self::usual_mode(self.quantity, self.period) => Ok(()),
            Mode::Rolling => f.write_str(" rolling"),
            Mode::Calendar => f.write_str(" calendar"),
        }
    }
}

impl FromStr for Quantity {
    type Err = NotLimit;

    fn from_str(text: &str) -> Result<Self, NotLimit> {
        if let Some(dollars) = text.strip_prefix('$') {
            return dollars.parse().map(Self::Money).map_err(|_| NotLimit::Quantity);
        }
        let (count, of) = text.split_once(' ').unwrap_or((text, ""));
        match of.trim() {
            "" | "request" | "requests" => scaled(count, 0).map(Self::Requests),
            "token" | "tokens" => scaled(count, 0).map(Self::Tokens),
            "credit" | "credits" => {
                let pieces = i64::try_from(scaled(count, Credits::PLACES)?);
                pieces.map(|p| Self::Credits(Credits(p))).map_err(|_| NotLimit::Quantity)
            }
            _ => Err(NotLimit::Quantity),
        }
    }
}

/// Reads `1.5M` as so many pieces of 10^-places, exactly or not at all.
fn scaled(text: &str, places: u32) -> Result<u64, NotLimit> {
    let (digits, zeros) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 3),
        Some('M') => (&text[..text.len() - 1], 6),
        Some('B' | 'G') => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    decimal::read(digits, places + zeros).map_err(|_| NotLimit::Quantity)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requests(n) => write!(f, "{n}"),
            Self::Tokens(n) => write!(f, "{n} tokens"),
            Self::Money(amount) => write!(f, "${amount}"),
            Self::Credits(amount) => write!(f, "{amount} credits"),
        }
    }
}

impl FromStr for Period {
    type Err = NotLimit;

    fn from_str(text: &str) -> Result<Self, NotLimit> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let count = if count.is_empty() { Ok(1) } else { count.parse() };
        let count: u32 = count.map_err(|_| NotLimit::Period)?;
        let length = length(unit).ok_or(NotLimit::Period)?;
        let period = Self { count, length };
        let long = period.seconds().is_some_and(|s| s > SECONDS_MAX);
        if count == 0 || count > COUNT_MAX || long || (digits > 0 && text.starts_with('0')) {
            return Err(NotLimit::Period);
        }
        Ok(period)
    }
}

fn length(unit: &str) -> Option<Length> {
    Some(match unit {
        "s" | "sec" | "second" | "seconds" => Length::Second,
        "m" | "min" | "minute" | "minutes" => Length::Minute,
        "h" | "hour" | "hours" => Length::Hour,
        "d" | "day" | "days" => Length::Day,
        "w" | "week" | "weeks" => Length::Week,
        "mo" | "M" | "month" | "months" => Length::Month,
        "q" | "Q" | "quarter" | "quarters" => Length::Quarter,
        "y" | "Y" | "year" | "years" => Length::Year,
        _ => return None,
    })
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count != 1 {
            write!(f, "{}", self.count)?;
        }
        f.write_str(match self.length {
            Length::Second => "second",
            Length::Minute => "minute",
            Length::Hour => "hour",
            Length::Day => "day",
            Length::Week => "week",
            Length::Month => "month",
            Length::Quarter => "quarter",
            Length::Year => "year",
        })
    }
}
