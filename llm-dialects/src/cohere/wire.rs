//! What Cohere's stream frames look like, and how its several spellings are remembered.

use std::fmt;
use std::marker::PhantomData;

use llm_core::dialect::DialectId;
use serde::Deserialize;
use serde::de::{
    Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer,
};
use serde_json::value::RawValue;

use crate::json::piece::Piece;

/// The origin of everything that is kept for Cohere.
pub(super) const ID: DialectId = DialectId::Cohere;

/// Where fields of inner objects are kept among those of a request.
pub(super) const REQUEST_PLACES: [&str; 2] = ["response_format", "thinking"];
/// Where fields of a tool's or a tool call's function are kept.
pub(super) const FUNCTION: &str = "function";
/// Where fields of an answer's message are kept.
pub(super) const MESSAGE: &str = "message";

/// How a request or an answer was spelled.
pub(super) mod note {
    /// A request does not say `stream`, which means no.
    pub(in crate::cohere) const STREAM_UNSAID: u32 = 1;
    /// It has an empty list of documents.
    pub(in crate::cohere) const NO_DOCUMENTS: u32 = 1 << 1;
    /// It has an empty list of tools.
    pub(in crate::cohere) const NO_TOOLS: u32 = 1 << 2;
    /// It has an empty list of stop sequences.
    pub(in crate::cohere) const NO_STOP: u32 = 1 << 3;
    /// Its schema stands in `schema`, as it did in v1.
    pub(in crate::cohere) const SCHEMA_OLD: u32 = 1 << 4;
    /// It says `strict_tools`, and yes.
    pub(in crate::cohere) const STRICT: u32 = 1 << 5;

    /// A message has no content.
    pub(in crate::cohere) const CONTENT_UNSAID: u32 = 1 << 8;
    /// Its content is a list.
    pub(in crate::cohere) const CONTENT_LIST: u32 = 1 << 9;
    /// It has an empty list of tool calls.
    pub(in crate::cohere) const NO_CALLS: u32 = 1 << 10;
    /// It has an empty list of citations.
    pub(in crate::cohere) const NO_CITATIONS: u32 = 1 << 11;
    /// Its plan is the empty string.
    pub(in crate::cohere) const NO_PLAN: u32 = 1 << 12;
    /// An answer's message does not name its role.
    pub(in crate::cohere) const ROLE_UNSAID: u32 = 1 << 13;

    /// Reasoning is the plan for tools, and no content.
    pub(in crate::cohere) const PLAN: u32 = 1 << 16;
    /// Text is the data of a document.
    pub(in crate::cohere) const DOCUMENT: u32 = 1 << 17;
    /// Those are an object.
    pub(in crate::cohere) const DOCUMENT_OBJECT: u32 = 1 << 18;
    /// An image's address stands where an object with it should.
    pub(in crate::cohere) const URL_TEXT: u32 = 1 << 19;
    /// A tool call has no id; ours is made.
    pub(in crate::cohere) const ID_UNSAID: u32 = 1 << 20;
    /// It has no arguments.
    pub(in crate::cohere) const ARGUMENTS_UNSAID: u32 = 1 << 21;
    /// Its arguments are JSON and no text.
    pub(in crate::cohere) const ARGUMENTS_JSON: u32 = 1 << 22;
    /// Its arguments are the text `null`, which is nothing.
    pub(in crate::cohere) const ARGUMENTS_NULL: u32 = 1 << 27;
    /// A tool or a call does not say its type.
    pub(in crate::cohere) const TYPE_UNSAID: u32 = 1 << 23;

    /// Inputs stand in `images`.
    pub(in crate::cohere) const IMAGES: u32 = 1 << 24;
    /// Inputs stand in `inputs`.
    pub(in crate::cohere) const INPUTS: u32 = 1 << 25;
    /// Vectors are a list, not one for each number format.
    pub(in crate::cohere) const ONE_FORMAT: u32 = 1 << 26;
}

/// One event.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Piece<'a>>,
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
}

/// What it adds.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) message: Option<Said<'a>>,
}

/// The message it adds to. Inner members are objects here that are lists in whole answers.
#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow, default)]
    pub(super) content: Single<Content<'a>>,
    #[serde(borrow)]
    pub(super) tool_plan: Option<Piece<'a>>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Single<Call<'a>>,
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
}

/// A piece of content.
#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Piece<'a>>,
}

/// A piece of a tool call.
#[derive(Debug, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Piece<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
}

/// Its function.
#[derive(Debug, Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Piece<'a>>,
}

/// An object, or a list that says nothing: `message-start` has empty lists where every later
/// event has one object.
#[derive(Debug)]
pub(super) struct Single<T>(pub(super) Option<T>);

impl<T> Default for Single<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Single<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Single<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|t| Single(Some(t)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Single(None))
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Single(None))
            }
        }
        d.deserialize_any(Visit(PhantomData))
    }
}
