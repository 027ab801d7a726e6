//! Events of ours in, events of the wire out.
//!
//! Cohere closes one block before it opens the next, and numbers content and tool calls apart.

use std::fmt::Write as _;

use bytes::BytesMut;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::Finish;
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Losses;
use llm_core::prompt::{Citation, Opaque, Part, PartKind, ToolCall};

use super::super::wire::ID;
use super::super::{citations, content, error, message, reply, usage};
use crate::json::{ObjectWriter, write};
use crate::sequential::Sequential;
use crate::state::{self, call_id};

/// Writes the events of one answer.
#[derive(Debug)]
pub(in crate::cohere) struct Encoder {
    order: Sequential,
    writer: Writer,
}

/// What is written of the parts that come one after the other.
#[derive(Debug)]
struct Writer {
    id: Str,
    open: Option<(PartId, Open)>,
    contents: u64,
    calls: u64,
    citations: u64,
    usage: Option<UsageReport>,
    finish: Option<Finish>,
    losses: Losses,
}

/// The part that grows.
#[derive(Debug)]
enum Open {
    Text {
        head: Str,
    },
    Thinking {
        head: Str,
    },
    /// Said whole: state may come last, and is part of the id, which comes first.
    Call(Box<Calling>),
    Nothing,
}

/// A tool call so far.
#[derive(Debug)]
struct Calling {
    id: Str,
    name: Str,
    custom: bool,
    arguments: String,
    state: Option<Opaque>,
}

impl Encoder {
    pub(in crate::cohere) fn new(cx: &RenderCx) -> Self {
        let writer = Writer {
            id: cx.id.clone(),
            open: None,
            contents: 0,
            calls: 0,
            citations: 0,
            usage: None,
            finish: None,
            losses: Losses::default(),
        };
        Self { order: Sequential::default(), writer }
    }
}

impl StreamEncoder for Encoder {
    fn feed(&mut self, event: &Event, out: &mut BytesMut) {
        let candidate = match event {
            Event::PartStart { part, .. }
            | Event::PartDelta { part, .. }
            | Event::PartEnd { part, .. } => part.candidate,
            Event::Finish { candidate, .. } => *candidate,
            _ => 0,
        };
        if candidate > 0 {
            // One answer is all that fits into a stream without their numbers.
            self.writer.losses.dropped("candidates.1");
            return;
        }
        let writer = &mut self.writer;
        self.order.feed(event, |event| writer.pass(event, out));
    }

    fn losses(&self) -> &Losses {
        &self.writer.losses
    }
}

/// Writes one event.
fn event(kind: &str, out: &mut BytesMut, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut o = ObjectWriter::begin(out);
    o.str("type", kind);
    write(&mut o);
    drop(o);
    out.extend_from_slice(b"\n\n");
}

/// Writes one event that adds to the message.
fn delta(
    kind: &str,
    index: Option<u64>,
    out: &mut BytesMut,
    write: impl FnOnce(&mut ObjectWriter<'_>),
) {
    event(kind, out, |o| {
        o.opt_u64("index", index);
        write(&mut o.object("delta").object("message"));
    });
}

impl Writer {
    fn pass(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::Start(start) => self.start(start, out),
            Event::PartStart { part, head } => self.begin(*part, head, out),
            Event::PartDelta { part, delta } => self.grow(*part, delta, out),
            Event::PartEnd { part, .. } => self.end(*part, out),
            Event::Usage(report) => self.usage = Some((**report).clone()),
            Event::Finish { finish, .. } => self.finish = Some(finish.clone()),
            Event::Notice(_) => {}
            Event::Unmodelled(_) => self.losses.dropped("unmodelled"),
            Event::Failure(failure) => {
                let words = error::message(failure);
                self::event("message-end", out, |o| {
                    o.object("delta").str("finish_reason", "ERROR").str("error", &words);
                });
            }
            Event::End => self.over(out),
        }
    }

    fn start(&mut self, start: &Start, out: &mut BytesMut) {
        start.extra.lose(ID, "", &mut self.losses);
        let id = start.id.as_ref().unwrap_or(&self.id);
        event("message-start", out, |o| {
            o.str("id", id);
            let mut delta = o.object("delta");
            let mut message = delta.object("message");
            message.str("role", "assistant");
            message.array("content");
            message.str("tool_plan", "");
            message.array("tool_calls");
            message.array("citations");
        });
    }

    fn begin(&mut self, part: PartId, head: &PartHead, out: &mut BytesMut) {
        let open = match head {
            PartHead::Text => self.content("text", out),
            PartHead::Refusal => {
                self.losses.approximated(format!("parts.{}", part.index));
                self.content("text", out)
            }
            PartHead::Reasoning => self.content("thinking", out),
            PartHead::ToolCall { id, name, custom } => Open::Call(Box::new(Calling {
                id: id.clone(),
                name: name.clone(),
                custom: *custom,
                arguments: String::new(),
                state: None,
            })),
            PartHead::Audio { .. } | PartHead::Whole(_) => {
                self.losses.dropped(format!("parts.{}", part.index));
                Open::Nothing
            }
        };
        self.open = Some((part, open));
    }

    fn content(&mut self, kind: &'static str, out: &mut BytesMut) -> Open {
        let index = self.contents;
        delta("content-start", Some(index), out, |m| {
            m.object("content").str("type", kind).str(kind, "");
        });
        let mut head =
            format!("event: content-delta\ndata: {{\"type\":\"content-delta\",\"index\":{index}");
        // Writing to a string does not fail.
        let _ = write!(head, ",\"delta\":{{\"message\":{{\"content\":{{\"{kind}\":");
        let head = Str::from(head);
        if kind == "text" { Open::Text { head } } else { Open::Thinking { head } }
    }

    fn grow(&mut self, part: PartId, change: &Delta, out: &mut BytesMut) {
        let Some((open_part, open)) = &mut self.open else { return };
        if *open_part != part {
            return;
        }
        match (open, change) {
            (Open::Text { head } | Open::Thinking { head }, Delta::Text(text)) => {
                out.extend_from_slice(head.as_bytes());
                write::string(out, text);
                out.extend_from_slice(b"}}}}\n\n");
            }
            (Open::Text { .. } | Open::Thinking { .. }, Delta::State(new)) => {
                let token = state::token(new);
                delta("content-delta", Some(self.contents), out, |m| {
                    m.object("content").str(content::SIGNATURE, &token);
                });
            }
            (Open::Text { .. }, Delta::Citation(citation)) => self.cite(citation, out),
            (Open::Text { .. }, Delta::Logprobs(list)) => {
                for token in list {
                    event("content-delta", out, |o| {
                        o.u64("index", self.contents);
                        o.object("delta").object("message").object("content").str("text", "");
                        reply::write_logprob(&mut o.object("logprobs"), token);
                    });
                }
            }
            (Open::Call(call), Delta::State(new)) => call.state = Some((**new).clone()),
            (Open::Call(call), Delta::Arguments(piece)) => call.arguments.push_str(piece),
            (_, Delta::Audio(_) | Delta::Transcript(_)) => {}
            (
                _,
                Delta::Text(_)
                | Delta::State(_)
                | Delta::Citation(_)
                | Delta::Logprobs(_)
                | Delta::Arguments(_),
            ) => {}
        }
    }

    fn cite(&mut self, citation: &Citation, out: &mut BytesMut) {
        let index = Some(self.citations);
        self.citations += 1;
        delta("citation-start", index, out, |m| match &citation.wire {
            Some(wire) if wire.origin == ID => {
                m.raw("citations", &wire.value);
            }
            _ => citations::write_one(&mut m.object("citations"), citation, self.contents),
        });
        event("citation-end", out, |o| {
            o.opt_u64("index", index);
        });
    }

    fn end(&mut self, part: PartId, out: &mut BytesMut) {
        match self.open.take() {
            Some((_, Open::Text { .. } | Open::Thinking { .. })) => {
                let index = self.contents;
                self.contents += 1;
                event("content-end", out, |o| {
                    o.u64("index", index);
                });
            }
            Some((_, Open::Call(call))) => self.call(part, *call, out),
            Some((_, Open::Nothing)) | None => {}
        }
    }

    fn call(&mut self, part: PartId, calling: Calling, out: &mut BytesMut) {
        let index = Some(self.calls);
        self.calls += 1;
        let Calling { id, name, custom, arguments, state } = calling;
        let call = ToolCall { id, name, arguments: arguments.into(), custom };
        let whole = Part { state, ..Part::new(PartKind::ToolCall(call.clone())) };
        let (arguments, changed) = message::arguments(&whole, &call, true);
        if changed {
            self.losses.approximated(format!("parts.{}.arguments", part.index));
        }
        delta("tool-call-start", index, out, |m| {
            let mut o = m.object("tool_calls");
            o.str("id", &call_id::join(&call.id, whole.state.as_ref()));
            o.str("type", if call.custom { message::CUSTOM } else { "function" });
            o.object("function").str("name", &call.name).str("arguments", "");
        });
        delta("tool-call-delta", index, out, |m| {
            m.object("tool_calls").object("function").str("arguments", &arguments);
        });
        event("tool-call-end", out, |o| {
            o.opt_u64("index", index);
        });
    }

    fn over(&mut self, out: &mut BytesMut) {
        let word = match &self.finish {
            Some(finish) => reply::word(finish, &mut self.losses),
            None => Str::from_static("COMPLETE"),
        };
        event("message-end", out, |o| {
            let mut delta = o.object("delta");
            delta.str("finish_reason", &word);
            if let Some(report) = &self.usage {
                usage::write(&mut delta.object("usage"), report);
            }
            if let Some(finish) = &self.finish {
                delta.extra(&finish.extra, ID);
            }
        });
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}
