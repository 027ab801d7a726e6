//! JSON that is kept as it was written.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::Str;

/// One JSON value as its writer spelled it: a slice of the body it came from.
///
/// Key order, white space, `0.70` and 23-digit integers survive, because nobody ever turns the
/// text into a tree. Whoever makes one vouches that the text is one valid JSON value; codecs do so
/// by taking it from a parser that has just passed over it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Raw(Str);

impl Raw {
    /// Wraps text that a JSON parser has already passed over.
    pub fn from_parsed(text: Str) -> Self {
        debug_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "not JSON");
        Self(text)
    }

    /// Checks the text and wraps it.
    pub fn parse(text: impl Into<Str>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self(text))
    }

    /// Writes a value as JSON. Fails only where the value's own `Serialize` does.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|s| Self(s.into()))
    }

    /// The text, as written.
    pub fn get(&self) -> &str {
        &self.0
    }

    /// The text as shared bytes.
    pub fn text(&self) -> &Str {
        &self.0
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        self.get() == "null"
    }
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({})", self.get())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // `RawValue` is the only door through which serde_json lets text pass unescaped.
        let value: &serde_json::value::RawValue =
            serde_json::from_str(self.get()).map_err(serde::ser::Error::custom)?;
        value.serialize(s)
    }
}

/// A number as written: `0.70` stays `0.70`, and no digit of a long integer is lost.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RawNumber(Str);

impl RawNumber {
    /// Wraps the text of a JSON number; `None` when it is anything else.
    pub fn parse(text: impl Into<Str>) -> Option<Self> {
        let text = text.into();
        let first = *text.as_bytes().first()?;
        if first != b'-' && !first.is_ascii_digit() {
            return None;
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok().then_some(Self(text))
    }

    /// The text, as written.
    pub fn get(&self) -> &str {
        &self.0
    }

    /// The nearest double; infinite when the number is out of range.
    pub fn as_f64(&self) -> f64 {
        self.get().parse().unwrap_or(f64::INFINITY)
    }

    /// The value as an unsigned integer, when it is one (`3.0` is; `3.5` is not).
    pub fn as_u64(&self) -> Option<u64> {
        if let Ok(n) = self.get().parse() {
            return Some(n);
        }
        let f = self.as_f64();
        // 2^53: above it a double no longer names one integer.
        (f >= 0.0 && f.fract() == 0.0 && f < 9_007_199_254_740_992.0).then_some(f as u64)
    }
}

impl From<u64> for RawNumber {
    fn from(n: u64) -> Self {
        Self(n.to_string().into())
    }
}

impl From<i64> for RawNumber {
    fn from(n: i64) -> Self {
        Self(n.to_string().into())
    }
}

impl fmt::Debug for RawNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl fmt::Display for RawNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}
