//! Looks at passing frames without reading the ordinary ones: a delta is known by its first bytes,
//! and only the events that end a response are read.

use std::sync::LazyLock;

use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap};
use memchr::memmem::Finder;

use super::error;
use super::reply::outline;
use super::wire;
use crate::json::{Field, Object};
use crate::said;

/// The four events that end a response have this in their data, and so has the error. Deltas have
/// neither, unless their text quotes it, and quotes are escaped there.
static RESPONSE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"response\":"));
/// Behind which the text of a delta stands.
static SAID: LazyLock<[Finder<'static>; 1]> = LazyLock::new(|| [Finder::new("\"delta\"")]);
/// What every delta has.
static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b".delta\""));

/// Watches a stream.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Observed,
}

impl Tap for Watch {
    fn see(&mut self, frame: &Frame) -> Keep {
        if frame.kind != FrameKind::Padding {
            self.look(frame);
        }
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.seen
    }
}

impl Watch {
    fn look(&mut self, frame: &Frame) {
        // The kind stands in the first bytes, behind the event name where the framing has one.
        let head = frame.data.get(..HEAD_BYTES).unwrap_or(&frame.data);
        let named = frame.event.as_deref();
        if named.is_some_and(|n| n.ends_with(b".delta")) || DELTA.find(head).is_some() {
            self.seen.delta(said::tokens(&frame.data, &*SAID).max(1));
            return;
        }
        let ends = named.is_none_or(|n| ENDS.contains(&n));
        if ends {
            self.read(frame);
        }
    }

    fn read(&mut self, frame: &Frame) {
        let Ok(text) = Str::try_from(frame.data.clone()) else { return };
        let Ok(read) = serde_json::from_str::<wire::Frame<'_>>(&text) else { return };
        let named = frame.event.as_deref().and_then(|n| str::from_utf8(n).ok());
        let kind = read.kind.as_deref().or(named).unwrap_or_default();
        if kind == "error" || frame.kind == FrameKind::Stray {
            if let Ok(field) = Field::root(&text) {
                self.seen.failure = Some(error::inside(field, text.as_bytes()));
            }
            return;
        }
        if !ENDS.contains(&kind.as_bytes()) || RESPONSE.find(&frame.data).is_none() {
            return;
        }
        let response = read.response.and_then(|r| Field::within(&text, r)?.object().ok());
        if let Some(response) = response {
            let calls = calls_tools(&response);
            let outline = outline(response, &[], text.as_bytes());
            self.seen.searches = searches(text.as_bytes());
            self.seen.usage = outline.usage.map(|u| u.usage).or(self.seen.usage);
            self.seen.finish = match outline.finish.map(|f| f.reason) {
                Some(FinishReason::Stop) if calls => Some(FinishReason::ToolCalls),
                reason => reason,
            };
            self.seen.failure = self.seen.failure.take().or(outline.failure);
            if self.seen.failure.is_none() {
                self.seen.close();
            }
        }
    }
}

/// How often the provider has searched, which it bills by the piece.
pub(super) fn searches(response: &[u8]) -> u32 {
    let count = memchr::memmem::find_iter(response, b"\"web_search_call\"").count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether an item of the response wants a tool run.
fn calls_tools(response: &Object<'_>) -> bool {
    let items = response.see("output").and_then(|f| f.array().ok()).unwrap_or_default();
    items.iter().any(|item| {
        let kind = item.object().ok().and_then(|o| o.see("type")).map(|f| f.text());
        matches!(kind, Some("\"function_call\"" | "\"custom_tool_call\""))
    })
}

/// Kind and number stand first in every frame.
const HEAD_BYTES: usize = 160;

const ENDS: [&[u8]; 5] = [
    b"response.completed",
    b"response.incomplete",
    b"response.failed",
    b"response.cancelled",
    b"error",
];
