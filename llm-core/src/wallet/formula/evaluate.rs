//! What a formula makes of quantities.

use std::num::NonZeroU64;

use super::{Factor, Formula, Rounding, Term};
use crate::Str;
use crate::money::{Credits, Unit};

/// How much there is of something, as an exact fraction: 700 seconds are `Count::of(700, 60)`
/// minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    parts: u64,
    per_whole: NonZeroU64,
}

impl Count {
    /// So many parts, so many of which are a whole.
    pub fn of(parts: u64, per_whole: NonZeroU64) -> Self {
        Self { parts, per_whole }
    }

    fn is_zero(self) -> bool {
        self.parts == 0
    }
}

impl From<u64> for Count {
    fn from(whole: u64) -> Self {
        Self { parts: whole, per_whole: NonZeroU64::MIN }
    }
}

/// Why a formula has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPriced {
    /// The formula asks for what was not given.
    #[error("the price needs to know how many: {0}")]
    Missing(Str),
    /// Something was given that the formula does not ask for.
    #[error("the price does not depend on: {name} (it asks for: {asks})")]
    Unknown {
        /// What was given.
        name: Str,
        /// What the formula asks for.
        asks: Str,
    },
    /// A short name that several quantities have.
    #[error("{name} may mean {one} or {other}")]
    Ambiguous {
        /// What was given.
        name: Str,
        /// What it may mean.
        one: Str,
        /// What else it may mean.
        other: Str,
    },
    /// The same quantity was given twice.
    #[error("given twice: {0}")]
    Twice(Str),
    /// More than can be paid.
    #[error("the price is out of range")]
    Range,
}

impl Formula {
    /// What so much costs.
    pub fn price(&self, given: &[(&str, Count)]) -> Result<Credits, NotPriced> {
        let names = self.quantities();
        let mut counts: Vec<Option<Count>> = vec![None; names.len()];
        for (name, count) in given {
            let at = find(&names, name)?;
            let place = counts.get_mut(at).ok_or(NotPriced::Range)?;
            if place.replace(*count).is_some() {
                return Err(NotPriced::Twice(Str::from(*name)));
            }
        }
        let known: Vec<(&str, Count)> = names
            .iter()
            .zip(counts)
            .map(|(name, count)| {
                count.map(|c| (*name, c)).ok_or_else(|| NotPriced::Missing(Str::from(*name)))
            })
            .collect::<Result<_, _>>()?;
        let mut sum = Credits::ZERO;
        for term in &self.terms {
            let part = term.price(&known).ok_or(NotPriced::Range)?;
            sum = sum.checked_add(part).ok_or(NotPriced::Range)?;
        }
        let least = sum.max(self.at_least.unwrap_or(sum));
        Ok(least.min(self.at_most.unwrap_or(least)))
    }
}

/// Which quantity a name means: all its words, or the last of them where that is no other's.
fn find(names: &[&str], name: &str) -> Result<usize, NotPriced> {
    if let Some(at) = names.iter().position(|n| *n == name) {
        return Ok(at);
    }
    let ends = |n: &&str| n.rsplit(' ').next() == Some(name);
    let mut found = names.iter().enumerate().filter(|(_, n)| ends(n));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (Some((_, one)), Some((_, other))) => {
            let (name, one, other) = (Str::from(name), Str::from(*one), Str::from(*other));
            Err(NotPriced::Ambiguous { name, one, other })
        }
        (None, _) => {
            let asks = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            Err(NotPriced::Unknown { name: Str::from(name), asks: Str::from(asks) })
        }
    }
}

impl Term {
    /// The term's amount; `None` when it leaves the range.
    fn price(&self, known: &[(&str, Count)]) -> Option<Credits> {
        let mut above = u128::try_from(self.amount.pieces()).ok()?;
        let mut below: u128 = 1;
        let mut shares = Vec::with_capacity(self.factors.len());
        for factor in &self.factors {
            let (_, count) = known.iter().find(|(name, _)| **name == *factor.name)?;
            shares.push(factor.share(*count));
        }
        // Nothing of one thing is nothing at all, however much there is of the others.
        if above == 0 || shares.iter().any(|(above, _)| *above == 0) {
            return Some(Credits::ZERO);
        }
        for (more, less) in shares {
            above = above.checked_mul(more)?;
            below = below.checked_mul(less)?;
        }
        i64::try_from(above.div_ceil(below)).ok().map(Credits)
    }
}

impl Factor {
    /// How often the amount is due, as a fraction.
    fn share(&self, count: Count) -> (u128, u128) {
        let parts = u128::from(count.parts);
        // The product of two 64-bit numbers fits.
        let whole = u128::from(count.per_whole.get()) * u128::from(self.block.get());
        match self.rounding {
            Rounding::Started => (parts.div_ceil(whole), 1),
            Rounding::Full => (parts / whole, 1),
            Rounding::Exact if count.is_zero() => (0, 1),
            Rounding::Exact => (parts, whole),
        }
    }
}
