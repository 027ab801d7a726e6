//! Looks at passing events. Only the last one matters; the others are counted.

use std::sync::LazyLock;

use llm_core::dialect::{Frame, FrameKind, Keep, Observed, StreamDecoder, Tap};
use llm_core::event::Event;
use memchr::memmem::Finder;

use super::stream::Decoder;
use crate::said;

static END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"message-end\""));
static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("-delta\""));
static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"type\""));

/// Behind which text or a call stands.
static SAID: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
    ["\"text\"", "\"thinking\"", "\"arguments\"", "\"tool_plan\""].map(Finder::new)
});

/// Watches one stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    observed: Observed,
}

impl Tap for Watch {
    fn see(&mut self, frame: &Frame) -> Keep {
        if frame.kind == FrameKind::Padding || self.observed.ended {
            return Keep::Forward;
        }
        let data = &frame.data;
        if DELTA.find(data).is_some() {
            self.observed.delta(said::tokens(data, &*SAID).max(1));
        } else if END.find(data).is_some() || TYPE.find(data).is_none() {
            self.read(frame);
        }
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.observed
    }
}

impl Watch {
    /// An event that may matter is read as the decoder reads it.
    fn read(&mut self, frame: &Frame) {
        let mut events = Vec::new();
        if Decoder::default().feed(frame, &mut events).is_err() {
            return;
        }
        for event in events {
            match event {
                Event::Usage(report) => self.observed.usage = Some(report.usage),
                Event::Finish { finish, .. } => self.observed.finish = Some(finish.reason),
                Event::Failure(error) => self.observed.failure = Some(error),
                Event::End => self.observed.close(),
                Event::Start(_)
                | Event::PartStart { .. }
                | Event::PartDelta { .. }
                | Event::PartEnd { .. }
                | Event::Notice(_)
                | Event::Unmodelled(_) => {}
            }
        }
    }
}
