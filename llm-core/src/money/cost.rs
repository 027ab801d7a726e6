//! What a call costs, and what it can cost at the most.

use super::{Money, Price, Rate, Unit};
use crate::usage::{TokenKind, Usage};

/// A rate counts nano-dollars for so many tokens; everything is summed in units of a nano-dollar
/// divided by this, and divided once.
const TOKENS_PER_RATE: u128 = 1_000_000;

/// Sum of everything used × its rate, divided once and rounded up once: the error is below one
/// nano-dollar a call, and in nobody's favour but the operator's. A usage beyond all bounds costs
/// [`Money::MAX`], which nobody can afford; nothing wraps.
pub fn cost(usage: &Usage, price: &Price) -> Money {
    let rates = price.rates_at(usage.read_total());
    let mut sum: u128 = 0;
    for kind in TokenKind::ALL {
        sum = sum.saturating_add(tokens(usage.tokens(kind), rates[kind as usize]));
    }
    let pieces = pieces(usage.calls, usage.images, usage.audio_ms, price);
    let amount = divide(sum.saturating_add(pieces), price);
    debug_assert!(amount >= Money::ZERO, "nobody is paid for calling");
    debug_assert!(!usage.is_zero() || amount == Money::ZERO, "nothing used, something charged");
    amount
}

/// The classes of tokens that a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// All of them: what must be assumed of a request that nobody read.
    pub const ALL: Self = Self(u8::MAX);

    /// All but one.
    #[must_use]
    pub fn without(self, kind: TokenKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }

    /// Whether a class is among them.
    pub fn has(self, kind: TokenKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self::ALL
    }
}

/// The most that a call may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Everything it reads, of all classes.
    pub input_tokens_max: u64,
    /// Everything one answer writes, of all classes.
    pub output_tokens_max: u64,
    /// How many answers; 0 means one, as in a request that does not say.
    pub candidates: u16,
    /// Images made.
    pub images_max: u32,
    /// Things billed by the piece.
    pub calls_max: u32,
    /// Audio billed by its length.
    pub audio_ms_max: u64,
    /// Which classes its tokens may be of.
    pub kinds: Kinds,
}

impl Bound {
    /// Everything that all answers together write.
    pub fn written_max(&self) -> u64 {
        self.output_tokens_max.saturating_mul(u64::from(self.candidates.max(1)))
    }

    /// Whether a usage stays within.
    pub fn allows(&self, usage: &Usage) -> bool {
        usage.read_total() <= self.input_tokens_max
            && usage.written_total() <= self.written_max()
            && usage.images <= self.images_max
            && usage.calls <= self.calls_max
            && usage.audio_ms <= self.audio_ms_max
            && TokenKind::ALL.iter().all(|k| self.kinds.has(*k) || usage.tokens(*k) == 0)
    }
}

/// The maximum of [`cost`] over every usage that the bound allows: in each tier that can be
/// reached, everything is of the dearest class. It is the maximum itself and not only a bound on
/// it, so that a hold refuses nobody who can pay.
pub fn cost_max(bound: &Bound, price: &Price) -> Money {
    let base = std::iter::once((None, &price.rates));
    let steps = base.chain(price.tiers.iter().map(|t| (Some(t.above), &t.rates)));
    let mut sum: u128 = 0;
    for (above, rates) in steps {
        let higher = price.tiers.iter().map(|t| t.above).filter(|a| Some(*a) > above);
        let read = bound.input_tokens_max.min(higher.min().unwrap_or(u64::MAX));
        if above.is_none_or(|above| read > above) {
            let read = tokens(read, dearest(rates, bound.kinds, TokenKind::is_read));
            let write = dearest(rates, bound.kinds, |k| !k.is_read());
            sum = sum.max(read.saturating_add(tokens(bound.written_max(), write)));
        }
    }
    let pieces = pieces(bound.calls_max, bound.images_max, bound.audio_ms_max, price);
    let amount = divide(sum.saturating_add(pieces), price);
    debug_assert!(amount >= Money::ZERO, "a hold gives no money away");
    debug_assert!(!price.is_free() || amount == Money::ZERO, "a free model needs no money");
    amount
}

fn dearest(rates: &[Rate], kinds: Kinds, side: impl Fn(TokenKind) -> bool) -> Rate {
    let among = TokenKind::ALL.into_iter().filter(|k| side(*k) && kinds.has(*k));
    among.map(|k| rates[k as usize]).max().unwrap_or(Rate::ZERO)
}

fn tokens(count: u64, rate: Rate) -> u128 {
    // The product of two 64-bit numbers fits 128 bits: only sums can leave the range.
    u128::from(count) * u128::from(rate.nanos_per_mtok)
}

/// What is not counted in tokens, in the same small units.
fn pieces(calls: u32, images: u32, audio_ms: u64, price: &Price) -> u128 {
    let nanos = |m: Money| u128::from(m.pieces().max(0).unsigned_abs());
    debug_assert!(price.per_call >= Money::ZERO && price.per_image >= Money::ZERO);
    debug_assert!(price.per_audio_second >= Money::ZERO);
    let whole = (u128::from(calls) * nanos(price.per_call))
        .saturating_add(u128::from(images) * nanos(price.per_image));
    let audio = u128::from(audio_ms) * nanos(price.per_audio_second);
    whole
        .saturating_mul(TOKENS_PER_RATE)
        .saturating_add(audio.saturating_mul(TOKENS_PER_RATE / 1000))
}

fn divide(sum: u128, price: &Price) -> Money {
    let ratio = price.multiplier;
    let above = sum.saturating_mul(u128::from(ratio.numerator));
    let below = TOKENS_PER_RATE * u128::from(ratio.denominator.get());
    Money(i64::try_from(above.div_ceil(below)).unwrap_or(i64::MAX))
}
