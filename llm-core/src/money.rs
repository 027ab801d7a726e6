//! Money and credits: integers, and nothing else.
//!
//! [`Money`] counts billionths of a US dollar, [`Credits`] millionths of an app credit. Both follow
//! one set of rules ([`Unit`]), so that the ledger is written once; nothing converts one into the
//! other but a [`Price`]. There is no float here, not even in between: a decimal string becomes an
//! integer digit by digit, or is refused.
//!
//! What a call costs is [`cost()`]; what it can cost at the most is [`cost_max`]. They share their
//! arithmetic, because a hold that is computed otherwise than its settlement is an overdraft.

mod cost;
pub(crate) mod decimal;
mod price;

use std::fmt;

pub use cost::{Bound, Kinds, cost, cost_max};
pub use decimal::NotDecimal;
pub use price::{Listed, NotPrice, Price, Rate, Ratio, Tier};

/// What an account counts. Sealed: a third unit is a decision, not an `impl` somewhere.
pub trait Unit:
    sealed::Sealed + Copy + Ord + Default + fmt::Debug + fmt::Display + Send + Sync + 'static
{
    /// Nothing.
    const ZERO: Self;
    /// More than anyone has.
    const MAX: Self;
    /// Decimal places of the smallest piece.
    const PLACES: u32;
    /// The word for it in records.
    const NAME: &'static str;

    /// So many smallest pieces.
    fn from_pieces(pieces: i64) -> Self;
    /// How many smallest pieces.
    fn pieces(self) -> i64;

    /// The sum, unless it leaves the range.
    fn checked_add(self, other: Self) -> Option<Self> {
        self.pieces().checked_add(other.pieces()).map(Self::from_pieces)
    }

    /// The difference, unless it leaves the range. May be negative.
    fn checked_sub(self, other: Self) -> Option<Self> {
        self.pieces().checked_sub(other.pieces()).map(Self::from_pieces)
    }

    /// The sum, or the end of the range: a cost that large is unaffordable either way.
    #[must_use]
    fn saturating_add(self, other: Self) -> Self {
        Self::from_pieces(self.pieces().saturating_add(other.pieces()))
    }

    /// The difference, or the end of the range.
    #[must_use]
    fn saturating_sub(self, other: Self) -> Self {
        Self::from_pieces(self.pieces().saturating_sub(other.pieces()))
    }

    /// So many times as much, or the end of the range.
    #[must_use]
    fn saturating_mul(self, times: i64) -> Self {
        Self::from_pieces(self.pieces().saturating_mul(times))
    }

    /// Whether this is less than nothing.
    fn is_negative(self) -> bool {
        self.pieces() < 0
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident, $places:literal, $word:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl sealed::Sealed for $name {}

        impl Unit for $name {
            const ZERO: Self = Self(0);
            const MAX: Self = Self(i64::MAX);
            const PLACES: u32 = $places;
            const NAME: &'static str = $word;

            fn from_pieces(pieces: i64) -> Self {
                Self(pieces)
            }

            fn pieces(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            /// The exact decimal, without trailing zeros.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                decimal::write(f, self.0.into(), $places)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self} {}", $word)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NotDecimal;

            /// Reads an exact decimal; more places than the unit has are an error, not a rounding.
            fn from_str(text: &str) -> Result<Self, NotDecimal> {
                let pieces = decimal::read(text, $places)?;
                i64::try_from(pieces).map(Self).map_err(|_| NotDecimal::TooLarge)
            }
        }
    )+};
}

units! {
    /// Nano-dollars: billionths of a US dollar. Nine billion dollars fit.
    Money, 9, "USD";
    /// Micro-credits: millionths of an app credit.
    Credits, 6, "credits";
}

#[cfg(test)]
pub(crate) mod tests;
