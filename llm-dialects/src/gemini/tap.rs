//! Looks at frames as they pass.
//!
//! Every frame repeats what was used so far, so that a gate by substring would let each of them
//! through. Instead the last frame that counts is kept, and read when somebody asks; only a frame
//! that ends something is read at once.

use std::cell::OnceCell;
use std::sync::LazyLock;

use bytes::Bytes;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap};
use llm_core::error::Error;
use llm_core::usage::Usage;
use memchr::memmem::{Finder, FinderRev};
use serde::Deserialize;

use super::names::{self, FINISH_REASON};
use super::reply::decode::block_word;
use super::wire::{Chunk, Counts, Word};
use super::{error, finish, usage};
use crate::json::{Field, object};
use crate::said;

/// Keys with their quotes on: inside text quotes are escaped.
struct Marks {
    parts: Finder<'static>,
    call: Finder<'static>,
    finish: Finder<'static>,
    block: Finder<'static>,
    error: Finder<'static>,
    search: Finder<'static>,
    usage: FinderRev<'static>,
    /// Behind which text or a call stands. A signature is neither.
    said: [Finder<'static>; 4],
}

static MARKS: LazyLock<Marks> = LazyLock::new(|| Marks {
    parts: Finder::new("\"parts\""),
    call: Finder::new("\"functionCall\""),
    finish: Finder::new("\"finishReason\""),
    block: Finder::new("\"blockReason\""),
    error: Finder::new("\"error\""),
    search: Finder::new("\"webSearchQueries\""),
    usage: FinderRev::new("\"usageMetadata\""),
    said: ["\"text\"", "\"args\"", "\"name\"", "\"code\""].map(Finder::new),
});

/// Watches a stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    observed: Observed,
    /// The last frame that counts and has not been read.
    unread: Option<Bytes>,
    /// What was observed, with that frame read.
    read: OnceCell<Observed>,
    called: bool,
    /// Whether several candidates are expected, of which one may finish before the others.
    many: bool,
    begun: u64,
    finished: u64,
}

/// An error stands alone in its frame, and so at its beginning.
const ERROR_WITHIN: usize = 64;

impl Tap for Watch {
    fn see(&mut self, frame: &Frame) -> Keep {
        let data = &frame.data[..];
        match frame.kind {
            FrameKind::Padding => return Keep::Forward,
            FrameKind::Event | FrameKind::Unfinished => {}
            FrameKind::Stray => {
                self.read_whole(frame);
                return Keep::Forward;
            }
        }
        let marks = &*MARKS;
        let telling = if marks.parts.find(data).is_some() {
            self.observed.delta(said::tokens(data, &marks.said).max(1));
            self.called = self.called || marks.call.find(data).is_some();
            let finish = marks.finish.find(data).is_some();
            // Of several, another may go on behind the finish of one; of one, nothing counts there.
            self.observed.ended &= finish || !self.many;
            finish || self.many
        } else {
            // What has no parts is rare, and may be anything.
            let start = data.get(..ERROR_WITHIN).unwrap_or(data);
            marks.error.find(start).is_some()
                || marks.block.find(data).is_some()
                || marks.finish.find(data).is_some()
        };
        if marks.search.find(data).is_some() {
            self.observed.searches = 1;
        }
        if telling {
            self.read_whole(frame);
        } else if marks.usage.rfind(data).is_some() {
            self.unread = Some(frame.data.clone());
        }
        self.read.take();
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        match &self.unread {
            None => &self.observed,
            Some(frame) => self.read.get_or_init(|| Observed {
                usage: counted(frame).or(self.observed.usage),
                ..self.observed.clone()
            }),
        }
    }
}

/// Bytes of the key with its quotes.
const USAGE_KEY: usize = "\"usageMetadata\"".len();

/// Whether the provider has searched, which it bills by the answer.
pub(super) fn searches(body: &[u8]) -> u32 {
    u32::from(MARKS.search.find(body).is_some())
}

/// What was used, read where it stands, without the rest of the frame.
fn counted(frame: &[u8]) -> Option<Usage> {
    let at = MARKS.usage.rfind(frame)?;
    let value = frame.get(at + USAGE_KEY..)?.trim_ascii_start().strip_prefix(b":")?;
    // Stops at the end of the object, wherever the frame goes on.
    let mut reader = serde_json::Deserializer::from_slice(value);
    usage::usage(&Counts::deserialize(&mut reader).ok()?)
}

impl Watch {
    /// For a stream of one candidate, or of several.
    pub(super) fn new(many: bool) -> Self {
        Self { many, ..Self::default() }
    }

    fn read_whole(&mut self, frame: &Frame) {
        let Ok(text) = object::text(&frame.data) else { return };
        let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(&text) else { return };
        if chunk.error.is_some() {
            if let Ok(field) = Field::root(&text) {
                let fault = error::inside(&frame.data, field);
                self.observed.failure = Some(Error::upstream(fault));
            }
            return;
        }
        let before = self.unread.take().and_then(|frame| counted(&frame));
        let now = chunk.usage_metadata.as_ref().and_then(usage::usage);
        self.observed.usage = now.or(before).or(self.observed.usage);
        for candidate in chunk.candidates.iter().flatten() {
            let index = candidate.index.as_ref().map_or(0, |n| n.0).min(u64::from(u64::BITS - 1));
            self.begun |= 1 << index;
            let Some(word) = &candidate.finish_reason else { continue };
            let reason = match word {
                Word::Said(word) => finish::reason(word, self.called),
                Word::Number(n) => {
                    finish::reason(&names::of_number(&n.to_string(), FINISH_REASON), self.called)
                }
            };
            if reason.is_some() {
                self.observed.finish = reason;
                self.finished |= 1 << index;
                self.observed.ended = !self.many || self.begun & !self.finished == 0;
            }
        }
        let feedback = chunk.prompt_feedback.map(|f| text.slice_ref(f.get()));
        let blocked = feedback.and_then(|f| block_word(Field::root(&f).ok()?)).is_some();
        if blocked && !self.observed.ended {
            self.observed.finish = Some(FinishReason::ContentFilter);
            self.observed.ended = true;
        }
    }
}
