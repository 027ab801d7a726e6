//! The life of a job, as far as it is one row: pure rules that take the instant as an argument.
//!
//! ```text
//!            taken                finished
//! pending ──────────▶ processing ──────────▶ completed
//!  │  ▲                │  │  │
//!  │  └── tried again, ┘  │  └─ failed for good, or lost too often ─▶ failed
//!  │      given back,     │
//!  │      lost            └─ asked to stop, and let go ─▶ cancelled
//!  └──────────── cancelled ──────────────────────────────▶
//! ```
//!
//! A lease is a number (the fence) that grows each time a job is taken. Whoever writes says theirs:
//! a lease whose time is over still counts while nobody else has taken the job, since what was done
//! under it is good; one that was followed by another never does. Each step may be said again by
//! whoever does not know whether it happened.

use llm_core::Str;

use super::event::What;
use super::job::{NotDone, State};

/// What has no owner any more after its last attempt.
const LOST: &str = "whoever worked on it was lost";

/// The part of a row that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) state: State,
    pub(super) attempts: i64,
    pub(super) attempts_max: i64,
    pub(super) due: Option<i64>,
    pub(super) owner: Option<Str>,
    pub(super) fence: i64,
    pub(super) ticket: i64,
    pub(super) asked: bool,
    pub(super) percent: i64,
    pub(super) problem: Option<Str>,
    pub(super) began: Option<i64>,
    pub(super) ended: Option<i64>,
    pub(super) keep: i64,
    pub(super) expires: Option<i64>,
    /// Whether a hold pays for it.
    pub(super) paid: bool,
    pub(super) charge: Option<i64>,
    pub(super) owes: Option<i64>,
    pub(super) events: i64,
}

/// An event that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) number: i64,
    pub(super) what: What,
    pub(super) percent: i64,
    pub(super) attempt: i64,
    /// The step that it is about, and how far that is.
    pub(super) step: Option<(Str, i64)>,
    pub(super) note: Option<Str>,
}

/// Who takes a job.
#[derive(Clone, Debug)]
pub(super) struct Taker {
    pub(super) owner: Str,
    pub(super) ticket: i64,
    /// How long they have it, in microseconds.
    pub(super) lease: i64,
}

/// How an attempt went wrong.
#[derive(Clone, Debug)]
pub(super) struct Mishap {
    pub(super) problem: Str,
    /// After how many microseconds it may be tried again; `None` is never.
    pub(super) again: Option<i64>,
    /// What is to be paid where this was the last attempt.
    pub(super) charge: i64,
}

impl Life {
    fn tell(&mut self, what: What, note: Option<Str>) -> News {
        self.events += 1;
        let (percent, attempt) = (self.percent, self.attempts);
        News { number: self.events, what, percent, attempt, step: None, note }
    }

    fn end(&mut self, state: State, charge: i64, now: i64) {
        self.state = state;
        (self.due, self.owner) = (None, None);
        self.ended = Some(now);
        self.expires = Some(now.saturating_add(self.keep));
        if self.paid {
            // Written with the end itself: an end that nobody settles cannot be.
            (self.charge, self.owes) = (Some(charge.max(0)), Some(now));
        }
    }

    fn wait(&mut self, until: i64) {
        self.state = State::Pending;
        (self.due, self.owner) = (Some(until), None);
    }

    fn cancelled(&mut self, charge: i64, now: i64) -> News {
        self.end(State::Cancelled, charge, now);
        self.tell(What::Cancelled, None)
    }

    fn failed(&mut self, problem: Str, charge: i64, now: i64) -> News {
        self.problem = Some(problem.clone());
        self.end(State::Failed, charge, now);
        self.tell(What::Failed, Some(problem))
    }

    /// Whether the job is under this lease.
    pub(super) fn is_under(&self, fence: i64) -> bool {
        self.state == State::Processing && self.fence == fence
    }

    /// The lease of whoever has it is over, and nobody has heard of them.
    pub(super) fn lost(&mut self, now: i64) -> Vec<News> {
        if self.state != State::Processing || self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut news = vec![self.tell(What::Lost, None)];
        if self.asked {
            news.push(self.cancelled(0, now));
        } else if self.attempts >= self.attempts_max {
            news.push(self.failed(Str::from_static(LOST), 0, now));
        } else {
            self.wait(now);
        }
        news
    }

    /// Somebody takes it, if it is to be had.
    pub(super) fn take(&mut self, taker: &Taker, now: i64) -> Vec<News> {
        let mut news = self.lost(now);
        if self.state != State::Pending || self.due.is_none_or(|due| due > now) {
            return news;
        }
        self.state = State::Processing;
        self.attempts += 1;
        self.fence += 1;
        (self.owner, self.ticket) = (Some(taker.owner.clone()), taker.ticket);
        self.due = Some(now.saturating_add(taker.lease));
        self.began = self.began.or(Some(now));
        news.push(self.tell(What::Started, None));
        news
    }

    /// So much of it is done; a step of it is so far.
    pub(super) fn progress(&mut self, step: Option<(Str, i64)>, percent: i64) -> Option<News> {
        let risen = percent > self.percent;
        self.percent = percent.max(self.percent);
        if !risen && step.is_none() {
            return None;
        }
        let told = self.tell(What::Progress, None);
        Some(News { step, ..told })
    }

    /// A step is done, and what came of it is kept.
    pub(super) fn kept(&mut self, step: Str) -> News {
        let told = self.tell(What::Step, None);
        News { step: Some((step, 100)), ..told }
    }

    /// It is done.
    pub(super) fn finish(
        &mut self,
        fence: i64,
        charge: i64,
        now: i64,
    ) -> Result<Vec<News>, NotDone> {
        if self.fence == fence && self.state == State::Completed {
            return Ok(Vec::new());
        }
        if !self.is_under(fence) {
            return Err(NotDone::Lost);
        }
        (self.percent, self.problem) = (100, None);
        self.end(State::Completed, charge, now);
        Ok(vec![self.tell(What::Completed, None)])
    }

    /// An attempt went wrong.
    pub(super) fn fail(
        &mut self,
        fence: i64,
        mishap: &Mishap,
        now: i64,
    ) -> Result<Vec<News>, NotDone> {
        if !self.is_under(fence) {
            let said = matches!(self.state, State::Failed | State::Cancelled | State::Pending);
            return if self.fence == fence && said { Ok(Vec::new()) } else { Err(NotDone::Lost) };
        }
        if self.asked {
            return Ok(vec![self.cancelled(mishap.charge, now)]);
        }
        let problem = mishap.problem.clone();
        Ok(vec![match mishap.again {
            Some(after) if self.attempts < self.attempts_max => {
                self.wait(now.saturating_add(after));
                self.problem = Some(problem.clone());
                self.tell(What::Retrying, Some(problem))
            }
            Some(_) | None => self.failed(problem, mishap.charge, now),
        }])
    }

    /// Whoever has it gives it back as it is: it was no attempt.
    pub(super) fn release(&mut self, fence: i64, now: i64) -> Result<Vec<News>, NotDone> {
        if !self.is_under(fence) {
            let said = matches!(self.state, State::Pending | State::Cancelled);
            return if self.fence == fence && said { Ok(Vec::new()) } else { Err(NotDone::Lost) };
        }
        if self.asked {
            return Ok(vec![self.cancelled(0, now)]);
        }
        self.attempts -= 1;
        self.wait(now);
        Ok(vec![self.tell(What::Released, None)])
    }

    /// Nobody wants it any more.
    pub(super) fn cancel(&mut self, now: i64) -> Vec<News> {
        match self.state {
            State::Pending => vec![self.cancelled(0, now)],
            State::Processing if !self.asked => {
                self.asked = true;
                vec![self.tell(What::Cancelling, None)]
            }
            State::Processing | State::Completed | State::Failed | State::Cancelled => Vec::new(),
        }
    }

    /// Its parts stay so long from its end on; they are never kept for less than was said before.
    pub(super) fn keep(&mut self, span: i64, now: i64) -> Result<(), NotDone> {
        if self.ended.is_some() && self.expires.is_none_or(|expires| expires <= now) {
            return Err(NotDone::Gone);
        }
        self.keep = span.max(self.keep);
        if let Some(ended) = self.ended {
            self.expires = Some(ended.saturating_add(self.keep));
        }
        Ok(())
    }

    /// Its parts are gone.
    pub(super) fn swept(&mut self) -> News {
        self.expires = None;
        self.tell(What::Expired, None)
    }
}
