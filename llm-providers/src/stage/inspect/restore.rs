//! An answer on its way back, with the things in place of their names.
//!
//! A stream is read and written again in its own dialect, since a name may come in pieces; a whole
//! answer is gathered and written again. Thoughts are left alone: providers sign them, and want them
//! back as they were. What no caller speaks, or is no conversation, passes as it comes.

use std::collections::BTreeMap;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use llm_core::answer::Answer;
use llm_core::call::Operation;
use llm_core::dialect::{Body, CallerDialect, DialectId, Observed, RenderCx, StreamEncoder};
use llm_core::event::{Delta, Event, PartHead, PartId};
use llm_core::prompt::PartKind;
use llm_dialects::drive::Driver;

use super::names::{Held, Names};
use crate::reply::{Ending, Reply, ReplyBody, Source, Step};

/// Puts the things back into an answer. `shown` says whether its usage is its caller's to see.
pub(super) fn wrap(mut reply: Reply, names: Names, shown: bool) -> Reply {
    let head = &reply.head;
    let halves = llm_dialects::upstream(head.dialect).zip(llm_dialects::caller(head.dialect));
    let Some((reads, writes)) = halves.filter(|_| head.operation == Operation::Chat) else {
        return reply;
    };
    let cx = RenderCx { include_usage: shown, framing: head.framing, ..RenderCx::default() };
    match head.framing {
        Some(framing) => {
            let driver = Driver::new(framing, reads.stream_decoder(head.operation));
            let encoder = writes.stream_encoder(&cx);
            reply.body = reply.body.wrap(|body| {
                let (events, out, parts) = (Vec::new(), BytesMut::new(), BTreeMap::new());
                Box::new(Streamed { body, names, driver, encoder, events, out, parts })
            });
        }
        None => {
            let (dialect, media) = (head.dialect, head.content_type.to_string());
            reply.body = reply.body.wrap(|body| {
                let gathered = BytesMut::new();
                Box::new(Whole { body, names, gathered, dialect, media, writes, cx })
            });
        }
    }
    reply
}

/// A stream.
struct Streamed {
    body: ReplyBody,
    names: Names,
    driver: Driver,
    encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    out: BytesMut,
    /// Parts that are open, but thoughts; and whether they are a tool's arguments.
    parts: BTreeMap<PartId, (bool, Held)>,
}

impl Streamed {
    /// Writes what has come.
    fn write(&mut self) {
        for event in std::mem::take(&mut self.events) {
            match &event {
                Event::PartStart { part, head } => {
                    let arguments = matches!(head, PartHead::ToolCall { .. });
                    if arguments || matches!(head, PartHead::Text | PartHead::Refusal) {
                        self.parts.insert(*part, (arguments, Held::default()));
                    }
                }
                Event::PartDelta { part, delta: Delta::Text(text) | Delta::Arguments(text) }
                    if self.parts.contains_key(part) =>
                {
                    self.more(*part, text);
                    continue;
                }
                Event::PartEnd { part, .. } => self.rest(*part),
                Event::Start(_)
                | Event::PartDelta { .. }
                | Event::Usage(_)
                | Event::Finish { .. }
                | Event::Notice(_)
                | Event::Unmodelled(_)
                | Event::Failure(_)
                | Event::End => {}
            }
            self.encoder.feed(&event, &mut self.out);
        }
    }

    fn more(&mut self, part: PartId, text: &str) {
        let Some((arguments, held)) = self.parts.get_mut(&part) else { return };
        let (mut said, arguments) = (String::with_capacity(text.len()), *arguments);
        held.feed(&self.names, text, &mut said);
        self.say(part, arguments, said);
    }

    /// A name that was begun and never ended is what it looks like.
    fn rest(&mut self, part: PartId) {
        let Some((arguments, mut held)) = self.parts.remove(&part) else { return };
        let mut said = String::new();
        held.end(&mut said);
        self.say(part, arguments, said);
    }

    fn say(&mut self, part: PartId, arguments: bool, said: String) {
        if said.is_empty() {
            return;
        }
        let said = said.into();
        let delta = if arguments { Delta::Arguments(said) } else { Delta::Text(said) };
        self.encoder.feed(&Event::PartDelta { part, delta }, &mut self.out);
    }
}

impl Source for Streamed {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            match ready!(self.body.poll_step(cx)) {
                Step::Bytes(bytes) => {
                    self.driver.feed(bytes, &mut self.events);
                    self.write();
                    let out = self.out.split().freeze();
                    if !out.is_empty() {
                        return Poll::Ready(Step::Bytes(out));
                    }
                }
                Step::Last(bytes) => {
                    self.driver.feed(bytes, &mut self.events);
                    self.driver.finish(&mut self.events);
                    self.write();
                    return Poll::Ready(Step::Last(self.out.split().freeze()));
                }
                Step::Failed(error) => return Poll::Ready(Step::Failed(error)),
            }
        }
    }

    fn observed(&self) -> &Observed {
        self.body.observed()
    }

    fn leave(&mut self) -> Ending {
        self.body.leave()
    }
}

/// A whole answer.
struct Whole {
    body: ReplyBody,
    names: Names,
    gathered: BytesMut,
    dialect: DialectId,
    media: String,
    writes: &'static dyn CallerDialect,
    cx: RenderCx,
}

impl Whole {
    /// The answer with the things in it; one that cannot be read is as it came.
    fn restored(&mut self) -> Bytes {
        let bytes = self.gathered.split().freeze();
        let Some(reads) = llm_dialects::upstream(self.dialect) else { return bytes };
        let body = Body { bytes: &bytes, content_type: Some(&self.media) };
        let Ok(Answer::Chat(mut completion)) = reads.decode_answer(Operation::Chat, body) else {
            return bytes;
        };
        for candidate in &mut completion.candidates {
            for part in &mut candidate.parts {
                match &mut part.kind {
                    PartKind::Text(text) | PartKind::Refusal(text) => {
                        text.text = self.names.restored(&text.text).into_owned().into();
                    }
                    PartKind::ToolCall(call) => {
                        call.arguments = self.names.restored(&call.arguments).into_owned().into();
                    }
                    PartKind::ToolResult(_)
                    | PartKind::Opaque(_)
                    | PartKind::Reasoning(_)
                    | PartKind::Image(_)
                    | PartKind::Audio(_)
                    | PartKind::Video(_)
                    | PartKind::File(_) => {}
                }
            }
        }
        self.writes.encode_answer(&Answer::Chat(completion), &self.cx).body
    }
}

impl Source for Whole {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            match ready!(self.body.poll_step(cx)) {
                Step::Bytes(bytes) => self.gathered.extend_from_slice(&bytes),
                Step::Last(bytes) => {
                    self.gathered.extend_from_slice(&bytes);
                    return Poll::Ready(Step::Last(self.restored()));
                }
                Step::Failed(error) => return Poll::Ready(Step::Failed(error)),
            }
        }
    }

    fn observed(&self) -> &Observed {
        self.body.observed()
    }

    fn leave(&mut self) -> Ending {
        self.body.leave()
    }
}
