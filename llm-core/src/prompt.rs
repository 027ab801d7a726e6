//! What is asked, in canonical words.
//!
//! A field enters here when two dialects have it. What only one has stays in [`Extra`] (a field)
//! or [`Opaque`] (a block), and returns unharmed to the dialect it came from.

use bytes::Bytes;

use crate::Str;
use crate::call::Operation;
use crate::dialect::DialectId;
use crate::extra::Extra;
use crate::raw::{Raw, RawNumber};

/// Whatever may be asked of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// A conversation's next turn.
    Chat(Request),
    /// Vectors for texts.
    Embed(EmbedRequest),
    /// Documents in order of how well they answer a query.
    Rerank(RerankRequest),
    /// Whether texts break content rules.
    Moderate(ModerateRequest),
    /// Speech to text.
    Transcribe(TranscribeRequest),
    /// Text to image.
    Image(ImageRequest),
    /// How many tokens a conversation has.
    CountTokens(Request),
    /// Which models there are.
    ListModels(ModelsRequest),
}

impl Prompt {
    /// What kind of thing is asked for.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Chat(_) => Operation::Chat,
            Self::Embed(_) => Operation::Embed,
            Self::Rerank(_) => Operation::Rerank,
            Self::Moderate(_) => Operation::Moderate,
            Self::Transcribe(_) => Operation::Transcribe,
            Self::Image(_) => Operation::Image,
            Self::CountTokens(_) => Operation::CountTokens,
            Self::ListModels(_) => Operation::ListModels,
        }
    }
}

/// A conversation and what is wanted of its next turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// The model, as the caller names it.
    pub model: Str,
    /// What stands before the conversation. Instructions in the middle of it stay in `messages`.
    pub system: Vec<Message>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub tools: Vec<Tool>,
    /// Whether it must.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// What the answer must look like.
    pub output: OutputSpec,
    /// Whether and how long to think.
    pub reasoning: Option<ReasoningSpec>,
    /// The end user, as the caller names them. Never decides who pays.
    pub user: Option<Str>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Everything else.
    pub extra: Extra,
}

/// One turn, or one piece of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Everything else.
    pub extra: Extra,
}

impl Message {
    /// A message of text.
    pub fn text(role: Role, text: impl Into<Str>) -> Self {
        Self { role, parts: vec![Part::text(text)], extra: Extra::default() }
    }
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The operator's instructions.
    System,
    /// OpenAI's newer name for them; a wire distinction that must survive.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// What a tool returned.
    Tool,
}

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

/// What the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name; for a provider's own tool, the provider's word for it.
    pub name: Str,
    /// What it does.
    pub description: Option<Str>,
    /// What it takes.
    pub kind: ToolKind,
    /// The prompt up to here should be cached.
    pub cache: Option<CacheMark>,
    /// Everything else.
    pub extra: Extra,
}

/// What a tool takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolKind {
    /// A JSON object that follows a schema.
    Function {
        /// The schema, as written; absent when the tool takes nothing.
        schema: Option<Raw>,
        /// Whether the arguments must follow it to the letter.
        strict: Option<bool>,
    },
    /// Free text.
    Custom,
    /// The provider runs it itself; only its own dialect understands the description.
    Native(Opaque),
}

/// Whether the model must call a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// It must not.
    Never,
    /// At least one.
    Required,
    /// This one.
    Named(Str),
    /// Some of these; at least one when `required`.
    Among {
        /// The tools it may choose from.
        names: Vec<Str>,
        /// Whether it must choose.
        required: bool,
    },
}

/// How tokens are drawn. Numbers stay as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Spread.
    pub temperature: Option<RawNumber>,
    /// Share of probability to draw from.
    pub top_p: Option<RawNumber>,
    /// Number of tokens to draw from.
    pub top_k: Option<RawNumber>,
    /// Against repeating often.
    pub frequency_penalty: Option<RawNumber>,
    /// Against repeating at all.
    pub presence_penalty: Option<RawNumber>,
    /// For the same answer again.
    pub seed: Option<RawNumber>,
    /// Whether to say how sure the model is.
    pub logprobs: Option<bool>,
    /// How many alternatives to name beside each token.
    pub top_logprobs: Option<RawNumber>,
}

/// What the answer must look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputSpec {
    /// Text, JSON, or JSON that follows a schema.
    pub format: Option<OutputFormat>,
    /// At most so many tokens, reasoning included.
    pub tokens_max: Option<RawNumber>,
    /// Stop where one of these would come.
    pub stop: Vec<Str>,
    /// So many answers.
    pub candidates: Option<u16>,
    /// Which kinds of output: `text`, `audio`, `image`, in lower case. Empty means text.
    pub modalities: Vec<Str>,
    /// How wordy: `low`, `medium`, `high`.
    pub verbosity: Option<Str>,
}

/// The form of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputFormat {
    /// As it comes.
    Text,
    /// Some JSON object.
    Json,
    /// JSON that follows a schema.
    Schema(JsonSchema),
}

/// A schema for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonSchema {
    /// Its name, which some dialects require.
    pub name: Option<Str>,
    /// What it is for.
    pub description: Option<Str>,
    /// The schema, as written.
    pub schema: Raw,
    /// Whether it must be followed to the letter.
    pub strict: Option<bool>,
}

/// Whether and how long to think.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningSpec {
    /// On or off, where it is said apart from an effort or a budget.
    pub enabled: Option<bool>,
    /// How hard: `none`, `minimal`, `low`, `medium`, `high`, … as written.
    pub effort: Option<Str>,
    /// At most so many tokens.
    pub budget: Option<RawNumber>,
    /// Whether thoughts (or a summary of them) should be shown.
    pub visible: Option<bool>,
    /// How the summary should be: `auto`, `concise`, `detailed`.
    pub summary: Option<Str>,
}

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
