//! Who goes next when not all can: a bounded queue before a bounded number of running calls.
//!
//! [`Queue`] decides and is a plain value; [`Fair`] puts it behind a lock and wakes those whose
//! turn it is. A caller who leaves takes its place in the queue along, and a turn that nobody is
//! there to take goes to the next. Deliberately absent: waiting anywhere else in the pipeline.

mod class;
mod queue;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::HashMap;
use futures_util::future::{Either, select};
use llm_core::Str;
use llm_core::error::{Error, Kind, Refusal};
use llm_core::principal::Priority;
use llm_core::seam::Clock;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::oneshot;

pub use queue::{Bounds, Entry, Moves, Queue, Shed, Ticket, WaiterId};

/// The queue, shared.
pub struct Fair {
    state: Mutex<State>,
    wait_max: Duration,
    clock: Arc<dyn Clock>,
}

struct State {
    queue: Queue,
    /// At most as many as the queue has waiters.
    wakes: HashMap<WaiterId, oneshot::Sender<Turn>>,
}

type Turn = Result<FairSlot, Shed>;
/// Whom to tell what.
type Wake = (oneshot::Sender<Turn>, Result<Priority, Shed>);

/// One of the running calls. Dropping it is the next one's turn.
#[must_use = "dropping it gives the place to the next"]
pub struct FairSlot {
    fair: Arc<Fair>,
    priority: Priority,
}

impl Fair {
    /// Nobody runs, nobody waits. A wait ends with `wait_max` even where a caller has more time.
    pub fn new(bounds: Bounds, wait_max: Duration, clock: Arc<dyn Clock>) -> Self {
        let state = State { queue: Queue::new(bounds), wakes: HashMap::default() };
        Self { state: Mutex::new(state), wait_max, clock }
    }

    /// A place among the running calls: at once, after a wait, or not.
    pub async fn enter(self: &Arc<Self>, mut ticket: Ticket) -> Result<FairSlot, Error> {
        let now = self.clock.now();
        let priority = ticket.priority;
        let patience = now.checked_add(self.wait_max).unwrap_or(ticket.deadline);
        let own = ticket.deadline <= patience;
        ticket.deadline = ticket.deadline.min(patience);
        let deadline = ticket.deadline;
        let (mut turn, id) = match self.join(ticket, now) {
            Joined::Started => return Ok(FairSlot { fair: Arc::clone(self), priority }),
            Joined::Refused(why) => return Err(self.refusal(why, own)),
            Joined::Waiting(turn, id) => (turn, id),
        };
        // Declared after the channel, so that a caller who goes leaves the queue before a turn
        // could be sent to nobody.
        let _waiting = Waiting { fair: self, id };
        let end = self.clock.sleep(deadline.saturating_duration_since(now));
        let turn = match select(&mut turn, end).await {
            Either::Left((Ok(turn), _)) => turn,
            // The channel closes unanswered only together with the queue.
            Either::Left((Err(_), _)) | Either::Right(_) => Err(Shed::Late),
        };
        turn.map_err(|why| self.refusal(why, own))
    }

    /// The refusal of a call of that line that would not even wait, however little it weighs.
    pub fn refuses(&self, priority: Priority, line: &Str, now: Instant) -> Option<Error> {
        let refuses = self.state.lock().queue.refuses(priority, line, now);
        refuses.then(|| self.refusal(Shed::Full, false))
    }

    /// More places, or fewer: those that run go on.
    pub fn set_slots(self: &Arc<Self>, slots: u32) {
        let now = self.clock.now();
        self.moves(|state, moves| state.queue.set_slots(slots, now, moves));
    }

    /// How long a call usually takes to its first token: who has less time left need not wait.
    pub fn set_usual(&self, usual: Duration) {
        self.state.lock().queue.set_usual(usual);
    }

    /// Calls that run and calls that wait.
    pub fn load(&self) -> (u32, usize) {
        let state = self.state.lock();
        (state.queue.held(), state.queue.waiting())
    }

    fn join(self: &Arc<Self>, ticket: Ticket, now: Instant) -> Joined {
        self.moves(|state, moves| match state.queue.enter(ticket, now, moves) {
            Entry::Started => Joined::Started,
            Entry::Refused(why) => Joined::Refused(why),
            Entry::Waiting(id) => {
                let (wake, turn) = oneshot::channel();
                state.wakes.insert(id, wake);
                Joined::Waiting(turn, id)
            }
        })
    }

    /// Changes the queue and wakes whomever that concerns, after the lock is gone: a turn that
    /// cannot be delivered drops its slot, which takes the lock again.
    fn moves<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, &mut Moves) -> T) -> T {
        let mut wakes = SmallVec::<[Wake; 2]>::new();
        let answer = {
            let mut state = self.state.lock();
            let mut moves = Moves::default();
            let answer = change(&mut state, &mut moves);
            for (id, end) in moves {
                wakes.extend(state.wakes.remove(&id).map(|wake| (wake, end)));
            }
            answer
        };
        for (wake, end) in wakes {
            let turn = end.map(|priority| FairSlot { fair: Arc::clone(self), priority });
            // Whoever left meanwhile gives the place back by the value's own drop.
            drop(wake.send(turn));
        }
        answer
    }

    fn refusal(&self, why: Shed, own_deadline: bool) -> Error {
        let (limit, used, reserved, wait) = {
            let queue = &self.state.lock().queue;
            (queue.slots(), queue.held(), queue.waiting(), queue.wait_estimate())
        };
        let refusal = Refusal {
            rule: Str::from_static("gateway concurrency"),
            limit: u64::from(limit),
            used: u64::from(used),
            reserved: reserved as u64,
            resets_at: None,
            retry_after: Some(wait),
        };
        match why {
            Shed::Full => Error::new(Kind::Busy, "too many calls are waiting").refused(refusal),
            Shed::Overtaken => {
                Error::new(Kind::Busy, "calls of more weight took the place").refused(refusal)
            }
            Shed::Late if own_deadline => {
                Error::new(Kind::DeadlinePassed, "the call's deadline would pass in the queue")
            }
            Shed::Late => Error::new(Kind::Busy, "no place became free in time").refused(refusal),
        }
    }
}

/// How [`Fair::join`] ends.
enum Joined {
    Started,
    Waiting(oneshot::Receiver<Turn>, WaiterId),
    Refused(Shed),
}

/// A caller in the queue.
struct Waiting<'a> {
    fair: &'a Fair,
    id: WaiterId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.fair.state.lock();
        state.queue.leave(self.id);
        state.wakes.remove(&self.id);
    }
}

impl Drop for FairSlot {
    fn drop(&mut self) {
        let (priority, now) = (self.priority, self.fair.clock.now());
        self.fair.moves(|state, moves| state.queue.finish(priority, now, moves));
    }
}

impl fmt::Debug for Fair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, waiting) = self.load();
        f.debug_struct("Fair").field("held", &held).field("waiting", &waiting).finish()
    }
}

impl fmt::Debug for FairSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairSlot").field("priority", &self.priority).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
