//! The pieces of a message.

use crate::Str;
use crate::dialect::DialectId;
use crate::extra::Extra;
use crate::raw::{Raw, RawNumber};

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// The prompt up to here should be cached.
    pub cache: Option<CacheMark>,
    /// What the provider wants back unchanged with this part in the next turn: a signature of
    /// reasoning, an encrypted thought.
    pub state: Option<Opaque>,
    /// Everything else.
    pub extra: Extra,
}

impl Part {
    /// A part with nothing beside its kind.
    pub fn new(kind: PartKind) -> Self {
        Self { kind, cache: None, state: None, extra: Extra::default() }
    }

    /// Text.
    pub fn text(text: impl Into<Str>) -> Self {
        Self::new(PartKind::Text(Text::new(text)))
    }
}

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum PartKind {
    /// Text.
    Text(Text),
    /// The model declines, in words.
    Refusal(Text),
    /// The model's thinking; empty text when only its [`Part::state`] may be known.
    Reasoning(Str),
    /// A picture.
    Image(Media),
    /// Sound, with what is said in it where that is known.
    Audio(Audio),
    /// Moving pictures.
    Video(Media),
    /// A document.
    File(Media),
    /// The model calls a tool of the caller's.
    ToolCall(ToolCall),
    /// What a tool returned.
    ToolResult(ToolResult),
    /// A block that only its own dialect understands.
    Opaque(Opaque),
}

/// Text, and what the model said about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The text.
    pub text: Str,
    /// Where it comes from.
    pub citations: Vec<Citation>,
    /// How sure the model was of each token.
    pub logprobs: Vec<TokenLogprob>,
}

impl Text {
    /// Text alone.
    pub fn new(text: impl Into<Str>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// Where a piece of text comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Citation {
    /// First character of the text it belongs to, where the provider counts.
    pub start: Option<u32>,
    /// One past the last.
    pub end: Option<u32>,
    /// Address of the source.
    pub url: Option<Str>,
    /// Title of the source.
    pub title: Option<Str>,
    /// The words cited.
    pub quote: Option<Str>,
    /// As the provider wrote it, for its own dialect.
    pub wire: Option<Opaque>,
}

/// How sure the model was of one token.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token: Str,
    /// Natural logarithm of its probability.
    pub logprob: RawNumber,
    /// Its bytes, which may be no whole character.
    pub bytes: Option<Vec<u8>>,
    /// What else might have come.
    pub top: Vec<TokenLogprob>,
}

/// Something that is not text.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Where its bytes are.
    pub source: MediaSource,
    /// Its type: `image/png`. Empty or absent when the caller did not say.
    pub mime: Option<Str>,
    /// How closely to look: `low`, `high`, `auto`.
    pub detail: Option<Str>,
    /// Its file name or title.
    pub name: Option<Str>,
}

impl Media {
    /// Media with nothing but a source.
    pub fn new(source: MediaSource) -> Self {
        Self { source, mime: None, detail: None, name: None }
    }
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaSource {
    /// Here, in standard base64 with padding. Never decoded on the way through.
    Base64(Str),
    /// Here, as plain text (a document given as text).
    Text(Str),
    /// At an address that the provider fetches.
    Url(Str),
    /// At the provider, under an id of its own.
    Id(Str),
}

/// Sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// The sound; the format (`wav`, `mp3`) is in its `mime` as `audio/wav`.
    pub media: Media,
    /// What is said in it.
    pub transcript: Option<Str>,
}

/// The model calls a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Pairs the call with its result. Made by us where the wire has none.
    pub id: Str,
    /// The tool.
    pub name: Str,
    /// The arguments as the model wrote them: JSON text, unless the model was cut short or the
    /// tool is a custom one.
    pub arguments: Str,
    /// A custom tool takes free text instead of JSON.
    pub custom: bool,
}

/// What a tool returned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// Which call it answers.
    pub call_id: Str,
    /// The tool, where the wire says so.
    pub name: Option<Str>,
    /// What it said.
    pub content: Vec<Part>,
    /// Whether it failed; `None` when the wire does not say.
    pub is_error: Option<bool>,
}

/// Something only `origin` understands: never interpreted, always returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// Whose it is.
    pub origin: DialectId,
    /// What its own dialect calls it: a block's `type`, or the field it came in.
    pub kind: Str,
    /// As written.
    pub value: Raw,
}

/// The prompt up to here should be cached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheMark {
    /// For how long, in the dialect's own words: `5m`, `1h`.
    pub ttl: Option<Str>,
}
