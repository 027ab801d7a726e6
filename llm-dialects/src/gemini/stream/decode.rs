//! Frames to events.
//!
//! Nothing in a Gemini stream says that it is over: the last frame has a `finishReason`, but so may
//! earlier ones (a model that runs code finishes several times), and an error may follow as bare
//! JSON. So finishes and the end are held until the bytes end, and come only if a finish, or the
//! reason why the prompt was blocked, was seen for every candidate.
//!
//! Pieces of text of one kind are one part. A signature ends it: it signs what stands before it,
//! also when it comes with an empty text of its own. What comes as a part of several members, or
//! of another kind, is read as in a whole answer.

use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, FrameKind, StreamDecoder};
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, Part, PartKind};
use llm_core::raw::Raw;
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::gemini::names::{self, FINISH_REASON};
use crate::gemini::notation::ME;
use crate::gemini::part::{self, SIGNATURE, function::Calls};
use crate::gemini::reply::candidate::{ABSENT, BLOCKED};
use crate::gemini::reply::decode::block_word;
use crate::gemini::wire::{Candidate, Chunk, Piece, Word};
use crate::gemini::{error, evidence, finish, usage};
use crate::json::{Field, Object};

/// The API gives eight at the most; a number that makes us hold memory is no index.
const CANDIDATES_MAX: u64 = 128;

/// Reads a streamed answer.
#[derive(Debug, Default)]
pub(in crate::gemini) struct Decoder {
    started: bool,
    over: bool,
    calls: Calls,
    candidates: SmallVec<[Progress; 1]>,
    /// Why the prompt was blocked.
    blocked: Option<Str>,
    /// The last frame that counted, for the provider's own object.
    counted: Option<Str>,
}

/// How far a candidate is.
#[derive(Debug, Default)]
struct Progress {
    parts: u16,
    open: Option<Open>,
    called: bool,
    word: Option<Str>,
    /// Said once, at some time: the last word counts.
    besides: Vec<(&'static str, Raw)>,
}

/// A part that grows.
#[derive(Debug)]
struct Open {
    id: PartId,
    thought: bool,
    signed: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over {
            return Ok(());
        }
        let stray = frame.kind == FrameKind::Stray;
        let broken = |what: String| if stray { Ok(()) } else { Err(Corrupt::new(what)) };
        let Ok(text) = Str::try_from(frame.data.clone()) else {
            return broken("a frame is not UTF-8".into());
        };
        let chunk: Chunk<'_> = match serde_json::from_str(&text) {
            Ok(chunk) => chunk,
            // An error that comes in place of a stream is a list.
            Err(_) if text.trim_start().starts_with('[') => return self.list(&text, frame, out),
            Err(e) => return broken(format!("a frame cannot be read: {e}")),
        };
        if chunk.error.is_some() {
            self.over = true;
            out.push(Event::Failure(Error::upstream(error::inside(
                &frame.data,
                Field::root(&text)?,
            ))));
            return Ok(());
        }
        if stray {
            return Ok(());
        }
        self.chunk(&text, &chunk, out)
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if self.over || !self.is_complete() {
            return;
        }
        self.over = true;
        if self.candidates.is_empty() {
            self.candidates.push(Progress::default());
        }
        for (number, candidate) in (0u16..).zip(&mut self.candidates) {
            let absent = candidate.parts == 0;
            candidate.close(out);
            let finish = candidate.end(self.blocked.as_ref(), absent);
            out.push(Event::Finish { candidate: number, finish });
        }
        if let Some(report) = self.counted.as_ref().and_then(own_report) {
            out.push(Event::Usage(Box::new(report)));
        }
        out.push(Event::End);
    }
}

/// The provider's own count, with every field of it.
fn own_report(frame: &Str) -> Option<UsageReport> {
    usage::report(Object::root(frame).ok()?.see("usageMetadata")?)
}

impl Decoder {
    fn is_complete(&self) -> bool {
        let all = self.candidates.iter().all(|c| c.word.is_some());
        self.blocked.is_some() || (!self.candidates.is_empty() && all)
    }

    fn list(&mut self, text: &Str, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let first = Field::root(text)?.array()?.into_iter().next();
        match first.and_then(|f| f.object().ok()) {
            Some(o) if o.see("error").is_some() => {
                self.over = true;
                out.push(Event::Failure(Error::upstream(error::inside(&frame.data, o.field()))));
                Ok(())
            }
            _ if frame.kind == FrameKind::Stray => Ok(()),
            _ => Err(Corrupt::new("a frame is a list")),
        }
    }

    fn chunk(
        &mut self,
        text: &Str,
        chunk: &Chunk<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let known = chunk.candidates.is_some()
            || chunk.usage_metadata.is_some()
            || chunk.prompt_feedback.is_some()
            || chunk.response_id.is_some()
            || chunk.model_version.is_some();
        if !self.started {
            self.started = true;
            out.push(Event::Start(Box::new(self.start(text, chunk))));
        }
        if !known {
            out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
            return Ok(());
        }
        if let Some(feedback) = chunk.prompt_feedback {
            let slice = text.slice_ref(feedback.get());
            self.blocked = block_word(Field::root(&slice)?).or(self.blocked.take());
        }
        for (place, candidate) in chunk.candidates.iter().flatten().enumerate() {
            self.candidate(text, place, candidate, out)?;
        }
        if let Some(usage) = chunk.usage_metadata.as_ref().and_then(usage::usage) {
            self.counted = Some(text.clone());
            let report = UsageReport { usage, extra: Extra::default() };
            out.push(Event::Usage(Box::new(report)));
        }
        Ok(())
    }

    fn start(&mut self, text: &Str, chunk: &Chunk<'_>) -> Start {
        let own = |t: &crate::gemini::wire::Text<'_>| shared(text, &t.0);
        let mut extra = Extra::new(ME);
        if let Some(feedback) = chunk.prompt_feedback {
            extra.push(Str::from_static("promptFeedback"), raw(text, feedback));
        }
        let id = chunk.response_id.as_ref().map(own);
        self.calls = Calls::new(id.clone().unwrap_or_default());
        Start {
            id,
            model: chunk.model_version.as_ref().map(own),
            created: chunk.create_time.as_ref().and_then(|t| error::timestamp(&t.0)),
            extra,
        }
    }

    fn candidate(
        &mut self,
        text: &Str,
        place: usize,
        said: &Candidate<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = said.index.unwrap_or_default().0;
        if index >= CANDIDATES_MAX {
            return Err(Corrupt::new("a candidate's index is too large"));
        }
        let number = u16::try_from(index).unwrap_or(0);
        let at = usize::from(number);
        if self.candidates.len() <= at {
            self.candidates.resize_with(at + 1, Progress::default);
        }
        let Self { candidates, calls, .. } = self;
        let Some(progress) = candidates.get_mut(at) else { return Ok(()) };
        let parts = said.content.as_ref().and_then(|c| c.parts.as_deref());
        for (i, piece) in parts.unwrap_or_default().iter().enumerate() {
            let bare = piece.text.is_none() && piece.signature.is_some();
            if !piece.more && (piece.text.is_some() || bare) {
                progress.piece(text, piece, number, out)?;
            } else {
                progress.close(out);
                calls.at(at, usize::from(progress.parts));
                let part = read_part(text, place, i, calls)?;
                progress.whole(part, number, out)?;
            }
        }
        progress.besides(text, said);
        if let Some(result) = said.logprobs_result
            && let Some(open) = progress.open.as_ref().filter(|o| !o.thought)
        {
            let slice = text.slice_ref(result.get());
            let tokens = evidence::logprobs(Field::root(&slice)?);
            out.push(Event::PartDelta { part: open.id, delta: Delta::Logprobs(tokens) });
        }
        let word = said.finish_reason.as_ref().and_then(|word| match word {
            Word::Said(word) => finish::reason(word, false).map(|_| shared(text, word)),
            Word::Number(n) => {
                let number = n.to_string();
                let word = names::of_number(&number, FINISH_REASON);
                finish::reason(&word, false).map(|_| Str::from(word.into_owned()))
            }
        });
        if word.is_some() {
            progress.word = word;
        }
        Ok(())
    }
}

impl Progress {
    /// A piece of text or of a thought.
    fn piece(
        &mut self,
        text: &Str,
        piece: &Piece<'_>,
        candidate: u16,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let words = piece.text.as_ref().map(|t| shared(text, t)).unwrap_or_default();
        let thought = piece.thought;
        let signature = piece.signature.map(|s| raw(text, s));
        if words.is_empty() && signature.is_none() {
            return Ok(());
        }
        let goes_on = self.open.as_ref().is_some_and(|o| o.thought == thought && !o.signed);
        if !goes_on {
            self.close(out);
            let head = if thought { PartHead::Reasoning } else { PartHead::Text };
            let id = self.next(candidate)?;
            self.open = Some(Open { id, thought, signed: false });
            out.push(Event::PartStart { part: id, head });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        if !words.is_empty() {
            out.push(Event::PartDelta { part: open.id, delta: Delta::Text(words) });
        }
        if let Some(value) = signature {
            open.signed = true;
            let kind = Str::from_static(SIGNATURE.camel);
            let state = Box::new(Opaque { origin: ME, kind, value });
            out.push(Event::PartDelta { part: open.id, delta: Delta::State(state) });
        }
        Ok(())
    }

    /// A part that comes at once.
    fn whole(&mut self, part: Part, candidate: u16, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let id = self.next(candidate)?;
        let delta = |delta| Event::PartDelta { part: id, delta };
        let (head, grown) = match part.kind {
            PartKind::Text(t) => (PartHead::Text, Some(Delta::Text(t.text))),
            PartKind::Refusal(t) => (PartHead::Refusal, Some(Delta::Text(t.text))),
            PartKind::Reasoning(t) => (PartHead::Reasoning, Some(Delta::Text(t))),
            PartKind::ToolCall(call) => {
                self.called = true;
                let head = PartHead::ToolCall { id: call.id, name: call.name, custom: false };
                (head, Some(Delta::Arguments(call.arguments)))
            }
            kind => (PartHead::Whole(Box::new(kind)), None),
        };
        out.push(Event::PartStart { part: id, head });
        let says = |d: &Delta| match d {
            Delta::Text(t) | Delta::Arguments(t) => !t.is_empty(),
            _ => true,
        };
        out.extend(grown.filter(says).map(delta));
        out.extend(part.state.map(|state| delta(Delta::State(Box::new(state)))));
        out.push(Event::PartEnd { part: id, extra: part.extra });
        Ok(())
    }

    fn next(&mut self, candidate: u16) -> Result<PartId, Corrupt> {
        let id = PartId { candidate, index: self.parts };
        self.parts = self.parts.checked_add(1).ok_or_else(|| Corrupt::new("too many parts"))?;
        Ok(id)
    }

    /// Closes the part that grows.
    fn close(&mut self, out: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        if !open.thought && !self.besides.is_empty() {
            let citations = self.sources();
            out.extend(
                citations.into_iter().map(|c| Event::PartDelta {
                    part: open.id,
                    delta: Delta::Citation(Box::new(c)),
                }),
            );
        }
        out.push(Event::PartEnd { part: open.id, extra: Extra::new(ME) });
    }

    fn sources(&self) -> Vec<llm_core::prompt::Citation> {
        let field = |name: &str| self.besides.iter().find(|(n, _)| *n == name).map(|(_, raw)| raw);
        let read = |raw: &Raw, read: fn(Field<'_>) -> Vec<_>| {
            Field::root(raw.text()).map(read).unwrap_or_default()
        };
        let mut all = field("citationMetadata")
            .map(|raw| read(raw, evidence::recitation))
            .unwrap_or_default();
        all.extend(
            field("groundingMetadata").map(|r| read(r, evidence::grounding)).unwrap_or_default(),
        );
        all
    }

    /// Keeps what is said once.
    fn besides(&mut self, text: &Str, said: &Candidate<'_>) {
        let all = [
            ("finishMessage", said.finish_message),
            ("safetyRatings", said.safety_ratings),
            ("citationMetadata", said.citation_metadata),
            ("groundingMetadata", said.grounding_metadata),
            ("urlContextMetadata", said.url_context_metadata),
            ("avgLogprobs", said.avg_logprobs),
        ];
        for (name, value) in all {
            // An empty object comes with every frame of a grounded answer.
            let Some(value) = value.filter(|v| v.get() != "{}") else { continue };
            let value = raw(text, value);
            match self.besides.iter_mut().find(|(n, _)| *n == name) {
                Some((_, old)) => *old = value,
                None => self.besides.push((name, value)),
            }
        }
    }

    fn end(&mut self, blocked: Option<&Str>, absent: bool) -> Finish {
        let mut extra = Extra::new(ME);
        for (name, value) in self.besides.drain(..) {
            extra.push(Str::from_static(name), value);
        }
        let word = self.word.take();
        let reason = word.as_deref().and_then(|w| finish::reason(w, self.called));
        match reason {
            Some(reason) => Finish { reason, word, extra },
            None => Finish {
                reason: FinishReason::ContentFilter,
                word: blocked.cloned(),
                extra: extra.noted(if absent { BLOCKED | ABSENT } else { BLOCKED }),
            },
        }
    }
}

/// Reads a part that is more than text: as in a whole answer, from where it stands in the frame.
fn read_part(frame: &Str, place: usize, at: usize, calls: &mut Calls) -> Result<Part, Corrupt> {
    let gone = || Corrupt::new("a part is not where it was");
    let candidates = Object::root(frame)?.need("candidates")?.array()?;
    let content = candidates.get(place).ok_or_else(gone)?.object()?.need("content")?;
    let parts = content.object()?.need("parts")?.array()?;
    Ok(part::read(*parts.get(at).ok_or_else(gone)?, calls)?)
}

/// Text as a slice of its frame, where it has no escapes.
fn shared(frame: &Str, text: &str) -> Str {
    let (frame_at, text_at) = (frame.as_bytes().as_ptr_range(), text.as_bytes().as_ptr_range());
    if frame_at.start <= text_at.start && text_at.end <= frame_at.end {
        frame.slice_ref(text)
    } else {
        Str::from(text.to_owned())
    }
}

fn raw(frame: &Str, value: &RawValue) -> Raw {
    Raw::from_parsed(shared(frame, value.get()))
}
