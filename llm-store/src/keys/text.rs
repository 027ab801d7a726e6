//! How a key is written: `sk-gw-`, 43 letters and digits, 6 to check them.
//!
//! `sk-` is what clients and scanners for leaked keys look for; `gw-` tells ours from a provider's
//! key that somebody sends here by mistake. Letters and digits alone, since a double click selects
//! them all and no shell, header or URL minds them. The last six are a CRC-32 of the rest: any
//! slip within four neighbouring characters is told from an unknown key without asking a store,
//! any other but for one in four thousand million. It keeps nobody out who means harm; what does
//! are the 256 bits.

use std::fmt;

use llm_core::Str;
use llm_core::secret::Secret;
use zeroize::Zeroize;

/// How our keys begin.
pub const KEY_PREFIX: &str = "sk-gw-";
/// Random bytes of a key.
const RANDOM_BYTES: usize = 32;
/// Digits that 256 bits take.
const BODY_CHARS: usize = 43;
/// Digits that 32 bits take.
const CHECK_CHARS: usize = 6;
const KEY_CHARS: usize = KEY_PREFIX.len() + BODY_CHARS + CHECK_CHARS;
/// Characters behind the prefix that lists show: enough to tell a person's keys apart, and 232 bits
/// are left to guess.
const LABEL_CHARS: usize = 4;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE: u16 = 62;

/// A key in the clear. It has neither `Display` nor `Serialize`, and its `Debug` says nothing:
///
/// ```compile_fail,E0277
/// let key = llm_store::keys::VirtualKey::new([7; 32]);
/// println!("{key}");
/// ```
///
/// ```compile_fail,E0599
/// let key = llm_store::keys::VirtualKey::new([7; 32]);
/// let text = key.to_string();
/// ```
///
/// ```compile_fail,E0277
/// fn write<T: serde::Serialize>(_: &T) {}
/// write(&llm_store::keys::VirtualKey::new([7; 32]));
/// ```
///
/// What does not compile above does with anything else:
///
/// ```
/// fn write<T: serde::Serialize>(_: &T) {}
/// let key = llm_store::keys::VirtualKey::new([7; 32]);
/// println!("{} {key:?}", key.label().to_string());
/// write(&"no secret");
/// ```
#[derive(Clone)]
pub struct VirtualKey(Secret<String>);

/// A text that is none of our keys. It never quotes what it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotKey {
    /// It begins otherwise: a provider's key, or a token of another kind.
    #[error("this is no key of this gateway")]
    Foreign,
    /// It begins like one of ours, and is cut or has something glued to it.
    #[error("the key is not complete")]
    Length,
    /// It begins like one of ours, and a character is wrong.
    #[error("the key is mistyped")]
    Check,
}

impl VirtualKey {
    /// The key that random bytes make. They must come from the system's own source: the `Entropy`
    /// seam is for ids and jitter, and may be seeded.
    pub fn new(mut random: [u8; RANDOM_BYTES]) -> Self {
        // Sized ahead: a string that grows leaves copies of itself behind.
        let mut text = String::with_capacity(KEY_CHARS);
        text.push_str(KEY_PREFIX);
        text.extend(digits::<BODY_CHARS>(&mut random));
        let check = crc32fast::hash(text.as_bytes());
        text.extend(digits::<CHECK_CHARS>(&mut check.to_be_bytes()));
        random.zeroize();
        Self(Secret::new(text))
    }

    /// The text, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What lists show of it.
    pub fn label(&self) -> Str {
        let shown = self.expose().get(..KEY_PREFIX.len() + LABEL_CHARS).unwrap_or(KEY_PREFIX);
        Str::from(format!("{shown}…"))
    }
}

impl fmt::Debug for VirtualKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VirtualKey(…)")
    }
}

/// Whether a text may be a key of ours; whether there is such a key only a store can say.
///
/// Ours are all that begin with [`KEY_PREFIX`]: keys that operators bring along are looked up
/// first, or are [`NotKey::Foreign`].
pub fn check(text: &str) -> Result<(), NotKey> {
    let body = text.strip_prefix(KEY_PREFIX).ok_or(NotKey::Foreign)?;
    if text.len() != KEY_CHARS {
        return Err(NotKey::Length);
    }
    let (data, check) = body.split_at_checked(BODY_CHARS).ok_or(NotKey::Check)?;
    if !data.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(NotKey::Check);
    }
    let signed = &text.as_bytes()[..KEY_PREFIX.len() + BODY_CHARS];
    let mut sum = crc32fast::hash(signed).to_be_bytes();
    let right = digits::<CHECK_CHARS>(&mut sum).into_iter().eq(check.chars());
    if right { Ok(()) } else { Err(NotKey::Check) }
}

/// A number in base 62, the greatest digit first. The number is used up.
fn digits<const N: usize>(number: &mut [u8]) -> [char; N] {
    let mut out = ['0'; N];
    for place in out.iter_mut().rev() {
        let mut rest: u16 = 0;
        for byte in number.iter_mut() {
            let value = rest << 8 | u16::from(*byte);
            // Below 256, since `rest` is below the base.
            *byte = u8::try_from(value / BASE).unwrap_or(u8::MAX);
            rest = value % BASE;
        }
        *place = char::from(DIGITS[usize::from(rest)]);
    }
    out
}
