//! Content blocks, as they stand in requests and in answers.
//!
//! A block that two dialects have becomes a part of its own kind; every other one (tools that
//! Anthropic runs itself, their results, containers, compaction) stays as it is written, as an
//! opaque part. Blocks of a stream come in pieces and are read in `stream`.

use std::fmt;
use std::sync::LazyLock;

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::prompt::{Opaque, Part};
use llm_core::raw::Raw;

use crate::state;

mod read;
mod source;
mod write;

pub(super) use read::{cache as read_cache, citation, parts};
pub(super) use source::sniffed;
pub(super) use write::{
    arguments, cache, citations, document, image, is_object, own_citation, redacted, said_citation,
    text, thinking,
};

/// The state of a reasoning part in a `thinking` block.
pub(super) const SIGNATURE: &str = "signature";
/// The state of a reasoning part whose text is hidden.
pub(super) const REDACTED: &str = "redacted_thinking";
/// Before the kind of a state that belongs to the part in front of its block: clients return a
/// `redacted_thinking` block unchanged and in its place, which no field of a tool call does.
const OF_PREVIOUS: &str = "prev:";

/// Where a part stands, in canonical words; spelled only when something about it must be said.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub list: &'static str,
    pub message: usize,
    pub part: usize,
    /// The place in a tool result's content.
    pub inner: Option<usize>,
}

impl At {
    pub(super) fn new(list: &'static str, message: usize, part: usize) -> Self {
        Self { list, message, part, inner: None }
    }

    /// The path of something about the part.
    pub(super) fn of(self, what: &str) -> String {
        format!("{self}.{what}")
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.parts.{}", self.list, self.message, self.part)?;
        match self.inner {
            Some(inner) => write!(f, ".content.{inner}"),
            None => Ok(()),
        }
    }
}

/// A signature for thoughts that have none: clients read the field, and return it. One of our own
/// making is known again, and such thoughts are kept from Anthropic, which refuses the whole
/// conversation for them; an empty one could be anybody's.
pub(super) static UNSIGNED: LazyLock<Raw> = LazyLock::new(|| {
    let null = Raw::from_parsed(Str::from_static("null"));
    let none = Opaque { origin: DialectId::Anthropic, kind: Str::from_static(NOBODY), value: null };
    Raw::of(&state::token(&none)).unwrap_or_else(|_| Raw::from_parsed(Str::from_static("\"\"")))
});
const NOBODY: &str = "unsigned";

/// The state in a `signature`: Anthropic's own, or another's in foreign clothes.
pub(super) fn signature_state(text: &str, raw: impl FnOnce() -> Option<Raw>) -> Option<Opaque> {
    state::read(text).or_else(|| own_state(SIGNATURE, raw()?))
}

/// The state in a `redacted_thinking` block, and whether it belongs to the part before it.
pub(super) fn redacted_state(
    text: &str,
    raw: impl FnOnce() -> Option<Raw>,
) -> Option<(Opaque, bool)> {
    let Some(mut state) = state::read(text) else {
        return Some((own_state(REDACTED, raw()?)?, false));
    };
    match state.kind.strip_prefix(OF_PREVIOUS).map(|kind| state.kind.slice_ref(kind)) {
        Some(kind) => {
            state.kind = kind;
            Some((state, true))
        }
        None => Some((state, false)),
    }
}

fn own_state(kind: &'static str, value: Raw) -> Option<Opaque> {
    Some(Opaque { origin: DialectId::Anthropic, kind: Str::from_static(kind), value })
}

/// The `data` of a `redacted_thinking` block that carries the state of the part before it.
pub(super) fn previous_token(state: &Opaque) -> String {
    let kind = format!("{OF_PREVIOUS}{}", state.kind).into();
    state::token(&Opaque { kind, ..state.clone() })
}

/// How the state of a reasoning part is written.
pub(super) enum Sealed<'a> {
    /// As the `data` of a `redacted_thinking` block, verbatim.
    Redacted(&'a Raw),
    /// As the `signature` of a `thinking` block, verbatim.
    Signature(&'a Raw),
    /// As a token, in whichever block the text wants.
    Token(String),
}

/// What clients of this dialect must return with a reasoning part.
pub(super) fn sealed(part_state: &Opaque, empty: bool) -> Sealed<'_> {
    let own = part_state.origin == DialectId::Anthropic;
    match &*part_state.kind {
        SIGNATURE if own => Sealed::Signature(&part_state.value),
        REDACTED if own && empty => Sealed::Redacted(&part_state.value),
        _ => Sealed::Token(state::token(part_state)),
    }
}

/// The last part of a message, when a state behind it may be its own.
pub(super) fn give_to_previous(parts: &mut [Part], state: &Opaque) -> bool {
    match parts.last_mut() {
        Some(previous) if previous.state.is_none() => {
            previous.state = Some(state.clone());
            true
        }
        _ => false,
    }
}
