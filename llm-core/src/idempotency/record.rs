//! What is kept of a slot, and what follows from it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::fingerprint::Fingerprint;
use crate::Str;
use crate::call::CallId;
use crate::ledger::HoldId;
use crate::store::vault::Tenure;

/// How long a record counts. No call lasts nearly as long, so that one that still runs by then has
/// been lost by its own process.
pub const TTL: SignedDuration = SignedDuration::from_hours(24);
/// The longest body that is kept: an answer of a quarter of a million tokens.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Who asks again at once finds a call of a second under way, and a caller of a long one need not
/// ask each second.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(15);

/// What is kept of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was asked.
    pub fingerprint: Fingerprint,
    /// The call that has the slot; its hold has the same name.
    pub run: CallId,
    /// How often the record of this run has changed.
    pub step: u32,
    /// The first instant at which it does not count any more.
    pub expires_at: Timestamp,
    /// How far the run is.
    pub state: State,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is under way.
    Running {
        /// The process that runs it.
        owner: Tenure,
    },
    /// It has ended, and this is what it said.
    Done(Answer),
    /// It was paid for and nobody can say what it said.
    Indefinite,
}

/// A record as somebody saw it. No two records of a slot have the same: a run is never another
/// one's, and counts its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The run.
    pub run: CallId,
    /// Its step.
    pub step: u32,
}

/// What a run has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What its body is.
    pub content_type: Str,
    /// How it is said again.
    pub form: Form,
    /// The body.
    pub body: Kept,
}

/// How an answer is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The body as it is.
    Whole,
    /// As a stream: the body is its bytes.
    Stream,
}

/// A body.
#[derive(Clone, PartialEq, Eq)]
pub enum Kept {
    /// Here it is.
    Body(Bytes),
    /// It was too long, or there was no room.
    Dropped,
}

impl fmt::Debug for Kept {
    /// What a model has said to somebody is nobody else's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Self::Dropped => f.write_str("Dropped"),
        }
    }
}

impl Answer {
    /// An answer, with its body where that is not too long.
    pub fn new(status: u16, content_type: Str, form: Form, body: Bytes) -> Self {
        let long = body.len() > BODY_BYTES_MAX;
        let body = if long { Kept::Dropped } else { Kept::Body(body) };
        Self { status, content_type, form, body }
    }
}

/// Why a request is not run. Nothing was sent and nothing is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The key was sent with another request.
    #[error("this idempotency key was used for another request")]
    OtherRequest,
    /// The same request is under way.
    #[error("a request with this idempotency key is under way")]
    Running {
        /// When to ask again.
        retry_after: Duration,
    },
    /// It was paid for, and its answer was lost.
    #[error(
        "a request with this idempotency key was paid for ({hold}) and its answer was lost; \
         a new key asks anew"
    )]
    Indefinite {
        /// The hold that paid.
        hold: HoldId,
    },
    /// It was answered, and its answer was too long to keep.
    #[error(
        "a request with this idempotency key was answered with {status} ({hold}) and the answer \
         was too long to keep; a new key asks anew"
    )]
    NotKept {
        /// How it was answered.
        status: u16,
        /// The hold that paid.
        hold: HoldId,
    },
}

impl Refused {
    /// The status a caller sees.
    pub fn status(self) -> u16 {
        match self {
            Self::OtherRequest => 422,
            Self::Running { .. } | Self::Indefinite { .. } | Self::NotKept { .. } => 409,
        }
    }

    /// The code in the error's body.
    pub fn code(self) -> &'static str {
        match self {
            Self::OtherRequest => "idempotency_key_reused",
            Self::Running { .. } => "idempotency_key_in_use",
            Self::Indefinite { .. } => "idempotency_indefinite",
            Self::NotKept { .. } => "idempotency_answer_not_kept",
        }
    }

    /// When to ask again; `None` is never. Clients repeat any 409 on their own unless they are told
    /// not to.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Running { retry_after } => Some(retry_after),
            Self::OtherRequest | Self::Indefinite { .. } | Self::NotKept { .. } => None,
        }
    }
}

/// What follows from what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Take the slot, and run.
    Run,
    /// Say again what was said, and run nothing.
    Replay(&'a Answer),
    /// Say no.
    Refuse(Refused),
    /// It is under way, if its owner lives: ask for its [`Fate`] and then [`recover`].
    Owned {
        /// The process.
        owner: &'a Tenure,
        /// The hold of its run.
        hold: HoldId,
    },
}

/// What to do with a request.
pub fn decide<'a>(found: Option<&'a Record>, asked: &Fingerprint, now: Timestamp) -> Decision<'a> {
    let Some(record) = found.filter(|record| record.expires_at > now) else {
        return Decision::Run;
    };
    // Before anything else: whoever asks something different learns nothing about the other.
    if record.fingerprint != *asked {
        return Decision::Refuse(Refused::OtherRequest);
    }
    let hold = HoldId::from(record.run);
    match &record.state {
        State::Running { owner } => Decision::Owned { owner, hold },
        State::Done(Answer { status, body: Kept::Dropped, .. }) => {
            Decision::Refuse(Refused::NotKept { status: *status, hold })
        }
        State::Done(answer) => Decision::Replay(answer),
        State::Indefinite => Decision::Refuse(Refused::Indefinite { hold }),
    }
}

/// What became of a run that its record calls running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its process lives, and has not given the run up.
    Alive,
    /// Its process is dead, and its holds are not resolved yet.
    Unresolved,
    /// All that its process wrote was read, and no such hold is in it: nothing was sent.
    NeverHeld,
    /// The hold was given back whole.
    Voided,
    /// The hold was paid, in part or whole.
    Paid,
    /// The journal is lost: nobody can say.
    Lost,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Ask again later.
    Wait(Refused),
    /// Take the slot over, and run anew.
    RunAnew,
    /// Write down that nobody can say, and say no.
    Indefinite(Refused),
}

/// What to do with a request whose run may be dead.
pub fn recover(record: &Record, fate: Fate, now: Timestamp) -> Recovery {
    match fate {
        // Until holds are resolved nobody knows whether it was paid; recovery is under way.
        Fate::Alive | Fate::Unresolved => {
            Recovery::Wait(Refused::Running { retry_after: record.wait(now) })
        }
        Fate::NeverHeld | Fate::Voided => Recovery::RunAnew,
        Fate::Paid | Fate::Lost => {
            Recovery::Indefinite(Refused::Indefinite { hold: HoldId::from(record.run) })
        }
    }
}

impl Record {
    /// A run begins.
    pub fn running(fingerprint: Fingerprint, run: CallId, owner: Tenure, now: Timestamp) -> Self {
        let state = State::Running { owner };
        Self { fingerprint, run, step: 0, expires_at: after(now), state }
    }

    /// As it is now.
    pub fn seen(&self) -> Seen {
        Seen { run: self.run, step: self.step }
    }

    /// The same run, done.
    #[must_use]
    pub fn done(&self, answer: Answer, now: Timestamp) -> Self {
        self.step(State::Done(answer), now)
    }

    /// The same run, of which nobody can say what it said.
    #[must_use]
    pub fn indefinite(&self, now: Timestamp) -> Self {
        self.step(State::Indefinite, now)
    }

    fn step(&self, state: State, now: Timestamp) -> Self {
        let Self { fingerprint, run, step, .. } = *self;
        Self { fingerprint, run, step: step.saturating_add(1), expires_at: after(now), state }
    }

    /// Half as long as it has taken so far: a caller who waits for a minute asks six times.
    fn wait(&self, now: Timestamp) -> Duration {
        let began = self.expires_at.checked_sub(TTL).unwrap_or(now);
        let so_far = Duration::try_from(now.duration_since(began)).unwrap_or_default();
        // Whole seconds, as the header has them.
        Duration::from_secs((so_far / 2).clamp(WAIT_MIN, WAIT_MAX).as_secs())
    }
}

/// When what is written now expires.
fn after(now: Timestamp) -> Timestamp {
    now.checked_add(TTL).unwrap_or(Timestamp::MAX)
}
