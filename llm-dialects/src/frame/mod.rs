//! Cuts a stream into frames, whatever pieces the network makes of it.
//!
//! A [`Splitter`] takes chunks of bytes and gives [`Frame`]s to whoever reads them: the driver,
//! which interprets them, and the tap, which watches them pass. It knows where a frame ends and
//! nothing about what it says. Deliberately absent: UTF-8 (a chunk may end inside a character, so
//! text is only decoded by whoever has a whole frame), JSON, and any opinion about a broken frame.
//!
//! Two laws hold for every framing. The `raw` bytes of all frames join to the stream, so that a
//! relay that forwards them forwards the stream. And the frames are the same wherever the stream
//! was cut into chunks. A frame that lies within one chunk is a slice of it; only a frame that
//! spans chunks is copied.

use std::fmt;

use bytes::{Bytes, BytesMut};
use llm_core::dialect::{Frame, FrameKind, Framing};

mod json_array;
mod ndjson;
mod sse;

/// What one frame may hold, and so what one stream can make us keep. A picture comes in a single
/// frame as base64, and one of 4096 x 4096 pixels needs about this much; text frames stay below a
/// few kilobytes.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// A frame that is larger than we are ready to hold. The stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLarge {
    /// What a frame may hold.
    pub bytes_max: usize,
}

impl fmt::Display for FrameTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of the stream is larger than {} bytes", self.bytes_max)
    }
}

impl std::error::Error for FrameTooLarge {}

/// Chunks in, frames out.
#[derive(Debug)]
#[repr(C)]
pub struct Splitter {
    // In front, as it is all that most chunks ask for.
    held: Held,
    rules: Rules,
}

#[derive(Debug)]
enum Rules {
    Sse(sse::Sse),
    Ndjson(ndjson::Ndjson),
    JsonArray(json_array::JsonArray),
}

impl Splitter {
    /// For a stream in that framing.
    pub fn new(framing: Framing) -> Self {
        let rules = match framing {
            Framing::Sse => Rules::Sse(sse::Sse::default()),
            Framing::Ndjson => Rules::Ndjson(ndjson::Ndjson::default()),
            Framing::JsonArray => Rules::JsonArray(json_array::JsonArray::default()),
        };
        let held = Held { bytes: BytesMut::new(), bytes_max: FRAME_BYTES_MAX, broken: false };
        Self { rules, held }
    }

    /// With another limit than [`FRAME_BYTES_MAX`].
    #[must_use]
    pub fn with_frame_bytes_max(mut self, bytes_max: usize) -> Self {
        self.held.bytes_max = bytes_max;
        self
    }

    /// Takes the next bytes and adds every frame they complete to `out`. A frame may be as short
    /// as one line break, so that chunks should not be larger than a network makes them. After an
    /// error it gives nothing but that error: where the next frame would start is not known.
    pub fn feed(&mut self, chunk: &Bytes, out: &mut Vec<Frame>) -> Result<(), FrameTooLarge> {
        if self.held.broken {
            return Err(self.held.too_large());
        }
        match &mut self.rules {
            Rules::Sse(rules) => rules.feed(chunk, &mut self.held, out),
            Rules::Ndjson(rules) => rules.feed(chunk, &mut self.held, out),
            Rules::JsonArray(rules) => rules.feed(chunk, &mut self.held, out),
        }
    }

    /// The bytes ended: gives what is pending. To be called once, last.
    pub fn finish(&mut self, out: &mut Vec<Frame>) {
        if self.held.broken {
            return;
        }
        match &mut self.rules {
            Rules::Sse(rules) => rules.finish(&mut self.held, out),
            Rules::Ndjson(rules) => rules.finish(&mut self.held, out),
            Rules::JsonArray(rules) => rules.finish(&mut self.held, out),
        }
    }
}

/// The beginning of a frame whose end has not come, copied out of the chunks it came in so that
/// these need not be kept.
#[derive(Debug)]
struct Held {
    bytes: BytesMut,
    bytes_max: usize,
    broken: bool,
}

impl Held {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps a piece of a frame that is not complete.
    fn keep(&mut self, piece: &[u8]) -> Result<(), FrameTooLarge> {
        self.admit(self.bytes.len() + piece.len())?;
        if self.bytes.is_empty() && !piece.is_empty() {
            self.bytes.reserve(piece.len() + HELD_BYTES_SPARE);
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// The bytes of a frame that ends at `end` of `chunk`, and starts at `start` of it unless
    /// its beginning is held.
    fn complete(
        &mut self,
        chunk: &Bytes,
        start: usize,
        end: usize,
    ) -> Result<Bytes, FrameTooLarge> {
        if self.bytes.is_empty() {
            // The limit is checked here too: whether a frame is too large must not depend on how
            // it was cut.
            self.admit(end - start)?;
            return Ok(chunk.slice(start..end));
        }
        self.keep(&chunk[start..end])?;
        Ok(self.take())
    }

    /// Everything held.
    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).freeze()
    }

    fn admit(&mut self, len: usize) -> Result<(), FrameTooLarge> {
        if len <= self.bytes_max {
            return Ok(());
        }
        self.broken = true;
        self.bytes = BytesMut::new();
        Err(self.too_large())
    }

    fn too_large(&self) -> FrameTooLarge {
        FrameTooLarge { bytes_max: self.bytes_max }
    }
}

/// Room for the rest of a frame that is held: most frames are smaller, and then one allocation is
/// enough for it.
const HELD_BYTES_SPARE: usize = 512;

/// A frame that only some bytes pass in.
fn padding(raw: Bytes) -> Frame {
    Frame { raw, data: Bytes::new(), event: None, kind: FrameKind::Padding }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Editors put it in front of files, and some servers in front of answers.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
