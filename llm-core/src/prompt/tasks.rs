//! What may be asked besides a conversation.

use bytes::Bytes;

use super::Part;
use crate::Str;
use crate::extra::Extra;
use crate::raw::{Raw, RawNumber};

/// Texts (or token lists, or pictures) that should become vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EmbedRequest {
    /// The model.
    pub model: Str,
    /// What to embed; one vector each.
    pub input: Vec<EmbedInput>,
    /// Length of the vectors.
    pub dimensions: Option<u32>,
    /// Number formats wanted, in the caller's words: `float`, `base64`, `int8` … Empty means
    /// the dialect's default.
    pub encodings: Vec<Str>,
    /// What the vectors are for, in the dialect's own words (`search_document`,
    /// `RETRIEVAL_QUERY`).
    pub purpose: Option<Str>,
    /// What to do with too long an input, in the dialect's own words.
    pub truncate: Option<Str>,
    /// The end user, as the caller names them.
    pub user: Option<Str>,
    /// Everything else.
    pub extra: Extra,
}

impl EmbedRequest {
    /// For a model, with nothing to embed yet.
    pub fn new(model: impl Into<Str>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// With another text.
    #[must_use]
    pub fn text(mut self, text: impl Into<Str>) -> Self {
        self.input.push(EmbedInput::Text(text.into()));
        self
    }
}

/// One thing to embed.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedInput {
    /// Text.
    Text(Str),
    /// Tokens of the model's own vocabulary.
    Tokens(Vec<u32>),
    /// Several parts that make one vector.
    Parts(Vec<Part>),
}

/// Documents that should be ordered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RerankRequest {
    /// The model.
    pub model: Str,
    /// What they should answer.
    pub query: Str,
    /// The documents, as written: strings, or objects where the dialect allows them.
    pub documents: Vec<Raw>,
    /// Only the best so many.
    pub top_n: Option<u32>,
    /// Everything else.
    pub extra: Extra,
}

/// Texts and pictures that should be checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModerateRequest {
    /// The model; empty means the provider's default.
    pub model: Str,
    /// What to check; one verdict each.
    pub input: Vec<EmbedInput>,
    /// Everything else.
    pub extra: Extra,
}

/// Speech that should become text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TranscribeRequest {
    /// The model.
    pub model: Str,
    /// The sound.
    pub file: Upload,
    /// The language spoken, ISO 639-1.
    pub language: Option<Str>,
    /// Words that help.
    pub prompt: Option<Str>,
    /// The form of the answer: `json`, `text`, `srt`, `verbose_json`, `vtt`.
    pub format: Option<Str>,
    /// Spread.
    pub temperature: Option<RawNumber>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Form fields we do not model, in order.
    pub fields: Vec<(Str, Str)>,
}

/// A file of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub name: Option<Str>,
    /// Its type.
    pub mime: Option<Str>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A picture that should be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageRequest {
    /// The model.
    pub model: Str,
    /// What it should show.
    pub prompt: Str,
    /// How many.
    pub count: Option<u32>,
    /// How large: `1024x1024`.
    pub size: Option<Str>,
    /// Everything else.
    pub extra: Extra,
}

/// A page of the list of models, or one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelsRequest {
    /// The one asked for; `None` for the list.
    pub model: Option<Str>,
}
