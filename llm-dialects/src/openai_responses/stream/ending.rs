//! Ends what a stream began: parts, items, the response.

use bytes::BytesMut;
use llm_core::Str;
use llm_core::completion::{Finish, FinishReason};
use llm_core::error::Error;
use llm_core::event::PartId;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Opaque, Part, PartKind, Role, Text};
use llm_core::raw::Raw;

use super::super::items::{
    IN_PROGRESS, Ident, Items, To, call_fields, message_fields, reasoning_fields,
};
use super::super::notation::{ITEM_ID, ME};
use super::super::place::Place;
use super::super::reply::{Ending, RESPONSE_PREFIX, failed_by_word, response_fields, tail, word};
use super::super::{carry, content};
use super::encode::{Encoder, head_of};
use super::growing::{Growing, Item, Shape, index};
use crate::json::{ObjectWriter, write};
use crate::{openai_error, state};

const COMPLETED: &str = "completed";
const INCOMPLETE: &str = "incomplete";

impl Encoder {
    /// The item a part of that shape goes into: the last one, if it can be joined, or a new one.
    pub(super) fn item_for(
        &mut self,
        shape: Shape,
        growing: &Growing,
        out: &mut BytesMut,
    ) -> usize {
        let joins = |i: &Item| !i.sealed && i.shape == shape && shape != Shape::Single;
        let count = self.items.list.len();
        if self.items.list.last().is_some_and(joins) {
            return count - 1;
        }
        self.seal(COMPLETED, out);
        let prefix = match &growing.kind {
            PartKind::Reasoning(_) => "rs",
            PartKind::ToolCall(call) if call.custom => "ctc",
            PartKind::ToolCall(_) => "fc",
            _ => "msg",
        };
        let item = Item {
            id: self.item_id(prefix),
            shape,
            first: growing.part.index.into(),
            parts: Vec::new(),
            sealed: shape == Shape::Single,
            done: None,
        };
        let begun = [Part::new(growing.kind.clone())];
        let parts = if shape == Shape::Single { &begun[..] } else { &[] };
        self.frames.write(out, "response.output_item.added", |o| {
            o.u64("output_index", index(count).into());
            let none = &mut Losses::default();
            item_fields(&mut o.object("item"), &item, parts, IN_PROGRESS, none);
        });
        self.items.list.push(item);
        count
    }

    /// The ids of a response's items share its own.
    fn tail(&self) -> &str {
        self.id.strip_prefix(RESPONSE_PREFIX).unwrap_or(&self.id)
    }

    fn item_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.tail(), self.items.list.len())
    }

    /// A part is complete.
    pub(super) fn part_end(&mut self, id: PartId, extra: &Extra, out: &mut BytesMut) {
        let Some(at) = self.open.iter().position(|g| g.part == id) else { return };
        let growing = self.open.remove(at);
        let Some((at, piece)) = growing.spot else {
            return self.at_once(growing, extra, out);
        };
        self.piece_done(&growing, out);
        let part = complete(growing, extra);
        let (state, thinks) = (part.state.clone(), matches!(part.kind, PartKind::Reasoning(_)));
        let call = match &part.kind {
            PartKind::ToolCall(call) => Some(call.id.clone()),
            _ => None,
        };
        if thinks || call.is_some() {
            Place::message("candidates", 0).part(id.index.into()).lose(extra, &mut self.losses);
        }
        let mut over = false;
        if let Some(item) = self.items.list.get_mut(at) {
            if let Some(spot) = item.parts.get_mut(piece) {
                *spot = Some(part);
            }
            // What is signed is signed as a whole.
            item.sealed |= state.is_some();
            over = item.sealed && !item.is_open();
        }
        if over {
            self.item_done(at, COMPLETED, out);
        }
        if let (Some(state), false) = (state, thinks) {
            self.errand(call.as_deref(), &state, out);
        }
    }

    /// The frames that end a piece of an item.
    fn piece_done(&mut self, growing: &Growing, out: &mut BytesMut) {
        let Some((id, at, piece)) = self.items.spot(growing) else { return };
        let text = &*growing.text;
        let frames = &mut self.frames;
        match &growing.kind {
            PartKind::Text(_) => {
                frames.write(out, "response.output_text.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into());
                    o.u64("content_index", piece.into()).str("text", text);
                    content::logprobs(&mut o.array("logprobs"), &growing.logprobs, true);
                });
            }
            PartKind::Refusal(_) => {
                frames.write(out, "response.refusal.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into());
                    o.u64("content_index", piece.into()).str("refusal", text);
                });
            }
            PartKind::Reasoning(_) if growing.delta.is_some() => {
                frames.write(out, "response.reasoning_summary_text.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into());
                    o.u64("summary_index", piece.into()).str("text", text);
                });
                frames.write(out, "response.reasoning_summary_part.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into());
                    o.u64("summary_index", piece.into());
                    o.object("part").str("type", "summary_text").str("text", text);
                });
            }
            PartKind::ToolCall(call) if call.custom => {
                frames.write(out, "response.custom_tool_call_input.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into()).str("input", text);
                });
            }
            PartKind::ToolCall(call) => {
                frames.write(out, "response.function_call_arguments.done", |o| {
                    o.str("item_id", id).u64("output_index", at.into()).str("name", &call.name);
                    // A tool that takes nothing still takes an object.
                    o.str("arguments", if text.is_empty() { "{}" } else { text });
                });
            }
            _ => {}
        }
        if let PartKind::Text(_) | PartKind::Refusal(_) = growing.kind {
            frames.write(out, "response.content_part.done", |o| {
                o.str("item_id", id).u64("output_index", at.into());
                o.u64("content_index", piece.into());
                let mut o = o.object("part");
                if let PartKind::Refusal(_) = growing.kind {
                    o.str("type", "refusal").str("refusal", text);
                    return;
                }
                o.str("type", "output_text").str("text", text);
                let mut list = o.array("annotations");
                growing.citations.iter().filter_map(content::annotation).for_each(|a| list.raw(&a));
                drop(list);
                content::logprobs(&mut o.array("logprobs"), &growing.logprobs, true);
            });
        }
    }

    /// Something that came at once: an item of its own, or a loss.
    fn at_once(&mut self, growing: Growing, extra: &Extra, out: &mut BytesMut) {
        let place = Place::message("candidates", 0);
        let at = growing.part.index.into();
        if let PartKind::Audio(_) = growing.kind {
            return place.part(at).dropped("", &mut self.losses);
        }
        let state = growing.state;
        let part = [Part { extra: extra.clone(), ..Part::new(growing.kind) }];
        let mut json = BytesMut::new();
        {
            let tail = format!("{}_{}", self.tail(), self.items.list.len());
            let mut list = crate::json::ArrayWriter::begin(&mut json);
            let mut items = Items::new(To::Caller(&tail), &mut self.losses);
            items.parts(&mut list, Role::Assistant, &part, None, place);
        }
        // The list holds the one item, or nothing.
        let inner = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        if let Ok(text) = str::from_utf8(inner)
            && !text.is_empty()
        {
            let item = Raw::from_parsed(text.to_owned().into());
            self.instant(item, out);
            if let Some(state) = state {
                self.errand(None, &state, out);
            }
        }
    }

    /// State of something that is no thought, in a thought of its own.
    fn errand(&mut self, call: Option<&str>, state: &Opaque, out: &mut BytesMut) {
        self.seal(COMPLETED, out);
        let id = self.item_id("rs");
        let json = write::object(|o| {
            let ident = Ident { id: Some(&id), status: None };
            reasoning_fields(o, &[], ident, Some(&carry::send(call, state)));
        });
        if let Ok(text) = Str::try_from(json.freeze()) {
            self.instant(Raw::from_parsed(text), out);
        }
    }

    /// An item that begins and ends at once.
    fn instant(&mut self, item: Raw, out: &mut BytesMut) {
        self.seal(COMPLETED, out);
        let at = index(self.items.list.len());
        for name in ["response.output_item.added", "response.output_item.done"] {
            self.frames.write(out, name, |o| {
                o.u64("output_index", at.into()).raw("item", &item);
            });
        }
        self.items.list.push(Item {
            id: String::new(),
            shape: Shape::Single,
            first: 0,
            parts: Vec::new(),
            sealed: true,
            done: Some(item),
        });
    }

    /// Nothing more joins the last item.
    pub(super) fn seal(&mut self, status: &'static str, out: &mut BytesMut) {
        let Some(at) = self.items.list.len().checked_sub(1) else { return };
        let mut over = false;
        if let Some(item) = self.items.list.get_mut(at) {
            item.sealed = true;
            over = !item.is_open();
        }
        if over {
            self.item_done(at, status, out);
        }
    }

    fn item_done(&mut self, at: usize, status: &'static str, out: &mut BytesMut) {
        let Some(item) = self.items.list.get_mut(at).filter(|i| i.done.is_none()) else { return };
        let Some(json) = whole(item, status, &mut self.losses) else { return };
        self.frames.write(out, "response.output_item.done", |o| {
            o.u64("output_index", index(at).into()).raw("item", &json);
        });
        item.done = Some(json);
    }

    /// All parts are complete: so is the last item.
    pub(super) fn close(&mut self, out: &mut BytesMut) {
        let cut = self.finish.as_ref().is_some_and(|f| *word(f).0 == *INCOMPLETE);
        self.seal(if cut { INCOMPLETE } else { COMPLETED }, out);
    }

    /// The last frame of a response that went well, as far as it went.
    pub(super) fn end(&mut self, out: &mut BytesMut) {
        self.close(out);
        let finish = self.finish.take().unwrap_or_else(|| Finish::new(FinishReason::Stop));
        finish.extra.lose(ME, "candidates.0.finish", &mut self.losses);
        let failure = failed_by_word(&finish);
        let name = match (&failure, &*word(&finish).0) {
            (Some(_), _) => "response.failed",
            (None, COMPLETED) => "response.completed",
            (None, _) => "response.incomplete",
        };
        self.last(name, Some(&finish), failure.as_ref(), out);
    }

    /// The last frames of a response that failed: the event that clients raise, and the response
    /// as far as it came.
    pub(super) fn fail(&mut self, error: &Error, out: &mut BytesMut) {
        for growing in std::mem::take(&mut self.open) {
            let Some((at, piece)) = growing.spot else { continue };
            let part = complete(growing, &Extra::default());
            let spot = self.items.list.get_mut(at).and_then(|i| i.parts.get_mut(piece));
            if let Some(spot) = spot {
                *spot = Some(part);
            }
        }
        for item in self.items.list.iter_mut().filter(|i| i.done.is_none()) {
            item.done = whole(item, INCOMPLETE, &mut self.losses);
        }
        self.frames.write(out, "error", |o| {
            o.str("code", openai_error::code(error)).str("message", error.message());
            o.str_or_null("param", openai_error::param(error));
            // The event has its words at the top, the recorded ones have them in here; clients
            // raise what is in here.
            openai_error::members_of(error, &mut o.object("error"));
        });
        let finish = Finish::new(FinishReason::Failed);
        self.last("response.failed", Some(&finish), Some(error), out);
    }

    fn last(
        &mut self,
        name: &str,
        finish: Option<&Finish>,
        failure: Option<&Error>,
        out: &mut BytesMut,
    ) {
        let (head, id, cx) = (&self.head, &self.id, &self.cx);
        let items = self.items.list.iter().filter_map(|i| i.done.as_ref());
        let ending = Ending { finish, usage: self.usage.as_ref(), failure };
        self.frames.write(out, name, |o| {
            let mut o = o.object("response");
            response_fields(&mut o, &head_of(head), id, cx);
            let mut list = o.array("output");
            items.for_each(|item| list.raw(item));
            drop(list);
            tail(&mut o, &head.extra, &ending);
        });
    }
}

/// An item as JSON.
fn whole(item: &mut Item, status: &str, losses: &mut Losses) -> Option<Raw> {
    let parts: Vec<Part> = std::mem::take(&mut item.parts).into_iter().flatten().collect();
    let json = write::object(|o| item_fields(o, item, &parts, status, losses));
    Some(Raw::from_parsed(Str::try_from(json.freeze()).ok()?))
}

fn item_fields(
    o: &mut ObjectWriter<'_>,
    item: &Item,
    parts: &[Part],
    status: &str,
    losses: &mut Losses,
) {
    let ident = Ident { id: Some(&item.id), status: Some(status) };
    match (item.shape, parts) {
        (Shape::Thought, _) => {
            let state = parts.iter().rev().find_map(|p| p.state.as_ref());
            let sealed = state.map(|state| match carry::as_native(state) {
                // The provider's bytes are bound to the provider's id.
                Some(native) if native.id.as_deref() == Some(&*item.id) => native.encrypted,
                _ => state::token(state).into(),
            });
            let ident = Ident { status: None, ..ident };
            reasoning_fields(o, parts, ident, sealed.as_deref());
        }
        (Shape::Single, [part]) => {
            if let PartKind::ToolCall(call) = &part.kind {
                call_fields(o, part, call, ident);
            }
        }
        (Shape::Message | Shape::Single, _) => {
            let place = (Place::message("candidates", 0), item.first);
            message_fields(o, Role::Assistant, parts, None, ident, place, losses);
        }
    }
}

/// A part with all it grew by.
fn complete(growing: Growing, extra: &Extra) -> Part {
    let Growing { kind, text, citations, logprobs, state, .. } = growing;
    let text = Str::from(text);
    let mut extra = extra.clone();
    // Ids are ours in a stream, and so is the status.
    for name in [ITEM_ID, "item.status"] {
        extra.take(name);
    }
    let kind = match kind {
        PartKind::Text(_) => PartKind::Text(Text { text, citations, logprobs }),
        PartKind::Refusal(_) => PartKind::Refusal(Text { text, citations, logprobs }),
        PartKind::Reasoning(_) => {
            extra = Extra::default();
            PartKind::Reasoning(text)
        }
        PartKind::ToolCall(mut call) => {
            extra.take("id");
            extra.take("status");
            call.arguments = match &*text {
                "" if !call.custom => Str::from_static("{}"),
                _ => text,
            };
            PartKind::ToolCall(call)
        }
        other => other,
    };
    Part { kind, cache: None, state, extra }
}
