//! The one grammar of answers. Every dialect decodes to it and encodes from it.

use crate::Str;
use crate::answer::UsageReport;
use crate::completion::Finish;
use crate::error::Error;
use crate::extra::{Extra, Losses};
use crate::prompt::{Citation, Opaque, PartKind, TokenLogprob};
use crate::raw::Raw;

pub mod laws;

/// One step of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The answer begins. Once, first.
    Start(Box<Start>),
    /// A part begins.
    PartStart {
        /// Which.
        part: PartId,
        /// What it will be.
        head: PartHead,
    },
    /// An open part grows.
    PartDelta {
        /// Which.
        part: PartId,
        /// By what.
        delta: Delta,
    },
    /// A part is complete.
    PartEnd {
        /// Which.
        part: PartId,
        /// What its dialect said besides.
        extra: Extra,
    },
    /// What was used so far: a cumulative snapshot, never a difference. May come anywhere after
    /// the start, since dialects disagree; the last one counts.
    Usage(Box<UsageReport>),
    /// A candidate is complete.
    Finish {
        /// Which.
        candidate: u16,
        /// How.
        finish: Finish,
    },
    /// Something worth knowing that is no part of the answer.
    Notice(Notice),
    /// A valid frame of a kind we do not know, as written.
    Unmodelled(Raw),
    /// It went wrong. Nothing comes after.
    Failure(Error),
    /// It went well. Once, last; where it is missing, the answer was cut.
    End,
}

/// How an answer begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The provider's id of the answer.
    pub id: Option<Str>,
    /// The model that answers.
    pub model: Option<Str>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// What the dialect said besides.
    pub extra: Extra,
}

/// Names a part: parts of a candidate are numbered from 0 in the order in which they stand in the
/// answer, which is the order in which they start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId {
    /// Which answer, when several were asked for.
    pub candidate: u16,
    /// Which of its parts.
    pub index: u16,
}

/// What a part will be.
#[derive(Clone, Debug, PartialEq)]
pub enum PartHead {
    /// Text; grows by `Text`, `Citation`, `Logprobs`.
    Text,
    /// A refusal; grows by `Text`, `Logprobs`.
    Refusal,
    /// Thinking; grows by `Text`.
    Reasoning,
    /// Sound; grows by `Audio` and `Transcript`.
    Audio {
        /// Its type.
        mime: Option<Str>,
    },
    /// A tool call; grows by `Arguments`.
    ToolCall {
        /// Pairs it with its result.
        id: Str,
        /// The tool.
        name: Str,
        /// Free text instead of JSON.
        custom: bool,
    },
    /// Something that comes at once: a picture, a file, a tool result, a block only its dialect
    /// understands. Never text, refusal, reasoning or a tool call.
    Whole(Box<PartKind>),
}

/// What a part grows by.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// More text.
    Text(Str),
    /// More of a tool call's arguments, as written.
    Arguments(Str),
    /// More sound: base64 whose pieces join to valid base64.
    Audio(Str),
    /// More of what is said in the sound.
    Transcript(Str),
    /// What the provider wants back with this part. Replaces an earlier one.
    State(Box<Opaque>),
    /// Where the text comes from.
    Citation(Box<Citation>),
    /// How sure the model was, token by token.
    Logprobs(Vec<TokenLogprob>),
}

/// Something worth knowing that is no part of the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The provider says that it is still there.
    Ping,
    /// The gateway went on elsewhere.
    Resumed,
    /// What a translation could not say.
    Losses(Losses),
}
