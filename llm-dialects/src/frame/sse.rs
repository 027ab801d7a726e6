//! Server-sent events.
//!
//! Lines end with LF, CRLF or CR; an event ends at its blank line. The bytes between two such ends
//! are a block, and each block is one frame. Two exceptions keep a relay prompt: a comment, and a
//! line that is no field at all, is a frame of its own as soon as it ends, unless fields of an
//! event stand before it. Heartbeats are single comments, and nobody may wait for the blank line
//! that some servers never send after them.
//!
//! Lines that are no field are also gathered and given once more as one [`FrameKind::Stray`] frame
//! when the bytes end, because Gemini writes an error as bare JSON over many lines behind the
//! events. Its `raw` is empty: those bytes have passed as padding, and a relay must not write
//! them twice.

use std::ops::Range;

use bytes::Bytes;
use llm_core::dialect::{Frame, FrameKind};
use memchr::memchr2;

use super::{BYTE_ORDER_MARK, FrameTooLarge, Held, is_space, padding};

/// Stray lines that are gathered. An error object fits many times over; of an HTML page served as
/// an event stream nobody needs more.
const STRAY_BYTES_MAX: usize = 64 << 10;

/// Where in the stream we are. In this order in memory too, as in [`super::Splitter`].
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Sse {
    /// Whether the first line is over: only in front of it a byte order mark means nothing.
    begun: bool,
    block: Block,
    /// Where in the held bytes the line begins that has not ended.
    line_start: usize,
    /// Lines that are no field, joined by LF.
    stray: Vec<u8>,
}

/// What the lines of a block said so far, as places in the block.
#[derive(Debug, Default)]
struct Block {
    data: Data,
    event: Range<usize>,
    /// Whether there was any field, `id` and `retry` included.
    fields: bool,
}

/// The data of an event.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    /// One line, as nearly always: a slice of the block.
    Line(Range<usize>),
    /// Several, joined by LF.
    Lines(Vec<u8>),
}

/// What a line means for its block.
#[derive(PartialEq, Eq)]
enum Step {
    /// The block goes on.
    More,
    /// The block ends with this line.
    Done,
}

impl Sse {
    pub(super) fn feed(
        &mut self,
        chunk: &Bytes,
        held: &mut Held,
        out: &mut Vec<Frame>,
    ) -> Result<(), FrameTooLarge> {
        if held.is_empty()
            && let Some(frame) = lone(chunk)
        {
            held.admit(chunk.len())?;
            self.begun = true;
            out.push(frame);
            return Ok(());
        }
        let mut start = 0;
        while !held.is_empty() {
            match self.complete_line(&chunk[start..], held)? {
                None => return Ok(()),
                Some((used, step)) => {
                    start += used;
                    if step == Step::Done {
                        self.emit(held.take(), FrameKind::Event, out);
                        self.line_start = 0;
                    }
                }
            }
        }
        let mut line = start;
        while let Some((end, next)) = line_end(chunk, line) {
            if self.line(&chunk[start..], line - start..end - start) == Step::Done {
                let raw = held.complete(chunk, start, next)?;
                self.emit(raw, FrameKind::Event, out);
                start = next;
            }
            line = next;
        }
        self.line_start = line - start;
        held.keep(&chunk[start..])
    }

    pub(super) fn finish(&mut self, held: &mut Held, out: &mut Vec<Frame>) {
        if !held.is_empty() {
            let end = held.len() - usize::from(held.bytes.ends_with(b"\r"));
            // Without a line to read the pending block has just not got its blank line.
            let step = match self.line_start < held.len() {
                true => self.line(&held.bytes, self.line_start..end.max(self.line_start)),
                false => Step::More,
            };
            let kind = match step {
                Step::Done => FrameKind::Event,
                Step::More => FrameKind::Unfinished,
            };
            self.emit(held.take(), kind, out);
        }
        if !self.stray.is_empty() {
            let data = Bytes::from(std::mem::take(&mut self.stray));
            out.push(Frame { raw: Bytes::new(), data, event: None, kind: FrameKind::Stray });
        }
    }

    /// Completes the line at the end of the held bytes: how much of the chunk it took, and what
    /// the line means; `None` when it goes on behind the chunk.
    fn complete_line(
        &mut self,
        chunk: &[u8],
        held: &mut Held,
    ) -> Result<Option<(usize, Step)>, FrameTooLarge> {
        let Some(first) = chunk.first() else { return Ok(None) };
        let line = self.line_start;
        // A CR at the end of a chunk may be half of a CRLF: only the next byte tells.
        let (end, used) = if held.len() > line && held.bytes.ends_with(b"\r") {
            (held.len() - 1, usize::from(*first == b'\n'))
        } else if let Some((end, next)) = line_end(chunk, 0) {
            (held.len() + end, next)
        } else {
            held.keep(chunk)?;
            return Ok(None);
        };
        held.keep(&chunk[..used])?;
        self.line_start = held.len();
        Ok(Some((used, self.line(&held.bytes, line..end))))
    }

    /// Reads one line of the block, without its end.
    fn line(&mut self, block: &[u8], mut line: Range<usize>) -> Step {
        if !self.begun {
            self.begun = true;
            if block[line.clone()].starts_with(BYTE_ORDER_MARK) {
                line.start += BYTE_ORDER_MARK.len();
            }
        }
        let text = &block[line.clone()];
        let Some(first) = text.first() else { return Step::Done };
        if *first == b':' {
            return self.passing();
        }
        if let Some(value) = value(text, b"data") {
            self.block.fields = true;
            self.block.data.push(block, line.start + value..line.end);
        } else if let Some(value) = value(text, b"event") {
            self.block.fields = true;
            self.block.event = line.start + value..line.end;
        } else if value(text, b"id").is_some() || value(text, b"retry").is_some() {
            self.block.fields = true;
        } else {
            self.stray_line(text);
            return self.passing();
        }
        Step::More
    }

    /// A line that says nothing about the event around it, if there is one.
    fn passing(&self) -> Step {
        if self.block.fields { Step::More } else { Step::Done }
    }

    fn stray_line(&mut self, text: &[u8]) {
        let separator = usize::from(!self.stray.is_empty());
        if self.stray.len() + separator + text.len() <= STRAY_BYTES_MAX {
            self.stray.extend_from_slice(&b"\n"[..separator]);
            self.stray.extend_from_slice(text);
        }
    }

    /// Gives the block as a frame, and begins the next one.
    fn emit(&mut self, raw: Bytes, kind: FrameKind, out: &mut Vec<Frame>) {
        let block = std::mem::take(&mut self.block);
        let data = match block.data {
            Data::None => return out.push(padding(raw)),
            Data::Line(at) => raw.slice(at),
            Data::Lines(lines) => Bytes::from(lines),
        };
        // Some servers send empty data to keep a connection alive. It has nothing to read.
        if data.iter().copied().all(is_space) {
            return out.push(padding(raw));
        }
        let event = (!block.event.is_empty()).then(|| raw.slice(block.event));
        out.push(Frame { raw, data, event, kind });
    }
}

impl Data {
    fn push(&mut self, block: &[u8], line: Range<usize>) {
        *self = match std::mem::take(self) {
            Self::None => Self::Line(line),
            Self::Line(first) => {
                let mut lines = block[first].to_vec();
                lines.push(b'\n');
                lines.extend_from_slice(&block[line]);
                Self::Lines(lines)
            }
            Self::Lines(mut lines) => {
                lines.push(b'\n');
                lines.extend_from_slice(&block[line]);
                Self::Lines(lines)
            }
        }
    }
}

/// A chunk that is one event of one line, as nearly all are: known without a look at each line.
fn lone(chunk: &Bytes) -> Option<Frame> {
    const BEFORE: &[u8] = b"data: ";
    const BEHIND: &[u8] = b"\n\n";
    let data = chunk.strip_prefix(BEFORE)?.strip_suffix(BEHIND)?;
    // What is only space says nothing, and is found out elsewhere.
    if is_space(*data.first()?) || memchr2(b'\n', b'\r', data).is_some() {
        return None;
    }
    let data = chunk.slice(BEFORE.len()..chunk.len() - BEHIND.len());
    Some(Frame { raw: chunk.clone(), data, event: None, kind: FrameKind::Event })
}

/// Where the value of a field begins; `None` when the line is another field. A line without a
/// colon is a field without a value, and one space behind the colon belongs to the framing.
fn value(line: &[u8], field: &[u8]) -> Option<usize> {
    match line.strip_prefix(field)? {
        [] => Some(line.len()),
        [b':', b' ', ..] => Some(field.len() + 2),
        [b':', ..] => Some(field.len() + 1),
        _ => None,
    }
}

/// Where the line that begins at `from` ends, and where the next begins; `None` when that is not
/// known yet.
fn line_end(bytes: &[u8], from: usize) -> Option<(usize, usize)> {
    // An event ends with a blank line: half of all ends are found without a search.
    if bytes.get(from) == Some(&b'\n') {
        return Some((from, from + 1));
    }
    let end = from + memchr2(b'\n', b'\r', &bytes[from..])?;
    if bytes[end] == b'\n' {
        return Some((end, end + 1));
    }
    match bytes.get(end + 1) {
        None => None,
        Some(b'\n') => Some((end, end + 2)),
        Some(_) => Some((end, end + 1)),
    }
}
