//! Events to frames.
//!
//! One block at a time, numbered from 0. The start of the message waits for the next event, since
//! an upstream of this dialect says right behind it what was read; the start of a thinking block
//! waits for its first word, since hidden thoughts are another block. Reason and usage stand in
//! one `message_delta` at the very end, wherever they came.

use bytes::BytesMut;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::{Finish, FinishReason};
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, Notice, PartHead, PartId, Start};
use llm_core::extra::Losses;
use llm_core::prompt::{Citation, Opaque, PartKind};
use llm_core::raw::Raw;

use crate::anthropic::block::{self, Sealed};
use crate::anthropic::usage::{self, Place};
use crate::anthropic::{ID, error, reply};
use crate::json::{ObjectWriter, write};
use crate::sequential::Sequential;

/// Writes a stream.
pub(in crate::anthropic) struct Encoder {
    order: Sequential,
    writer: Writer,
}

/// What is written, once the parts are in order.
struct Writer {
    cx: RenderCx,
    /// A start that waits for what was read.
    start: Option<Box<Start>>,
    /// Whether what comes was said in this dialect.
    own: bool,
    began: bool,
    usage: Option<Box<UsageReport>>,
    finish: Option<Finish>,
    live: Option<Live>,
    blocks: u64,
    calls: bool,
    refused: bool,
    losses: Losses,
}

/// The part that is being written.
struct Live {
    kind: Kind,
    /// Whether its block has begun.
    open: bool,
    state: Option<Box<Opaque>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
    /// Free text, which stands inside an object here.
    FreeCall,
    /// Nothing this dialect can show.
    Unsaid,
}

impl Encoder {
    pub(in crate::anthropic) fn new(cx: &RenderCx) -> Self {
        let writer = Writer {
            cx: cx.clone(),
            start: None,
            own: false,
            began: false,
            usage: None,
            finish: None,
            live: None,
            blocks: 0,
            calls: false,
            refused: false,
            losses: Losses::default(),
        };
        Self { order: Sequential::default(), writer }
    }
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        if let Some(candidate) = candidate(event)
            && candidate > 0
        {
            self.writer.losses.dropped("candidates");
            return;
        }
        let writer = &mut self.writer;
        self.order.feed(event, |event| writer.write(event, out));
    }

    fn losses(&self) -> &Losses {
        &self.writer.losses
    }
}

fn candidate(event: &Event) -> Option<u16> {
    match event {
        Event::PartStart { part, .. }
        | Event::PartDelta { part, .. }
        | Event::PartEnd { part, .. } => Some(part.candidate),
        Event::Finish { candidate, .. } => Some(*candidate),
        Event::Start(_)
        | Event::Usage(_)
        | Event::Notice(_)
        | Event::Unmodelled(_)
        | Event::Failure(_)
        | Event::End => None,
    }
}

impl Writer {
    fn write(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start(start) => {
                self.own = start.extra.origin() == Some(ID);
                self.start = Some(start.clone());
            }
            Event::Usage(usage) => self.usage = Some(usage.clone()),
            Event::Failure(failure) => {
                // An error body alone is an answer too; nothing need have begun.
                self.begin(out);
                let body = error::body(failure, &self.cx);
                frame_of("error", &body, out);
            }
            Event::Finish { finish, .. } => {
                self.begin(out);
                self.finish = Some(finish.clone());
            }
            Event::End => {
                self.begin(out);
                self.end(out);
            }
            Event::Notice(Notice::Ping) => {
                self.begin(out);
                out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
            }
            Event::Notice(Notice::Resumed | Notice::Losses(_)) => {}
            Event::Unmodelled(_) => self.losses.dropped("unmodelled"),
            Event::PartStart { part, head } => {
                self.begin(out);
                self.part_start(*part, head, out);
            }
            Event::PartDelta { part, delta } => self.delta(*part, delta, out),
            Event::PartEnd { part, extra } => {
                extra.lose(ID, path(*part), &mut self.losses);
                self.part_end(out);
            }
        }
    }

    /// Says that the message begins, if it was not said.
    fn begin(&mut self, out: &mut BytesMut) {
        let Some(start) = self.start.take() else { return };
        if std::mem::replace(&mut self.began, true) {
            return;
        }
        let own = start.extra.origin() == Some(ID);
        let (cx, usage) = (&self.cx, self.usage.as_deref());
        frame("message_start", out, |o| {
            let mut o = o.object("message");
            o.str("id", &reply::id(start.id.as_ref(), own, cx)).str("type", "message");
            o.str("role", "assistant").str("model", reply::model(start.model.as_ref(), cx));
            o.array("content");
            o.null("stop_reason").null("stop_sequence");
            usage::write(&mut o.object("usage"), usage, Place::Message);
            o.extra(&start.extra, ID);
        });
        start.extra.lose(ID, "", &mut self.losses);
    }

    fn part_start(&mut self, part: PartId, head: &PartHead, out: &mut BytesMut) {
        let kind = match head {
            PartHead::Text => Kind::Text,
            PartHead::Refusal => {
                self.refused = true;
                Kind::Text
            }
            PartHead::Reasoning => Kind::Thinking,
            PartHead::ToolCall { custom: true, .. } => {
                self.losses.approximated(format!("{}.arguments", path(part)));
                Kind::FreeCall
            }
            PartHead::ToolCall { .. } => Kind::Call,
            PartHead::Audio { .. } | PartHead::Whole(_) => Kind::Unsaid,
        };
        self.live = Some(Live { kind, open: false, state: None });
        match head {
            PartHead::ToolCall { id, name, custom } => {
                self.calls = true;
                let id =
                    if id.is_empty() { format!("toolu_{}", part.index).into() } else { id.clone() };
                self.open(out, |o| {
                    o.str("type", "tool_use").str("id", &id).str("name", name);
                    o.object("input");
                });
                if *custom {
                    self.block_delta(out, "input_json_delta", "partial_json", "{\"input\":\"");
                }
            }
            PartHead::Whole(whole) => match &**whole {
                PartKind::Opaque(opaque) if opaque.origin == ID => {
                    frame("content_block_start", out, |o| {
                        o.u64("index", self.blocks).raw("content_block", &opaque.value);
                    });
                    self.stop(out);
                }
                // Assistants of this dialect say nothing but text, thoughts and calls.
                PartKind::Opaque(_)
                | PartKind::Text(_)
                | PartKind::Refusal(_)
                | PartKind::Reasoning(_)
                | PartKind::Image(_)
                | PartKind::Audio(_)
                | PartKind::Video(_)
                | PartKind::File(_)
                | PartKind::ToolCall(_)
                | PartKind::ToolResult(_) => self.losses.dropped(path(part)),
            },
            PartHead::Audio { .. } => self.losses.dropped(path(part)),
            // Begun with the first word: blank blocks are refused when they come back.
            PartHead::Text | PartHead::Refusal | PartHead::Reasoning => {}
        }
    }

    fn delta(&mut self, part: PartId, delta: &Delta, out: &mut BytesMut) {
        let Some(kind) = self.live.as_ref().map(|l| l.kind) else { return };
        match (delta, kind) {
            (Delta::State(state), _) => {
                if let Some(live) = &mut self.live {
                    live.state = Some(state.clone());
                }
            }
            (_, Kind::Unsaid) => {}
            (Delta::Text(text), Kind::Thinking) => {
                self.open_words(out);
                self.block_delta(out, "thinking_delta", "thinking", text);
            }
            (Delta::Text(text), _) => {
                self.open_words(out);
                self.block_delta(out, "text_delta", "text", text);
            }
            (Delta::Arguments(piece), Kind::FreeCall) => {
                let mut escaped = BytesMut::new();
                write::escaped(&mut escaped, piece);
                let piece = String::from_utf8_lossy(&escaped);
                self.block_delta(out, "input_json_delta", "partial_json", &piece);
            }
            (Delta::Arguments(piece), _) => {
                self.block_delta(out, "input_json_delta", "partial_json", piece);
            }
            (Delta::Citation(citation), _) => self.citation(part, citation, out),
            (Delta::Logprobs(_), _) => self.losses.dropped(format!("{}.logprobs", path(part))),
            (Delta::Audio(_) | Delta::Transcript(_), _) => {}
        }
    }

    fn citation(&mut self, part: PartId, citation: &Citation, out: &mut BytesMut) {
        let Some(said) = block::said_citation(citation) else {
            return self.losses.dropped(format!("{}.citations", path(part)));
        };
        self.open_words(out);
        frame("content_block_delta", out, |o| {
            let mut o = numbered(o, self.blocks);
            o.str("type", "citations_delta").raw("citation", &said);
        });
    }

    fn part_end(&mut self, out: &mut BytesMut) {
        let Some(live) = self.live.take() else { return };
        match (live.kind, live.state) {
            (Kind::Thinking, state) => self.end_thinking(live.open, state.as_deref(), out),
            (kind, state) => {
                if kind == Kind::FreeCall {
                    self.block_delta(out, "input_json_delta", "partial_json", "\"}");
                }
                if live.open {
                    self.stop(out);
                }
                if let Some(state) = state.filter(|_| kind != Kind::Unsaid) {
                    self.whole(out, |o| block::redacted(o, &state, true));
                }
            }
        }
    }

    fn end_thinking(&mut self, open: bool, state: Option<&Opaque>, out: &mut BytesMut) {
        let sealed = state.map(|s| (s, block::sealed(s, !open)));
        let signature = match sealed {
            Some((_, Sealed::Redacted(data))) => {
                return self
                    .whole(out, |o| _ = o.str("type", "redacted_thinking").raw("data", data));
            }
            Some((state, Sealed::Token(_))) if !open => {
                return self.whole(out, |o| block::redacted(o, state, false));
            }
            Some((_, Sealed::Token(token))) => Raw::of(&token).ok(),
            Some((_, Sealed::Signature(signature))) => Some(signature.clone()),
            None if open && !self.own => Some(block::UNSIGNED.clone()),
            None => None,
        };
        if let Some(signature) = signature {
            // Thoughts that are not shown are signed all the same.
            if !open {
                self.open(out, |o| {
                    _ = o.str("type", "thinking").str("thinking", "").str("signature", "")
                });
            }
            frame("content_block_delta", out, |o| {
                let mut o = numbered(o, self.blocks);
                o.str("type", "signature_delta").raw("signature", &signature);
            });
            self.stop(out);
        } else if open {
            self.stop(out);
        }
    }

    /// Begins the block of a text or thinking part with its first word.
    fn open_words(&mut self, out: &mut BytesMut) {
        match self.live.as_ref().filter(|l| !l.open).map(|l| l.kind) {
            Some(Kind::Thinking) => self.open(out, |o| {
                o.str("type", "thinking").str("thinking", "").str("signature", "");
            }),
            Some(Kind::Text) => self.open(out, |o| _ = o.str("type", "text").str("text", "")),
            Some(Kind::Call | Kind::FreeCall | Kind::Unsaid) | None => {}
        }
    }

    fn open(&mut self, out: &mut BytesMut, block: impl FnOnce(&mut ObjectWriter<'_>)) {
        if let Some(live) = &mut self.live {
            live.open = true;
        }
        frame("content_block_start", out, |o| {
            o.u64("index", self.blocks);
            block(&mut o.object("content_block"));
        });
    }

    /// A block that is complete when it begins.
    fn whole(&mut self, out: &mut BytesMut, block: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.open(out, block);
        self.stop(out);
    }

    fn stop(&mut self, out: &mut BytesMut) {
        frame("content_block_stop", out, |o| _ = o.u64("index", self.blocks));
        self.blocks += 1;
    }

    /// The frame that comes a thousand times.
    fn block_delta(&self, out: &mut BytesMut, kind: &str, name: &'static str, text: &str) {
        if text.is_empty() {
            return;
        }
        frame("content_block_delta", out, |o| {
            numbered(o, self.blocks).str("type", kind).str(name, text);
        });
    }

    fn end(&mut self, out: &mut BytesMut) {
        let finish = self.finish.take().unwrap_or_else(|| Finish::new(FinishReason::Stop));
        let own = finish.extra.origin() == Some(ID);
        // In a whole answer these two stand at different places.
        let beside = |name: &Str| &**name == "context_management";
        frame("message_delta", out, |o| {
            let mut delta = o.object("delta");
            delta.str("stop_reason", reply::stop_reason(&finish, self.calls, self.refused));
            if finish.extra.get_from(ID, "stop_sequence").is_none() {
                delta.null("stop_sequence");
            }
            let said = if own { finish.extra.fields() } else { &[] };
            for (name, value) in said.iter().filter(|(name, _)| !beside(name)) {
                delta.under(name).raw(value);
            }
            drop(delta);
            usage::write(&mut o.object("usage"), self.usage.as_deref(), Place::Delta);
            for (name, value) in said.iter().filter(|(name, _)| beside(name)) {
                o.under(name).raw(value);
            }
        });
        finish.extra.lose(ID, "finish", &mut self.losses);
        out.extend_from_slice(b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }
}

fn path(part: PartId) -> String {
    format!("candidates.{}.parts.{}", part.candidate, part.index)
}

/// The `delta` of a frame about the block of that number.
fn numbered<'a>(o: &'a mut ObjectWriter<'_>, index: u64) -> ObjectWriter<'a> {
    o.u64("index", index).object("delta")
}

fn frame(name: &str, out: &mut BytesMut, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut o = ObjectWriter::begin(out);
    o.str("type", name);
    write(&mut o);
    drop(o);
    out.extend_from_slice(b"\n\n");
}

fn frame_of(name: &str, data: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}
