//! Bytes on their way: what may be given on, and what waits.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// Bytes to be given on, joined only when there are several.
#[derive(Default)]
pub(super) struct Pieces {
    pieces: SmallVec<[Bytes; 1]>,
    /// Those before it were given on.
    next: usize,
    pub(super) bytes: usize,
}

impl Pieces {
    pub(super) fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        debug_assert_eq!(other.next, 0, "what is held is given on all at once");
        self.bytes += std::mem::take(&mut other.bytes);
        self.pieces.extend(other.pieces.drain(..));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The first piece.
    pub(super) fn next(&mut self) -> Bytes {
        let piece = self.pieces.get_mut(self.next).map(std::mem::take).unwrap_or_default();
        self.bytes -= piece.len();
        self.next += 1;
        if self.next >= self.pieces.len() {
            self.pieces.clear();
            self.next = 0;
        }
        piece
    }

    /// All pieces in one.
    pub(super) fn take(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes);
        let from = std::mem::take(&mut self.next);
        if self.pieces.len() == from + 1 {
            let last = self.pieces.pop().unwrap_or_default();
            self.pieces.clear();
            return last;
        }
        let mut joined = BytesMut::with_capacity(bytes);
        self.pieces.drain(..).skip(from).for_each(|p| joined.extend_from_slice(&p));
        joined.freeze()
    }
}
