//! What Ollama's lines look like, and how its several spellings are remembered.
//!
//! `/api/chat` and `/api/generate` are one format with two shapes: the same options around a
//! conversation or around a prompt, the same line around a `message` or around a `response`. So
//! both shapes share one origin of extras, and what only `/api/generate` has is kept at the place
//! `generate`.

use llm_core::dialect::DialectId;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::piece::Piece;

/// The origin of everything that is kept for Ollama, in either shape.
pub(super) const ID: DialectId = DialectId::Ollama;

/// Which of the two spellings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `/api/chat`
    Chat,
    /// `/api/generate`
    Generate,
}

/// Where fields of inner objects are kept among those of a request.
pub(super) const OPTIONS: &str = "options";
/// Where fields are kept that only `/api/generate` has.
pub(super) const GENERATE: &str = "generate";
/// All such places of a request.
pub(super) const REQUEST_PLACES: [&str; 2] = [OPTIONS, GENERATE];
/// Where fields of a tool's or a tool call's function are kept.
pub(super) const FUNCTION: &str = "function";
/// Where fields of an answer's message are kept.
pub(super) const MESSAGE: &str = "message";

/// How a request or an answer was spelled.
pub(super) mod note {
    /// A request does not say `stream`, which means yes.
    pub(in crate::ollama) const STREAM_UNSAID: u32 = 1;
    /// It has `options`, though perhaps none that we know.
    pub(in crate::ollama) const OPTIONS: u32 = 1 << 1;
    /// It has an empty list of tools.
    pub(in crate::ollama) const NO_TOOLS: u32 = 1 << 2;
    /// Its only stop sequence is no list.
    pub(in crate::ollama) const STOP_TEXT: u32 = 1 << 3;
    /// It has an empty list of stop sequences.
    pub(in crate::ollama) const NO_STOP: u32 = 1 << 4;
    /// Its format is the empty string, which means none.
    pub(in crate::ollama) const NO_FORMAT: u32 = 1 << 5;
    /// It has no conversation (no `messages`, no `prompt`).
    pub(in crate::ollama) const CONVERSATION_UNSAID: u32 = 1 << 6;
    /// Its `system` is the empty string.
    pub(in crate::ollama) const NO_SYSTEM: u32 = 1 << 7;

    /// A message has no content.
    pub(in crate::ollama) const CONTENT_UNSAID: u32 = 1 << 8;
    /// It has an empty list of images.
    pub(in crate::ollama) const NO_IMAGES: u32 = 1 << 9;
    /// It has an empty list of tool calls.
    pub(in crate::ollama) const NO_CALLS: u32 = 1 << 10;
    /// Its thinking is the empty string.
    pub(in crate::ollama) const NO_THINKING: u32 = 1 << 11;
    /// An answer's message does not name its role.
    pub(in crate::ollama) const ROLE_UNSAID: u32 = 1 << 12;
    /// An answer has no message at all.
    pub(in crate::ollama) const MESSAGE_UNSAID: u32 = 1 << 13;
    /// An answer does not say whether it is done.
    pub(in crate::ollama) const DONE_UNSAID: u32 = 1 << 14;

    /// A tool call has no id; ours is made.
    pub(in crate::ollama) const ID_UNSAID: u32 = 1 << 16;
    /// Its id stands in its function.
    pub(in crate::ollama) const ID_INSIDE: u32 = 1 << 17;
    /// Its arguments are text that holds JSON.
    pub(in crate::ollama) const ARGUMENTS_TEXT: u32 = 1 << 18;
    /// It has no arguments.
    pub(in crate::ollama) const ARGUMENTS_UNSAID: u32 = 1 << 19;
    /// Its arguments are JSON, but no object.
    pub(in crate::ollama) const ARGUMENTS_ODD: u32 = 1 << 20;
    /// A tool result names no call; we found it.
    pub(in crate::ollama) const CALL_UNSAID: u32 = 1 << 21;
    /// A tool does not say its type.
    pub(in crate::ollama) const TYPE_UNSAID: u32 = 1 << 22;

    /// A list of inputs is a single string.
    pub(in crate::ollama) const INPUT_TEXT: u32 = 1 << 24;
    /// Vectors stand in `embedding`: there is only one.
    pub(in crate::ollama) const ONE_VECTOR: u32 = 1 << 25;
    /// An entry of the list of models is named by `model` alone.
    pub(in crate::ollama) const NAME_UNSAID: u32 = 1 << 26;
}

/// One line of a stream, in either shape.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) model: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) created_at: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Said<'a>>,
    #[serde(borrow)]
    pub(super) response: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) thinking_signature: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) content_signature: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    pub(super) done: Option<bool>,
}

/// The message of a line.
#[derive(Debug, Deserialize)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) content: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) thinking_signature: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) content_signature: Option<Piece<'a>>,
    #[serde(borrow)]
    pub(super) images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<&'a RawValue>,
}

impl<'a> Line<'a> {
    /// Whether it is a line of an answer at all, and not one of a download's progress.
    pub(super) fn is_known(&self) -> bool {
        self.message.is_some()
            || self.response.is_some()
            || self.thinking.is_some()
            || self.done.is_some()
            || self.error.is_some()
    }

    /// What it says, wherever that stands.
    pub(super) fn said(&mut self) -> Said<'a> {
        self.message.take().unwrap_or_else(|| Said {
            content: self.response.take(),
            thinking: self.thinking.take(),
            thinking_signature: self.thinking_signature.take(),
            content_signature: self.content_signature.take(),
            images: self.images.take(),
            tool_calls: self.tool_calls.take(),
        })
    }
}
