//! What comes back, in canonical words.

use crate::Str;
use crate::completion::Completion;
use crate::extra::Extra;
use crate::raw::RawNumber;
use crate::usage::Usage;

/// Whatever a model answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A conversation's next turn.
    Chat(Completion),
    /// Vectors.
    Embed(Embeddings),
    /// Documents in order.
    Rerank(Ranking),
    /// Verdicts.
    Moderate(Moderation),
    /// Text of speech.
    Transcribe(Transcript),
    /// Pictures.
    Image(Images),
    /// A number of tokens.
    CountTokens(TokenCount),
    /// Models.
    ListModels(Models),
}

impl Answer {
    /// What was used, where the answer says so.
    pub fn usage(&self) -> Option<&Usage> {
        let report = match self {
            Self::Chat(completion) => &completion.usage,
            Self::Embed(embeddings) => &embeddings.usage,
            Self::Rerank(ranking) => &ranking.usage,
            Self::Transcribe(transcript) => &transcript.usage,
            Self::Image(images) => &images.usage,
            Self::Moderate(_) | Self::CountTokens(_) | Self::ListModels(_) => &None,
        };
        report.as_ref().map(|r| &r.usage)
    }
}

/// What was used, and how the provider said it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsageReport {
    /// The disjoint counts.
    pub usage: Usage,
    /// The provider's own object, field by field, for its own dialect.
    pub extra: Extra,
}

/// Vectors, in the order of the inputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// The provider's id of the answer.
    pub id: Option<Str>,
    /// The model that answered.
    pub model: Option<Str>,
    /// One set for each number format that came.
    pub sets: Vec<VectorSet>,
    /// What was used.
    pub usage: Option<UsageReport>,
    /// Everything else.
    pub extra: Extra,
}

/// Vectors of one number format.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSet {
    /// The format, in the dialect's own word: `float`, `int8`, `ubinary` …
    pub encoding: Str,
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// One vector.
#[derive(Clone, Debug, PartialEq)]
pub enum Vector {
    /// Real numbers. Doubles, so that what a provider wrote prints the same again.
    Float(Vec<f64>),
    /// Whole numbers: quantised or bit-packed.
    Int(Vec<i16>),
    /// Little-endian `f32` in base64.
    Base64(Str),
}

/// Documents in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// The provider's id of the answer.
    pub id: Option<Str>,
    /// The model that answered.
    pub model: Option<Str>,
    /// Best first, as the provider ordered them.
    pub results: Vec<Ranked>,
    /// What was used.
    pub usage: Option<UsageReport>,
    /// Everything else.
    pub extra: Extra,
}

/// One document's place.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Which document of the request.
    pub index: u32,
    /// How well it answers.
    pub score: RawNumber,
    /// Everything else.
    pub extra: Extra,
}

/// Verdicts, one for each input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moderation {
    /// The provider's id of the answer.
    pub id: Option<Str>,
    /// The model that answered.
    pub model: Option<Str>,
    /// The verdicts.
    pub results: Vec<Verdict>,
    /// Everything else.
    pub extra: Extra,
}

/// One verdict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Whether any rule is broken.
    pub flagged: bool,
    /// Every rule, and whether it is broken.
    pub categories: Vec<(Str, bool)>,
    /// Every rule, and how surely.
    pub scores: Vec<(Str, RawNumber)>,
    /// Everything else.
    pub extra: Extra,
}

/// Text of speech.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// The text; for subtitle formats the whole file as it came.
    pub text: Str,
    /// Whether the answer is a file (`text`, `srt`, `vtt`) and not JSON.
    pub plain: bool,
    /// The language heard.
    pub language: Option<Str>,
    /// Length of the sound in seconds.
    pub duration: Option<RawNumber>,
    /// What was used.
    pub usage: Option<UsageReport>,
    /// Everything else: segments, words.
    pub extra: Extra,
}

/// Pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// The pictures.
    pub images: Vec<MadeImage>,
    /// What was used.
    pub usage: Option<UsageReport>,
    /// Everything else.
    pub extra: Extra,
}

/// One picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MadeImage {
    /// Its bytes in base64.
    pub base64: Option<Str>,
    /// Its address.
    pub url: Option<Str>,
    /// What the model made of the prompt.
    pub revised_prompt: Option<Str>,
    /// Everything else.
    pub extra: Extra,
}

/// A number of tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenCount {
    /// The number.
    pub tokens: u64,
    /// Everything else (the tokens themselves, where a tokenizer answers).
    pub extra: Extra,
}

/// Models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    /// The models of this page.
    pub models: Vec<ModelInfo>,
    /// Whether one model was asked for by name, and the answer is that model and no list.
    pub single: bool,
    /// Everything else (page tokens).
    pub extra: Extra,
}

/// One model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelInfo {
    /// The name one asks for it by, without `models/`.
    pub id: Str,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// Who made it.
    pub owner: Option<Str>,
    /// Its name for people.
    pub title: Option<Str>,
    /// Everything else.
    pub extra: Extra,
}
