//! The header.

use http::{HeaderMap, Method};

use crate::Str;

/// The header's name.
pub const HEADER: &str = "idempotency-key";
/// The same, for clients whose proxies keep the other one to themselves.
pub const HEADER_OURS: &str = "x-gw-idempotency-key";
/// As long as other services allow; a UUID has 36.
pub const KEY_BYTES_MAX: usize = 255;

/// What a caller sends to name a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey(Str);

/// Why a header is no key. The caller's mistake; nothing was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdempotencyKey {
    /// Nothing in it.
    #[error("{HEADER} is empty")]
    Empty,
    /// Too much in it.
    #[error("{HEADER} has {KEY_BYTES_MAX} characters at the most")]
    Long,
    /// A blank, a control character, a quotation mark inside, or no ASCII.
    #[error("{HEADER} has a character that it must not have")]
    Character,
    /// More than one: nobody can say which was meant.
    #[error("{HEADER} was sent more than once")]
    Repeated,
}

impl IdempotencyKey {
    /// Reads a value: visible ASCII without quotation marks and backslashes. The standard's draft
    /// has it in quotation marks and most services do not: both are the same key.
    pub fn parse(value: &[u8]) -> Result<Self, NotIdempotencyKey> {
        let value = value.trim_ascii();
        let bare = match value {
            [b'"', inner @ .., b'"'] => inner,
            _ => value,
        };
        if bare.is_empty() {
            return Err(NotIdempotencyKey::Empty);
        }
        if bare.len() > KEY_BYTES_MAX {
            return Err(NotIdempotencyKey::Long);
        }
        let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
        match std::str::from_utf8(bare) {
            Ok(text) if bare.iter().all(plain) => Ok(Self(Str::from(text))),
            Ok(_) | Err(_) => Err(NotIdempotencyKey::Character),
        }
    }

    /// The key of a request; `None` where none was sent, and where the method needs none: asking
    /// twice with these is asking once by their own meaning.
    pub fn of(method: &Method, headers: &HeaderMap) -> Result<Option<Self>, NotIdempotencyKey> {
        if method.is_idempotent() {
            return Ok(None);
        }
        let mut values = headers.get_all(HEADER).iter().chain(headers.get_all(HEADER_OURS));
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(NotIdempotencyKey::Repeated);
        }
        Self::parse(value.as_bytes()).map(Some)
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
