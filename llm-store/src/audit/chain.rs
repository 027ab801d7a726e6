//! The chain of a trail's lines. Whoever changes, drops or moves a line has to change all after it,
//! and the head.

use blake3::Hasher;

use super::Draft;
use crate::sql::chain::text;

/// What the first line follows.
pub(super) fn genesis() -> [u8; 32] {
    let mut hasher = Hasher::new();
    text(&mut hasher, "llm audit 1");
    hasher.finalize().into()
}

pub(super) fn follow(before: &[u8; 32], seq: i64, at: i64, draft: &Draft) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(before).update(&seq.to_le_bytes()).update(&at.to_le_bytes());
    let Draft { who, what, about, detail, outcome } = draft;
    for word in [&**who, what, about, detail, outcome.name()] {
        text(&mut hasher, word);
    }
    hasher.finalize().into()
}
