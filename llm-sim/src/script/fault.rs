//! What can go wrong, as words of a script.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// What happens to a request. All that is said happens, from the head to the last byte.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    /// Waits so long before the head.
    pub first_byte_ms: u64,
    /// Waits so long before each further frame.
    pub chunk_ms: u64,
    /// Answers with this status; with nothing else, with the vendor's error of that status.
    pub status: Option<u16>,
    /// Answers with this error.
    pub error: Option<ErrorKind>,
    /// The error's words, instead of the vendor's usual ones.
    pub message: Option<String>,
    /// When to come back; becomes the vendor's own hint.
    pub retry_after_ms: Option<u64>,
    /// The `retry-after` header as written: seconds, a date, an absurd number.
    #[serde(deserialize_with = "as_written")]
    pub retry_after: Option<String>,
    /// The error's body is as long as this.
    pub error_bytes: Option<usize>,
    /// Stops without a word.
    pub hang: Option<Hang>,
    /// Ends the connection or the body early.
    pub cut: Option<Cut>,
    /// Sends slowly.
    pub drip: Option<Drip>,
    /// Breaks a frame.
    pub corrupt: Option<Corrupt>,
    /// The error of `error` comes inside an answer of status 200.
    pub error_in_200: Option<InBand>,
    /// What the answer says of its usage.
    pub usage: Option<UsageFault>,
    /// Runs over the caller's cap on tokens.
    pub ignore_max_tokens: bool,
    /// The answer has so many tokens.
    pub output_tokens: Option<usize>,
    /// The answer is this text.
    pub text: Option<String>,
    /// Sends the body in pieces of so many bytes, wherever that cuts.
    pub split: Option<usize>,
    /// Sends the caller to another address, with `status` or 307.
    pub redirect: Option<String>,
    /// Further headers; an empty value takes one away.
    pub headers: BTreeMap<String, String>,
    /// The last frame comes twice.
    pub double_done: bool,
    /// Text comes once more, after the end.
    pub text_after_finish: bool,
    /// Fields and events that nobody knows.
    pub unknown: bool,
}

/// Which error.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Too fast: 429.
    RateLimit,
    /// The account is empty: 429.
    InsufficientQuota,
    /// Too busy: 503, and 529 where the vendor has it.
    Overloaded,
    /// Broken: 500, or the 5xx of `status`.
    ServerError,
    /// The key is wrong.
    InvalidKey,
    /// The prompt is too long.
    ContextLength,
    /// A filter stepped in.
    ContentFilter,
    /// The request is wrong: 400.
    BadRequest,
    /// An HTML page of something between: 502, or `status`.
    Html,
    /// Nothing at all: 502, or `status`.
    Empty,
}

/// Where it stops.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Hang {
    /// No head ever comes.
    BeforeHead,
    /// The head comes, no byte of the body.
    AfterHead,
    /// So many frames come.
    AfterFrames(usize),
}

/// Where it ends early; the head comes unless `before_head`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Cut {
    /// No head comes.
    pub before_head: bool,
    /// After so many frames.
    pub after_frames: Option<usize>,
    /// After so many bytes of the body.
    pub at_byte: Option<usize>,
    /// How.
    pub how: CutHow,
}

/// How a body ends early.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum CutHow {
    /// The connection is reset (RST).
    #[default]
    Reset,
    /// The connection ends (FIN) in the middle of the body.
    Fin,
    /// The body ends as if it were whole.
    Clean,
}

/// How slowly it sends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Drip {
    /// So many bytes …
    pub bytes: usize,
    /// … every so many milliseconds.
    pub every_ms: u64,
}

/// Which frame is broken, and how. A whole answer is one frame.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Corrupt {
    /// Which, from 0.
    #[serde(default)]
    pub frame: usize,
    /// How.
    pub with: Broken,
    /// Length of an over-long line.
    #[serde(default)]
    pub bytes: Option<usize>,
}

/// How a frame is broken.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// JSON that does not end.
    Json,
    /// Bytes that are no UTF-8.
    Utf8,
    /// A NUL byte.
    Nul,
    /// A line of megabytes.
    LongLine,
}

/// Where the error stands in an answer of status 200.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct InBand {
    /// Instead of this frame of a stream; nothing comes after it.
    pub frame: usize,
}

/// What an answer says of its usage.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum UsageFault {
    /// Nothing.
    Absent,
    /// Zeros.
    Zero,
    /// Numbers below zero.
    Negative,
    /// Broken numbers.
    Float,
    /// Numbers as text.
    String,
    /// More than any counter of 63 bits holds.
    Huge,
    /// The same twice.
    Twice,
}

/// A header's value, which people write as a number where it is one.
fn as_written<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<serde_json::Value>::deserialize(d)? {
        None => None,
        Some(serde_json::Value::String(text)) => Some(text),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(serde::de::Error::custom("retry_after: a number or a text")),
    })
}
