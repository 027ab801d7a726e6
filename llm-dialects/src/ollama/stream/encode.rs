//! Events in, lines out.

use std::collections::BTreeMap;

use bytes::BytesMut;
use llm_core::Str;
use llm_core::answer::UsageReport;
use llm_core::completion::Finish;
use llm_core::dialect::{RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, Notice, PartHead, PartId, Start};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{MediaSource, Opaque, Part, PartKind, TokenLogprob, ToolCall};

use super::super::wire::{MESSAGE, Shape};
use super::super::{error, logprobs, message, reply, signatures};
use crate::json::{ObjectWriter, write};
use crate::state;

/// Writes the lines of one answer.
#[derive(Debug)]
pub(in crate::ollama) struct Encoder {
    shape: Shape,
    cx: RenderCx,
    /// What every line begins with, brace included and without its end.
    head: BytesMut,
    /// The same up to the text of a line that says text, since most lines do.
    say: BytesMut,
    open: BTreeMap<PartId, Open>,
    finish: Option<Finish>,
    usage: Option<UsageReport>,
    losses: Losses,
}

/// A part that has begun.
#[derive(Debug)]
enum Open {
    Text {
        state: Option<Opaque>,
    },
    Thinking {
        bytes: usize,
        state: Option<Opaque>,
    },
    /// Calls are said whole.
    Call {
        id: Str,
        name: Str,
        custom: bool,
        arguments: String,
        state: Option<Opaque>,
    },
    /// Said already, or never.
    Done,
}

impl Encoder {
    pub(in crate::ollama) fn new(shape: Shape, cx: &RenderCx) -> Self {
        let mut encoder = Self {
            shape,
            cx: cx.clone(),
            head: BytesMut::new(),
            say: BytesMut::new(),
            open: BTreeMap::new(),
            finish: None,
            usage: None,
            losses: Losses::default(),
        };
        // An answer that fails to start still has a head.
        encoder.start(&Start::default());
        encoder
    }

    fn start(&mut self, start: &Start) {
        self.head = write::object(|o| {
            reply::write_head(o, start.model.as_ref(), &start.extra, start.created, &self.cx);
        });
        self.head.truncate(self.head.len().saturating_sub(1));
        if self.head.len() > 1 {
            self.head.extend_from_slice(b",");
        }
        self.say = self.head.clone();
        self.say.extend_from_slice(match self.shape {
            Shape::Chat => br#""message":{"role":"assistant","content":"#,
            Shape::Generate => br#""response":"#,
        });
    }

    fn say(&self, text: &str, out: &mut BytesMut) {
        out.extend_from_slice(&self.say);
        write::string(out, text);
        out.extend_from_slice(match self.shape {
            Shape::Chat => b"},\"done\":false}\n",
            Shape::Generate => b",\"done\":false}\n",
        });
    }

    /// A line that says something beside text.
    fn line(&self, done: bool, out: &mut BytesMut, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.whole_line(done, out, write, |_| {});
    }

    fn whole_line(
        &self,
        done: bool,
        out: &mut BytesMut,
        said: impl FnOnce(&mut ObjectWriter<'_>),
        around: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        out.extend_from_slice(&self.head);
        let mut rest = write::object(|o| {
            match self.shape {
                Shape::Chat => {
                    let mut message = o.object(MESSAGE);
                    message.str("role", "assistant").str("content", "");
                    said(&mut message);
                }
                Shape::Generate => {
                    o.str("response", "");
                    said(o);
                }
            }
            o.bool("done", done);
            around(o);
        });
        // The head has the brace already.
        out.extend_from_slice(rest.split_off(1).as_ref());
        out.extend_from_slice(b"\n");
    }

    fn begin(&mut self, part: PartId, head: &PartHead, out: &mut BytesMut) {
        let open = match head {
            PartHead::Text => Open::Text { state: None },
            PartHead::Refusal => {
                self.losses.approximated(format!("parts.{}", part.index));
                Open::Text { state: None }
            }
            PartHead::Reasoning => Open::Thinking { bytes: 0, state: None },
            PartHead::ToolCall { id, name, custom } => Open::Call {
                id: id.clone(),
                name: name.clone(),
                custom: *custom,
                arguments: String::new(),
                state: None,
            },
            PartHead::Audio { .. } => {
                self.losses.dropped(format!("parts.{}", part.index));
                Open::Done
            }
            PartHead::Whole(kind) => {
                self.whole(part, kind, out);
                Open::Done
            }
        };
        self.open.insert(part, open);
    }

    fn whole(&mut self, part: PartId, kind: &PartKind, out: &mut BytesMut) {
        if let PartKind::Image(media) = kind
            && let MediaSource::Base64(base64) = &media.source
        {
            self.line(false, out, |o| o.array("images").str(base64));
        } else {
            self.losses.dropped(format!("parts.{}", part.index));
        }
    }

    fn grow(&mut self, part: PartId, delta: &Delta, out: &mut BytesMut) {
        let Some(open) = self.open.get_mut(&part) else { return };
        match (open, delta) {
            (Open::Text { .. }, Delta::Text(text)) => self.say(text, out),
            (Open::Thinking { bytes, .. }, Delta::Text(text)) => {
                *bytes += text.len();
                self.line(false, out, |o| {
                    o.str("thinking", text);
                });
            }
            (Open::Call { arguments, .. }, Delta::Arguments(piece)) => arguments.push_str(piece),
            (
                Open::Text { state } | Open::Thinking { state, .. } | Open::Call { state, .. },
                Delta::State(new),
            ) => *state = Some((**new).clone()),
            (Open::Text { .. }, Delta::Logprobs(list)) => {
                let list: Vec<&TokenLogprob> = list.iter().collect();
                self.whole_line(false, out, |_| {}, |o| logprobs::write(o, "logprobs", &list));
            }
            (_, Delta::Citation(_)) => {
                self.losses.dropped(format!("parts.{}.citations", part.index));
            }
            (_, Delta::Transcript(_) | Delta::Audio(_)) => {}
            (_, Delta::Text(_) | Delta::Arguments(_) | Delta::State(_) | Delta::Logprobs(_)) => {}
        }
    }

    fn end(&mut self, part: PartId, extra: &Extra, out: &mut BytesMut) {
        match self.open.remove(&part) {
            Some(Open::Text { state: Some(state) }) => self.line(false, out, |o| {
                o.str(signatures::CONTENT, &state::token(&state));
            }),
            Some(Open::Thinking { bytes, state: Some(state) }) => self.line(false, out, |o| {
                o.str(signatures::THINKING, &signatures::piece(bytes, Some(&state)));
            }),
            Some(Open::Call { id, name, custom, arguments, state }) => {
                let call = ToolCall { id, name, arguments: arguments.into(), custom };
                let kind = PartKind::ToolCall(call.clone());
                let whole = Part { state, extra: extra.clone(), ..Part::new(kind) };
                let mut changed = false;
                self.line(false, out, |o| {
                    let calls = std::iter::once((&whole, &call));
                    message::write_calls(o, calls, true, &mut |_| changed = true);
                });
                if changed {
                    message::changed_arguments(&mut self.losses, &format!("parts.{}", part.index));
                }
            }
            Some(Open::Text { state: None } | Open::Thinking { state: None, .. } | Open::Done)
            | None => {}
        }
    }

    /// The last line holds what other dialects say in several places.
    fn over(&mut self, out: &mut BytesMut) {
        let (finish, usage) = (self.finish.take(), self.usage.take());
        let mut losses = std::mem::take(&mut self.losses);
        self.whole_line(
            true,
            out,
            |_| {},
            |o| {
                if let Some(finish) = &finish {
                    reply::write_reason(o, finish, &mut losses);
                }
                if let Some(usage) = &usage {
                    reply::write_usage(o, usage, &mut losses);
                }
                if let Some(finish) = &finish {
                    o.extra(&finish.extra, super::super::wire::ID);
                }
            },
        );
        self.losses = losses;
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
            // One answer is all that fits into a stream without numbers.
            self.losses.dropped("candidates.1");
            return;
        }
        match event {
            Event::Start(start) => {
                start.extra.lose(super::super::wire::ID, "", &mut self.losses);
                self.start(start);
            }
            Event::PartStart { part, head } => self.begin(*part, head, out),
            Event::PartDelta { part, delta } => self.grow(*part, delta, out),
            Event::PartEnd { part, extra } => self.end(*part, extra, out),
            Event::Usage(usage) => self.usage = Some((**usage).clone()),
            Event::Finish { finish, .. } => self.finish = Some(finish.clone()),
            Event::Notice(Notice::Ping | Notice::Resumed | Notice::Losses(_)) => {}
            Event::Unmodelled(_) => self.losses.dropped("unmodelled"),
            Event::Failure(failure) => {
                out.extend_from_slice(&error::line(failure));
                out.extend_from_slice(b"\n");
            }
            Event::End => self.over(out),
        }
    }

    fn losses(&self) -> &Losses {
        &self.losses
    }
}
