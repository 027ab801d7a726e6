//! The elements of one JSON array, each a frame as soon as it is complete.
//!
//! Gemini streams so when nobody asked for server-sent events. Only brackets, strings and escapes
//! are followed: whether an element is valid JSON is for its reader to say, and commas are taken
//! as space. The bytes between two elements belong to the frame of the later one.
//!
//! A body that is one object instead of an array is an error that came in place of the stream; it
//! is one frame. Text behind the end, or in place of both, is [`FrameKind::Stray`].

use bytes::Bytes;
use llm_core::dialect::{Frame, FrameKind};
use memchr::memchr2;

use super::{BYTE_ORDER_MARK, FrameTooLarge, Held, is_space, padding};

/// Where in the stream we are.
#[derive(Debug, Default)]
pub(super) struct JsonArray {
    place: Place,
    /// Where the element begins, in the bytes of its frame; `None` while there is none.
    element: Option<usize>,
    /// Whether the stream is an array. One object alone ends where it ends.
    array: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the array.
    #[default]
    Before,
    /// Between two elements.
    Between,
    /// In a number or a word, directly in the array.
    Scalar,
    /// In an object or array, that many deep.
    Inside(u32),
    /// In a string, that many deep.
    Text(u32),
    /// Behind a backslash in a string, that many deep.
    Escape(u32),
    /// Behind the end.
    After,
}

/// What a byte means for the frame it stands in.
enum Step {
    /// The frame goes on.
    More,
    /// An element begins with this byte.
    Begin,
    /// The element ends with this byte.
    End,
    /// The element ended before this byte, which must be looked at again.
    EndBefore,
    /// The array ends with this byte.
    Close,
}

impl JsonArray {
    pub(super) fn feed(
        &mut self,
        chunk: &Bytes,
        held: &mut Held,
        out: &mut Vec<Frame>,
    ) -> Result<(), FrameTooLarge> {
        let (mut start, mut at) = (0, 0);
        while self.place != Place::After {
            if matches!(self.place, Place::Text(_)) {
                at += memchr2(b'"', b'\\', &chunk[at..]).unwrap_or(chunk.len() - at);
            }
            let Some(byte) = chunk.get(at) else { break };
            let offset = held.len() + at - start;
            let end = match self.step(*byte, offset) {
                Step::More => None,
                Step::Begin => {
                    self.element = Some(offset);
                    None
                }
                Step::End | Step::Close => Some(at + 1),
                Step::EndBefore => Some(at),
            };
            if let Some(end) = end {
                let raw = held.complete(chunk, start, end)?;
                self.emit(raw, FrameKind::Event, out);
                start = end;
            }
            at = end.unwrap_or(at + 1);
        }
        held.keep(&chunk[start..])
    }

    pub(super) fn finish(&mut self, held: &mut Held, out: &mut Vec<Frame>) {
        if held.is_empty() {
            return;
        }
        let raw = held.take();
        let kind = match self.place {
            Place::After => {
                self.element = raw.iter().position(|b| !is_space(*b));
                FrameKind::Stray
            }
            Place::Before | Place::Between => FrameKind::Padding,
            Place::Scalar | Place::Inside(_) | Place::Text(_) | Place::Escape(_) => {
                FrameKind::Unfinished
            }
        };
        self.emit(raw, kind, out);
    }

    /// Takes one byte, which stands at `offset` of its frame.
    fn step(&mut self, byte: u8, offset: usize) -> Step {
        match (self.place, byte) {
            (Place::Before, b) if is_space(b) => Step::More,
            // The mark is three bytes that stand before everything else.
            (Place::Before, b) if BYTE_ORDER_MARK.get(offset) == Some(&b) => Step::More,
            (Place::Before, b'[') => {
                self.array = true;
                self.go(Place::Between, Step::More)
            }
            (Place::Before, b'{') => self.go(Place::Inside(1), Step::Begin),
            (Place::Before, _) => self.go(Place::After, Step::More),
            (Place::Between, b',') => Step::More,
            (Place::Between, b) if is_space(b) => Step::More,
            (Place::Between, b']') => self.go(Place::After, Step::Close),
            (Place::Between, b'{' | b'[') => self.go(Place::Inside(1), Step::Begin),
            (Place::Between, b'"') => self.go(Place::Text(0), Step::Begin),
            (Place::Between, _) => self.go(Place::Scalar, Step::Begin),
            (Place::Scalar, b) if is_space(b) || matches!(b, b',' | b']') => {
                self.go(Place::Between, Step::EndBefore)
            }
            (Place::Scalar, _) => Step::More,
            (Place::Inside(depth), b'"') => self.go(Place::Text(depth), Step::More),
            // Saturating: a body of four thousand million brackets is too large long before.
            (Place::Inside(depth), b'{' | b'[') => {
                self.go(Place::Inside(depth.saturating_add(1)), Step::More)
            }
            (Place::Inside(depth), b'}' | b']') => self.leave(depth - 1),
            (Place::Inside(_), _) => Step::More,
            (Place::Text(0), b'"') => self.leave(0),
            (Place::Text(depth), b'"') => self.go(Place::Inside(depth), Step::More),
            (Place::Text(depth), b'\\') => self.go(Place::Escape(depth), Step::More),
            (Place::Text(_), _) => Step::More,
            (Place::Escape(depth), _) => self.go(Place::Text(depth), Step::More),
            (Place::After, _) => Step::More,
        }
    }

    fn leave(&mut self, depth: u32) -> Step {
        match (depth, self.array) {
            (0, true) => self.go(Place::Between, Step::End),
            (0, false) => self.go(Place::After, Step::End),
            _ => self.go(Place::Inside(depth), Step::More),
        }
    }

    fn go(&mut self, place: Place, step: Step) -> Step {
        self.place = place;
        step
    }

    fn emit(&mut self, raw: Bytes, kind: FrameKind, out: &mut Vec<Frame>) {
        let Some(element) = self.element.take() else { return out.push(padding(raw)) };
        let data = raw.slice(element..);
        out.push(Frame { raw, data, event: None, kind });
    }
}
