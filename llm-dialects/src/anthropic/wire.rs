//! Frames of a stream, as they stand in the bytes.
//!
//! One struct takes every kind of frame: the kinds differ in few fields, and a tagged enum would
//! buffer each frame. What is kept or rare stays raw.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A string that is a slice of the frame unless it has escapes. `Option<Cow<str>>` alone would
/// always copy.
#[derive(Debug, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A frame.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(rename = "type", borrow, default)]
    pub kind: Option<Text<'a>>,
    #[serde(default)]
    pub index: Option<u32>,
    #[serde(borrow, default)]
    pub delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub message: Option<&'a RawValue>,
}

/// What is new, of a block or (without a `type`) of the message.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", borrow, default)]
    pub kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub text: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub partial_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub citation: Option<&'a RawValue>,
}

impl Frame<'_> {
    /// The kind, or nothing.
    pub(super) fn kind(&self) -> &str {
        self.kind.as_ref().map_or("", |k| &k.0)
    }
}
