//! The body of a reply that a recording or another call's upstream answers.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use llm_core::dialect::Observed;
use llm_core::error::{Error, Kind};
use llm_core::money::Money;
use llm_core::seam::{BoxFuture, Clock};

use super::flight::{Found, Seat};
use super::recording::Recording;
use super::shown::Unasked;
use crate::reply::{Ending, ReplyHead, Source, Step};
use crate::stage::reserve::Funded;

/// What a reader owes who did not ask the upstream: the price of a hit, unless it got nothing for it.
pub(super) struct Owed {
    /// Whose money.
    pub(super) funded: Funded,
    /// How much.
    pub(super) price: Money,
}

impl Owed {
    fn due(self, seen: &Observed) {
        self.funded.bill().cache_hit(self.funded.proof(), self.price, seen.usage);
    }
}

/// What a reader is not to be shown, if anything.
pub(super) fn unasked(funded: &Funded, head: &ReplyHead) -> Option<Unasked> {
    let call = &funded.opened().call;
    let hidden = call.peek.stream && !call.peek.wants_usage_frame && call.dialect == head.dialect;
    head.framing.filter(|_| hidden).and_then(|framing| Unasked::new(head.dialect, framing))
}

const GRACE: Duration = Duration::from_millis(200);

/// Reads what a flight writes.
pub(super) struct Tail {
    seat: Option<Seat>,
    unasked: Option<Unasked>,
    owed: Option<Owed>,
    seen: Observed,
    patience: Option<Patience>,
}

impl Tail {
    /// For the caller who began it.
    pub(super) fn leader(
        seat: Seat,
        unasked: Option<Unasked>,
        until: Instant,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // The upstream's own timer has this caller's deadline in it, and comes first: this one is
        // for work that has broken down.
        let patience = Some(Patience { clock, until: until + GRACE, sleep: None });
        Self { seat: Some(seat), unasked, owed: None, seen: Observed::default(), patience }
    }

    /// For one who came later.
    pub(super) fn follower(
        seat: Seat,
        unasked: Option<Unasked>,
        owed: Owed,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let until = owed.funded.opened().call.deadline.0;
        let patience = Some(Patience { clock, until, sleep: None });
        Self { seat: Some(seat), unasked, owed: Some(owed), seen: Observed::default(), patience }
    }

    fn shown(&mut self, piece: Bytes, last: bool) -> Bytes {
        match &mut self.unasked {
            Some(unasked) => unasked.pass(piece, last),
            None => piece,
        }
    }

    fn broke(&mut self, error: Error) -> Step {
        // Nothing is owed for half an answer of somebody else's.
        self.owed = None;
        self.seat = None;
        Step::Failed(error)
    }
}

impl Source for Tail {
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let Some(seat) = &mut self.seat else { return Poll::Ready(Step::Last(Bytes::new())) };
        let found = match seat.poll_next(cx, &mut self.seen) {
            Poll::Ready(found) => found,
            Poll::Pending => {
                let Some(patience) = &mut self.patience else { return Poll::Pending };
                let error = ready!(patience.poll(cx));
                return Poll::Ready(self.broke(error));
            }
        };
        Poll::Ready(match found {
            Found::Piece(piece) => Step::Bytes(self.shown(piece, false)),
            Found::Last(piece) => {
                let piece = self.shown(piece, true);
                self.seat = None;
                if let Some(owed) = self.owed.take() {
                    owed.due(&self.seen);
                }
                Step::Last(piece)
            }
            Found::Broke(error) => self.broke(error),
        })
    }

    fn observed(&self) -> &Observed {
        &self.seen
    }

    fn leave(&mut self) -> Ending {
        let Some(seat) = self.seat.take() else { return Ending::CallerLeft };
        self.seen = seat.seen();
        // Before our own money is settled: for the last reader this ends the upstream's call.
        drop(seat);
        if let Some(owed) = self.owed.take() {
            owed.due(&self.seen);
        }
        if self.seen.ended { Ending::Complete } else { Ending::CallerLeft }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.leave();
    }
}

/// How long a follower waits: its own deadline, whatever the first caller's is.
struct Patience {
    clock: Arc<dyn Clock>,
    until: Instant,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl Patience {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let (clock, until) = (&self.clock, self.until);
        let sleep = self
            .sleep
            .get_or_insert_with(|| clock.sleep(until.saturating_duration_since(clock.now())));
        sleep.as_mut().poll(cx).map(|()| passed())
    }
}

/// A caller's own deadline.
pub(super) fn passed() -> Error {
    Error::new(Kind::DeadlinePassed, "the deadline of the call has passed")
}

/// Gives a recording on, in one piece.
pub(super) struct Replay {
    recording: Arc<Recording>,
    unasked: Option<Unasked>,
    owed: Option<Owed>,
}

impl Replay {
    /// For one caller.
    pub(super) fn new(recording: Arc<Recording>, unasked: Option<Unasked>, owed: Owed) -> Self {
        Self { recording, unasked, owed: Some(owed) }
    }

    fn due(&mut self) {
        if let Some(owed) = self.owed.take() {
            owed.due(&self.recording.seen);
        }
    }
}

impl Source for Replay {
    fn poll_step(&mut self, _: &mut Context<'_>) -> Poll<Step> {
        self.due();
        let body = self.recording.body.clone();
        Poll::Ready(Step::Last(match &mut self.unasked {
            Some(unasked) => unasked.pass(body, true),
            None => body,
        }))
    }

    fn observed(&self) -> &Observed {
        &self.recording.seen
    }

    fn leave(&mut self) -> Ending {
        // It was all there, whoever is there to read it.
        self.due();
        Ending::Complete
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.due();
    }
}
