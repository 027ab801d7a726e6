//! A body that is watched, and that settles before it says the last word.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use llm_core::answer::Answer;
use llm_core::dialect::Observed;
use llm_core::error::{Error, Kind};

use super::{Ending, Guard, Guards};

/// Where a body's bytes come from: an upstream, a recording, another call's upstream.
pub trait Source: Send {
    /// The next step. Not called again after [`Step::Last`] or [`Step::Failed`].
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step>;

    /// What passed so far.
    fn observed(&self) -> &Observed;

    /// The whole answer as one value, where it was read already and nothing of it has been taken: as
    /// if all steps had been.
    fn answer(&mut self) -> Option<Box<Answer>> {
        None
    }

    /// Nobody reads any further. Whatever lies inside is told first, so that what an attempt cost is
    /// known when the call is settled. A source that has seen the whole answer says so, whoever was
    /// there to hear it.
    fn leave(&mut self) -> Ending {
        Ending::CallerLeft
    }
}

/// One step of a body.
#[derive(Debug)]
pub enum Step {
    /// Bytes; more will come.
    Bytes(Bytes),
    /// The end, with the bytes that say so (there may be none).
    Last(Bytes),
    /// It broke. What passed before stands.
    Failed(Error),
}

/// The bytes of an answer. Ends after the last byte, or after one error.
pub struct ReplyBody {
    source: Box<dyn Source>,
    guards: Guards,
    over: bool,
}

impl ReplyBody {
    /// A body without obligations.
    pub fn new(source: Box<dyn Source>) -> Self {
        Self { source, guards: Guards::default(), over: false }
    }

    /// Lends something to the body; it closes before what was lent earlier by stages above.
    pub fn lend(&mut self, guard: Box<dyn Guard>) {
        debug_assert!(!self.over, "an ended body gives nothing back");
        self.guards.push(guard);
    }

    /// What passed so far.
    pub fn observed(&self) -> &Observed {
        self.source.observed()
    }

    /// Puts a source around this body: this one's guards close with it, and what is lent from now
    /// on closes after them.
    #[must_use]
    pub fn wrap(self, outer: impl FnOnce(Self) -> Box<dyn Source>) -> Self {
        Self::new(outer(self))
    }

    /// Whoever reads it cannot read on: nothing more is wanted, and it has not gone well.
    pub fn give_up(&mut self, error: &Error) {
        if !self.over {
            self.source.leave();
            self.end(&Ending::Broke(error.clone()));
        }
    }

    fn end(&mut self, ending: &Ending) {
        self.over = true;
        self.guards.close(ending, self.source.observed());
    }
}

/// A body inside another one.
impl Source for ReplyBody {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.over {
            return Poll::Ready(Step::Last(Bytes::new()));
        }
        let step = std::task::ready!(self.source.poll_step(cx));
        match &step {
            Step::Bytes(_) => {}
            // Before the bytes are given away: nobody sees an end that is not paid for.
            Step::Last(_) => self.end(&Ending::Complete),
            Step::Failed(error) => self.end(&Ending::Broke(error.clone())),
        }
        Poll::Ready(step)
    }

    fn observed(&self) -> &Observed {
        self.source.observed()
    }

    fn answer(&mut self) -> Option<Box<Answer>> {
        let answer = if self.over { None } else { self.source.answer() };
        // Before it is given away, as with bytes.
        if answer.is_some() {
            self.end(&Ending::Complete);
        }
        answer
    }

    fn leave(&mut self) -> Ending {
        let ending = self.source.leave();
        if !self.over {
            self.end(&ending);
        }
        ending
    }
}

impl Stream for ReplyBody {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            return Poll::Ready(match std::task::ready!(self.poll_step(cx)) {
                Step::Bytes(bytes) | Step::Last(bytes) if bytes.is_empty() => continue,
                Step::Bytes(bytes) | Step::Last(bytes) => Some(Ok(bytes)),
                Step::Failed(error) => Some(Err(error)),
            });
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        if !self.over {
            self.leave();
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody")
            .field("guards", &self.guards)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Ending {
    /// Whether the answer came whole.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// The kind of what went wrong.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Complete => None,
            Self::CallerLeft => Some(Kind::Cancelled),
            Self::Broke(error) => Some(error.kind()),
        }
    }
}
