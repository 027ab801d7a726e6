//! Looks at the streams of other operations than chat: transcripts, pictures, speech. Each event
//! names its type, and the last one is `….done` or `….completed`.

use std::sync::LazyLock;

use llm_core::Str;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap};
use memchr::memmem::Finder;

use super::super::{error, reply::take_str, usage};
use crate::json::Object;
use crate::said;

static SAID: LazyLock<[Finder<'static>; 1]> = LazyLock::new(|| [Finder::new("\"delta\"")]);

/// Looks at events.
#[derive(Default)]
pub(in crate::openai_chat) struct EventTap {
    seen: Observed,
}

impl EventTap {
    fn read(&mut self, frame: &Frame) {
        let Ok(root) = Str::try_from(frame.data.clone()) else { return };
        let Ok(mut o) = Object::root(&root) else { return };
        if let Some(failure) = error::inside(&mut o, &frame.data) {
            self.seen.failure = Some(failure);
            return;
        }
        if let Some(report) = o.take("usage").ok().flatten().and_then(usage::read) {
            self.seen.usage = Some(report.usage);
        }
        let word = take_str(&mut o, "type").unwrap_or_default();
        // Pictures come as one event each: the stream goes on until its bytes end, and each may be
        // the last.
        self.seen.ended = [".done", ".completed"].iter().any(|end| word.ends_with(end));
        self.seen.delta(said::tokens(&frame.data, &*SAID).max(1));
    }
}

impl Tap for EventTap {
    fn see(&mut self, frame: &Frame) -> Keep {
        match frame.kind {
            FrameKind::Padding => {}
            FrameKind::Event | FrameKind::Unfinished | FrameKind::Stray => {
                if frame.data.trim_ascii() == b"[DONE]" {
                    self.seen.close();
                } else {
                    self.read(frame);
                }
            }
        }
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.seen
    }
}
