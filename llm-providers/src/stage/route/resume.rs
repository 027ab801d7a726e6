//! A stream that broke goes on elsewhere, when its caller has allowed that.
//!
//! From its first byte such a stream is read and written again by the caller half of the first
//! upstream's dialect, so that it keeps one dialect and one numbering to its end. What was delivered
//! is given to the next target as the beginning of its own answer; what that target says again is
//! left out. Refused while a tool call is open or was made: nobody should run half a call, or one
//! call that two models wrote. Both halves are paid for.

mod overlap;
mod weave;

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use llm_core::dialect::{Framing, Observed, RenderCx, StreamEncoder};
use llm_core::error::{Advice, Error, Kind};
use llm_core::event::Event;
use llm_core::seam::BoxFuture;
use llm_dialects::drive::Driver;

use super::super::reserve::sum;
use super::{Attempt, Journey, Prefix, RouteStage};
use crate::reply::{Ending, Reply, ReplyBody, Source, Step};
use crate::stage::Next;
use crate::stage::gate::Tried;

use weave::Weave;

/// So often a stream may go on elsewhere; the hold covers no more.
const RESUMES_MAX: u8 = 1;

/// Tells whoever looks at the bytes; readers of server-sent events leave it out.
const RESUMED: &[u8] = b": resumed elsewhere\n\n";

/// A stream that may go on elsewhere.
struct Resuming<N> {
    route: RouteStage,
    next: N,
    journey: Journey,
    at: usize,
    body: ReplyBody,
    driver: Driver,
    encoder: Box<dyn StreamEncoder>,
    weave: Weave,
    events: Vec<Event>,
    out: BytesMut,
    asking: Option<BoxFuture<'static, Result<Reply, Error>>>,
    /// Why the first one broke: what the caller hears when nobody goes on.
    broke: Option<Error>,
    /// What the first one had said when it broke.
    before: Observed,
    /// Both together.
    seen: Observed,
    /// Whether the caller's framing has a word for what is no part of the answer.
    comments: bool,
    resumed: u8,
}

/// Wraps an answer's body, if it is a stream that can go on elsewhere.
pub(super) fn wrap<N: Next<Attempt>>(
    route: &RouteStage,
    next: &N,
    journey: Journey,
    at: usize,
    mut reply: Reply,
) -> Reply {
    let head = &reply.head;
    let halves = (llm_dialects::upstream(head.dialect), llm_dialects::caller(head.dialect));
    let (Some(framing), (Some(reads), Some(writes))) = (head.framing, halves) else { return reply };
    let cx = RenderCx {
        // What is to be hidden was hidden below.
        include_usage: !journey.funded.hides_usage(head.dialect),
        framing: Some(framing),
        ..RenderCx::default()
    };
    let driver = Driver::new(framing, reads.stream_decoder(head.operation));
    let (route, next) = (route.clone(), next.clone());
    reply.body = reply.body.wrap(|body| {
        Box::new(Resuming {
            route,
            next,
            journey,
            at,
            body,
            driver,
            encoder: writes.stream_encoder(&cx),
            weave: Weave::default(),
            events: Vec::new(),
            out: BytesMut::new(),
            asking: None,
            broke: None,
            before: Observed::default(),
            seen: Observed::default(),
            comments: framing == Framing::Sse,
            resumed: 0,
        })
    });
    reply
}

impl<N: Next<Attempt>> Resuming<N> {
    /// Writes what has come; says whether the answer has ended.
    fn write(&mut self) -> bool {
        let mut ended = false;
        for event in self.events.drain(..) {
            ended |= matches!(event, Event::End);
            let (encoder, out) = (&mut self.encoder, &mut self.out);
            self.weave.pass(event, |event| encoder.feed(event, out));
        }
        ended
    }

    /// What broke in what has come; everything before it is written.
    fn broken(&mut self) -> Option<Error> {
        let error = self.events.iter().rev().find_map(|e| match e {
            Event::Failure(error) => Some(error.clone()),
            _ => None,
        })?;
        self.events.retain(|e| !matches!(e, Event::Failure(_)));
        self.write();
        Some(error)
    }

    /// Whether somebody else may go on, and who.
    fn resume(&mut self, error: &Error) -> Option<BoxFuture<'static, Result<Reply, Error>>> {
        let may = match error.advice() {
            Advice::Elsewhere { .. } | Advice::Again { .. } | Advice::OtherKey { .. } => true,
            Advice::Stop | Advice::Bigger(_) | Advice::Spent => false,
        };
        let stopped = error.fault().is_none() && error.kind() == Kind::UpstreamFailed;
        if !may || stopped || self.resumed >= RESUMES_MAX || !self.weave.may_go_on() {
            return None;
        }
        self.journey.plan.exclude(self.at);
        let at = self.route.choose(&self.journey, self.route.clock.now())?;
        self.journey.tried = Tried::default();
        self.journey.forced = false;
        let mut attempt = self.journey.attempt(at)?;
        self.at = at;
        self.resumed += 1;
        let written = self.body.observed().written;
        attempt.prefix = Some(Arc::new(Prefix { text: self.weave.text().to_owned(), written }));
        let next = self.next.clone();
        Some(Box::pin(async move { next.run(attempt).await }))
    }

    /// What the caller hears: why the stream broke, and not why nobody went on.
    fn why(&mut self) -> Error {
        let broke = self.broke.take();
        let broke = broke.unwrap_or_else(|| Error::new(Kind::BrokenStream, "the stream broke"));
        broke.advise(Advice::Spent)
    }

    /// What both have said, in numbers.
    fn add_up(&mut self) {
        if self.resumed == 0 {
            return;
        }
        let (before, now) = (&self.before, self.body.observed());
        self.seen = Observed {
            usage: match (before.usage, now.usage) {
                (Some(a), Some(b)) => Some(sum(a, b)),
                (a, b) => a.or(b),
            },
            deltas: before.deltas.saturating_add(now.deltas),
            written: before.written.saturating_add(now.written),
            guessed: before.guessed || now.guessed,
            ..now.clone()
        };
    }

    fn failed(&mut self, error: Error) -> Step {
        match self.resume(&error) {
            Some(asking) => {
                self.before = self.body.observed().clone();
                self.asking = Some(asking);
                self.broke = Some(error);
                Step::Bytes(self.out.split().freeze())
            }
            None => Step::Failed(error),
        }
    }

    /// Another target has begun to answer.
    fn go_on(&mut self, reply: Reply) -> Result<(), Error> {
        let head = &reply.head;
        let read = head.framing.zip(llm_dialects::upstream(head.dialect));
        let Some((framing, dialect)) = read else {
            // Nobody gets this answer, and so its caller does not owe it.
            let number = self.journey.attempts.saturating_sub(1);
            self.journey.funded.bill().lost(number);
            let text = "the stream could not go on elsewhere";
            return Err(Error::new(Kind::BrokenStream, text).advise(Advice::Spent));
        };
        self.driver = Driver::new(framing, dialect.stream_decoder(head.operation));
        if self.comments {
            self.out.extend_from_slice(RESUMED);
        }
        self.weave.go_on(overlap::continues(head.dialect));
        self.body = reply.body;
        Ok(())
    }
}

impl<N: Next<Attempt>> Source for Resuming<N> {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Some(asking) = &mut self.asking {
                let asked = ready!(asking.as_mut().poll(cx));
                self.asking = None;
                if asked.and_then(|reply| self.go_on(reply)).is_err() {
                    return Poll::Ready(Step::Failed(self.why()));
                }
            }
            let step = ready!(self.body.poll_step(cx));
            self.add_up();
            let ended = match step {
                Step::Bytes(bytes) => {
                    self.driver.feed(bytes, &mut self.events);
                    if let Some(error) = self.broken() {
                        // Nobody can read on, and so nobody is to write on.
                        self.body.give_up(&error);
                        return Poll::Ready(self.failed(error));
                    }
                    self.write()
                }
                Step::Last(bytes) => {
                    self.driver.feed(bytes, &mut self.events);
                    self.driver.finish(&mut self.events);
                    if let Some(error) = self.broken() {
                        return Poll::Ready(self.failed(error));
                    }
                    self.write();
                    true
                }
                Step::Failed(error) => match self.failed(error) {
                    Step::Bytes(bytes) if bytes.is_empty() => continue,
                    step => return Poll::Ready(step),
                },
            };
            if self.weave.diverged() {
                let error = self.why();
                self.body.give_up(&error);
                return Poll::Ready(Step::Failed(error));
            }
            let out = self.out.split().freeze();
            if ended {
                return Poll::Ready(Step::Last(out));
            }
            if !out.is_empty() {
                return Poll::Ready(Step::Bytes(out));
            }
        }
    }

    fn observed(&self) -> &Observed {
        if self.resumed == 0 { self.body.observed() } else { &self.seen }
    }

    fn leave(&mut self) -> Ending {
        self.asking = None;
        self.body.leave()
    }
}
