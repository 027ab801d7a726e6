//! Chunks into events.
//!
//! Lenient where hosts differ: a first chunk without choices (Azure), no `[DONE]`, several finish
//! reasons, an error beside choices (OpenRouter), lists as content (Mistral), calls without index
//! or id. A candidate's finish is therefore held back until the stream is over: what a host says
//! behind it still belongs to the answer, and the grammar allows nothing behind a finish.

use llm_core::Str;
use llm_core::completion::Finish;
use llm_core::dialect::{Corrupt, Frame, FrameKind, StreamDecoder};
use llm_core::event::{Event, Start};
use llm_core::extra::Extra;
use llm_core::raw::Raw;
use serde_json::value::RawValue;

use super::super::notation::{ME, keep};
use super::super::reply::finish_reason;
use super::super::wire::{Choice, Chunk};
use super::super::{CANDIDATES_MAX, error, usage};
use super::parts::Candidate;
use crate::json::{Field, JsonKind, Object};

/// Reads a stream of chunks.
#[derive(Default)]
pub(crate) struct Decoder {
    started: bool,
    over: bool,
    id: Str,
    /// What chunks said that came before the answer had a name.
    early: Extra,
    candidates: Vec<Candidate>,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over {
            return Ok(());
        }
        match frame.kind {
            FrameKind::Padding => return Ok(()),
            FrameKind::Event | FrameKind::Unfinished | FrameKind::Stray => {}
        }
        let data = frame.data.trim_ascii();
        if data.is_empty() {
            return Ok(());
        }
        if data == b"[DONE]" {
            self.end(out);
            return Ok(());
        }
        let root =
            Str::try_from(frame.data.clone()).map_err(|_| Corrupt::new("a chunk is not UTF-8"))?;
        if frame.kind == FrameKind::Stray {
            self.stray(&root, frame, out);
            return Ok(());
        }
        self.chunk(&root, frame, out)
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        // Hosts that end without `[DONE]` have said the end by a reason for every choice.
        let all = !self.candidates.is_empty() && self.candidates.iter().all(Candidate::is_finished);
        if !self.over && all {
            self.end(out);
        }
    }
}

impl Decoder {
    fn chunk(&mut self, root: &Str, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let chunk: Chunk<'_> = serde_json::from_str(root).map_err(|e| {
            Corrupt::new(format!(
                "a chunk cannot be read: {:?} at column {}",
                e.classify(),
                e.column()
            ))
        })?;
        if chunk.error.is_some() || chunk.choices.is_none() || is_error_event(frame) {
            let field = Field::root(root)?;
            let mut o = field.object()?;
            if let Some(failure) = self.failure(&mut o, frame) {
                // What stands beside the error was said before it.
                self.choices(chunk, root, out)?;
                self.over = true;
                out.push(Event::Failure(failure));
                return Ok(());
            }
            if chunk.choices.is_none() && chunk.usage.is_none() {
                if self.started {
                    out.push(Event::Unmodelled(Raw::from_parsed(root.slice_ref(root.trim()))));
                }
                return Ok(());
            }
        }
        self.choices(chunk, root, out)
    }

    fn failure(&self, o: &mut Object<'_>, frame: &Frame) -> Option<llm_core::error::Error> {
        if is_error_event(frame) {
            return Some(error::of_field(o.field(), &frame.data));
        }
        error::inside(o, &frame.data)
    }

    fn choices(
        &mut self,
        chunk: Chunk<'_>,
        root: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        if !self.started && (chunk.choices.is_some() || chunk.usage.is_some()) {
            let nothing_yet = chunk.choices.as_ref().is_some_and(|c| c.is_empty());
            self.start(root, nothing_yet && chunk.usage.is_none(), out)?;
        }
        for (at, choice) in chunk.choices.into_iter().flatten().enumerate() {
            self.choice(choice, at, root, out)?;
        }
        if let Some(raw) = chunk.usage
            && raw.get().starts_with('{')
        {
            let text = root.slice_ref(raw.get());
            if let Some(report) = usage::read(Field::root(&text)?) {
                out.push(Event::Usage(Box::new(report)));
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        root: &Str,
        nothing_yet: bool,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let mut o = Object::root(root)?;
        let text =
            |o: &mut Object<'_>, name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
        let (id, model) = (text(&mut o, "id"), text(&mut o, "model"));
        let created = o.take_if("created", JsonKind::Number).and_then(|f| f.u64().ok());
        for known in ["object", "choices", "usage", "error", "obfuscation"] {
            o.take(known)?;
        }
        let mut extra = o.rest(ME);
        for known in ["usage", "error", "choices"] {
            extra.take(known);
        }
        for (name, value) in self.early.fields() {
            if extra.get(name).is_none() {
                extra.push(name.clone(), value.clone());
            }
        }
        // Azure says what its filters found in a chunk without choices, id and model; the answer
        // begins with the next one.
        if nothing_yet && id.as_ref().is_none_or(|id| id.is_empty()) {
            self.early = extra;
            return Ok(());
        }
        self.started = true;
        self.id = id.clone().unwrap_or_default();
        out.push(Event::Start(Box::new(Start { id, model, created, extra })));
        Ok(())
    }

    fn choice(
        &mut self,
        choice: Choice<'_>,
        at: usize,
        root: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let number = choice.index.and_then(whole).unwrap_or(at);
        if number >= CANDIDATES_MAX {
            return Err(Corrupt::new("a choice has too large an index"));
        }
        while self.candidates.len() <= number {
            let next = u16::try_from(self.candidates.len()).unwrap_or(u16::MAX);
            self.candidates.push(Candidate::new(next));
        }
        let Some(candidate) = self.candidates.get_mut(number) else { return Ok(()) };
        if let Some(delta) = choice.delta {
            candidate.grow(delta, root, &self.id, out)?;
        }
        if let Some(raw) = choice.logprobs
            && raw.get().starts_with('{')
        {
            candidate.logprobs(&root.slice_ref(raw.get()), out)?;
        }
        if let Some(raw) = choice.finish_reason
            && let Some(word) = finish_word(raw, root)
        {
            candidate.finished(word, finish_extra(root, at)?);
        }
        Ok(())
    }

    /// The stream says that it is over.
    fn end(&mut self, out: &mut Vec<Event>) {
        self.over = true;
        if !self.started {
            // Nothing but the mark came: an answer that was cut in front.
            return;
        }
        for candidate in &mut self.candidates {
            candidate.close_all(&self.id, out);
            let (word, extra) = candidate.take_finish();
            let calls = candidate.has_calls();
            let finish = match word {
                Some(word) => {
                    let reason = finish_reason(&word, calls);
                    Finish { reason, word: Some(word), extra }
                }
                // The host called it an end without saying why.
                None => Finish { extra, ..Finish::new(finish_reason(&STOP, calls)) },
            };
            out.push(Event::Finish { candidate: candidate.number(), finish });
        }
        out.push(Event::End);
    }

    /// JSON outside the framing: some proxies write their errors so.
    fn stray(&mut self, root: &Str, frame: &Frame, out: &mut Vec<Event>) {
        let object = Field::root(root).and_then(|f| f.object());
        if let Ok(mut o) = object
            && let Some(failure) = error::inside(&mut o, &frame.data)
        {
            self.over = true;
            out.push(Event::Failure(failure));
        }
    }
}

const STOP: Str = Str::from_static("stop");

fn is_error_event(frame: &Frame) -> bool {
    frame.event.as_deref() == Some(b"error")
}

/// A whole number, also where it stands in a string.
pub(super) fn whole(raw: &RawValue) -> Option<usize> {
    raw.get().trim_matches('"').parse().ok()
}

/// The word of a finish reason; `""` and `null` are none.
fn finish_word(raw: &RawValue, root: &Str) -> Option<Str> {
    match raw.get() {
        "null" | "\"\"" => None,
        text => super::parts::string(text, root).or_else(|| Some(root.slice_ref(text))),
    }
}

/// What else a choice says where it ends.
fn finish_extra(root: &Str, at: usize) -> Result<Extra, Corrupt> {
    let choices = Object::root(root)?.array("choices")?;
    let Some(choice) = choices.get(at) else { return Ok(Extra::new(ME)) };
    let mut o = choice.object()?;
    for known in ["index", "finish_reason", "delta"] {
        o.take(known)?;
    }
    // Its tokens were given away with the text; `null` returns as it was.
    let probabilities = match o.take_if("logprobs", JsonKind::Object) {
        Some(field) => {
            let mut inner = field.object()?;
            inner.take("content")?;
            inner.take("refusal")?;
            inner.rest(ME)
        }
        None => Extra::new(ME),
    };
    let mut extra = o.rest(ME);
    keep(&mut extra, "logprobs", &probabilities);
    Ok(extra)
}
