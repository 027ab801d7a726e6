//! What a job costs, as data: `10 credits/minute + 5 credits/minute per target language`.
//!
//! ```text
//! formula  = term { "+" term } [ ", at least " amount ] [ ", at most " amount ]
//! term     = amount { ( "/" | "per" ) quantity }          (each quantity at most once)
//! amount   = decimal ( "credit" | "credits" )
//! quantity = [ "started" | "full" | "exact" ] [ number ] word { word }
//! ```
//!
//! A term is its amount times each of its quantities; one without any is a flat fee. Each quantity
//! says how a broken count of it is rounded: *started* ones count (so it is unless it is said),
//! only *full* ones do, or it is counted *exact*, and then the term is rounded up once to the
//! smallest piece of a credit. `1 credit per 1000 token` counts thousands.
//!
//! A quantity is named by all its words (`target language`), or by the last of them where no other
//! quantity of the formula ends in it (`language`). Every quantity must be given, once, and no
//! other: a name that is mistyped is an error and not a free job.

mod evaluate;
mod read;

use std::fmt;
use std::num::NonZeroU64;

use crate::Str;
use crate::money::Credits;

pub use evaluate::{Count, NotPriced};
pub use read::NotFormula;

/// Terms of one formula, and quantities of one term: more than anyone can explain to who pays.
pub const TERMS_MAX: usize = 32;
/// Bytes of a formula's text.
pub const TEXT_MAX: usize = 2_048;

/// A price as a sum of terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// What is added up; at least one.
    terms: Vec<Term>,
    /// The least that is charged, also for nothing.
    at_least: Option<Credits>,
    /// The most that is charged.
    at_most: Option<Credits>,
}

/// So much for each of so many things.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    amount: Credits,
    factors: Vec<Factor>,
}

/// One of the quantities that a term is multiplied by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Factor {
    rounding: Rounding,
    /// How many of them count as one.
    block: NonZeroU64,
    /// Its words, with one blank between.
    name: Str,
}

/// What a broken count counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rounding {
    /// Each that is begun.
    #[default]
    Started,
    /// Each that is whole.
    Full,
    /// Its share.
    Exact,
}

impl Rounding {
    const ALL: [Self; 3] = [Self::Started, Self::Full, Self::Exact];

    const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Full => "full",
            Self::Exact => "exact",
        }
    }
}

impl Formula {
    /// The names of the quantities that it asks for, each once.
    pub fn quantities(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for factor in self.terms.iter().flat_map(|term| &term.factors) {
            if !names.contains(&&*factor.name) {
                names.push(&*factor.name);
            }
        }
        names
    }
}

impl std::str::FromStr for Formula {
    type Err = NotFormula;

    fn from_str(text: &str) -> Result<Self, NotFormula> {
        read::formula(text)
    }
}

impl fmt::Display for Formula {
    /// The formula as it is read back: the same one, in one way of writing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.terms.iter().enumerate() {
            if at > 0 {
                f.write_str(" + ")?;
            }
            write!(f, "{term}")?;
        }
        for (word, amount) in [("least", self.at_least), ("most", self.at_most)] {
            if let Some(amount) = amount {
                write!(f, ", at {word} {}", Priced(amount))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Priced(self.amount))?;
        for (at, factor) in self.factors.iter().enumerate() {
            write!(f, "{}{factor}", if at == 0 { "/" } else { " per " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rounding != Rounding::default() {
            write!(f, "{} ", self.rounding.word())?;
        }
        if self.block.get() != 1 {
            write!(f, "{} ", self.block)?;
        }
        f.write_str(&self.name)
    }
}

/// An amount with its unit.
struct Priced(Credits);

impl fmt::Display for Priced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.0 == Credits(1_000_000);
        write!(f, "{} credit{}", self.0, if one { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests;
