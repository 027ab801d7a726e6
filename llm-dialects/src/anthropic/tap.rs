//! Looks at passing frames.
//!
//! Deltas are told by their name and are only counted. What is parsed are the few frames that
//! say what was used or how it ended: the two ends of a message, and errors. Nothing is ever
//! hidden: the API sends usage by itself, and every caller expects it.

use std::sync::LazyLock;

use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap};
use memchr::memmem::Finder;

use super::usage::Counts;
use super::{error, reply};
use crate::json::Field;
use crate::said;

/// With their quotes on, these are never found in the middle of prose, where quotes are escaped.
static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"content_block_delta\""));
static FACTS: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("\"message_"), Finder::new("\"error\"")]);

/// Behind which text stands. A signature is none.
static SAID: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["\"text\"", "\"thinking\"", "\"partial_json\""].map(Finder::new));

/// What a frame is good for.
enum Weight {
    /// It carries something to read.
    Delta,
    /// It says what was used, or how it ended.
    Facts,
    Nothing,
}

fn weight(frame: &Frame) -> Weight {
    match frame.event.as_deref() {
        Some(b"content_block_delta") => Weight::Delta,
        Some(b"content_block_start" | b"content_block_stop" | b"ping") => Weight::Nothing,
        Some(_) => Weight::Facts,
        // Some hosts leave the names out.
        None if DELTA.find(&frame.data).is_some() => Weight::Delta,
        None if FACTS.iter().any(|word| word.find(&frame.data).is_some()) => Weight::Facts,
        None => Weight::Nothing,
    }
}

/// What passed.
#[derive(Default)]
pub(super) struct Passing {
    observed: Observed,
    counts: Counts,
}

impl Tap for Passing {
    fn see(&mut self, frame: &Frame) -> Keep {
        if frame.kind == FrameKind::Padding {
            return Keep::Forward;
        }
        match weight(frame) {
            Weight::Delta => {
                self.observed.delta(said::tokens(&frame.data, &*SAID));
            }
            // What cannot be read is not ours to judge: the bytes pass as they are.
            Weight::Facts => _ = self.read(frame),
            Weight::Nothing => {}
        }
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.observed
    }
}

impl Passing {
    fn read(&mut self, frame: &Frame) -> Option<()> {
        let text = Str::try_from(frame.data.clone()).ok()?;
        let object = Field::root(&text).ok()?.object().ok()?;
        let kind = object.see("type")?.cow().ok()?;
        match &*kind {
            "message_start" => {
                let message = object.see("message")?.object().ok()?;
                self.count(message.see("usage")?)
            }
            "message_delta" => {
                if let Some(usage) = object.see("usage") {
                    self.count(usage);
                }
                let delta = object.see("delta")?.object().ok()?;
                let word = delta.see("stop_reason")?.cow().ok()?;
                self.observed.finish = Some(reply::reason(&word));
                Some(())
            }
            "message_stop" => {
                self.observed.close();
                // A message that stops without a reason has stopped all the same.
                self.observed.finish.get_or_insert(FinishReason::Stop);
                Some(())
            }
            "error" => {
                self.observed.failure = Some(error::inside(&frame.data));
                // Before anything was written it is a refusal, and what the opening had announced
                // is not what was used.
                if self.observed.deltas == 0 {
                    self.observed.usage = None;
                }
                Some(())
            }
            _ => None,
        }
    }

    fn count(&mut self, usage: Field<'_>) -> Option<()> {
        self.counts.take(usage).ok()?;
        self.observed.usage = self.counts.usage();
        Some(())
    }
}
