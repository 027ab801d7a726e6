//! Text inside a frame of a stream.

use std::borrow::Cow;

use llm_core::Str;
use serde::Deserialize;

/// Text that is a slice of its frame unless it has escapes. A type of its own, because serde lets
/// an `Option<Cow<str>>` own what it could borrow.
#[derive(Clone, Debug, Deserialize)]
pub struct Piece<'a>(#[serde(borrow)] Cow<'a, str>);

impl Piece<'_> {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, sharing the bytes of the frame it was read from.
    pub fn of(self, frame: &Str) -> Str {
        match self.0 {
            Cow::Borrowed(text) => frame.slice_ref(text),
            Cow::Owned(text) => text.into(),
        }
    }
}
