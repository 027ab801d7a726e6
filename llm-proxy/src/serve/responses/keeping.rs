//! A streamed answer that is kept as it passes: its last event holds it whole. That event waits
//! until the answer is kept, so that whoever has read it can go on from it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use llm_core::dialect::{Frame, Framing};
use llm_core::seam::BoxFuture;
use llm_dialects::frame::Splitter;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Turn;
use crate::serve::body::{Passing, Piece};
use crate::serve::depot::Depot;

/// Events that hold the answer as it ended.
const ENDS: [&str; 3] = ["response.completed", "response.incomplete", "response.failed"];

/// A stream, and what becomes of it.
pub(super) struct Keeping<S> {
    answer: S,
    splitter: Splitter,
    turn: Option<(Depot, Turn)>,
    native: bool,
    steps: VecDeque<Step>,
    over: bool,
}

enum Step {
    Say(Bytes),
    Keep(BoxFuture<'static, ()>),
}

impl<S> Keeping<S> {
    pub(super) fn new(depot: Depot, turn: Turn, answer: S, native: bool) -> Self {
        let splitter = Splitter::new(Framing::Sse);
        let (steps, turn) = (VecDeque::new(), Some((depot, turn)));
        Self { answer, splitter, turn, native, steps, over: false }
    }

    fn see(&mut self, frames: Vec<Frame>) {
        for frame in frames {
            match ended(&frame.data).and_then(|answer| Some((answer, self.turn.take()?))) {
                None => self.steps.push_back(Step::Say(frame.raw)),
                Some((answer, (depot, turn))) => self.end(&frame, answer, depot, turn),
            }
        }
    }

    fn end(&mut self, frame: &Frame, answer: &str, depot: Depot, turn: Turn) {
        let raw = Bytes::copy_from_slice(answer.as_bytes());
        let said = turn.again(&raw);
        let passing = match said == raw {
            true => frame.raw.clone(),
            false => renewed(frame, answer, &said),
        };
        if turn.keep {
            let native = self.native;
            let keep = async move {
                turn.deposit(&depot, &said, native).await;
            };
            self.steps.push_back(Step::Keep(Box::pin(keep)));
        }
        self.steps.push_back(Step::Say(passing));
    }
}

/// The answer, where this is the event that holds it.
fn ended(data: &Bytes) -> Option<&str> {
    #[derive(Deserialize)]
    struct Event<'a> {
        #[serde(borrow, rename = "type")]
        kind: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        response: Option<&'a RawValue>,
    }
    // Most events are pieces of text, and are not read for this.
    memchr::memmem::find(data, b"\"response\"")?;
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    event.response.filter(|_| ENDS.contains(&&*event.kind)).map(RawValue::get)
}

/// The frame with another answer in it.
fn renewed(frame: &Frame, answer: &str, said: &Bytes) -> Bytes {
    let Some(at) = memchr::memmem::find(&frame.raw, answer.as_bytes()) else {
        // Its data stood in several lines: it is passed on as it came.
        return frame.raw.clone();
    };
    let mut raw = frame.raw.to_vec();
    raw.splice(at..at + answer.len(), said.iter().copied());
    raw.into()
}

impl<S: Stream<Item = Passing> + Unpin> Stream for Keeping<S> {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = self.get_mut();
        loop {
            match this.steps.front_mut() {
                Some(Step::Keep(keep)) => ready!(keep.as_mut().poll(cx)),
                Some(Step::Say(bytes)) => {
                    let bytes = std::mem::take(bytes);
                    this.steps.pop_front();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                None if this.over => return Poll::Ready(None),
                None => {
                    let mut frames = Vec::new();
                    match ready!(Pin::new(&mut this.answer).poll_next(cx)) {
                        Some(Ok(bytes)) => {
                            if this.splitter.feed(&bytes, &mut frames).is_err() {
                                tracing::warn!("an event of an answer is too large to be kept");
                                this.over = true;
                            }
                        }
                        Some(Err(never)) => match never {},
                        None => {
                            this.over = true;
                            this.splitter.finish(&mut frames);
                        }
                    }
                    this.see(frames);
                    continue;
                }
            }
            this.steps.pop_front();
        }
    }
}
