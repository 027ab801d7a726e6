//! Items and parts.
//!
//! The API's conversation is a flat list of items: messages of several pieces, reasoning of
//! several texts, calls, results, and a dozen kinds that only OpenAI understands. Canonical words
//! are parts. One item becomes one part or a run of them; the parts of a run but the first are
//! marked, and what belongs to the item as a whole (its id, its status) rests on the last.

mod read;
mod write;

pub(super) use read::{Turn, model_item, tool_item, turn};
pub(super) use write::{
    IN_PROGRESS, Ident, Items, To, call_fields, is_bare, message_fields, reasoning_fields,
};

/// A message.
pub(super) const MESSAGE: &str = "message";
/// A message's or a thought's own bytes for the next turn.
const ENCRYPTED: &str = "encrypted_content";
