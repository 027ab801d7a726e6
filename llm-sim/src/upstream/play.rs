//! A response body as a list of things to do: send, wait, hang, break.
//!
//! The same player feeds a socket and an in-process caller; its only clock is tokio's, so that
//! paused time drives it too.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use super::Upstream;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Sends bytes.
    Send(Bytes),
    /// Sends nothing for a while.
    Wait(Duration),
    /// Sends nothing ever again.
    Hang,
    /// Breaks off; with a reset, or by closing the connection.
    Break {
        /// Whether the connection is reset.
        reset: bool,
    },
}

/// The exchange was broken off, as the script wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the simulated provider broke off")]
pub struct Interrupted;

/// The connection an exchange runs on, as far as an exchange can do anything to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<AtomicBool>);

impl Line {
    /// Wants the connection to be reset instead of closed.
    pub(crate) fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether that was wanted.
    pub(crate) fn is_reset(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Keeps one record up to date until the exchange is over, however it ends.
#[derive(Debug)]
pub(crate) struct Tally {
    upstream: Arc<Upstream>,
    seq: u64,
    sent: u64,
    pieces: u64,
    finished: bool,
}

impl Tally {
    pub(crate) fn new(upstream: Arc<Upstream>, seq: u64) -> Self {
        Self { upstream, seq, sent: 0, pieces: 0, finished: false }
    }

    /// Nothing more will come, and that is as it should be.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    pub(crate) fn edit(&self, change: impl FnOnce(&mut crate::record::Record)) {
        self.upstream.edit_record(self.seq, change);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let (sent, pieces, left) = (self.sent, self.pieces, !self.finished);
        self.edit(|r| {
            r.bytes_sent = sent;
            r.pieces_sent = pieces;
            r.done = true;
            r.left_early = left;
        });
    }
}

/// A body that plays its steps.
#[derive(Debug)]
pub struct Play {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<Sleep>>>,
    line: Line,
    tally: Option<Tally>,
}

impl Play {
    /// Plays steps; the record ends with the body.
    pub(crate) fn new(steps: Vec<Step>, line: Line, tally: Option<Tally>) -> Self {
        Self { steps: steps.into(), waiting: None, line, tally }
    }

    fn is_over(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }
}

impl Stream for Play {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                std::task::ready!(waiting.as_mut().poll(cx));
                self.waiting = None;
            }
            let Some(step) = self.steps.pop_front() else { return Poll::Ready(None) };
            match step {
                Step::Send(bytes) => {
                    if let Some(tally) = &mut self.tally {
                        tally.sent += bytes.len() as u64;
                        tally.pieces += 1;
                    }
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Step::Wait(time) => self.waiting = Some(Box::pin(sleep(time))),
                Step::Hang => {
                    // Kept, so that whoever polls again hangs again.
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Step::Break { reset } => {
                    self.steps.clear();
                    if reset {
                        self.line.reset();
                    }
                    return Poll::Ready(Some(Err(Interrupted)));
                }
            }
        }
    }
}

impl http_body::Body for Play {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Interrupted>>> {
        self.poll_next(cx).map(|item| item.map(|r| r.map(http_body::Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        let over = self.is_over();
        if let Some(tally) = self.tally.as_mut().filter(|_| over) {
            tally.finish();
        }
    }
}
