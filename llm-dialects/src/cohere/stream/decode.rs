//! Events of the wire in, events of ours out.
//!
//! Content blocks and tool calls are numbered apart from each other and closed one by one; the
//! plan for tools has no number and ends where anything else begins. Citations point into content
//! that is open. `message-end` holds how it ended and the counts; a `[DONE]` behind it says
//! nothing.

use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, StreamDecoder};
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::raw::Raw;
use serde_json::value::RawValue;

use super::super::wire::{self, Call, Content, ID, note};
use super::super::{citations, error, message, reply, usage};
use crate::json::piece::Piece;
use crate::json::{Field, Object};
use crate::state::{self, call_id};

/// Reads the events of one answer.
#[derive(Debug, Default)]
pub(in crate::cohere) struct Decoder {
    started: bool,
    over: bool,
    open: Vec<Open>,
    parts: u16,
    made: usize,
    called: bool,
    /// Arguments so far of the open calls whose arguments must be JSON.
    said: Vec<(PartId, String)>,
    /// A call has ended whose arguments are no JSON: only an answer that was cut may hold one.
    unsound: bool,
}

/// A part that grows.
#[derive(Clone, Copy, Debug)]
struct Open {
    part: PartId,
    kind: Kind,
    /// Its number on the wire, among its like.
    index: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plan,
    Text,
    Thinking,
    Call,
}

/// How many parts may be open at once. The API opens one.
const OPEN_MAX: usize = 1024;
/// What some models write for tools that take nothing.
const NULL: &str = "null";

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over || frame.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let text = Str::try_from(frame.data.clone())
            .map_err(|_| Corrupt::new("an event of the stream is not UTF-8"))?;
        let event: wire::Event<'_> = serde_json::from_str(&text).map_err(|e| {
            Corrupt::new(format!("an event of the stream cannot be read at column {}", e.column()))
        })?;
        let Some(kind) = event.kind.as_ref().map(|k| k.as_str()) else {
            return self.untyped(&event, frame, text.clone(), out);
        };
        match kind {
            "message-start" => {
                let id = event.id.map(|id| id.of(&text));
                self.start(id, out);
                Ok(())
            }
            "content-start" => self.content_start(event, &text, out),
            "content-delta" => self.content_delta(event, &text, out),
            "content-end" => self.end(&[Kind::Text, Kind::Thinking], event.index, out),
            "tool-plan-delta" => self.plan(event, &text, out),
            "tool-call-start" => self.call_start(event, &text, out),
            "tool-call-delta" => self.call_delta(event, &text, out),
            "tool-call-end" => self.end(&[Kind::Call], event.index, out),
            "citation-start" => self.citation(&event, &text, out),
            "citation-end" => Ok(()),
            "message-end" => self.over(frame, &text, out),
            _ => {
                self.start(None, out);
                out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
                Ok(())
            }
        }
    }

    fn finish(&mut self, _out: &mut Vec<Event>) {
        // What is open was cut: every part has an end of its own here.
    }
}

fn missing(what: &str) -> Corrupt {
    Corrupt::new(format!("an event of the stream has no {what}"))
}

impl Decoder {
    fn start(&mut self, id: Option<Str>, out: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            let extra = Extra::new(ID);
            out.push(Event::Start(Box::new(Start { id, model: None, created: None, extra })));
        }
    }

    /// A frame without a type is an error that a proxy or the edge put into the stream.
    fn untyped(
        &mut self,
        event: &wire::Event<'_>,
        frame: &Frame,
        text: Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        if event.message.is_some_and(|m| m.get().starts_with('"')) {
            out.push(Event::Failure(Error::upstream(error::inside(&frame.data))));
            self.over = true;
            return Ok(());
        }
        self.start(None, out);
        out.push(Event::Unmodelled(Raw::from_parsed(text)));
        Ok(())
    }

    fn open(
        &mut self,
        kind: Kind,
        index: u32,
        head: PartHead,
        out: &mut Vec<Event>,
    ) -> Result<PartId, Corrupt> {
        self.start(None, out);
        // A plan has no end of its own; the API opens no block twice.
        self.close(|o| o.kind == Kind::Plan || (o.kind == kind && o.index == index), out);
        if self.open.len() >= OPEN_MAX {
            return Err(Corrupt::new("too many open parts"));
        }
        let part = PartId { candidate: 0, index: self.parts };
        self.parts = self.parts.checked_add(1).ok_or_else(|| Corrupt::new("too many parts"))?;
        self.open.push(Open { part, kind, index });
        out.push(Event::PartStart { part, head });
        Ok(part)
    }

    fn close(&mut self, which: impl Fn(&Open) -> bool, out: &mut Vec<Event>) {
        let (closing, open) = self.open.iter().partition(|o| which(o));
        self.open = open;
        let closing: Vec<Open> = closing;
        for open in closing {
            self.settle(open.part, out);
            let extra = match open.kind {
                Kind::Plan => Extra::new(ID).noted(note::PLAN),
                Kind::Text | Kind::Thinking | Kind::Call => Extra::default(),
            };
            out.push(Event::PartEnd { part: open.part, extra });
        }
    }

    fn find(&self, kinds: &[Kind], index: Option<u32>) -> Option<Open> {
        let found = |o: &&Open| kinds.contains(&o.kind) && index.is_none_or(|i| i == o.index);
        self.open.iter().rev().find(found).copied()
    }

    fn end(
        &mut self,
        kinds: &[Kind],
        index: Option<u32>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        // The end of what never began is as good as no event.
        if let Some(Open { part, .. }) = self.find(kinds, index) {
            self.close(|o| o.part == part, out);
        }
        Ok(())
    }

    fn content_start(
        &mut self,
        event: wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = event.index.unwrap_or_default();
        let content = content(event).ok_or_else(|| missing("content"))?;
        let thinking = match content.kind.as_ref().map(|k| k.as_str()) {
            Some("thinking") => true,
            Some("text") => false,
            _ => content.thinking.is_some(),
        };
        let (kind, head) = if thinking {
            (Kind::Thinking, PartHead::Reasoning)
        } else {
            (Kind::Text, PartHead::Text)
        };
        let part = self.open(kind, index, head, out)?;
        grow(part, kind, content, text, out);
        Ok(())
    }

    fn content_delta(
        &mut self,
        mut event: wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let (index, sure) = (event.index, event.logprobs.take());
        let content = content(event).ok_or_else(|| missing("content"))?;
        let open = match self.find(&[Kind::Text, Kind::Thinking], index) {
            Some(open) => open,
            // A block whose start was lost on the way is a block all the same.
            None => {
                let kind = if content.thinking.is_some() { Kind::Thinking } else { Kind::Text };
                let head = if kind == Kind::Text { PartHead::Text } else { PartHead::Reasoning };
                let index = index.unwrap_or_default();
                Open { part: self.open(kind, index, head, out)?, kind, index }
            }
        };
        grow(open.part, open.kind, content, text, out);
        if open.kind == Kind::Text
            && let Some(raw) = sure
            && let Some(token) = reply::logprob(Field::root(&text.slice_ref(raw.get()))?)
        {
            out.push(Event::PartDelta { part: open.part, delta: Delta::Logprobs(vec![token]) });
        }
        Ok(())
    }

    fn plan(
        &mut self,
        event: wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let said = event.delta.and_then(|d| d.message).ok_or_else(|| missing("message"))?;
        let Some(piece) = said.tool_plan.filter(|p| !p.is_empty()) else { return Ok(()) };
        let part = match self.find(&[Kind::Plan], None) {
            Some(open) => open.part,
            None => self.open(Kind::Plan, 0, PartHead::Reasoning, out)?,
        };
        out.push(Event::PartDelta { part, delta: Delta::Text(piece.of(text)) });
        Ok(())
    }

    fn call_start(
        &mut self,
        event: wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = event.index.unwrap_or_default();
        let call = call(event).ok_or_else(|| missing("tool call"))?;
        let function = call.function.ok_or_else(|| missing("function"))?;
        let name = function.name.ok_or_else(|| missing("name"))?.of(text);
        let custom = call.kind.as_ref().is_some_and(|k| k.as_str() == message::CUSTOM);
        let (id, state) = match call.id {
            Some(id) => call_id::split(&id.of(text)),
            None => {
                self.made += 1;
                (format!("call_gw{}", self.made - 1).into(), None)
            }
        };
        self.called = true;
        let head = PartHead::ToolCall { id, name, custom };
        let part = self.open(Kind::Call, index, head, out)?;
        if let Some(state) = state {
            out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
        }
        if !custom {
            self.said.push((part, String::new()));
        }
        self.argue(part, function.arguments, text, out);
        Ok(())
    }

    fn call_delta(
        &mut self,
        event: wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = event.index;
        let function = call(event).and_then(|c| c.function).ok_or_else(|| missing("function"))?;
        let open = self.find(&[Kind::Call], index).ok_or_else(|| missing("tool call to grow"))?;
        self.argue(open.part, function.arguments, text, out);
        Ok(())
    }

    /// Arguments pass as they come, but for what may turn out to be `null`: clients expect an
    /// object.
    fn argue(&mut self, part: PartId, piece: Option<Piece<'_>>, text: &Str, out: &mut Vec<Event>) {
        let Some(piece) = piece.filter(|p| !p.is_empty()) else { return };
        let mut piece = piece.of(text);
        if let Some((_, said)) = self.said.iter_mut().find(|(p, _)| *p == part) {
            let held = NULL.starts_with(said.as_str());
            said.push_str(&piece);
            if NULL.starts_with(said.as_str()) {
                return;
            }
            if held {
                piece = said.as_str().into();
            }
        }
        out.push(Event::PartDelta { part, delta: Delta::Arguments(piece) });
    }

    /// A call ends: what was held of it is said, and all of it must be JSON.
    fn settle(&mut self, part: PartId, out: &mut Vec<Event>) {
        let Some(at) = self.said.iter().position(|(p, _)| *p == part) else { return };
        let (_, said) = self.said.swap_remove(at);
        if said.is_empty() {
            return;
        }
        if NULL.starts_with(said.as_str()) {
            let text = if said == NULL {
                Str::from_static(message::NOTHING)
            } else {
                said.as_str().into()
            };
            out.push(Event::PartDelta { part, delta: Delta::Arguments(text) });
        }
        self.unsound |= !message::is_json(&said);
    }

    fn citation(
        &mut self,
        event: &wire::Event<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let said = event.delta.as_ref().and_then(|d| d.message.as_ref());
        let raw: &RawValue = said.and_then(|m| m.citations).ok_or_else(|| missing("citation"))?;
        let citation = citations::read(Field::root(&text.slice_ref(raw.get()))?);
        match (citation, self.find(&[Kind::Text], None)) {
            (Some(citation), Some(open)) => {
                let delta = Delta::Citation(Box::new(citation));
                out.push(Event::PartDelta { part: open.part, delta });
            }
            // One of the plan, or of content that is closed.
            _ => {
                self.start(None, out);
                out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
            }
        }
        Ok(())
    }

    fn over(&mut self, frame: &Frame, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        self.start(None, out);
        self.close(|_| true, out);
        self.over = true;
        let mut o = Object::root(text)?;
        let mut delta = o.need("delta")?.object()?;
        if let Some(report) = delta.see("usage").and_then(usage::report) {
            delta.take("usage")?;
            out.push(Event::Usage(Box::new(report)));
        }
        let word = delta.need_str("finish_reason")?;
        let reason = reply::reason(&word, self.called);
        if reason == FinishReason::Failed {
            out.push(Event::Failure(Error::upstream(error::at_end(&word, delta, &frame.data))));
            return Ok(());
        }
        if self.unsound && message::is_whole(&reason) {
            return Err(Corrupt::new(message::UNSOUND));
        }
        let finish = Finish { reason, word: Some(word), extra: delta.rest(ID) };
        out.push(Event::Finish { candidate: 0, finish });
        out.push(Event::End);
        Ok(())
    }
}

fn content(event: wire::Event<'_>) -> Option<Content<'_>> {
    event.delta?.message?.content.0
}

fn call(event: wire::Event<'_>) -> Option<Call<'_>> {
    event.delta?.message?.tool_calls.0
}

fn grow(part: PartId, kind: Kind, content: Content<'_>, text: &Str, out: &mut Vec<Event>) {
    let piece = if kind == Kind::Thinking { content.thinking } else { content.text };
    if let Some(piece) = piece.filter(|p| !p.is_empty()) {
        out.push(Event::PartDelta { part, delta: Delta::Text(piece.of(text)) });
    }
    if let Some(state) = content.signature.and_then(|s| state::read(s.as_str())) {
        out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
    }
}
