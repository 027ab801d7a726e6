//! Reads a stream.
//!
//! Text and arguments come in deltas, everything else with the event that ends its item; the event
//! that ends the response brings all of it again. So an item is read from its deltas while it
//! grows, from its own end where it has none, and from the response's end where it never came at
//! all. Progress of the provider's own tools is not told: the item that ends it says everything.

use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{Corrupt, Frame, FrameKind, StreamDecoder};
use llm_core::event::{Delta, Event, Notice, PartHead, Start};
use llm_core::prompt::{Part, PartKind};
use llm_core::raw::Raw;
use serde_json::value::RawValue;

use super::super::content;
use super::super::error;
use super::super::items;
use super::super::reply::{Outline, failed_silently, finish, outline};
use super::super::wire;
use super::open::{Grow, Open};
use crate::json::{Field, JsonKind, Object};

/// Reads a stream of one response.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    open: Open,
    started: bool,
    over: bool,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        match frame.kind {
            FrameKind::Event => self.event(frame, out),
            // Cut in the middle, it is no broken frame but the end of a broken stream.
            FrameKind::Unfinished => {
                let whole = serde_json::from_slice::<serde::de::IgnoredAny>(&frame.data).is_ok();
                if whole { self.event(frame, out) } else { Ok(()) }
            }
            FrameKind::Stray => self.stray(frame, out),
            FrameKind::Padding => Ok(()),
        }
    }

    /// Every item has an end of its own, and so has the response: where they are missing, they
    /// never came.
    fn finish(&mut self, _out: &mut Vec<Event>) {}
}

impl Decoder {
    fn event(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over || frame.data.is_empty() || &*frame.data == b"[DONE]" {
            return Ok(());
        }
        let text =
            Str::try_from(frame.data.clone()).map_err(|_| Corrupt::new("an event is not UTF-8"))?;
        let read: wire::Frame<'_> = serde_json::from_str(&text)
            .map_err(|e| Corrupt::new(format!("an event cannot be read: {e}")))?;
        let named = frame.event.as_deref().and_then(|name| str::from_utf8(name).ok());
        let kind = read.kind.as_deref().or(named).unwrap_or_default();
        self.dispatch(kind, &read, &text, out)
    }

    fn dispatch(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        match kind {
            "response.output_text.delta" => {
                self.delta(kind, frame, text, (PartHead::Text, Place::Content), out)
            }
            "response.refusal.delta" => {
                self.delta(kind, frame, text, (PartHead::Refusal, Place::Content), out)
            }
            "response.reasoning_summary_text.delta" => {
                self.delta(kind, frame, text, (PartHead::Reasoning, Place::Summary), out)
            }
            "response.reasoning_text.delta" => {
                self.delta(kind, frame, text, (PartHead::Reasoning, Place::Content), out)
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                let index = need(kind, "output_index", frame.output_index)?;
                let piece = string(kind, frame.delta, text)?;
                self.start(None, out);
                self.open.arguments(index, piece, out)
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                if !self.started {
                    let outline = response(kind, frame, text, None)?;
                    self.start(Some(outline), out);
                }
                Ok(())
            }
            "response.completed"
            | "response.incomplete"
            | "response.failed"
            | "response.cancelled" => self.end(kind, frame, text, out),
            "error" => self.error(text, out),
            // A proxy in between that knows of no names.
            "" if is_error(text) => self.error(text, out),
            _ if is_told_elsewhere(kind) => Ok(()),
            _ => {
                self.start(None, out);
                self.step(kind, frame, text, out)
            }
        }
    }

    /// The steps between the deltas.
    fn step(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        match kind {
            "response.content_part.added" => self.piece(kind, frame, out),
            "response.reasoning_summary_part.added" => {
                let index = need(kind, "output_index", frame.output_index)?;
                let at = need(kind, "summary_index", frame.summary_index)?;
                self.open.part(index, Grow::Summary(at), PartHead::Reasoning, out).map(drop)
            }
            "response.output_text.annotation.added" => self.annotation(kind, frame, text, out),
            "response.output_item.added" => {
                let (index, item) = item(kind, frame)?;
                self.open.added(index, field(item, text)?, out)
            }
            "response.output_item.done" => {
                let (index, item) = item(kind, frame)?;
                let parts = read_item(field(item, text)?)?;
                self.open.done(index, parts, out)
            }
            "keepalive" => {
                out.push(Event::Notice(Notice::Ping));
                Ok(())
            }
            _ => {
                out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
                Ok(())
            }
        }
    }

    fn error(&mut self, text: &Str, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let failure = error::inside(Field::root(text)?, text.as_bytes());
        self.over = true;
        out.push(Event::Failure(failure));
        Ok(())
    }

    /// A delta of a text. Its part may never have been announced.
    fn delta(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        text: &Str,
        (head, place): (PartHead, Place),
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = need(kind, "output_index", frame.output_index)?;
        let grow = match place {
            Place::Summary => Grow::Summary(need(kind, "summary_index", frame.summary_index)?),
            Place::Content => Grow::Content(need(kind, "content_index", frame.content_index)?),
        };
        let piece = string(kind, frame.delta, text)?;
        self.start(None, out);
        let part = self.open.part(index, grow, head, out)?;
        if !piece.is_empty() {
            self.open.grew(index);
            out.push(Event::PartDelta { part, delta: Delta::Text(piece) });
        }
        if let Some(raw) = frame.logprobs.filter(|l| l.get().len() > 2) {
            let logprobs = content::read_logprobs(field(raw, text)?).unwrap_or_default();
            if !logprobs.is_empty() && matches!(place, Place::Content) {
                self.open.weighed(index);
                out.push(Event::PartDelta { part, delta: Delta::Logprobs(logprobs) });
            }
        }
        Ok(())
    }

    /// A piece of a message begins.
    fn piece(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = need(kind, "output_index", frame.output_index)?;
        let at = need(kind, "content_index", frame.content_index)?;
        let part = need(kind, "part", frame.part)?;
        let piece: wire::Piece<'_> = serde_json::from_str(part.get())
            .map_err(|e| Corrupt::new(format!("{kind}: part cannot be read: {e}")))?;
        let head = match piece.kind.as_deref() {
            Some("output_text") => PartHead::Text,
            Some("refusal") => PartHead::Refusal,
            Some("reasoning_text") => PartHead::Reasoning,
            // Whatever it is, the end of the item has it whole.
            _ => return Ok(()),
        };
        self.open.part(index, Grow::Content(at), head, out).map(drop)
    }

    fn annotation(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let index = need(kind, "output_index", frame.output_index)?;
        let at = need(kind, "content_index", frame.content_index)?;
        let citation = content::citation(field(need(kind, "annotation", frame.annotation)?, text)?);
        let part = self.open.part(index, Grow::Content(at), PartHead::Text, out)?;
        self.open.cited(index);
        out.push(Event::PartDelta { part, delta: Delta::Citation(Box::new(citation)) });
        Ok(())
    }

    /// The response is over: what never came comes now.
    fn end(
        &mut self,
        kind: &str,
        frame: &wire::Frame<'_>,
        text: &Str,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let mut items = Vec::new();
        let mut outline = response(kind, frame, text, Some(&mut items))?;
        let usage = outline.usage.take();
        let (finish, failure) = (outline.finish.take(), outline.failure.take());
        self.start(Some(outline), out);
        for (index, (id, parts)) in (0..).zip(items) {
            // It never came, or it never ended.
            if !self.open.knows(index, id.as_ref()) || self.open.is_open(index) {
                self.open.done(index, parts, out)?;
            }
        }
        let calls = self.open.close(out);
        // The event says that it is over, whatever the status says.
        let finish = finish.unwrap_or_else(|| by_event(kind));
        out.push(Event::Finish { candidate: 0, finish: with_calls(finish, calls) });
        out.extend(usage.map(|u| Event::Usage(Box::new(u))));
        self.over = true;
        out.push(match failure {
            Some(failure) => Event::Failure(failure),
            None if kind == "response.failed" => Event::Failure(failed_silently(text.as_bytes())),
            None => Event::End,
        });
        Ok(())
    }

    /// Text outside of the framing: an error, where it reads as one.
    fn stray(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        let Ok(text) = Str::try_from(frame.data.clone()) else { return Ok(()) };
        if is_error(&text) && !self.over { self.error(&text, out) } else { Ok(()) }
    }

    fn start(&mut self, outline: Option<Outline>, out: &mut Vec<Event>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let start = match outline {
            Some(Outline { id, model, created, extra, .. }) => Start { id, model, created, extra },
            None => Start::default(),
        };
        out.push(Event::Start(Box::new(start)));
    }
}

/// Which list of an item an index counts in.
#[derive(Clone, Copy)]
enum Place {
    Content,
    Summary,
}

/// Whether the end of the item says everything that frames of this kind say: ends of pieces, and
/// progress of the provider's own tools.
fn is_told_elsewhere(kind: &str) -> bool {
    const ENDS: [&str; 8] = [
        "response.output_text.done",
        "response.refusal.done",
        "response.content_part.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.reasoning_text.done",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
    ];
    const TOOLS: [&str; 10] = [
        "response.web_search_call.",
        "response.file_search_call.",
        "response.code_interpreter_call",
        "response.image_generation_call.",
        "response.mcp_call",
        "response.mcp_list_tools.",
        "response.computer_call",
        "response.shell_call",
        "response.apply_patch_call",
        "response.tool_search",
    ];
    ENDS.contains(&kind) || TOOLS.iter().any(|t| kind.starts_with(t))
}

fn is_error(text: &Str) -> bool {
    let object = Field::root(text).and_then(|f| f.object());
    object.is_ok_and(|o| o.see("error").is_some_and(|e| !e.is_null()))
}

/// A finish whose reason knows of calls that came in deltas.
fn with_calls(mut finish: Finish, calls: bool) -> Finish {
    if calls && finish.reason == FinishReason::Stop {
        finish.reason = FinishReason::ToolCalls;
    }
    finish
}

/// The finish that the kind of the last event tells.
fn by_event(kind: &str) -> Finish {
    let word = Str::from(kind.strip_prefix("response.").unwrap_or(kind));
    finish(&word, None, false).unwrap_or_else(|| Finish::new(FinishReason::Stop))
}

fn need<T>(kind: &str, name: &str, value: Option<T>) -> Result<T, Corrupt> {
    value.ok_or_else(|| Corrupt::new(format!("{kind}: {name} is missing")))
}

/// An item with its place.
fn item<'a>(kind: &str, frame: &wire::Frame<'a>) -> Result<(u32, &'a RawValue), Corrupt> {
    Ok((need(kind, "output_index", frame.output_index)?, need(kind, "item", frame.item)?))
}

/// A value of the frame as a field, so that what is kept of it is a slice of the frame.
fn field<'a>(raw: &'a RawValue, text: &'a Str) -> Result<Field<'a>, Corrupt> {
    Field::within(text, raw).ok_or_else(|| Corrupt::new("a value from another frame"))
}

/// A string of the frame; a slice of it unless it has escapes.
fn string(kind: &str, raw: Option<&RawValue>, text: &Str) -> Result<Str, Corrupt> {
    let raw = need(kind, "delta", raw)?;
    Ok(field(raw, text)?.str()?)
}

fn read_item(item: Field<'_>) -> Result<Vec<Part>, Corrupt> {
    let mut parts = Vec::new();
    items::model_item(item, false, &mut parts)?;
    Ok(parts)
}

/// Items of the last response object, with their ids.
type Final = Vec<(Option<Str>, Vec<Part>)>;

/// Reads the response object of an event; its items only where somebody wants them.
fn response(
    kind: &str,
    frame: &wire::Frame<'_>,
    text: &Str,
    items: Option<&mut Final>,
) -> Result<Outline, Corrupt> {
    let raw = need(kind, "response", frame.response)?;
    let mut o: Object<'_> = field(raw, text)?.object()?;
    let output = o.take_if("output", JsonKind::Array);
    let mut calls = Vec::new();
    if let (Some(items), Some(output)) = (items, output) {
        for item in output.array()? {
            let id = item.object()?.take_if("id", JsonKind::String).and_then(|f| f.str().ok());
            let parts = read_item(item)?;
            calls.extend(parts.iter().filter(|p| matches!(p.kind, PartKind::ToolCall(_))).cloned());
            items.push((id, parts));
        }
    }
    Ok(outline(o, &calls, text.as_bytes()))
}
