//! What a model asks for, and how a class of tokens without a price of its own gets one.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use super::{Money, NotDecimal, decimal};
use crate::usage::TokenKind;

/// Nano-dollars for a million tokens: $0.0375 is 37,500,000, exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// The nano-dollars.
    pub nanos_per_mtok: u64,
}

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self { nanos_per_mtok: 0 };
}

impl FromStr for Rate {
    type Err = NotDecimal;

    /// Reads dollars per million tokens: `0.15`.
    fn from_str(text: &str) -> Result<Self, NotDecimal> {
        decimal::read(text, 9).map(|nanos_per_mtok| Self { nanos_per_mtok })
    }
}

impl fmt::Display for Rate {
    /// Dollars per million tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal::write(f, self.nanos_per_mtok.into(), 9)
    }
}

/// A factor on a whole price: a regional uplift of 11/10, a batch at 1/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    /// Above the line.
    pub numerator: u32,
    /// Below the line.
    pub denominator: NonZeroU32,
}

impl Ratio {
    /// As listed.
    pub const ONE: Self = Self { numerator: 1, denominator: NonZeroU32::MIN };
}

impl Default for Ratio {
    fn default() -> Self {
        Self::ONE
    }
}

/// What a call to a model costs. Every class of tokens has a rate: that a class has no price of its
/// own was decided when the price was made ([`Listed`]), not when somebody must pay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// By [`TokenKind`].
    pub rates: [Rate; TokenKind::COUNT],
    /// For each thing billed by the piece: a rerank search, a use of a server tool.
    pub per_call: Money,
    /// For each image made.
    pub per_image: Money,
    /// For each second of audio, billed to the millisecond.
    pub per_audio_second: Money,
    /// Rates of long prompts, in any order.
    pub tiers: Vec<Tier>,
    /// On everything above.
    pub multiplier: Ratio,
}

/// Rates for the whole call, once what it reads in total exceeds a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The largest total input that does not pay these rates.
    pub above: u64,
    /// By [`TokenKind`].
    pub rates: [Rate; TokenKind::COUNT],
}

impl Price {
    /// Costs nothing, and somebody said so.
    pub const FREE: Self = Self {
        rates: [Rate::ZERO; TokenKind::COUNT],
        per_call: Money(0),
        per_image: Money(0),
        per_audio_second: Money(0),
        tiers: Vec::new(),
        multiplier: Ratio::ONE,
    };

    /// Whether no usage whatever costs anything.
    pub fn is_free(&self) -> bool {
        let zero = |rates: &[Rate]| rates.iter().all(|r| *r == Rate::ZERO);
        let pieces = [self.per_call, self.per_image, self.per_audio_second];
        self.multiplier.numerator == 0
            || (zero(&self.rates)
                && self.tiers.iter().all(|t| zero(&t.rates))
                && pieces.iter().all(|m| *m == Money(0)))
    }

    /// The rates of a call that reads `input_total`.
    pub fn rates_at(&self, input_total: u64) -> &[Rate; TokenKind::COUNT] {
        let reached = self.tiers.iter().filter(|t| t.above < input_total);
        reached.max_by_key(|t| t.above).map_or(&self.rates, |t| &t.rates)
    }
}

/// A price as a provider lists it: only what it lists.
///
/// [`Listed::price`] gives every other class a rate, by these rules and no others:
///
/// - what is read, from a cache, into a cache or as audio, costs what input costs;
/// - a cache write for an hour costs what a short one costs;
/// - what is written, as reasoning or as audio, costs what output costs;
/// - a tier never charges a class less than that class costs below the tier, unless it lists it.
///
/// So a provider that does not list a class is taken to bill it as plain tokens, which is what all
/// five do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Own rates, by [`TokenKind`].
    pub rates: [Option<Rate>; TokenKind::COUNT],
    /// See [`Price::per_call`].
    pub per_call: Money,
    /// See [`Price::per_image`].
    pub per_image: Money,
    /// See [`Price::per_audio_second`].
    pub per_audio_second: Money,
    /// Own rates of long prompts.
    pub tiers: Vec<(u64, [Option<Rate>; TokenKind::COUNT])>,
    /// See [`Price::multiplier`].
    pub multiplier: Ratio,
}

/// A price that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPrice {
    /// No such class or piece.
    #[error("nothing is priced under that name")]
    Unknown,
    /// The amount.
    #[error(transparent)]
    Amount(#[from] NotDecimal),
    /// The threshold of a tier, or the list behind it.
    #[error("a tier is written THRESHOLD:class=amount,…")]
    Tier,
}

impl Listed {
    /// Sets one line of a price: `input`, `cache_read`, `cache_write`, `cache_write_1h`, `output`,
    /// `reasoning`, `audio_in`, `audio_out` in dollars per million tokens; `per_call`, `per_image`,
    /// `per_audio_second` in dollars; `tier` as `200000:input=2.5,output=15`.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), NotPrice> {
        match name {
            "per_call" => self.per_call = value.parse()?,
            "per_image" => self.per_image = value.parse()?,
            "per_audio_second" => self.per_audio_second = value.parse()?,
            "tier" => self.tiers.push(tier(value)?),
            class => {
                let kind = TokenKind::parse(class).ok_or(NotPrice::Unknown)?;
                self.rates[kind as usize] = Some(value.parse()?);
            }
        }
        Ok(())
    }

    /// Whether nothing at all is listed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The price, with a rate for every class.
    pub fn price(&self) -> Price {
        let rates = fill(&self.rates);
        let tiers = self.tiers.iter().map(|(above, own)| {
            let mut filled = fill(own);
            for kind in TokenKind::ALL {
                let (own, base) = (own[kind as usize], rates[kind as usize]);
                filled[kind as usize] = own.unwrap_or(filled[kind as usize].max(base));
            }
            Tier { above: *above, rates: filled }
        });
        Price {
            rates,
            per_call: self.per_call,
            per_image: self.per_image,
            per_audio_second: self.per_audio_second,
            tiers: tiers.collect(),
            multiplier: self.multiplier,
        }
    }
}

fn tier(text: &str) -> Result<(u64, [Option<Rate>; TokenKind::COUNT]), NotPrice> {
    let (above, list) = text.split_once(':').ok_or(NotPrice::Tier)?;
    let above = above.parse().map_err(|_| NotPrice::Tier)?;
    let mut rates = [None; TokenKind::COUNT];
    for line in list.split(',') {
        let (class, amount) = line.split_once('=').ok_or(NotPrice::Tier)?;
        let kind = TokenKind::parse(class).ok_or(NotPrice::Unknown)?;
        rates[kind as usize] = Some(amount.parse()?);
    }
    Ok((above, rates))
}

/// The rules of [`Listed`] as code: what a class without a price of its own costs.
fn fill(own: &[Option<Rate>; TokenKind::COUNT]) -> [Rate; TokenKind::COUNT] {
    TokenKind::ALL.map(|kind| {
        let mut at = kind;
        loop {
            match (own[at as usize], stand_in(at)) {
                (Some(rate), _) => return rate,
                (None, Some(next)) => at = next,
                (None, None) => return Rate::ZERO,
            }
        }
    })
}

fn stand_in(kind: TokenKind) -> Option<TokenKind> {
    match kind {
        TokenKind::Input | TokenKind::Output => None,
        TokenKind::CacheRead | TokenKind::CacheWrite | TokenKind::AudioIn => Some(TokenKind::Input),
        TokenKind::CacheWrite1h => Some(TokenKind::CacheWrite),
        TokenKind::Reasoning | TokenKind::AudioOut => Some(TokenKind::Output),
    }
}
