//! Looks at passing chunks for what a gateway must know of them.
//!
//! Most chunks say nothing but text. Four searches tell the others, and only those are parsed.
//! A key can be searched for with its quotes: inside a text of the model they are escaped.

mod events;

use std::sync::LazyLock;

use llm_core::Str;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Frame, FrameKind, Keep, Observed, Tap, TapCx};
use llm_core::usage::count;
use memchr::memmem::Finder;

pub(super) use events::EventTap;

use super::reply::finish_reason;
use super::wire::{Chunk, Delta};
use super::{error, stream, usage};
use crate::json::{Field, Object};
use crate::said::{self, Alike};

/// What to look for. Built once: each finder holds tables.
struct Finders {
    usage: Finder<'static>,
    finish: Finder<'static>,
    error: Finder<'static>,
    content: Finder<'static>,
    arguments: Finder<'static>,
    refusal: Finder<'static>,
    citation: Finder<'static>,
    reasoning: Finder<'static>,
    /// Behind which text stands.
    texts: [Finder<'static>; 4],
    /// Behind which a call stands.
    calls: [Finder<'static>; 2],
}

const CONTENT: &[u8] = b"\"content\"";
/// OpenAI's: letters that hide how long a text is.
const NOISE: &[u8] = b"\"obfuscation\"";

static FIND: LazyLock<Finders> = LazyLock::new(|| Finders {
    usage: Finder::new("\"usage\""),
    finish: Finder::new("\"finish_reason\""),
    error: Finder::new("\"error\""),
    content: Finder::new("\"content\""),
    arguments: Finder::new("\"arguments\""),
    refusal: Finder::new("\"refusal\""),
    citation: Finder::new("\"url_citation\""),
    reasoning: Finder::new("\"reasoning"),
    texts: ["\"content\"", "\"refusal\"", "\"reasoning\"", "\"reasoning_content\""]
        .map(Finder::new),
    calls: ["\"arguments\"", "\"name\""].map(Finder::new),
});

/// Looks at chunks.
pub(super) struct ChunkTap {
    cx: TapCx,
    seen: Observed,
    calls: bool,
    refused: bool,
    /// Around the last frame that said nothing but text.
    plain: Alike,
    /// Choices that have begun and have finished, by their number.
    begun: u128,
    finished: u128,
}

impl ChunkTap {
    /// For a stream that passes.
    pub(super) fn new(cx: TapCx) -> Self {
        LazyLock::force(&FIND);
        let (seen, plain) = Default::default();
        Self { cx, seen, calls: false, refused: false, plain, begun: 0, finished: 0 }
    }

    /// A chunk that says more than text.
    fn read(&mut self, frame: &Frame) -> Keep {
        let Ok(root) = Str::try_from(frame.data.clone()) else { return Keep::Forward };
        let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(&root) else { return Keep::Forward };
        if (chunk.error.is_some() || chunk.choices.is_none())
            && let Ok(mut o) = Object::root(&root)
            && let Some(failure) = error::inside(&mut o, &frame.data)
        {
            self.seen.failure = Some(failure);
        }
        let mut counted = false;
        if let Some(raw) = chunk.usage
            && let Ok(field) = Field::root(&root.slice_ref(raw.get()))
            && let Some(report) = usage::read(field)
        {
            counted = true;
            self.seen.usage = Some(report.usage);
        }
        let mut speaks = false;
        let empty = chunk.choices.as_ref().is_some_and(|c| c.is_empty());
        for choice in chunk.choices.into_iter().flatten() {
            let delta = choice.delta.unwrap_or_default();
            self.refused |= delta.refusal.is_some_and(|raw| !matches!(raw.get(), "null" | "\"\""));
            self.calls |= delta.tool_calls.is_some() || delta.function_call.is_some();
            let index: u32 = choice.index.and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
            let number = 1 << index.min(u128::BITS - 1);
            if says_something(&delta) {
                self.begun |= number;
                self.seen.ended = false;
                speaks = true;
            }
            if let Some(word) =
                choice.finish_reason.and_then(|raw| stream::string(raw.get(), &root))
                && !word.is_empty()
            {
                // A refusal in words ends like any answer.
                self.seen.finished(match self.refused {
                    true => FinishReason::Refusal,
                    false => finish_reason(&word, self.calls),
                });
                self.finished |= number;
                // Another choice may go on behind the finish of one.
                self.seen.ended = self.begun & !self.finished == 0;
            }
        }
        if speaks {
            let _ = self.count(frame);
        }
        if counted && empty && self.cx.hide_usage { Keep::Hide } else { Keep::Forward }
    }

    fn count(&mut self, frame: &Frame) -> u64 {
        let find = &*FIND;
        let mut tokens = said::tokens(&frame.data, &find.texts);
        if self.calls {
            tokens += said::tokens(&frame.data, &find.calls);
        }
        self.seen.delta(tokens.max(1));
        tokens
    }

    /// A chunk that is the last one with another text.
    fn is_alike(&mut self, frame: &Frame) -> bool {
        let Some(text) = self.plain.text(&frame.data) else { return false };
        self.seen.ended = false;
        self.seen.delta(count::piece(text).max(1));
        true
    }

    /// Keeps what is around the text of a chunk that says nothing else.
    fn keep(&mut self, data: &[u8], tokens: u64) {
        let text = said::value(data, CONTENT);
        // What else counts in it may be another in the next.
        match text.filter(|at| count::piece(&data[at.clone()]) == tokens) {
            Some(at) => self.plain.keep(data, at, NOISE),
            None => self.plain.forget(),
        }
    }
}

impl Tap for ChunkTap {
    fn see(&mut self, frame: &Frame) -> Keep {
        match frame.kind {
            FrameKind::Padding => return Keep::Forward,
            FrameKind::Event | FrameKind::Unfinished | FrameKind::Stray => {}
        }
        let data: &[u8] = &frame.data;
        // Behind a call more counts than text.
        if frame.event.is_none() && !self.calls && self.is_alike(frame) {
            return Keep::Forward;
        }
        if data.trim_ascii() == b"[DONE]" {
            self.seen.close();
            return Keep::Forward;
        }
        let find = &*FIND;
        let telling = value_at(&find.finish, data).is_some_and(|b| b == b'"')
            || value_at(&find.usage, data).is_some_and(|b| b == b'{')
            || value_at(&find.refusal, data).is_some_and(|b| b == b'"')
            || value_at(&find.error, data).is_some_and(|b| b != b'n')
            || frame.event.is_some();
        // Of several choices each chunk must be known, since the finish of one is not the end.
        if telling || self.cx.candidates > 1 {
            return self.read(frame);
        }
        if find.citation.find(data).is_some() {
            self.seen.searches = 1;
        }
        let arguments = find.arguments.find(data).is_some();
        if arguments {
            self.calls = true;
        }
        if arguments || begins(&find.content, data) || begins(&find.reasoning, data) {
            // Somebody goes on behind what looked like the end.
            self.seen.ended = false;
            let tokens = self.count(frame);
            if !self.calls {
                self.keep(data, tokens);
            }
        }
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.seen
    }
}

/// Whether an answer has a refusal in words.
pub(super) fn refuses(body: &[u8]) -> bool {
    let key = &FIND.refusal;
    key.find_iter(body).any(|at| {
        let rest = body.get(at + key.needle().len()..).unwrap_or_default();
        let value = rest.iter().position(|b| !matches!(b, b' ' | b':' | b'\t' | b'\n'));
        value.and_then(|v| rest.get(v..v + 2)).is_some_and(|v| v[0] == b'"' && v[1] != b'"')
    })
}

/// Whether an answer names pages that were searched.
pub(super) fn cites(body: &[u8]) -> bool {
    FIND.citation.find(body).is_some()
}

/// The first byte of the value behind a key.
fn value_at(key: &Finder<'_>, data: &[u8]) -> Option<u8> {
    let at = key.find(data)? + key.needle().len();
    let rest = data.get(at..)?;
    rest.iter().copied().find(|b| !matches!(b, b' ' | b':' | b'\t'))
}

/// Whether the value behind a key (or behind the rest of one) is neither `null` nor empty.
fn begins(key: &Finder<'_>, data: &[u8]) -> bool {
    let Some(at) = key.find(data) else { return false };
    let rest = data.get(at + 1..).unwrap_or_default();
    let Some(colon) = memchr::memchr(b':', rest) else { return false };
    let value = rest.get(colon + 1..).unwrap_or_default().trim_ascii_start();
    !value.starts_with(b"null") && !value.starts_with(b"\"\"") && !value.starts_with(b"[]")
}

fn says_something(delta: &Delta<'_>) -> bool {
    let texts = [delta.content, delta.refusal, delta.reasoning, delta.reasoning_content];
    texts.into_iter().flatten().any(|raw| !matches!(raw.get(), "null" | "\"\"" | "[]"))
        || delta.tool_calls.is_some()
        || delta.function_call.is_some()
        || delta.audio.is_some()
}
