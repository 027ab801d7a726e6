//! What the frames of a stream look like: one struct for all kinds, because most of them are a
//! delta and a place, and reading the kind first would cost a second pass over each.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame, as far as anybody reads it. What only some frames have stays unread until its kind is
/// known.
#[derive(Debug, Deserialize)]
pub(super) struct Frame<'a> {
    /// `response.…`
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
    /// Which item.
    pub(super) output_index: Option<u32>,
    /// Which piece of a message, or text of a thought.
    pub(super) content_index: Option<u32>,
    /// Which text of a thought's summary.
    pub(super) summary_index: Option<u32>,
    /// What is new: a string, but for outputs of the provider's own tools.
    #[serde(borrow)]
    pub(super) delta: Option<&'a RawValue>,
    /// How sure the model is of it.
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
    /// An item, as it begins or as it ended.
    #[serde(borrow)]
    pub(super) item: Option<&'a RawValue>,
    /// A piece of a message, likewise.
    #[serde(borrow)]
    pub(super) part: Option<&'a RawValue>,
    /// Where a text comes from.
    #[serde(borrow)]
    pub(super) annotation: Option<&'a RawValue>,
    /// The whole response.
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
}

/// The kind of a piece of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Piece<'a> {
    /// `output_text`, `refusal` …
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
}
