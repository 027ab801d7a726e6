//! Changes a few values of a body without touching the rest.
//!
//! A relay sends the caller's bytes with another model name, or with one member more. The result
//! is a list of slices of the body with the new texts between them: nothing is copied, and nothing
//! is written anew that the caller wrote. Nobody checks that a new text is JSON; whoever makes an
//! [`Edit`] from words uses the constructors here, which write it.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use llm_core::call::Peek;
use llm_core::dialect::{BadRequest, Chunks, SendCx};

/// A range of the body, and what stands there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes. Empty where something is only put in.
    pub span: Range<usize>,
    /// What comes.
    pub text: Bytes,
}

/// Edits that contradict each other or the body. Always a mistake of whoever made them, but one
/// that must not end in bytes nobody meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpliceError {
    /// An edit lies outside the body.
    OutOfBounds,
    /// Two edits change the same bytes.
    Overlap,
}

impl fmt::Display for SpliceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfBounds => "an edit lies outside the body",
            Self::Overlap => "two edits change the same bytes",
        })
    }
}

impl std::error::Error for SpliceError {}

/// The body with all edits made. Texts that are put in at the same place keep their order.
pub fn splice(body: &Bytes, edits: &mut [Edit]) -> Result<Chunks, SpliceError> {
    edits.sort_by_key(|e| (e.span.start, e.span.end));
    let mut out = Chunks::new();
    let mut push = |piece: Bytes| {
        if !piece.is_empty() {
            out.push(piece);
        }
    };
    let mut at = 0;
    for Edit { span, text } in edits.iter() {
        if span.start > span.end || span.end > body.len() {
            return Err(SpliceError::OutOfBounds);
        }
        if span.start < at {
            return Err(SpliceError::Overlap);
        }
        push(body.slice(at..span.start));
        push(text.clone());
        at = span.end;
    }
    push(body.slice(at..));
    Ok(out)
}

impl From<SpliceError> for BadRequest {
    fn from(e: SpliceError) -> Self {
        Self::syntax(e.to_string())
    }
}

impl Edit {
    /// What every relay changes where the upstream is asked for something else than the caller
    /// asked us for: the model's name, and whether a stream comes. Bodies that are no objects (a
    /// GET, a form) were not peeked into and stay as they are.
    pub fn relayed(peek: &Peek, cx: &SendCx<'_>) -> Vec<Self> {
        let model = Self::model(peek, cx.model).filter(|_| peek.model.value != cx.model);
        let mut edits: Vec<Self> = model.into_iter().collect();
        if peek.stream != cx.stream && peek.members_start > 0 {
            let wanted = if cx.stream { "true" } else { "false" };
            edits.push(match &peek.stream_span {
                Some(span) => Self::value(span.clone(), wanted),
                None => Self::first_members(peek, &[("stream", wanted)]),
            });
        }
        edits
    }

    /// Another value in place of the one at `span`. `json` is its JSON text.
    pub fn value(span: Range<usize>, json: impl Into<Bytes>) -> Self {
        Self { span, text: json.into() }
    }

    /// A string in place of the value at `span`.
    pub fn string(span: Range<usize>, value: &str) -> Self {
        Self { span, text: quoted(value).into() }
    }

    /// Members in front of all others. One edit for all of them, because only the last one knows
    /// whether a comma follows: an object without members takes only one edit that adds some.
    pub fn first_members(peek: &Peek, members: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, json) in members {
            text.extend([quoted(name).as_str(), ":", json, ","]);
        }
        if !peek.members_any {
            text.pop();
        }
        Self { span: peek.members_start..peek.members_start, text: text.into() }
    }

    /// Another model name; `None` when the body does not name the model.
    pub fn model(peek: &Peek, model: &str) -> Option<Self> {
        Some(Self::string(peek.model.span.clone()?, model))
    }

    /// `stream_options` that ask for a usage frame; `None` when the caller asks for one.
    /// What else the caller put into it stays.
    pub fn usage_frame(peek: &Peek, body: &Bytes) -> Option<Self> {
        if peek.wants_usage_frame {
            return None;
        }
        if let Some(flag) = &peek.usage_flag {
            return Some(Self::value(flag.clone(), "true"));
        }
        let Some(option) = &peek.usage_option else {
            let text = if peek.members_any { USAGE_MEMBER_THEN } else { USAGE_MEMBER };
            return Some(Self::value(peek.members_start..peek.members_start, text));
        };
        let text = body.get(option.clone())?;
        let inner = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
        match inner {
            None | Some(b"}") => Some(Self::value(option.clone(), USAGE_OPTION)),
            Some(_) => {
                let first = option.start + 1;
                Some(Self::value(first..first, USAGE_FLAG_THEN))
            }
        }
    }
}

/// The text as a JSON string. Writing a string into memory cannot fail.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

const USAGE_MEMBER: &str = "\"stream_options\":{\"include_usage\":true}";
const USAGE_MEMBER_THEN: &str = "\"stream_options\":{\"include_usage\":true},";
const USAGE_OPTION: &str = "{\"include_usage\":true}";
const USAGE_FLAG_THEN: &str = "\"include_usage\":true,";

#[cfg(test)]
mod tests;
