//! Lines in, events out.
//!
//! A line says a piece of thinking, of text, or whole tool calls. Parts have no numbers here: a
//! part lasts until something of another kind is said. The last line has `done: true`, and with
//! it the counts.

use llm_core::Str;
use llm_core::dialect::{Corrupt, Frame, StreamDecoder};
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::prompt::{Opaque, Part, PartKind};
use llm_core::raw::Raw;
use serde_json::value::RawValue;

use super::super::ids::AnswerIds;
use super::super::wire::{ID, Line};
use super::super::{error, logprobs, message, reply, signatures, time};
use crate::json::piece::Piece;
use crate::json::{Field, Object};
use crate::state;

/// Reads the lines of one answer.
#[derive(Debug, Default)]
pub(in crate::ollama) struct Decoder {
    started: bool,
    over: bool,
    /// The part that grows, and what it is.
    open: Option<(PartId, Kind)>,
    parts: u16,
    called: bool,
    ids: AnswerIds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over {
            return Ok(());
        }
        let text = Str::try_from(frame.data.clone())
            .map_err(|_| Corrupt::new("a line of the stream is not UTF-8"))?;
        let mut line: Line<'_> = serde_json::from_str(&text).map_err(|e| {
            Corrupt::new(format!("a line of the stream cannot be read at column {}", e.column()))
        })?;
        if let Some(raw) = line.error.take() {
            let fault = error::inside(Field::root(&part_of(&text, raw))?, &frame.data);
            out.push(Event::Failure(Error::upstream(fault)));
            self.over = true;
            return Ok(());
        }
        self.start(&mut line, &text, out);
        if !line.is_known() {
            out.push(Event::Unmodelled(Raw::from_parsed(text)));
            return Ok(());
        }
        let probabilities = line.logprobs.take();
        let done = line.done == Some(true);
        let said = line.said();
        self.think(said.thinking, said.thinking_signature, &text, out)?;
        self.say(said.content, said.content_signature, &text, out)?;
        if let Some(raw) = probabilities
            && let Some((part, Kind::Text)) = self.open
            && let Some(list) = logprobs::read(Field::root(&part_of(&text, raw))?)
            && !list.is_empty()
        {
            out.push(Event::PartDelta { part, delta: Delta::Logprobs(list) });
        }
        if let Some(raw) = said.images {
            self.images(&part_of(&text, raw), out)?;
        }
        if let Some(raw) = said.tool_calls {
            self.calls(&part_of(&text, raw), out)?;
        }
        if done { self.done(&text, out) } else { Ok(()) }
    }

    fn finish(&mut self, _out: &mut Vec<Event>) {
        // What is open was cut: nothing here ends by ending.
    }
}

/// A value inside a line, sharing its bytes.
fn part_of(line: &Str, raw: &RawValue) -> Str {
    line.slice_ref(raw.get())
}

impl Decoder {
    /// For lines that come after others, which held calls or not.
    pub(in crate::ollama) fn after_calls(called: bool) -> Self {
        Self { called, ..Self::default() }
    }

    fn start(&mut self, line: &mut Line<'_>, text: &Str, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let mut start = Start { extra: Extra::new(ID), ..Start::default() };
        start.model = line.model.take().map(|m| m.of(text));
        if let Some(created_at) = &line.created_at {
            self.ids = AnswerIds::new(created_at.as_str());
            start.created = time::seconds(created_at.as_str());
            if let Ok(raw) = Raw::of(created_at.as_str()) {
                start.extra.push("created_at", raw);
            }
        }
        out.push(Event::Start(Box::new(start)));
    }

    fn think(
        &mut self,
        piece: Option<Piece<'_>>,
        signature: Option<Piece<'_>>,
        line: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        if let Some(piece) = piece.filter(|p| !p.is_empty()) {
            self.grow(Kind::Thinking, piece.of(line), out)?;
        }
        let Some((bytes, Some(state))) =
            signature.as_ref().and_then(|s| signatures::read_piece(s.as_str()))
        else {
            return Ok(());
        };
        if bytes == 0 {
            // Thinking that may not be read is a piece of its own.
            self.close(out);
        }
        self.sign(Kind::Thinking, state, out)
    }

    fn say(
        &mut self,
        piece: Option<Piece<'_>>,
        signature: Option<Piece<'_>>,
        line: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        if let Some(piece) = piece.filter(|p| !p.is_empty()) {
            self.grow(Kind::Text, piece.of(line), out)?;
        }
        match signature.as_ref().and_then(|s| state::read(s.as_str())) {
            Some(state) => self.sign(Kind::Text, state, out),
            None => Ok(()),
        }
    }

    fn grow(&mut self, kind: Kind, text: Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let part = self.part(kind, out)?;
        out.push(Event::PartDelta { part, delta: Delta::Text(text) });
        Ok(())
    }

    /// State closes its part: what comes next belongs to another.
    fn sign(&mut self, kind: Kind, state: Opaque, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let part = self.part(kind, out)?;
        out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
        self.close(out);
        Ok(())
    }

    /// The open part, if it is of that kind; a new one otherwise.
    fn part(&mut self, kind: Kind, out: &mut Vec<Event>) -> Result<PartId, Corrupt> {
        if let Some((part, is)) = self.open
            && is == kind
        {
            return Ok(part);
        }
        self.close(out);
        let part = self.next()?;
        let head = match kind {
            Kind::Thinking => PartHead::Reasoning,
            Kind::Text => PartHead::Text,
        };
        out.push(Event::PartStart { part, head });
        self.open = Some((part, kind));
        Ok(part)
    }

    fn next(&mut self) -> Result<PartId, Corrupt> {
        let part = PartId { candidate: 0, index: self.parts };
        self.parts = self.parts.checked_add(1).ok_or_else(|| Corrupt::new("too many parts"))?;
        Ok(part)
    }

    fn close(&mut self, out: &mut Vec<Event>) {
        if let Some((part, _)) = self.open.take() {
            out.push(Event::PartEnd { part, extra: Extra::default() });
        }
    }

    fn images(&mut self, list: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        for field in Field::root(list)?.array()? {
            self.close(out);
            let part = self.next()?;
            let picture = PartKind::Image(message::image(field.str()?));
            out.push(Event::PartStart { part, head: PartHead::Whole(Box::new(picture)) });
            out.push(Event::PartEnd { part, extra: Extra::default() });
        }
        Ok(())
    }

    /// Calls come whole.
    fn calls(&mut self, list: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        for field in Field::root(list)?.array()? {
            let Part { kind, state, extra, .. } = message::call(field, &mut || self.ids.next())?;
            let PartKind::ToolCall(call) = kind else { continue };
            self.close(out);
            self.called = true;
            let part = self.next()?;
            let head = PartHead::ToolCall { id: call.id, name: call.name, custom: call.custom };
            out.push(Event::PartStart { part, head });
            if !call.arguments.is_empty() {
                out.push(Event::PartDelta { part, delta: Delta::Arguments(call.arguments) });
            }
            if let Some(state) = state {
                out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
            }
            out.push(Event::PartEnd { part, extra });
        }
        Ok(())
    }

    fn done(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        self.close(out);
        let mut o = Object::root(text)?;
        for read in [
            "model",
            "created_at",
            "message",
            "response",
            "thinking",
            "images",
            "tool_calls",
            signatures::THINKING,
            signatures::CONTENT,
            "logprobs",
            "done",
        ] {
            o.take(read)?;
        }
        if let Some(usage) = reply::usage(&mut o) {
            out.push(Event::Usage(Box::new(usage)));
        }
        let finish = reply::finish(o, self.called)?;
        out.push(Event::Finish { candidate: 0, finish });
        out.push(Event::End);
        self.over = true;
        Ok(())
    }
}
