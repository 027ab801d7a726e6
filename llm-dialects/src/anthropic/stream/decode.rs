//! Frames to events.
//!
//! Holds no policy: broken frames are `Corrupt`, unknown ones go on as they are. Three things are
//! not said at once. The end waits for `message_stop`, because a later `message_delta` may still
//! change its reason. The end of a call or a text waits for the next frame, because a block behind
//! it may carry its state. And a block that only this dialect understands waits for its stop, for
//! it cannot grow.

use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, FrameKind, StreamDecoder};
use llm_core::event::{Delta, Event, Notice, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::raw::Raw;
use serde_json::value::RawValue;

use super::open::{self, Block, Grows, kept};
use crate::anthropic::reply::{self, WITH_FINISH};
use crate::anthropic::usage::Counts;
use crate::anthropic::wire::Frame as Wire;
use crate::anthropic::{ID, block, error};
use crate::json::{Field, JsonKind};

/// Reads a stream.
#[derive(Default)]
pub(in crate::anthropic) struct Decoder {
    /// The id of the message, once it began.
    began: Option<Option<Str>>,
    counts: Counts,
    blocks: Vec<Block>,
    parts: u16,
    /// The end of the last part, which a state behind it may still precede.
    ending: Option<(PartId, Extra)>,
    finish: Option<Finish>,
    /// A call whose arguments are no JSON: only an answer that was cut may have one.
    unsound: bool,
    over: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let read = match frame.kind {
            FrameKind::Event | FrameKind::Unfinished => true,
            FrameKind::Padding => false,
            // A whole error body where a stream was asked for.
            FrameKind::Stray => frame.data.trim_ascii_start().starts_with(b"{"),
        };
        if self.over || !read || frame.data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let text =
            Str::try_from(frame.data.clone()).map_err(|_| Corrupt::new("a frame is not UTF-8"))?;
        match serde_json::from_str::<Wire<'_>>(&text) {
            Ok(wire) => self.frame(&text, &wire, out),
            Err(e) => self.strange(&text, &e, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<Event>) {
        if !self.over && self.began.is_some() {
            // What was said stands; that it is not all is the driver's to say.
            let closed = self.close_all(out);
            if closed.is_ok() && self.finish.is_some() && self.check_sound().is_ok() {
                self.say_finish(out);
            }
        }
        self.over = true;
    }
}

impl Decoder {
    fn frame(&mut self, text: &Str, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let kind = wire.kind();
        if kind == "content_block_delta" {
            return self.delta(text, wire, out);
        }
        if kind == "error" {
            self.over = true;
            out.push(Event::Failure(error::inside(&text.clone().into_bytes())));
            return Ok(());
        }
        if kind == "message_start" {
            return self.start(text, wire, out);
        }
        if self.began.is_none() {
            let known = FRAMES.contains(&kind) && !kind.is_empty();
            return if known { Err(Corrupt::new("a frame before message_start")) } else { Ok(()) };
        }
        match kind {
            "content_block_start" => self.block_start(text, wire, out),
            "content_block_stop" => self.block_stop(wire, out),
            "message_delta" => self.message_delta(text, out),
            "message_stop" => {
                self.over = true;
                self.close_all(out)?;
                self.check_sound()?;
                self.say_finish(out);
                out.push(Event::End);
                Ok(())
            }
            "ping" => {
                out.push(Event::Notice(Notice::Ping));
                Ok(())
            }
            _ => {
                out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
                Ok(())
            }
        }
    }

    /// A frame that does not have the shape of those we know: broken if it is of a known kind.
    fn strange(
        &mut self,
        text: &Str,
        error: &serde_json::Error,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let frame = Field::root(text).and_then(|f| f.object())?;
        let kind = |field: Option<Field<'_>>| {
            let kind = field.and_then(|f| f.cow().ok());
            kind.map(|k| k.into_owned()).unwrap_or_default()
        };
        let known = match &*kind(frame.see("type")) {
            "content_block_delta" => {
                let delta = frame.see("delta").and_then(|d| d.object().ok());
                DELTAS.contains(&&*kind(delta.and_then(|d| d.see("type"))))
            }
            other => FRAMES.contains(&other),
        };
        if known {
            return Err(Corrupt::new(format!("a frame of the stream: {error}")));
        }
        if self.began.is_some() {
            out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
        }
        Ok(())
    }

    fn start(&mut self, text: &Str, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let mut o = field(text, wire.message, "message")?.object()?;
        let id = o.take_if("id", JsonKind::String).map(|f| f.str()).transpose()?;
        match &self.began {
            // Some hosts say the start twice.
            Some(began) if *began == id => return Ok(()),
            Some(_) => return Err(Corrupt::new("a second message began")),
            None => self.began = Some(id.clone()),
        }
        let model = o.take_if("model", JsonKind::String).map(|f| f.str()).transpose()?;
        for name in ["type", "role", "stop_reason"] {
            o.take(name)?;
        }
        if o.see("content").is_some_and(|f| f.array().is_ok_and(|list| list.is_empty())) {
            o.take("content")?;
        }
        if let Some(usage) = o.take("usage")? {
            self.counts.take(usage)?;
        }
        let mut extra = o.rest(ID);
        // These are said at the end, and say nothing yet.
        for name in WITH_FINISH.iter().chain(&["stop_reason"]) {
            if extra.get(name).is_some_and(Raw::is_null) {
                extra.take(name);
            }
        }
        out.push(Event::Start(Box::new(Start { id, model, created: None, extra })));
        self.say_usage(out);
        Ok(())
    }

    fn block_start(
        &mut self,
        text: &Str,
        wire: &Wire<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = number(wire)?;
        if self.blocks.iter().any(|b| b.index == index) {
            return Err(Corrupt::new("a block began twice"));
        }
        let start = field(text, wire.content_block, "content_block")?;
        let (mut block, head, said) = Block::start(index, start)?;
        if matches!(block.grows, Grows::Redacted) {
            return self.redacted(block, start, out);
        }
        self.say_end(out);
        if let Some(head) = head {
            let part = self.next_part()?;
            block.part = Some(part);
            out.push(Event::PartStart { part, head });
            out.extend(said.into_iter().map(|delta| Event::PartDelta { part, delta }));
        }
        self.blocks.push(block);
        Ok(())
    }

    /// Hidden thoughts, or the state of the part before.
    fn redacted(
        &mut self,
        mut block: Block,
        start: Field<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let data = start.object()?.need("data")?;
        let state = block::redacted_state(&data.cow()?, || Some(data.raw()));
        let previous = self.ending.as_ref().map(|(part, _)| *part);
        block.extra.take("data");
        match (state, previous) {
            (Some((state, true)), Some(part)) => {
                out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
            }
            (state, _) => {
                self.say_end(out);
                let part = self.next_part()?;
                block.part = Some(part);
                out.push(Event::PartStart { part, head: PartHead::Reasoning });
                if let Some((state, _)) = state {
                    out.push(Event::PartDelta { part, delta: Delta::State(Box::new(state)) });
                }
            }
        }
        self.blocks.push(block);
        Ok(())
    }

    fn delta(&mut self, text: &Str, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let index = number(wire)?;
        let delta = wire.delta.as_ref().ok_or_else(|| Corrupt::new("a delta is missing"))?;
        let block = self.blocks.iter_mut().find(|b| b.index == index);
        let block = block.ok_or_else(|| Corrupt::new("a delta for a block that is not open"))?;
        let kind = delta.kind.as_ref().map_or("", |k| &k.0);
        let part = block.part.unwrap_or_default();
        let mut push = |delta| out.push(Event::PartDelta { part, delta });
        match (&mut block.grows, kind) {
            (Grows::Text, "text_delta") => {
                let piece = delta.text.as_ref().ok_or_else(wrong)?;
                if !piece.0.is_empty() {
                    push(Delta::Text(kept(text, piece)));
                }
            }
            (Grows::Text, "citations_delta") => {
                let citation = block::citation(field(text, delta.citation, "citation")?)?;
                push(Delta::Citation(Box::new(citation)));
            }
            (Grows::Thinking, "thinking_delta") => {
                let piece = delta.thinking.as_ref().ok_or_else(wrong)?;
                if !piece.0.is_empty() {
                    push(Delta::Text(kept(text, piece)));
                }
            }
            (Grows::Thinking, "signature_delta") => {
                let signature = open::signature(field(text, delta.signature, "signature")?)?;
                signature.into_iter().for_each(push);
            }
            (Grows::ToolUse { joined, .. }, "input_json_delta") => {
                let piece = delta.partial_json.as_ref().ok_or_else(wrong)?;
                if !piece.0.is_empty() {
                    joined.push_str(&piece.0);
                    push(Delta::Arguments(kept(text, piece)));
                }
            }
            (Grows::Other { grown, .. }, _) => {
                let frame = Field::root(text)?.object()?;
                open::grow(grown, frame.see("delta").ok_or_else(wrong)?)?;
            }
            (_, "text_delta" | "thinking_delta" | "input_json_delta") => return Err(wrong()),
            _ => out.push(Event::Unmodelled(Raw::from_parsed(text.clone()))),
        }
        Ok(())
    }

    fn block_stop(&mut self, wire: &Wire<'_>, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let index = number(wire)?;
        let at = self.blocks.iter().position(|b| b.index == index);
        let at = at.ok_or_else(|| Corrupt::new("the stop of a block that is not open"))?;
        let block = self.blocks.remove(at);
        self.close(block, true, out)
    }

    /// Ends a block, which `stopped` unless the answer was cut.
    fn close(&mut self, block: Block, stopped: bool, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        self.unsound |= !block.is_sound();
        if let Some(head) = block.whole() {
            self.say_end(out);
            let part = self.next_part()?;
            out.push(Event::PartStart { part, head });
            out.push(open::end(part, block.extra));
            return Ok(());
        }
        let Some(part) = block.part else { return Ok(()) };
        if stopped && let Some(delta) = block.last_words() {
            out.push(Event::PartDelta { part, delta });
        }
        self.say_end(out);
        self.ending = Some((part, block.extra));
        Ok(())
    }

    fn close_all(&mut self, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        for block in std::mem::take(&mut self.blocks) {
            self.close(block, false, out)?;
        }
        self.say_end(out);
        Ok(())
    }

    fn message_delta(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let mut frame = Field::root(text)?.object()?;
        frame.take("type")?;
        if let Some(usage) = frame.take("usage")? {
            self.counts.take(usage)?;
            self.say_usage(out);
        }
        let Some(mut delta) = frame.object("delta")? else { return Ok(()) };
        let Some(word) = delta.str("stop_reason")? else { return Ok(()) };
        let mut extra = delta.rest(ID);
        // `context_management` stands beside the delta here, and beside the rest when whole.
        for (name, value) in frame.members() {
            extra.push(name.to_string(), value.raw());
        }
        self.finish = Some(Finish { reason: reply::reason(&word), word: Some(word), extra });
        Ok(())
    }

    /// Arguments that are no JSON are the mark of an answer that was cut; any other is broken.
    fn check_sound(&self) -> Result<(), Corrupt> {
        let whole = self
            .finish
            .as_ref()
            .is_none_or(|f| matches!(f.reason, FinishReason::Stop | FinishReason::ToolCalls));
        if self.unsound && whole {
            return Err(Corrupt::new("the arguments of a tool call are no JSON"));
        }
        Ok(())
    }

    fn next_part(&mut self) -> Result<PartId, Corrupt> {
        let index = self.parts;
        self.parts = index.checked_add(1).ok_or_else(|| Corrupt::new("too many blocks"))?;
        Ok(PartId { candidate: 0, index })
    }

    fn say_usage(&self, out: &mut Vec<Event>) {
        out.extend(self.counts.clone().report().map(|report| Event::Usage(Box::new(report))));
    }

    fn say_end(&mut self, out: &mut Vec<Event>) {
        out.extend(self.ending.take().map(|(part, extra)| open::end(part, extra)));
    }

    fn say_finish(&mut self, out: &mut Vec<Event>) {
        let finish = self.finish.take();
        // A message that stops without a reason has stopped all the same.
        let finish = finish.unwrap_or_else(|| Finish::new(FinishReason::Stop));
        out.push(Event::Finish { candidate: 0, finish });
    }
}

/// Frames we know, but for deltas of blocks.
const FRAMES: [&str; 7] = [
    "message_start",
    "content_block_start",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
    "",
];
/// Deltas we know.
const DELTAS: [&str; 6] =
    ["text_delta", "citations_delta", "thinking_delta", "signature_delta", "input_json_delta", ""];

fn wrong() -> Corrupt {
    Corrupt::new("a delta that its block does not grow by")
}

fn number(wire: &Wire<'_>) -> Result<u32, Corrupt> {
    wire.index.ok_or_else(|| Corrupt::new("a frame without the index of its block"))
}

/// A raw member of a frame as a field, so that what it holds are slices of the frame.
fn field<'a>(text: &'a Str, raw: Option<&'a RawValue>, name: &str) -> Result<Field<'a>, Corrupt> {
    let raw = raw.ok_or_else(|| Corrupt::new(format!("a frame without `{name}`")))?;
    Field::within(text, raw).ok_or_else(wrong)
}
