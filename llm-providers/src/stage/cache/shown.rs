//! A stream without the usage frame that this reader did not ask for.
//!
//! A recording has it, since another reader may want it: the next caller may ask for usage, or for
//! a whole answer, which always has it. So it is taken out where a stream is read, with the same tap
//! that takes it out of a stream that passes.

use bytes::{Bytes, BytesMut};
use llm_core::dialect::{DialectId, Frame, Framing, Keep, Tap, TapCx};
use llm_dialects::frame::Splitter;

/// Takes the frame out.
pub(super) struct Unasked {
    splitter: Splitter,
    tap: Box<dyn Tap>,
    frames: Vec<Frame>,
}

impl Unasked {
    /// For a stream of that dialect; `None` when nobody reads it.
    pub(super) fn new(dialect: DialectId, framing: Framing) -> Option<Self> {
        let tap =
            llm_dialects::upstream(dialect)?.tap(TapCx { hide_usage: true, ..TapCx::default() });
        Some(Self { splitter: Splitter::new(framing), tap, frames: Vec::new() })
    }

    /// What the reader is to see of a piece.
    pub(super) fn pass(&mut self, piece: Bytes, last: bool) -> Bytes {
        if self.splitter.feed(&piece, &mut self.frames).is_err() {
            // It passed the same splitter before it was written down.
            debug_assert!(false, "a frame grew in a recording");
            return piece;
        }
        if last {
            self.splitter.finish(&mut self.frames);
        }
        let tap = &mut self.tap;
        self.frames.retain(|frame| tap.see(frame) == Keep::Forward);
        let shown: usize = self.frames.iter().map(|f| f.raw.len()).sum();
        if shown == piece.len() && self.frames.first().is_none_or(|f| within(&f.raw, &piece)) {
            self.frames.clear();
            return piece;
        }
        let mut out = BytesMut::with_capacity(shown);
        self.frames.drain(..).for_each(|frame| out.extend_from_slice(&frame.raw));
        out.freeze()
    }
}

/// Whether a frame was cut out of a piece at its beginning: then nothing stood before it.
fn within(raw: &Bytes, piece: &Bytes) -> bool {
    raw.as_ptr() == piece.as_ptr()
}
