//! One JSON value a line.
//!
//! A line ends with LF, and a CR before it belongs to the end: a CR alone does not end a line here,
//! for nobody has ever written NDJSON so. Blank lines are padding.

use bytes::Bytes;
use llm_core::dialect::{Frame, FrameKind};
use memchr::memchr;

use super::{BYTE_ORDER_MARK, FrameTooLarge, Held, is_space, padding};

/// Where in the stream we are.
#[derive(Debug, Default)]
pub(super) struct Ndjson {
    /// Whether the first line is over: only in front of it a byte order mark means nothing.
    begun: bool,
}

impl Ndjson {
    pub(super) fn feed(
        &mut self,
        chunk: &Bytes,
        held: &mut Held,
        out: &mut Vec<Frame>,
    ) -> Result<(), FrameTooLarge> {
        let mut start = 0;
        while let Some(at) = memchr(b'\n', &chunk[start..]) {
            let end = start + at + 1;
            let raw = held.complete(chunk, start, end)?;
            self.emit(raw, FrameKind::Event, out);
            start = end;
        }
        held.keep(&chunk[start..])
    }

    pub(super) fn finish(&mut self, held: &mut Held, out: &mut Vec<Frame>) {
        if !held.is_empty() {
            self.emit(held.take(), FrameKind::Unfinished, out);
        }
    }

    fn emit(&mut self, raw: Bytes, kind: FrameKind, out: &mut Vec<Frame>) {
        let mut line = 0..raw.len();
        if !std::mem::replace(&mut self.begun, true) && raw.starts_with(BYTE_ORDER_MARK) {
            line.start = BYTE_ORDER_MARK.len();
        }
        while line.end > line.start && matches!(raw[line.end - 1], b'\n' | b'\r') {
            line.end -= 1;
        }
        if raw[line.clone()].iter().copied().all(is_space) {
            return out.push(padding(raw));
        }
        let data = raw.slice(line);
        out.push(Frame { raw, data, event: None, kind });
    }
}
