//! What every wire format can do, seen from our side: the half that faces our callers and the
//! half that faces upstreams.

mod observed;

use std::fmt;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::Str;
use crate::answer::Answer;
use crate::call::{Operation, Peek};
use crate::capability::Capability;
use crate::error::Error;
use crate::event::Event;
use crate::extra::Losses;
use crate::fault::Fault;
use crate::prompt::Prompt;

pub use observed::Observed;

/// A wire format. Named after who invented it, spoken by many vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DialectId {
    /// OpenAI chat completions, with its embeddings, audio, moderation and image calls.
    OpenaiChat,
    /// OpenAI responses.
    OpenaiResponses,
    /// OpenAI's legacy text completions.
    OpenaiCompletions,
    /// Anthropic messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
    /// Cohere v2.
    Cohere,
    /// Cohere v1 chat.
    CohereV1,
    /// Ollama /api/chat.
    Ollama,
    /// Ollama /api/generate.
    OllamaGenerate,
}

impl DialectId {
    /// The word for it in configuration, metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::OpenaiResponses => "openai_responses",
            Self::OpenaiCompletions => "openai_completions",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Cohere => "cohere",
            Self::CohereV1 => "cohere_v1",
            Self::Ollama => "ollama",
            Self::OllamaGenerate => "ollama_generate",
        }
    }

    /// The dialect of that name.
    pub fn parse(name: &str) -> Option<Self> {
        use DialectId::{
            Anthropic, Cohere, CohereV1, Gemini, Ollama, OllamaGenerate, OpenaiChat,
            OpenaiCompletions, OpenaiResponses,
        };
        let all = [
            OpenaiChat,
            OpenaiResponses,
            OpenaiCompletions,
            Anthropic,
            Gemini,
            Cohere,
            CohereV1,
            Ollama,
            OllamaGenerate,
        ];
        all.into_iter().find(|id| id.name() == name)
    }
}

impl fmt::Display for DialectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a stream is cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    Ndjson,
    /// The elements of one JSON array.
    JsonArray,
}

/// One unit of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The bytes as they came, framing included: the raw bytes of all frames of a stream join to
    /// the stream.
    pub raw: Bytes,
    /// The payload: the data lines joined, one line, or one element.
    pub data: Bytes,
    /// The event name, where the framing has one.
    pub event: Option<Bytes>,
    /// What it is.
    pub kind: FrameKind,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A complete event.
    Event,
    /// What was pending when the bytes ended: counts when its data is whole JSON, and is the
    /// mark of a cut stream otherwise.
    Unfinished,
    /// Text that stands outside the framing. Gemini writes errors so.
    Stray,
    /// Comments, blank lines, fields without data: nothing to read, something to relay.
    Padding,
}

/// A body in pieces that are shared with the request it was made from.
pub type Chunks = SmallVec<[Bytes; 5]>;

/// A wire format.
pub trait Dialect: Send + Sync + fmt::Debug + 'static {
    /// Which one.
    fn id(&self) -> DialectId;
}

/// What a path of a dialect means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What is asked for.
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<Str>,
    /// Whether a stream is wanted, where the path says so.
    pub stream: Option<bool>,
    /// How the caller wants a stream framed, where the path says so.
    pub framing: Option<Framing>,
}

impl Route {
    /// A path that says nothing but the operation.
    pub fn new(operation: Operation) -> Self {
        Self { operation, model: None, stream: None, framing: None }
    }
}

/// The half that faces our callers.
pub trait CallerDialect: Dialect {
    /// What a request line asks for; `None` when the path is not one of this dialect. `path` may
    /// have a query.
    fn route(&self, method: &http::Method, path: &str) -> Option<Route>;

    /// Reads the few facts a gateway must know. Never parses the rest.
    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest>;

    /// Reads the words. Keeps every field, known or not.
    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest>;

    /// Writes a whole answer.
    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered;

    /// Writes a streamed answer.
    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder>;

    /// Writes an error that comes before any byte of an answer.
    fn encode_error(&self, error: &Error, cx: &RenderCx) -> http::Response<Bytes>;

    /// The `content-type` of a stream in this framing.
    fn stream_content_type(&self, framing: Option<Framing>) -> &'static str;
}

/// The half that faces upstreams.
pub trait UpstreamDialect: Dialect {
    /// Method and path below the base URL, query included; `None` when the dialect has no such
    /// operation.
    fn endpoint(&self, operation: Operation, model: &str, stream: bool) -> Option<Endpoint>;

    /// Writes the words, and reports what could not be said.
    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest>;

    /// Same dialect in and out: the caller's bytes with at most a few splices.
    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest>;

    /// Reads a whole answer.
    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt>;

    /// What a gateway must know of a whole answer that it passes on. Bytes that are no answer are
    /// corrupt; an error inside an answer is a failure seen. Dialects that can do so read only what
    /// they need.
    fn glance(&self, operation: Operation, body: Body<'_>) -> Result<Glance, Corrupt> {
        let answer = self.decode_answer(operation, body)?;
        Ok(Glance { seen: Observed::of(&answer), answer: Some(Box::new(answer)) })
    }

    /// How a stream of this content type is framed; `None` when it is no stream.
    fn framing(&self, content_type: &str) -> Option<Framing>;

    /// Reads a streamed answer.
    fn stream_decoder(&self, operation: Operation) -> Box<dyn StreamDecoder>;

    /// Reads an error answer, and decides what it means.
    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault;

    /// Looks at passing frames.
    fn tap(&self, cx: TapCx) -> Box<dyn Tap>;
}

/// What was seen of a whole answer.
#[derive(Debug)]
pub struct Glance {
    /// What a gateway must know of it.
    pub seen: Observed,
    /// All of it, where that was read on the way: whoever translates it need not read it again.
    pub answer: Option<Box<Answer>>,
}

impl From<Observed> for Glance {
    fn from(seen: Observed) -> Self {
        Self { seen, answer: None }
    }
}

/// A body and what is needed to read it.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The bytes.
    pub bytes: &'a Bytes,
    /// Their `content-type`; absent means JSON.
    pub content_type: Option<&'a str>,
}

impl<'a> Body<'a> {
    /// A JSON body.
    pub fn json(bytes: &'a Bytes) -> Self {
        Self { bytes, content_type: None }
    }
}

/// Where a request goes, below the base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// GET or POST.
    pub method: http::Method,
    /// Path and query, from the slash on.
    pub path: Str,
}

impl Endpoint {
    /// POST to a path.
    pub fn post(path: impl Into<Str>) -> Self {
        Self { method: http::Method::POST, path: path.into() }
    }

    /// GET of a path.
    pub fn get(path: impl Into<Str>) -> Self {
        Self { method: http::Method::GET, path: path.into() }
    }
}

/// What an upstream half must know besides the words.
#[derive(Clone, Copy, Debug)]
pub struct SendCx<'a> {
    /// The upstream's own name of the model.
    pub model: &'a str,
    /// Whether to ask for a stream. May differ from what the caller asked for.
    pub stream: bool,
    /// Whether to ask for usage in a stream that does not bring it by itself.
    pub usage_frame: bool,
    /// What the model can take; decides between spellings (`max_completion_tokens`, `developer`).
    pub capability: &'a Capability,
}

/// What a caller half must know besides the words.
#[derive(Clone, Debug, Default)]
pub struct RenderCx {
    /// Our id of the call, shown where the upstream gave none.
    pub id: Str,
    /// The name the caller used for the model; shown instead of the upstream's.
    pub model: Option<Str>,
    /// Seconds since 1970, shown where the upstream gave none.
    pub created: u64,
    /// Whether the caller asked for usage in the stream.
    pub include_usage: bool,
    /// How the caller wants a stream framed, where it can choose.
    pub framing: Option<Framing>,
    /// What the caller asked of the answer's form (base64 embeddings, verbose transcripts): the
    /// word as it stood in the request.
    pub format: Option<Str>,
}

/// What a tap must know.
#[derive(Clone, Copy, Debug)]
pub struct TapCx {
    /// Whether the usage frame is ours and must not reach the caller.
    pub hide_usage: bool,
    /// What was asked for.
    pub operation: Operation,
    /// How many answers were asked for; 0 when nothing was said.
    pub candidates: u16,
}

impl Default for TapCx {
    fn default() -> Self {
        Self { hide_usage: false, operation: Operation::Chat, candidates: 0 }
    }
}

/// A request as bytes.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The body.
    pub body: Bytes,
    /// Its type, boundary included.
    pub content_type: Str,
    /// What could not be said.
    pub losses: Losses,
}

impl Encoded {
    /// A JSON body.
    pub fn json(body: impl Into<Bytes>, losses: Losses) -> Self {
        let content_type = Str::from_static("application/json");
        Self { body: body.into(), content_type, losses }
    }
}

/// An answer as bytes.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The body.
    pub body: Bytes,
    /// Its type.
    pub content_type: Str,
    /// What could not be said.
    pub losses: Losses,
}

impl Rendered {
    /// A JSON body.
    pub fn json(body: impl Into<Bytes>, losses: Losses) -> Self {
        let content_type = Str::from_static("application/json");
        Self { body: body.into(), content_type, losses }
    }
}

/// Frames in, events out. Holds no policy: what a broken frame or an early end means is the
/// driver's to say.
pub trait StreamDecoder: Send {
    /// Reads one frame. A known frame that is broken is `Corrupt`; an unknown kind becomes
    /// [`Event::Unmodelled`].
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt>;

    /// The bytes ended. Closes what the dialect ends by ending, and never invents a terminal
    /// event.
    fn finish(&mut self, out: &mut Vec<Event>);
}

/// Events in, frames out.
pub trait StreamEncoder: Send {
    /// Writes what one event means to this dialect, which may be nothing yet.
    fn feed(&mut self, event: &Event, out: &mut BytesMut);

    /// What this dialect could not say so far.
    fn losses(&self) -> &Losses;
}

/// Looks at frames without owning them. May veto exactly one kind: the usage frame that we asked
/// for and the caller did not.
pub trait Tap: Send {
    /// One frame passes.
    fn see(&mut self, frame: &Frame) -> Keep;

    /// What passed so far.
    fn observed(&self) -> &Observed;
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is forwarded untouched.
    Forward,
    /// It is ours alone.
    Hide,
}

/// A request that cannot be served as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// Why.
    pub reason: BadReason,
    /// What is wrong, in a sentence for the caller.
    pub message: Str,
    /// The field, in the caller's own words: `messages.2.content.0.type`.
    pub param: Option<Str>,
}

/// Why a request cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadReason {
    /// The bytes are no JSON, or no multipart body.
    Syntax,
    /// A field has a wrong type or value, stands twice, or is missing.
    Invalid,
    /// Too many bytes, too deep, too many of something.
    TooLarge,
    /// Understood, but this dialect or model has no way to do it.
    Unsupported,
}

impl BadRequest {
    /// A field is wrong.
    pub fn invalid(param: impl Into<Str>, message: impl Into<Str>) -> Self {
        let (message, param) = (message.into(), Some(param.into()));
        Self { reason: BadReason::Invalid, message, param }
    }

    /// The bytes cannot be read at all.
    pub fn syntax(message: impl Into<Str>) -> Self {
        Self { reason: BadReason::Syntax, message: message.into(), param: None }
    }

    /// Too much of something.
    pub fn too_large(message: impl Into<Str>) -> Self {
        Self { reason: BadReason::TooLarge, message: message.into(), param: None }
    }

    /// There is no way to do it.
    pub fn unsupported(param: Option<Str>, message: impl Into<Str>) -> Self {
        Self { reason: BadReason::Unsupported, message: message.into(), param }
    }
}

/// An upstream's bytes that are not what its dialect says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Corrupt {
    /// What is wrong. Holds no content, only places and types.
    pub message: Str,
}

impl Corrupt {
    /// Says what is wrong.
    pub fn new(message: impl Into<Str>) -> Self {
        Self { message: message.into() }
    }
}
