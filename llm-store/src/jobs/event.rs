//! What happened to a job, in order: each event has a number that is one more than the last, so
//! that whoever lost the connection goes on behind what they have seen.
//!
//! Their number is bounded by what they are: progress is told when a percent of the job or of one
//! of its steps is new, and everything else happens once in an attempt.

use jiff::Timestamp;
use llm_core::Str;

use super::job::{JobId, NotDone, STEPS_MAX};
use super::rows::{at, blob, number, percent, word};
use super::view::{Whose, owned};
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;

/// Events of one page.
pub const EVENTS_MAX: usize = 256;

const _: () = assert!(STEPS_MAX < EVENTS_MAX);

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It was made.
    Created,
    /// Somebody began with it.
    Started,
    /// More of it is done.
    Progress,
    /// A step is done, and will not be done again.
    Step,
    /// An attempt went wrong, and there will be another.
    Retrying,
    /// Whoever worked on it gave it back unharmed.
    Released,
    /// Whoever worked on it was not heard of any more.
    Lost,
    /// Whoever works on it was asked to stop.
    Cancelling,
    /// It is done.
    Completed,
    /// It will not be done.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
    /// Its parts are gone.
    Expired,
}

const WORDS: [(What, &str); 12] = [
    (What::Created, "created"),
    (What::Started, "started"),
    (What::Progress, "progress"),
    (What::Step, "step"),
    (What::Retrying, "retrying"),
    (What::Released, "released"),
    (What::Lost, "lost"),
    (What::Cancelling, "cancelling"),
    (What::Completed, "completed"),
    (What::Failed, "failed"),
    (What::Cancelled, "cancelled"),
    (What::Expired, "expired"),
];

impl What {
    /// The word of the interface.
    pub fn as_str(self) -> &'static str {
        WORDS.iter().find(|(what, _)| *what == self).map_or("", |(_, word)| word)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, from 1.
    pub number: u64,
    /// When, by the clock of the store.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// How much of the job was done then.
    pub percent: u8,
    /// In which attempt.
    pub attempt: u32,
    /// The step that it is about, and how much of it was done.
    pub step: Option<(Str, u8)>,
    /// What else there is to say.
    pub note: Option<Str>,
}

/// Events behind a number.
pub(super) struct Since {
    pub(super) id: JobId,
    pub(super) whose: Whose,
    pub(super) number: i64,
    pub(super) max: usize,
}

const SINCE: &str = "SELECT number, at, what, percent, attempt, step, step_percent, note \
     FROM job_event WHERE job = $1 AND number > $2 ORDER BY number LIMIT $3";

impl Task for Since {
    type Out = Result<Vec<Event>, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        if owned(session, self.id, &self.whose).await?.is_none() {
            return Ok(Err(NotDone::Absent));
        }
        let (id, max) = (self.id.0.to_be_bytes(), self.max.min(EVENTS_MAX));
        let args = [blob(&id), Arg::from(self.number), number(max).into()];
        let rows = session.all(SINCE, &args).await?;
        let events = rows.iter().map(|row| {
            let step = match (row.maybe_text(5)?, row.maybe_int(6)?) {
                (Some(name), Some(done)) => Some((Str::from(name), percent(done)?)),
                _ => None,
            };
            Ok(Event {
                number: row.int(0)?.unsigned_abs(),
                at: at(row.int(1)?)?,
                what: word(&WORDS, &row.text(2)?, "what")?,
                percent: percent(row.int(3)?)?,
                attempt: u32::try_from(row.int(4)?).unwrap_or_default(),
                step,
                note: row.maybe_text(7)?.map(Str::from),
            })
        });
        Ok(Ok(events.collect::<Result<_, Failure>>()?))
    }
}
