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

    /// Checks the text and wraps it, white space around it off.
    pub fn parse(text: impl Into<Str>) -> Result<Self, serde_json::Error> {
        let text = text.into();
        serde_json::from_str::<serde::de::IgnoredAny>(&text)?;
        Ok(Self(text.slice_ref(text.trim_ascii())))
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
    /// Wraps the text of a JSON number; `None` when it is anything else, white space included:
    /// the text is written out as it is, and a line end in it would cut an event in two.
    pub fn parse(text: impl Into<Str>) -> Option<Self> {
        let text = text.into();
        let (first, last) = (*text.as_bytes().first()?, *text.as_bytes().last()?);
        if (first != b'-' && !first.is_ascii_digit()) || !last.is_ascii_digit() {
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
        Self::whole(self.get())
    }

    /// The same of text that a JSON parser has passed over as a number, without keeping it.
    pub fn whole(text: &str) -> Option<u64> {
        if let Ok(n) = text.parse() {
            return Some(n);
        }
        let f: f64 = text.parse().ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_value_is_no_part_of_it() {
        assert_eq!(Raw::parse(" null\n").unwrap().get(), "null");
        assert!(Raw::parse("\tnull ").unwrap().is_null());
        assert!(Raw::parse("").is_err() && Raw::parse("1 2").is_err());
    }

    #[test]
    fn a_number_is_a_number_and_nothing_else() {
        for text in ["", " 1", "1 ", "1\n", "-", "+1", "01", "1.", ".5", "1e", "0x1", "1,2", "NaN"]
        {
            assert_eq!(RawNumber::parse(text), None, "{text:?}");
        }
        let as_u64 = |text: &'static str| RawNumber::parse(text).unwrap().as_u64();
        assert_eq!(as_u64("18446744073709551615"), Some(u64::MAX));
        assert_eq!((as_u64("3.0"), as_u64("-0"), as_u64("1e3")), (Some(3), Some(0), Some(1000)));
        for text in ["18446744073709551616", "-1", "3.5", "1e400", "-1e400", "1e19"] {
            assert_eq!(as_u64(text), None, "{text}");
        }
    }
}
