//! What whoever has a job may do with it, and what others may.

use std::time::Duration;

use llm_core::Str;

use super::announce::announce;
use super::job::{Job, JobId, NAME_MAX, NotDone, PROBLEM_MAX, STEPS_MAX, State};
use super::life::Mishap;
use super::part::{fits, forget_steps};
use super::rows::{blob, lock, number};
use super::view::Whose;
use crate::sql::database::{Arg, Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::micros_of;
use crate::webhooks::Outbox;

/// A job that somebody has for a while. Whoever has a later one has the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which job.
    pub id: JobId,
    /// How often it was taken.
    pub fence: i64,
    /// How long it lasts from each beat.
    pub lasts: Duration,
}

/// A job that was just taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What its owner says with everything they write.
    pub lease: Lease,
    /// The job.
    pub job: Job,
}

/// What whoever has a job is told at each beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Go on.
    Go,
    /// Somebody wants it to be cancelled: stop, and let go of it.
    Stop,
}

/// How an attempt went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What those for whom it is done are told.
    pub problem: Str,
    /// After which time it may be tried again; `None` where that is of no use.
    pub again: Option<Duration>,
    /// What is to be paid all the same where the job ends with it.
    pub charge: i64,
}

impl From<&Fault> for Mishap {
    fn from(fault: &Fault) -> Self {
        let cut = fault.problem.floor_char_boundary(PROBLEM_MAX);
        let problem = Str::from(&fault.problem[..cut]);
        Self { problem, again: fault.again.map(micros_of), charge: fault.charge }
    }
}

/// Something that moves a job as a whole.
#[derive(Debug)]
pub(super) enum Move {
    Finish { fence: i64, charge: i64 },
    Fail { fence: i64, mishap: Mishap },
    Release { fence: i64 },
    Cancel { whose: Whose },
    Keep { whose: Whose, span: i64 },
}

pub(super) struct Moving {
    pub(super) id: JobId,
    pub(super) by: Move,
    pub(super) outbox: Outbox,
}

impl Task for Moving {
    type Out = Result<State, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(mut row) = lock(session, self.id).await? else {
            return Ok(Err(NotDone::Absent));
        };
        let (now, before) = (session.now(), row.life.clone());
        if let Move::Cancel { whose } | Move::Keep { whose, .. } = &self.by
            && !whose.owns(&row)
        {
            return Ok(Err(NotDone::Absent));
        }
        let life = &mut row.life;
        let moved = match &self.by {
            Move::Finish { fence, charge } => life.finish(*fence, *charge, now),
            Move::Fail { fence, mishap } => life.fail(*fence, mishap, now),
            Move::Release { fence } => life.release(*fence, now),
            Move::Cancel { .. } => Ok(life.cancel(now)),
            Move::Keep { span, .. } => life.keep(*span, now).map(|()| Vec::new()),
        };
        let news = match moved {
            Ok(news) => news,
            Err(why) => return Ok(Err(why)),
        };
        if row.life != before {
            row.save(session, &news).await?;
            announce(session, &self.outbox, &row, &news).await?;
        }
        if row.life.state == State::Completed && before.state != State::Completed {
            forget_steps(session, self.id).await?;
        }
        Ok(Ok(row.life.state))
    }
}

/// Says that whoever has it lives: one statement, since it is what happens most.
pub(super) struct Beating(pub(super) Lease);

const BEAT: &str = "UPDATE job SET due = $3 WHERE id = $1 AND fence = $2 AND state = 'processing' \
     RETURNING asked";

impl Task for Beating {
    type Out = Result<Beat, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let (id, until) =
            (self.0.id.0.to_be_bytes(), session.now().saturating_add(micros_of(self.0.lasts)));
        let args = [blob(&id), self.0.fence.into(), until.into()];
        Ok(match session.one(BEAT, &args).await? {
            None => Err(NotDone::Lost),
            Some(row) if row.int(0)? != 0 => Ok(Beat::Stop),
            Some(_) => Ok(Beat::Go),
        })
    }
}

/// How far somebody has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How much of the job is done, in percent.
    pub percent: u8,
    /// On which step they are, and how much of that is done.
    pub step: Option<(Str, u8)>,
}

pub(super) struct Progressing {
    pub(super) lease: Lease,
    pub(super) progress: Progress,
}

const STEPS: &str = "SELECT name, percent FROM job_step WHERE job = $1 ORDER BY place LIMIT $2";
const STEP: &str = "INSERT INTO job_step (job, name, place, percent) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (job, name) DO UPDATE SET percent = excluded.percent";

/// The steps of a job, in the order in which they were begun.
pub(super) async fn steps(
    session: &mut Session<'_>,
    id: JobId,
) -> Result<Vec<(Str, i64)>, Failure> {
    let id = id.0.to_be_bytes();
    let args = [blob(&id), Arg::from(number(STEPS_MAX))];
    let rows = session.all(STEPS, &args).await?;
    rows.iter().map(|row| Ok((row.text(0)?.into(), row.int(1)?))).collect()
}

impl Progressing {
    pub(super) fn check(progress: &Progress) -> Result<(), NotDone> {
        let (name, done) = progress.step.as_ref().map_or((0, 0), |(name, n)| (name.len(), *n));
        fits("bytes of a name", name, NAME_MAX)?;
        fits("percent", usize::from(progress.percent.max(done)), 100)
    }

    /// The step where it has come further than it was.
    async fn step(
        &self,
        session: &mut Session<'_>,
    ) -> Result<Result<Option<(Str, i64)>, NotDone>, Failure> {
        let Some((name, done)) = &self.progress.step else { return Ok(Ok(None)) };
        let known = steps(session, self.lease.id).await?;
        let before = known.iter().position(|(known, _)| known == name);
        let done = i64::from(*done);
        if before.is_some_and(|at| known[at].1 >= done) {
            return Ok(Ok(None));
        }
        if before.is_none() && known.len() >= STEPS_MAX {
            return Ok(Err(NotDone::TooMuch { what: "steps of a job", max: STEPS_MAX }));
        }
        let id = self.lease.id.0.to_be_bytes();
        let args = [blob(&id), (&name[..]).into(), number(known.len()).into(), done.into()];
        session.run(STEP, &args).await?;
        Ok(Ok(Some((name.clone(), done))))
    }
}

impl Task for Progressing {
    type Out = Result<(), NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let found = lock(session, self.lease.id).await?;
        let Some(mut row) = found.filter(|row| row.life.is_under(self.lease.fence)) else {
            return Ok(Err(NotDone::Lost));
        };
        let step = match self.step(session).await? {
            Ok(step) => step,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(news) = row.life.progress(step, i64::from(self.progress.percent)) {
            row.save(session, &[news]).await?;
        }
        Ok(Ok(()))
    }
}
