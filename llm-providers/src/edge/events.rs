//! An answer as typed events, or as one typed value.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::StreamExt;
use llm_core::answer::Answer;
use llm_core::completion::{Completion, collect};
use llm_core::dialect::{Body, UpstreamDialect};
use llm_core::error::{Error, Kind};
use llm_core::event::Event;
use llm_core::fault::{Fault, FaultClass};
use llm_core::ledger::Receipt;
use llm_dialects::drive::Driver;

use super::reader;
use crate::reply::{Reply, ReplyBody, ReplyHead, Source as _};
use crate::stage::record::ReceiptCell;

/// The events of an answer: begins with `Start`, and ends with exactly one of `End` and `Failure`.
pub struct EventStream {
    head: Box<ReplyHead>,
    receipt: ReceiptCell,
    body: Option<ReplyBody>,
    reading: Reading,
    events: VecDeque<Event>,
    fresh: Vec<Event>,
}

enum Reading {
    Frames(Box<Driver>),
    Whole(&'static dyn UpstreamDialect, BytesMut),
    Over,
}

impl EventStream {
    /// Reads an answer.
    pub fn new(reply: Reply) -> Result<Self, Error> {
        let dialect = reader(reply.head.dialect)?;
        let reading = match reply.head.framing {
            Some(framing) => {
                let decoder = dialect.stream_decoder(reply.head.operation);
                Reading::Frames(Box::new(Driver::new(framing, decoder)))
            }
            None => Reading::Whole(dialect, BytesMut::new()),
        };
        Ok(Self {
            head: reply.head,
            receipt: reply.receipt,
            body: Some(reply.body),
            reading,
            events: VecDeque::new(),
            fresh: Vec::new(),
        })
    }

    /// What is known of the answer beside its events: who answered, what was lost.
    pub fn head(&self) -> &ReplyHead {
        &self.head
    }

    /// What it cost; there once the last event has come.
    pub fn receipt(&self) -> Option<Receipt> {
        self.receipt.get().copied()
    }

    /// Reads no more of it: what was made so far is paid for, and this is how much.
    pub fn leave(mut self) -> Option<Receipt> {
        self.body = None;
        self.receipt()
    }

    fn take(&mut self, bytes: Bytes) {
        match &mut self.reading {
            Reading::Frames(driver) => {
                driver.feed(bytes, &mut self.fresh);
                // Nobody can read on; so nobody is to write on, or be paid for it.
                if let Some(Event::Failure(error)) = self.fresh.last() {
                    self.reading = Reading::Over;
                    if let Some(mut body) = self.body.take() {
                        body.give_up(error);
                    }
                }
            }
            Reading::Whole(_, all) => all.extend_from_slice(&bytes),
            Reading::Over => {}
        }
    }

    fn finish(&mut self) {
        match std::mem::replace(&mut self.reading, Reading::Over) {
            Reading::Frames(mut driver) => driver.finish(&mut self.fresh),
            Reading::Whole(dialect, all) => match read(dialect, &self.head, &all.freeze()) {
                Ok(Answer::Chat(completion)) => self.fresh = completion.explode(),
                Ok(_) => self.fresh.push(Event::Failure(no_conversation())),
                Err(error) => self.fresh.push(Event::Failure(error)),
            },
            Reading::Over => {}
        }
        self.body = None;
    }

    fn broke(&mut self, error: Error) {
        // Unless the events have ended already; what breaks afterwards changes nothing.
        let over = match &self.reading {
            Reading::Frames(driver) => driver.is_over(),
            Reading::Whole(..) => false,
            Reading::Over => true,
        };
        if !over {
            self.fresh.push(Event::Failure(error));
        }
        self.reading = Reading::Over;
        self.body = None;
    }
}

fn no_conversation() -> Error {
    Error::new(Kind::Unsupported, "this answer is no conversation, and has no events")
}

impl Stream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            let Some(body) = &mut this.body else { return Poll::Ready(None) };
            match ready!(body.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => this.take(bytes),
                Some(Err(error)) => this.broke(error),
                None => this.finish(),
            }
            this.events.extend(this.fresh.drain(..));
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("head", &self.head).finish_non_exhaustive()
    }
}

fn read(
    dialect: &'static dyn UpstreamDialect,
    head: &ReplyHead,
    bytes: &Bytes,
) -> Result<Answer, Error> {
    let body = Body { bytes, content_type: Some(&head.content_type) };
    dialect.decode_answer(head.operation, body).map_err(|corrupt| {
        Error::upstream(Fault::new(200, FaultClass::Corrupt, corrupt.message))
            .at(head.target.clone())
    })
}

/// All bytes of a body.
pub(super) async fn gather(body: &mut ReplyBody) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        if first.is_empty() && rest.is_empty() {
            first = bytes;
            continue;
        }
        if rest.is_empty() {
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&bytes);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// An answer as one value. What broke in the middle is an error here: half an answer is none.
pub async fn answer(mut reply: Reply) -> Result<Answer, Error> {
    if reply.head.framing.is_none() {
        let answer = match reply.body.answer() {
            Some(answer) => *answer,
            None => {
                let bytes = gather(&mut reply.body).await?;
                read(reader(reply.head.dialect)?, &reply.head, &bytes)?
            }
        };
        return match answer {
            Answer::Chat(Completion { failure: Some(error), .. }) => Err(error),
            answer => Ok(answer),
        };
    }
    let events: Vec<Event> = EventStream::new(reply)?.collect().await;
    let completion = collect(&events);
    match completion.failure {
        Some(error) => Err(error),
        None => Ok(Answer::Chat(completion)),
    }
}
