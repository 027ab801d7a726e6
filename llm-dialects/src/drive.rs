//! Drives a stream from its bytes to its events, and is the one place where the policy stands.
//!
//! A [`Splitter`] cuts the bytes into frames, a dialect's decoder says what each frame means, and
//! the driver decides everything else:
//!
//! | what comes | what becomes of it |
//! | --- | --- |
//! | an event | the decoder reads it |
//! | an event that is broken | `Failure` (corrupt), and nothing after it |
//! | an event without its end, when the bytes end | counts if its data is whole JSON or `[DONE]` |
//! | text outside the framing | the decoder may know it as an error; ignored otherwise |
//! | padding | ignored |
//! | a frame larger than we hold | `Failure` (corrupt) |
//! | the end, without `End` or `Failure` before it | `Failure` (truncated) |
//! | anything after `End` or `Failure` | ignored |
//!
//! So the events always end with exactly one of `End` and `Failure`. Deliberately absent: errors
//! that come instead of a stream (`decode_error` reads those), and time.

use std::fmt;

use bytes::Bytes;
use llm_core::dialect::{Corrupt, Frame, FrameKind, Framing, StreamDecoder};
use llm_core::error::Error;
use llm_core::event::Event;
#[cfg(any(test, debug_assertions))]
use llm_core::event::laws;
use llm_core::fault::{Fault, FaultClass};
use serde::de::IgnoredAny;

use crate::frame::Splitter;

/// Bytes in, events out.
pub struct Driver {
    splitter: Splitter,
    decoder: Box<dyn StreamDecoder>,
    frames: Vec<Frame>,
    over: bool,
    #[cfg(any(test, debug_assertions))]
    laws: laws::Sequence,
}

impl Driver {
    /// For a stream in that framing, read by that decoder.
    pub fn new(framing: Framing, decoder: Box<dyn StreamDecoder>) -> Self {
        Self::with(Splitter::new(framing), decoder)
    }

    /// With a splitter of one's own.
    pub fn with(splitter: Splitter, decoder: Box<dyn StreamDecoder>) -> Self {
        Self {
            splitter,
            decoder,
            frames: Vec::new(),
            over: false,
            #[cfg(any(test, debug_assertions))]
            laws: laws::Sequence::default(),
        }
    }

    /// Whether `End` or `Failure` was given. The bytes that follow change nothing.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut chunk: Bytes, out: &mut Vec<Event>) {
        while !chunk.is_empty() && !self.over {
            let piece = chunk.split_to(chunk.len().min(PIECE_BYTES_MAX));
            let cut = self.splitter.feed(&piece, &mut self.frames);
            self.read(out);
            if let Err(too_large) = cut {
                self.fail(FaultClass::Corrupt, too_large.to_string(), out);
            }
        }
    }

    /// The bytes ended.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        if self.over {
            return;
        }
        self.splitter.finish(&mut self.frames);
        self.read(out);
        if !self.over {
            let from = out.len();
            self.decoder.finish(out);
            self.pass(from, out);
        }
        self.fail(FaultClass::Truncated, "the stream ended before its terminal event", out);
    }

    /// Reads the frames that are there.
    fn read(&mut self, out: &mut Vec<Event>) {
        let mut frames = std::mem::take(&mut self.frames);
        for frame in frames.drain(..) {
            if self.over || !is_read(&frame) {
                continue;
            }
            let from = out.len();
            let read = self.decoder.feed(&frame, out);
            self.pass(from, out);
            if let Err(Corrupt { message }) = read {
                self.fail(FaultClass::Corrupt, message, out);
            }
        }
        self.frames = frames;
    }

    /// Lets the events from `from` on pass, as far as the first that ends the answer.
    fn pass(&mut self, from: usize, out: &mut Vec<Event>) {
        let last = out[from..].iter().position(|e| matches!(e, Event::End | Event::Failure(_)));
        if let Some(last) = last {
            out.truncate(from + last + 1);
            self.over = true;
        }
        // A broken law is a mistake in a decoder. It costs our tests, and nobody's answer. Only
        // arguments that are no JSON are a model's own doing.
        #[cfg(any(test, debug_assertions))]
        for event in &out[from..] {
            let checked = self.laws.check(event);
            let lawful = matches!(checked, Ok(()) | Err(laws::Violation::Arguments(_)));
            assert!(lawful, "{checked:?} by {event:?}");
        }
    }

    fn fail(&mut self, class: FaultClass, message: impl Into<llm_core::Str>, out: &mut Vec<Event>) {
        if self.over {
            return;
        }
        let from = out.len();
        // Inside an answer there is no status but the 200 it began with.
        out.push(Event::Failure(Error::upstream(Fault::new(200, class, message))));
        self.pass(from, out);
    }
}

/// How much of a chunk is split before the frames are read. A frame costs a hundred bytes of ours
/// and may be a single line break of theirs: without a bound, a chunk of line breaks would cost a
/// hundred times its size.
const PIECE_BYTES_MAX: usize = 64 << 10;

/// Whether the decoder sees a frame.
fn is_read(frame: &Frame) -> bool {
    match frame.kind {
        FrameKind::Event | FrameKind::Stray => true,
        FrameKind::Padding => false,
        FrameKind::Unfinished => is_whole(&frame.data),
    }
}

/// Whether data that lacks the end of its frame is complete all the same. Some servers do not
/// write the last blank line.
fn is_whole(data: &[u8]) -> bool {
    data.trim_ascii() == b"[DONE]" || serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("splitter", &self.splitter)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
