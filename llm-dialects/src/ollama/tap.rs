//! Looks at passing lines. Only the last one and an error matter; the others are counted.

use std::sync::LazyLock;

use llm_core::Str;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap};
use llm_core::event::Event;
use memchr::memmem::Finder;

use super::stream::Decoder;
use crate::said;
use llm_core::dialect::StreamDecoder;

static DONE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"done\""));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));
static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"tool_calls\""));

/// Behind which text or a call stands.
static SAID: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    ["\"content\"", "\"thinking\"", "\"response\"", "\"arguments\"", "\"name\""].map(Finder::new)
});

/// Watches one stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    observed: Observed,
    /// Whether a call passed: the last line says `stop` all the same.
    called: bool,
}

impl Tap for Watch {
    fn see(&mut self, frame: &Frame) -> Keep {
        if frame.kind == FrameKind::Padding || self.observed.ended {
            return Keep::Forward;
        }
        let data = &frame.data;
        if is_done(data) || ERROR.find(data).is_some() {
            self.read(frame);
            return Keep::Forward;
        }
        self.called |= CALLS.find(data).is_some();
        self.count(frame);
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.observed
    }
}

/// Whether a line says `done: true`. In text a quote has a backslash before it.
fn is_done(data: &[u8]) -> bool {
    DONE.find_iter(data).any(|at| {
        let rest = data.get(at + 6..).unwrap_or_default().trim_ascii_start();
        rest.strip_prefix(b":").is_some_and(|r| r.trim_ascii_start().starts_with(b"t"))
    })
}

impl Watch {
    fn count(&mut self, frame: &Frame) {
        self.observed.delta(said::tokens(&frame.data, &*SAID));
    }

    /// A line that may matter is read as the decoder reads it.
    fn read(&mut self, frame: &Frame) {
        let mut events = Vec::new();
        let mut decoder = Decoder::after_calls(self.called);
        if Str::try_from(frame.data.clone()).is_err() || decoder.feed(frame, &mut events).is_err() {
            return;
        }
        for event in events {
            match event {
                Event::Usage(report) => self.observed.usage = Some(report.usage),
                Event::Finish { finish, .. } => self.observed.finish = Some(finish.reason),
                Event::Failure(error) => self.observed.failure = Some(error),
                Event::End => self.observed.close(),
                Event::PartDelta { .. } => self.count(frame),
                Event::Start(_)
                | Event::PartStart { .. }
                | Event::PartEnd { .. }
                | Event::Notice(_)
                | Event::Unmodelled(_) => {}
            }
        }
    }
}
