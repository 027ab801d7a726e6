//! The items and parts of a stream that is being written.

use llm_core::event::PartId;
use llm_core::prompt::{Citation, Opaque, Part, PartKind, TokenLogprob};
use llm_core::raw::Raw;

use super::frames::Delta;

/// The items of the response so far, in order.
#[derive(Debug, Default)]
pub(super) struct Grown {
    /// The items.
    pub(super) list: Vec<Item>,
}

/// An item of the response.
#[derive(Debug)]
pub(super) struct Item {
    /// `msg_…`
    pub(super) id: String,
    /// What it is.
    pub(super) shape: Shape,
    /// The number of its first part in the answer.
    pub(super) first: usize,
    /// The parts that make it, in order; what is not complete yet is `None`.
    pub(super) parts: Vec<Option<Part>>,
    /// Nothing more joins it.
    pub(super) sealed: bool,
    /// The item as JSON, once it is complete.
    pub(super) done: Option<Raw>,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A message: texts and refusals that follow each other.
    Message,
    /// A thought: texts of reasoning that follow each other.
    Thought,
    /// A single part.
    Single,
}

/// A part that is open.
#[derive(Debug)]
pub(super) struct Growing {
    /// Which.
    pub(super) part: PartId,
    /// The item it belongs to, by its place in the response, and which of its parts it is. `None`
    /// for what comes at once, and for what cannot be said.
    pub(super) spot: Option<(usize, usize)>,
    /// What it is, without what it grows by.
    pub(super) kind: PartKind,
    /// Its text or arguments so far.
    pub(super) text: String,
    /// Where the text comes from.
    pub(super) citations: Vec<Citation>,
    /// How sure the model was.
    pub(super) logprobs: Vec<TokenLogprob>,
    /// What the provider wants back.
    pub(super) state: Option<Opaque>,
    /// How its deltas begin, once there was one.
    pub(super) delta: Option<Delta>,
}

impl Growing {
    /// A part that begins.
    pub(super) fn new(part: PartId, kind: PartKind) -> Self {
        Self {
            part,
            spot: None,
            kind,
            text: String::new(),
            citations: Vec::new(),
            logprobs: Vec::new(),
            state: None,
            delta: None,
        }
    }
}

impl Item {
    /// Whether one of its parts is still open.
    pub(super) fn is_open(&self) -> bool {
        self.parts.iter().any(Option::is_none)
    }
}

impl Grown {
    /// Puts a part into the item at `at`.
    pub(super) fn join(&mut self, at: usize, growing: &mut Growing) {
        if let Some(item) = self.list.get_mut(at) {
            growing.spot = Some((at, item.parts.len()));
            item.parts.push(None);
        }
    }

    /// Where a part stands: its item's id and index, and its own index in the item.
    pub(super) fn spot(&self, growing: &Growing) -> Option<(&str, u32, u32)> {
        let (at, piece) = growing.spot?;
        let item = self.list.get(at)?;
        Some((&item.id, index(at), index(piece)))
    }
}

/// An index as the API writes it. Parts are numbered in 16 bits, so it always fits.
pub(super) fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
