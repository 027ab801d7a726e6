//! Joins pieces of base64. Each piece of a streamed sound is encoded by itself, so that padding may
//! stand in the middle of what is one sound; joined as they are such pieces are no base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm_core::Str;

/// The bytes of the last group that is not full yet: never more than two.
#[derive(Default)]
pub(super) struct Sound {
    rest: Vec<u8>,
}

impl Sound {
    /// The next piece, as it joins to those before it.
    pub(super) fn push(&mut self, piece: Str) -> Str {
        if self.rest.is_empty() && piece.len().is_multiple_of(4) && !piece.ends_with('=') {
            return piece;
        }
        // What is no base64 is not ours to mend.
        let Ok(bytes) = STANDARD.decode(&*piece) else { return piece };
        self.rest.extend(bytes);
        let full = self.rest.len() - self.rest.len() % 3;
        let bytes: Vec<u8> = self.rest.drain(..full).collect();
        STANDARD.encode(bytes).into()
    }

    /// What is left at the end.
    pub(super) fn take(&mut self) -> Option<Str> {
        let rest = std::mem::take(&mut self.rest);
        (!rest.is_empty()).then(|| STANDARD.encode(rest).into())
    }
}
