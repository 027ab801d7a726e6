//! What a call to a model costs in credits: a [`Formula`] over what the call used.
//!
//! ```text
//! 1 credit/call + 2 credits per exact 1000 input tokens + 8 credits per exact 1000 output tokens
//! ```
//!
//! A quantity may be: `call`, `token` (all of them), `input token`, `fresh token` (read, and not from
//! a cache), `cached token`, `output token`, `image`, `search` (whatever is billed by the piece),
//! `second` and `minute` (of audio). Each may stand in the plural.
//!
//! A price never falls when more is used, so that the price of the bounds is the most that a call
//! can cost: what is set aside and what is charged come from one formula.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::formula::{Count, Formula, NotFormula};
use crate::Str;
use crate::money::{Bound, Credits, Unit};
use crate::usage::Usage;

/// What a call costs in credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    formula: Formula,
    /// What the formula asks for, by its own words.
    asks: Vec<(Str, Of)>,
}

/// What is counted of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Calls,
    Tokens,
    Input,
    Fresh,
    Cached,
    Output,
    Images,
    Pieces,
    Seconds,
    Minutes,
}

const WORDS: [(&str, Of); 10] = [
    ("call", Of::Calls),
    ("token", Of::Tokens),
    ("input token", Of::Input),
    ("fresh token", Of::Fresh),
    ("cached token", Of::Cached),
    ("output token", Of::Output),
    ("image", Of::Images),
    ("search", Of::Pieces),
    ("second", Of::Seconds),
    ("minute", Of::Minutes),
];

/// A text that is no price of calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTariff {
    /// It is no formula.
    #[error(transparent)]
    Formula(#[from] NotFormula),
    /// It asks for something that calls do not have.
    #[error(
        "a call has no {0}: write call, token, input token, fresh token, cached token, \
         output token, image, search, second or minute"
    )]
    Quantity(Str),
}

impl Tariff {
    /// What a call costs that used so much; nothing where nothing was used.
    pub fn price(&self, usage: &Usage) -> Credits {
        if usage.is_zero() {
            return Credits::ZERO;
        }
        self.evaluate(|of| match of {
            Of::Calls => 1.into(),
            Of::Tokens => usage.read_total().saturating_add(usage.written_total()).into(),
            Of::Input => usage.read_total().into(),
            Of::Fresh => usage.read_total().saturating_sub(usage.cache_read).into(),
            Of::Cached => usage.cache_read.into(),
            Of::Output => usage.written_total().into(),
            Of::Images => u64::from(usage.images).into(),
            Of::Pieces => u64::from(usage.calls).into(),
            Of::Seconds => Count::of(usage.audio_ms, SECOND),
            Of::Minutes => Count::of(usage.audio_ms, MINUTE),
        })
    }

    /// The most that a call can cost which stays within its bounds.
    pub fn most(&self, bound: &Bound) -> Credits {
        let (read, written) = (bound.input_tokens_max, bound.written_max());
        self.evaluate(|of| match of {
            Of::Calls => 1.into(),
            Of::Tokens => read.saturating_add(written).into(),
            Of::Input | Of::Fresh | Of::Cached => read.into(),
            Of::Output => written.into(),
            Of::Images => u64::from(bound.images_max).into(),
            Of::Pieces => u64::from(bound.calls_max).into(),
            Of::Seconds => Count::of(bound.audio_ms_max, SECOND),
            Of::Minutes => Count::of(bound.audio_ms_max, MINUTE),
        })
    }

    /// Everything that is asked for is given, so that only a sum beyond all bounds is left: nobody
    /// can afford it.
    fn evaluate(&self, count: impl Fn(Of) -> Count) -> Credits {
        let given = self.asks.iter().map(|(name, of)| (&**name, count(*of)));
        let given: SmallVec<[(&str, Count); 4]> = given.collect();
        self.formula.price(&given).unwrap_or(Credits::MAX)
    }
}

const SECOND: NonZeroU64 = NonZeroU64::new(1_000).unwrap();
const MINUTE: NonZeroU64 = NonZeroU64::new(60_000).unwrap();

impl FromStr for Tariff {
    type Err = NotTariff;

    fn from_str(text: &str) -> Result<Self, NotTariff> {
        let formula: Formula = text.parse()?;
        let mut asks = Vec::new();
        for name in formula.quantities() {
            let single = name.strip_suffix("es").filter(|word| *word == "search");
            let single = single.or_else(|| name.strip_suffix('s')).unwrap_or(name);
            let known = WORDS.iter().find(|(word, _)| *word == single);
            let (_, of) = known.ok_or_else(|| NotTariff::Quantity(Str::from(name)))?;
            asks.push((Str::from(name), *of));
        }
        Ok(Self { formula, asks })
    }
}

impl fmt::Display for Tariff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.formula, f)
    }
}

/// Prices of calls by the names that callers send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tariffs(Vec<(Str, Arc<Tariff>)>);

impl Tariffs {
    /// Prices of names and of patterns (`gpt-4o*`, `*`). The longest that fits a name is its price.
    pub fn new(tariffs: impl IntoIterator<Item = (Str, Tariff)>) -> Self {
        let all = tariffs.into_iter().map(|(name, tariff)| (name, Arc::new(tariff)));
        let mut all: Vec<_> = all.collect();
        // A name before the patterns that have it, and the longer pattern first.
        all.sort_by_key(|(name, _)| (name.ends_with('*'), usize::MAX - name.len()));
        Self(all)
    }

    /// What a model's calls cost; `None` is unknown, and no permission to call it for nothing.
    pub fn of(&self, model: &str) -> Option<&Arc<Tariff>> {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => model.starts_with(prefix),
            None => pattern == model,
        };
        self.0.iter().find(|(pattern, _)| fits(pattern)).map(|(_, tariff)| tariff)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Tariff)> {
        self.0.iter().map(|(name, tariff)| (name, &**tariff))
    }
}

#[cfg(test)]
mod tests;
