//! A stream as it passes: cut into frames, watched, and given on as it came.
//!
//! The last words wait. From the frame on that completes the answer, bytes are held back until the
//! upstream has said its very last (or has closed), so that the call is settled before anyone sees
//! an end. An error inside the stream is not passed on as it came: it becomes an error of ours,
//! which the edge writes in the caller's dialect.

mod pieces;
mod timer;

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use llm_core::completion::FinishReason;
use llm_core::dialect::{Frame, FrameKind, Framing, Keep, Observed, Tap, TapCx, UpstreamDialect};
use llm_core::error::{Error, Kind};
use llm_core::fault::{Fault, FaultClass};
use llm_core::seam::{TransportError, WireBody};
use llm_dialects::frame::{FrameTooLarge, Splitter};

use super::Upstream;
use super::drain::Drains;
use super::exchange::Limit;
use crate::reply::{Ending, Source, Step};
use crate::stage::reserve::Metered;

use pieces::Pieces;
use timer::Timer;

/// What may pass before the first thing worth reading. A stream that says this much without saying
/// anything is given on as it is.
const UNREAD_BYTES_MAX: usize = 2 << 20;
/// What is held behind a stream's end. Whoever goes on and on behind it is not listened to.
const HELD_BYTES_MAX: usize = 1 << 20;

/// A stream on its way.
///
/// In this order in memory too: what each piece passes by comes first. With many streams at once every
/// line of memory that a piece touches is one that was not touched for long.
#[repr(C)]
pub(super) struct Passing {
    wire: WireBody,
    tap: Box<dyn Tap>,
    /// Bytes that the splitter keeps, since their frame is not complete.
    pending: usize,
    stopped: bool,
    /// Whether the network has given all.
    over: bool,
    sse: bool,
    /// Whether a filter's refusal may be asked elsewhere.
    refiltered: bool,
    metered: Option<Metered>,
    /// What may be given away.
    ready: Pieces,
    timer: Timer,
    splitter: Splitter,
    /// What waits for the end.
    held: Pieces,
    /// Who reads on when nobody else does; `None` for who does so already.
    drains: Option<Drains>,
}

impl Passing {
    /// Reads until the answer is committed: until something worth reading has come.
    pub(super) async fn commit(
        upstream: &Upstream,
        wire: WireBody,
        metered: Metered,
        framing: Framing,
        limit: Limit,
        dialect: &'static dyn UpstreamDialect,
    ) -> Result<Box<dyn Source>, Error> {
        let (funded, target) = (metered.funded(), metered.target());
        let call = &funded.opened().call;
        let refiltered = funded.opened().model.policy.refiltered;
        let hide_usage = funded.hides_usage(dialect.id());
        let timer = Timer::new(
            Arc::clone(&upstream.clock),
            limit,
            target.vendor.timeouts.idle,
            Limit::new(upstream.clock.now() + target.vendor.timeouts.total, call.deadline.0),
        );
        let mut this = Box::new(Self {
            wire,
            splitter: Splitter::new(framing),
            tap: dialect.tap(TapCx {
                hide_usage,
                operation: call.operation,
                candidates: call.peek.candidates,
            }),
            pending: 0,
            ready: Pieces::default(),
            held: Pieces::default(),
            metered: Some(metered),
            timer,
            stopped: false,
            refiltered,
            over: false,
            sse: framing == Framing::Sse,
            drains: Some(upstream.drains.clone()),
        });
        let first = std::future::poll_fn(|cx| this.poll_first(cx)).await;
        match first {
            Ok(()) => {
                this.timer.committed();
                Ok(this)
            }
            Err(error) => {
                if let Some(metered) = this.metered.take() {
                    let seen = this.tap.observed();
                    match (&seen.failure, is_filtered(seen)) {
                        // An error instead of an answer, whatever status it came with.
                        (Some(_), _) => metered.refused_saying(seen),
                        // It has read the question, and says what that was.
                        (None, true) => metered.withheld(seen),
                        // What it has said of its prompt is known all the same.
                        (None, false) => metered.withheld(seen),
                    }
                }
                Err(error)
            }
        }
    }

    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let seen = self.tap.observed();
            if let Some(failure) = &seen.failure {
                return Poll::Ready(Err(failure.clone()));
            }
            if self.refiltered && is_filtered(seen) {
                return Poll::Ready(Err(filtered()));
            }
            if seen.deltas > 0 || seen.ended || self.ready.bytes > UNREAD_BYTES_MAX {
                return Poll::Ready(Ok(()));
            }
            match ready!(self.poll_wire(cx)) {
                Arrived::Bytes => {}
                Arrived::Ended if self.tap.observed().ended => return Poll::Ready(Ok(())),
                // What stands outside the framing is only known once the bytes have ended.
                Arrived::Ended if self.tap.observed().failure.is_some() => {}
                Arrived::Ended => return Poll::Ready(Err(truncated(None))),
                Arrived::Broke(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes what the network has, and looks at it.
    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Arrived> {
        if self.over {
            return Poll::Ready(Arrived::Ended);
        }
        match self.wire.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(chunk))) => Poll::Ready(self.take(chunk)),
            Poll::Ready(None) => {
                self.over = true;
                let cut = with_frames(|frames| {
                    self.splitter.finish(frames);
                    self.look(None, frames);
                    frames.iter().any(|f| f.kind == FrameKind::Unfinished)
                });
                if cut && self.sse {
                    // It counts without its blank line, but not for every reader.
                    let last = if self.held.is_empty() { &mut self.ready } else { &mut self.held };
                    last.push(Bytes::from_static(b"\n\n"));
                }
                Poll::Ready(Arrived::Ended)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Arrived::Broke(truncated(Some(error)))),
            Poll::Pending => self.timer.poll(cx).map(Arrived::Broke),
        }
    }

    fn take(&mut self, chunk: Bytes) -> Arrived {
        let looked = with_frames(|frames| {
            self.splitter.feed(&chunk, frames)?;
            self.look(Some(&chunk), frames);
            Ok::<_, FrameTooLarge>(())
        });
        if let Err(too_large) = looked {
            let fault = Fault::new(200, FaultClass::Corrupt, too_large.to_string());
            return Arrived::Broke(Error::upstream(fault));
        }
        let seen = self.tap.observed();
        if self.metered.as_ref().is_some_and(|m| m.runs_over(seen)) {
            self.stopped = true;
            let text = "the provider wrote more than the call may cost";
            return Arrived::Broke(Error::new(Kind::UpstreamFailed, text));
        }
        if let Some(metered) = &mut self.metered {
            metered.progress(seen);
        }
        Arrived::Bytes
    }

    /// Looks at the frames that are there. `chunk` is what they came in.
    fn look(&mut self, chunk: Option<&Bytes>, frames: &[Frame]) {
        let all: usize = frames.iter().map(|f| f.raw.len()).sum();
        let came = chunk.map_or(0, Bytes::len);
        let before = std::mem::replace(&mut self.pending, 0);
        self.pending = (before + came).saturating_sub(all);
        // The usual case: every frame is to be given on. Then the chunk itself is, uncopied.
        let mut plain = self.held.is_empty();
        for (i, frame) in frames.iter().enumerate() {
            let keep = self.tap.see(frame);
            if is_alive(frame) {
                self.timer.alive();
            }
            let seen = self.tap.observed();
            let stays = seen.failure.is_none() && !seen.ended && keep == Keep::Forward;
            if plain && stays {
                continue;
            }
            if std::mem::take(&mut plain) {
                frames[..i].iter().for_each(|f| self.ready.push(f.raw.clone()));
            }
            match (&seen.failure, seen.ended, keep) {
                (Some(_), ..) => break,
                (None, _, Keep::Hide) => {}
                (None, true, Keep::Forward) => self.held.push(frame.raw.clone()),
                (None, false, Keep::Forward) => {
                    // Another candidate goes on behind the end of one.
                    self.ready.append(&mut self.held);
                    self.ready.push(frame.raw.clone());
                }
            }
        }
        if plain {
            self.pass(frames, chunk, before, all);
        }
    }

    /// Gives frames on in the chunk that they came in. Only the first can have begun before it.
    fn pass(&mut self, frames: &[Frame], chunk: Option<&Bytes>, before: usize, all: usize) {
        let (Some(chunk), Some(first)) = (chunk, frames.first()) else {
            frames.iter().for_each(|f| self.ready.push(f.raw.clone()));
            return;
        };
        let begun = if before == 0 { 0 } else { first.raw.len() };
        if begun > 0 {
            self.ready.push(first.raw.clone());
        }
        if all > begun {
            self.ready.push(chunk.slice(begun.saturating_sub(before)..all - before));
        }
    }

    fn end(&mut self, ending: &Ending) {
        if let Some(metered) = self.metered.take() {
            metered.ended(ending, self.tap.observed(), self.stopped);
        }
    }

    /// Leaves the rest to be read by nobody, where it is billed all the same.
    fn is_drained(&mut self) -> bool {
        let bills = |m: &Metered| m.target().vendor.provider.bills_unread();
        let drains = self.drains.take().filter(|_| self.metered.as_ref().is_some_and(bills));
        let Some((seat, share)) = drains.and_then(|d| d.seat(self.metered.as_ref()?)) else {
            return false;
        };
        let seen = Box::new(Left(self.tap.observed().clone()));
        let rest = Self {
            wire: std::mem::replace(&mut self.wire, Box::pin(futures_util::stream::empty())),
            splitter: std::mem::replace(&mut self.splitter, Splitter::new(Framing::Ndjson)),
            tap: std::mem::replace(&mut self.tap, seen),
            ready: Pieces::default(),
            held: std::mem::take(&mut self.held),
            metered: self.metered.take(),
            timer: self.timer.again(),
            drains: None,
            ..*self
        };
        seat.read(Box::new(rest), share);
        true
    }

    fn last(&mut self) -> Step {
        self.end(&Ending::Complete);
        self.ready.append(&mut self.held);
        Step::Last(self.ready.take())
    }

    fn failed(&mut self, error: Error) -> Step {
        let error = match &self.metered {
            Some(metered) => error.at(metered.target().id.clone()),
            None => error,
        };
        self.end(&Ending::Broke(error.clone()));
        Step::Failed(error)
    }
}

thread_local! {
    /// Room for the frames of a piece: they are gone before the next one is cut, whoever's it is.
    static FRAMES: Cell<Vec<Frame>> = const { Cell::new(Vec::new()) };
}

/// Pieces of more frames than this leave no room behind them.
const FRAMES_KEPT: usize = 256;

fn with_frames<R>(work: impl FnOnce(&mut Vec<Frame>) -> R) -> R {
    let mut frames = FRAMES.take();
    let done = work(&mut frames);
    frames.clear();
    if frames.capacity() <= FRAMES_KEPT {
        FRAMES.set(frames);
    }
    done
}

/// What was seen of a stream that is read on elsewhere.
struct Left(Observed);

impl Tap for Left {
    fn see(&mut self, _: &Frame) -> Keep {
        Keep::Forward
    }

    fn observed(&self) -> &Observed {
        &self.0
    }
}

/// Whether a filter stepped in before anything was said.
fn is_filtered(seen: &Observed) -> bool {
    seen.deltas == 0 && seen.ended && seen.finish == Some(FinishReason::ContentFilter)
}

pub(super) fn filtered() -> Error {
    Error::new(Kind::ContentFiltered, "the provider's filter refuses the question")
}

/// What came of looking at the network.
enum Arrived {
    Bytes,
    Ended,
    Broke(Error),
}

impl Source for Passing {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if !self.ready.is_empty() && !self.tap.observed().closed {
                return Poll::Ready(Step::Bytes(self.ready.next()));
            }
            if let Some(failure) = self.tap.observed().failure.clone() {
                return Poll::Ready(self.failed(failure));
            }
            if self.tap.observed().closed || self.held.bytes > HELD_BYTES_MAX {
                // The end of the body has usually come as well: seen, it lets the connection be
                // used again.
                if !self.over {
                    let _ = self.wire.as_mut().poll_next(cx);
                }
                return Poll::Ready(self.last());
            }
            match ready!(self.poll_wire(cx)) {
                Arrived::Bytes => {}
                // The answer was complete; what the network does after it changes nothing.
                Arrived::Ended | Arrived::Broke(_)
                    if self.tap.observed().ended && !self.stopped =>
                {
                    return Poll::Ready(self.last());
                }
                Arrived::Ended if self.tap.observed().failure.is_some() => {}
                Arrived::Ended => {
                    let error = truncated(None);
                    return Poll::Ready(self.failed(error));
                }
                Arrived::Broke(error) => return Poll::Ready(self.failed(error)),
            }
        }
    }

    fn observed(&self) -> &Observed {
        self.tap.observed()
    }

    fn leave(&mut self) -> Ending {
        if self.tap.observed().ended {
            self.end(&Ending::Complete);
            return Ending::Complete;
        }
        if !self.is_drained() {
            self.end(&Ending::CallerLeft);
        }
        Ending::CallerLeft
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.leave();
    }
}

fn truncated(error: Option<TransportError>) -> Error {
    let text = "the provider's stream ended before its end";
    let broken = Error::upstream(Fault::new(200, FaultClass::Truncated, text));
    match error {
        Some(error) => broken.because(error),
        None => broken,
    }
}

/// Whether a frame shows that the model is at work. A comment or a ping shows only that a server is.
fn is_alive(frame: &Frame) -> bool {
    match frame.kind {
        FrameKind::Padding => false,
        FrameKind::Event | FrameKind::Unfinished | FrameKind::Stray => {
            frame.event.as_deref() != Some(b"ping")
                && !(frame.data.len() < PING_BYTES_MAX
                    && memchr::memmem::find(&frame.data, b"\"ping\"").is_some())
        }
    }
}

const PING_BYTES_MAX: usize = 64;
