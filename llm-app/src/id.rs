//! Names of what features keep: they sort by when it was made.

use std::fmt;
use std::str::FromStr;

use llm_core::store::StoreError;
use serde::{Serialize, Serializer};

/// The name of something that is kept: 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u128);

/// A text that names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 hexadecimal digits")]
pub struct NotId;

/// Digits of an id.
const DIGITS: usize = 32;

impl Id {
    /// As the database has it: in the order of the numbers.
    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let odd = |_| StoreError::Corrupt("an odd value of id".into());
        Ok(Self(u128::from_be_bytes(bytes.try_into().map_err(odd)?)))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Id {
    type Err = NotId;

    fn from_str(text: &str) -> Result<Self, NotId> {
        // One way to write it: what is kept under a name is found under that name alone.
        let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != DIGITS || !plain {
            return Err(NotId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotId)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u128) {
            let id = Id(number);
            prop_assert_eq!(id.to_string().parse::<Id>(), Ok(id));
            prop_assert_eq!(Id::read(&id.bytes()).unwrap(), id);
        }

        #[test]
        fn nothing_else_is_read(text in "\\PC{0,40}") {
            if let Ok(id) = text.parse::<Id>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
