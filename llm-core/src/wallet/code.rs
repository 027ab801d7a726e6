//! Codes that are worth something to whoever types them in.
//!
//! A [`Code`] is 120 random bits in Crockford's base 32 with his check character, so that a
//! mistyped or swapped letter is told from a code that does not exist. It is shown once and kept
//! only as a [`CodeHash`] under a pepper: who reads the store can redeem nothing. An [`Offer`] says
//! what a code is worth and how often; it is bound to nobody.

use std::fmt;

use jiff::Timestamp;

use super::{Grant, Source};
use crate::Str;
use crate::money::{Credits, Unit};
use crate::secret::Secret;

/// Random bytes of a code.
pub const CODE_BYTES: usize = 15;
/// Characters of a code, its check character included.
pub const CODE_CHARS: usize = DATA_CHARS + 1;
const DATA_CHARS: usize = CODE_BYTES * 8 / BITS;
const BITS: usize = 5;
/// Characters between two hyphens.
const GROUP: usize = 5;
/// Longer texts are no code; whoever types blanks and hyphens between all characters fits.
const TYPED_MAX: usize = 4 * CODE_CHARS;
/// The digits, and what only the last character may be.
const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
const CHECK: u128 = 37;
const DIGITS: u128 = 32;

/// A code in the clear. `Display` prints it in groups; `Debug` says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code(Secret<[u8; CODE_BYTES]>);

/// A text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCode {
    /// A character that no code has.
    #[error("character {0} is in no code")]
    Character(usize),
    /// Too few or too many characters.
    #[error("a code has {CODE_CHARS} letters and digits")]
    Length,
    /// The check character does not fit: something is mistyped.
    #[error("the code is mistyped")]
    Check,
}

impl Code {
    /// The code that random bytes make. They must be unpredictable.
    pub fn new(random: [u8; CODE_BYTES]) -> Self {
        Self(Secret::new(random))
    }

    /// What a store keeps.
    pub fn hash(&self, pepper: &Pepper) -> CodeHash {
        let mut hasher = blake3::Hasher::new_keyed(pepper.0.expose());
        // Whatever else the same pepper may hash, it is not a code.
        hasher.update(b"redemption code\0").update(self.0.expose());
        CodeHash(*hasher.finalize().as_bytes())
    }

    fn number(&self) -> u128 {
        self.0.expose().iter().fold(0, |n, byte| n << 8 | u128::from(*byte))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        let digit = |at: usize| number >> (BITS * (DATA_CHARS - 1 - at)) & (DIGITS - 1);
        let values = (0..DATA_CHARS).map(digit).chain([number % CHECK]);
        for (at, value) in values.enumerate() {
            if at > 0 && at % GROUP == 0 {
                f.write_str("-")?;
            }
            let letter = usize::try_from(value).ok().and_then(|v| ALPHABET.get(v));
            write!(f, "{}", char::from(*letter.unwrap_or(&b'0')))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Code {
    type Err = NotCode;

    /// Reads what people type: either case, `O` for 0, `I` and `L` for 1, hyphens, dashes and
    /// blanks anywhere.
    fn from_str(text: &str) -> Result<Self, NotCode> {
        if text.len() > TYPED_MAX {
            return Err(NotCode::Length);
        }
        let (mut number, mut read, mut check) = (0u128, 0, 0);
        for (at, letter) in text.chars().enumerate() {
            // Text programs make dashes of hyphens.
            if letter.is_whitespace() || matches!(letter, '-' | '_' | '\u{2010}'..='\u{2015}') {
                continue;
            }
            let value = value(letter).ok_or(NotCode::Character(at + 1))?;
            if read < DATA_CHARS {
                if value >= DIGITS {
                    return Err(NotCode::Character(at + 1));
                }
                number = number << BITS | value;
            }
            check = value;
            read += 1;
        }
        if read != CODE_CHARS {
            return Err(NotCode::Length);
        }
        if number % CHECK != check {
            return Err(NotCode::Check);
        }
        let mut bytes = [0; CODE_BYTES];
        bytes.copy_from_slice(&number.to_be_bytes()[16 - CODE_BYTES..]);
        Ok(Self::new(bytes))
    }
}

fn value(letter: char) -> Option<u128> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = ALPHABET.iter().position(|l| char::from(*l) == letter)?;
    u128::try_from(at).ok()
}

/// What is mixed into every hash and kept apart from the store.
#[derive(Clone, Debug)]
pub struct Pepper(Secret<[u8; 32]>);

/// A pepper of nothing but zeros, as an unset one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pepper is empty: generate 32 random bytes")]
pub struct NoPepper;

impl Pepper {
    /// A pepper, unless it is none.
    pub fn new(bytes: [u8; 32]) -> Result<Self, NoPepper> {
        if bytes == [0; 32] { Err(NoPepper) } else { Ok(Self(Secret::new(bytes))) }
    }
}

/// A code as a store keeps it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeHash(pub [u8; 32]);

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a code is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<U: Unit = Credits> {
    /// How much each redemption grants.
    pub amount: U,
    /// How often it may be redeemed, by all wallets together.
    pub uses: u32,
    /// The first instant at which it cannot be redeemed any more.
    pub expires_at: Option<Timestamp>,
    /// When what it has granted ends.
    pub credits_until: Option<Timestamp>,
}

/// An offer and how often it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption<U: Unit = Credits> {
    /// The code.
    pub code: CodeHash,
    /// What it is worth.
    pub offer: Offer<U>,
    /// How often it was redeemed.
    pub used: u32,
}

/// Why a code grants nothing. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedeemed {
    /// This wallet has had it.
    #[error("the code was redeemed with this wallet before")]
    Again,
    /// It grants nothing.
    #[error("the code is worth nothing")]
    Worthless,
    /// It has ended, or what it grants has.
    #[error("the code has expired")]
    Expired,
    /// Others were faster.
    #[error("the code is used up")]
    UsedUp,
}

impl<U: Unit> Redemption<U> {
    /// The event of its grants: where a wallet that had it keeps the receipt.
    pub fn event(&self) -> Str {
        Str::from(format!("redeem/{}", self.code))
    }

    /// Redeems once for a wallet that may have done so before. Whoever stores this keeps, in the
    /// same transaction, that this wallet has; the event of the grant sees to it a second time.
    pub fn redeem(&mut self, had_it: bool, now: Timestamp) -> Result<Grant<U>, NotRedeemed> {
        if had_it {
            return Err(NotRedeemed::Again);
        }
        let Offer { amount, uses, expires_at, credits_until } = self.offer;
        if amount <= U::ZERO {
            return Err(NotRedeemed::Worthless);
        }
        if [expires_at, credits_until].iter().any(|end| super::is_over(*end, now)) {
            return Err(NotRedeemed::Expired);
        }
        if self.used >= uses {
            return Err(NotRedeemed::UsedUp);
        }
        self.used = self.used.saturating_add(1);
        let (event, source) = (self.event(), Source::Redeemed);
        Ok(Grant { event, amount, source, expires_at: credits_until })
    }
}

#[cfg(test)]
mod tests;
