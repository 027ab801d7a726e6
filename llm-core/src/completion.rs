//! A conversation's next turn, whole. The fold of an event sequence, and its inverse.

use std::collections::BTreeMap;

use crate::Str;
use crate::answer::UsageReport;
use crate::error::Error;
use crate::event::{Delta, Event, PartHead, PartId, Start};
use crate::extra::Extra;
use crate::fault::{Fault, FaultClass};
use crate::prompt::{Audio, Media, MediaSource, Message, Part, PartKind, Role, Text, ToolCall};

/// A conversation's next turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// The provider's id of the answer.
    pub id: Option<Str>,
    /// The model that answered.
    pub model: Option<Str>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// The answers; one unless more were asked for.
    pub candidates: Vec<Candidate>,
    /// What was used.
    pub usage: Option<UsageReport>,
    /// What went wrong inside the answer, if something did. What came before it stands.
    pub failure: Option<Error>,
    /// Whether the terminal event came. A failed or broken answer has none.
    pub ended: bool,
    /// Everything else.
    pub extra: Extra,
}

/// One answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidate {
    /// What it says, in order.
    pub parts: Vec<Part>,
    /// Why it ended; `None` when it never did.
    pub finish: Option<Finish>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finish {
    /// Why.
    pub reason: FinishReason,
    /// The dialect's own word for it, kept for that dialect (`extra.origin()`).
    pub word: Option<Str>,
    /// Everything else.
    pub extra: Extra,
}

impl Finish {
    /// For a reason, with nothing beside it.
    pub fn new(reason: FinishReason) -> Self {
        Self { reason, word: None, extra: Extra::default() }
    }
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FinishReason {
    /// The model was done, or met a stop sequence.
    Stop,
    /// No tokens were left.
    Length,
    /// The caller must run tools.
    ToolCalls,
    /// A filter stepped in.
    ContentFilter,
    /// The model declined.
    Refusal,
    /// The provider wants to be asked again to go on.
    Paused,
    /// The provider failed and calls it an end.
    Failed,
    /// A word we do not know.
    Other(Str),
}

impl Completion {
    /// The sequence of events that folds to this completion: a whole answer is a stream whose
    /// bytes came at once.
    pub fn explode(&self) -> Vec<Event> {
        let mut out = Vec::with_capacity(8);
        out.push(Event::Start(Box::new(Start {
            id: self.id.clone(),
            model: self.model.clone(),
            created: self.created,
            extra: self.extra.clone(),
        })));
        for (c, candidate) in (0..CANDIDATES_MAX).zip(&self.candidates) {
            for (index, part) in (0..u16::MAX).zip(&candidate.parts) {
                explode_part(PartId { candidate: c, index }, part, &mut out);
            }
            if let Some(finish) = &candidate.finish {
                out.push(Event::Finish { candidate: c, finish: finish.clone() });
            }
        }
        if let Some(usage) = &self.usage {
            out.push(Event::Usage(Box::new(usage.clone())));
        }
        match &self.failure {
            Some(failure) => out.push(Event::Failure(failure.clone())),
            // What has no number is left out, and whoever reads on must not take it for all.
            None if self.is_beyond_numbers() => out.push(Event::Failure(beyond_numbers())),
            None if self.ended => out.push(Event::End),
            None => {}
        }
        out
    }

    fn is_beyond_numbers(&self) -> bool {
        self.candidates.len() > usize::from(CANDIDATES_MAX)
            || self.candidates.iter().any(|c| c.parts.len() > usize::from(u16::MAX))
    }

    /// All text of a candidate, joined.
    pub fn text(&self, candidate: usize) -> String {
        let parts = self.candidates.get(candidate).map_or(&[][..], |c| &c.parts);
        parts
            .iter()
            .filter_map(|p| match &p.kind {
                PartKind::Text(t) => Some(&*t.text),
                _ => None,
            })
            .collect()
    }

    /// The tools that a candidate calls, in order.
    pub fn tool_calls(&self, candidate: usize) -> impl Iterator<Item = &ToolCall> {
        let parts = self.candidates.get(candidate).map_or(&[][..], |c| &c.parts);
        parts.iter().filter_map(|p| match &p.kind {
            PartKind::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// A candidate as a turn of the conversation that goes on: everything it said, with what its
    /// provider wants back.
    pub fn message(&self, candidate: usize) -> Message {
        let parts = self.candidates.get(candidate).map_or_else(Vec::new, |c| c.parts.clone());
        Message { role: Role::Assistant, parts, extra: Extra::default() }
    }
}

/// The most answers that one call can have; the most that anyone offers is 128. One event with a
/// larger number would have us make all candidates before it.
pub const CANDIDATES_MAX: u16 = 1024;

fn beyond_numbers() -> Error {
    let fault = Fault::new(200, FaultClass::Corrupt, "the answer has too many parts or candidates");
    Error::upstream(fault)
}

fn explode_part(part: PartId, p: &Part, out: &mut Vec<Event>) {
    let deltas = &mut Vec::new();
    let head = match &p.kind {
        PartKind::Text(t) => {
            explode_text(t, deltas);
            PartHead::Text
        }
        PartKind::Refusal(t) => {
            explode_text(t, deltas);
            PartHead::Refusal
        }
        PartKind::Reasoning(text) => {
            push_text(text, deltas);
            PartHead::Reasoning
        }
        PartKind::ToolCall(call) => {
            if !call.arguments.is_empty() {
                deltas.push(Delta::Arguments(call.arguments.clone()));
            }
            PartHead::ToolCall { id: call.id.clone(), name: call.name.clone(), custom: call.custom }
        }
        whole => PartHead::Whole(Box::new(whole.clone())),
    };
    out.push(Event::PartStart { part, head });
    out.extend(deltas.drain(..).map(|delta| Event::PartDelta { part, delta }));
    if let Some(state) = &p.state {
        out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state.clone())) });
    }
    out.push(Event::PartEnd { part, extra: p.extra.clone() });
}

fn explode_text(text: &Text, out: &mut Vec<Delta>) {
    push_text(&text.text, out);
    out.extend(text.citations.iter().map(|c| Delta::Citation(Box::new(c.clone()))));
    if !text.logprobs.is_empty() {
        out.push(Delta::Logprobs(text.logprobs.clone()));
    }
}

fn push_text(text: &Str, out: &mut Vec<Delta>) {
    if !text.is_empty() {
        out.push(Delta::Text(text.clone()));
    }
}

/// Folds events into a completion.
#[derive(Debug, Default)]
pub struct Collector {
    done: Completion,
    /// Parts by place. Ordered, so that parts fall into their candidates in order however their
    /// deltas interleaved.
    parts: BTreeMap<PartId, Open>,
}

/// A part that grows.
#[derive(Debug)]
struct Open {
    part: Part,
    text: Growing,
    transcript: Growing,
}

/// Text that grows. The first piece is kept as it is, since most texts of a whole answer have
/// only one.
#[derive(Debug, Default)]
enum Growing {
    #[default]
    Empty,
    One(Str),
    Many(String),
}

impl Growing {
    fn push(&mut self, piece: &Str) {
        *self = match std::mem::take(self) {
            Self::Empty => Self::One(piece.clone()),
            Self::One(first) => {
                // Room for what follows, as long as pieces are words and no pictures.
                let spare = (3 * (first.len() + piece.len())).min(GROWING_BYTES_SPARE);
                let mut all = String::with_capacity(first.len() + piece.len() + spare);
                all.push_str(&first);
                all.push_str(piece);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.push_str(piece);
                Self::Many(all)
            }
        }
    }

    fn done(self) -> Str {
        match self {
            Self::Empty => Str::new(),
            Self::One(text) => text,
            Self::Many(text) => text.into(),
        }
    }
}

const GROWING_BYTES_SPARE: usize = 4096;

impl Collector {
    /// Adds one event.
    pub fn feed(&mut self, event: &Event) {
        match event {
            Event::Start(start) => {
                self.done.id.clone_from(&start.id);
                self.done.model.clone_from(&start.model);
                self.done.created = start.created;
                self.done.extra = start.extra.clone();
            }
            Event::PartStart { part, head } => self.open(*part, head),
            Event::PartDelta { part, delta } => {
                if let Some(open) = self.parts.get_mut(part) {
                    open.grow(delta);
                }
            }
            Event::PartEnd { part, extra } => {
                if let Some(open) = self.parts.get_mut(part) {
                    open.part.extra = extra.clone();
                }
            }
            Event::Usage(usage) => self.done.usage = Some((**usage).clone()),
            Event::Finish { candidate, finish } => {
                if let Some(candidate) = self.candidate(*candidate) {
                    candidate.finish = Some(finish.clone());
                }
            }
            Event::Notice(_) | Event::Unmodelled(_) => {}
            Event::Failure(error) => self.done.failure = Some(error.clone()),
            Event::End => self.done.ended = self.done.failure.is_none(),
        }
    }

    fn open(&mut self, id: PartId, head: &PartHead) {
        if self.candidate(id.candidate).is_none() {
            return;
        }
        let kind = match head {
            PartHead::Text => PartKind::Text(Text::default()),
            PartHead::Refusal => PartKind::Refusal(Text::default()),
            PartHead::Reasoning => PartKind::Reasoning(Str::new()),
            PartHead::Audio { mime } => PartKind::Audio(Audio {
                media: Media { mime: mime.clone(), ..Media::new(MediaSource::Base64(Str::new())) },
                transcript: None,
            }),
            PartHead::ToolCall { id, name, custom } => PartKind::ToolCall(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: Str::new(),
                custom: *custom,
            }),
            PartHead::Whole(kind) => (**kind).clone(),
        };
        let (text, transcript) = (Growing::default(), Growing::default());
        self.parts.insert(id, Open { part: Part::new(kind), text, transcript });
    }

    /// The candidate of that number, made with all before it when it is new. `None` when nobody
    /// can have asked for so many, which fails the answer.
    fn candidate(&mut self, number: u16) -> Option<&mut Candidate> {
        if number >= CANDIDATES_MAX {
            self.done.failure.get_or_insert_with(beyond_numbers);
            return None;
        }
        let at = usize::from(number);
        if self.done.candidates.len() <= at {
            self.done.candidates.resize_with(at + 1, Candidate::default);
        }
        self.done.candidates.get_mut(at)
    }

    /// The completion so far.
    pub fn finish(mut self) -> Completion {
        for (id, open) in std::mem::take(&mut self.parts) {
            let part = open.done();
            if let Some(candidate) = self.candidate(id.candidate) {
                candidate.parts.push(part);
            }
        }
        self.done
    }
}

impl Open {
    fn grow(&mut self, delta: &Delta) {
        match (delta, &mut self.part.kind) {
            (Delta::Text(piece) | Delta::Arguments(piece), _) => self.text.push(piece),
            (Delta::State(state), _) => self.part.state = Some((**state).clone()),
            (Delta::Citation(c), PartKind::Text(t) | PartKind::Refusal(t)) => {
                t.citations.push((**c).clone());
            }
            (Delta::Logprobs(l), PartKind::Text(t) | PartKind::Refusal(t)) => {
                t.logprobs.extend(l.iter().cloned());
            }
            (Delta::Audio(piece), _) => self.text.push(piece),
            (Delta::Transcript(piece), PartKind::Audio(_)) => self.transcript.push(piece),
            (Delta::Citation(_) | Delta::Logprobs(_) | Delta::Transcript(_), _) => {}
        }
    }

    fn done(self) -> Part {
        let Self { mut part, text, transcript } = self;
        match &mut part.kind {
            PartKind::Text(t) | PartKind::Refusal(t) => t.text = text.done(),
            PartKind::Reasoning(t) => *t = text.done(),
            PartKind::ToolCall(call) => call.arguments = text.done(),
            PartKind::Audio(audio) => {
                if !matches!(transcript, Growing::Empty) {
                    audio.transcript = Some(transcript.done());
                }
                if let MediaSource::Base64(b) = &mut audio.media.source {
                    // A whole part brings its bytes in its head and has no deltas.
                    if b.is_empty() {
                        *b = text.done();
                    }
                }
            }
            PartKind::Image(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => {}
        }
        part
    }
}

/// Folds a whole sequence.
pub fn collect<'a>(events: impl IntoIterator<Item = &'a Event>) -> Completion {
    let mut collector = Collector::default();
    events.into_iter().for_each(|e| collector.feed(e));
    collector.finish()
}

#[cfg(test)]
mod tests;
