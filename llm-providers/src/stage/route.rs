//! Chooses, tries, tries elsewhere: the one place where retryability is spent.
//!
//! A call has a plan (tiers of targets that can serve it), a number of attempts and a deadline;
//! each target has a budget of repetitions for all calls together. Within these the loop goes on
//! until a target has begun to answer: from then on the call is committed, and only a resume that
//! the model's settings allow may go elsewhere. Deliberately absent: reading what an error means.
//! Its advice was set by who knew, and is only spent here.

mod backoff;
pub mod budget;
mod decide;
mod filter;
mod hedge;
mod plan;
mod resume;
mod turn;

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::call::Operation;
use llm_core::error::{Error, Kind};
use llm_core::money::cost_max;
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;
use llm_core::seam::{Clock, Entropy};
use parking_lot::Mutex;

use super::gate::{Lent, Tried};
use super::reserve::Funded;
use super::{Next, Stage};
use crate::metrics::Metrics;
use crate::reply::Reply;
use crate::target::Target;

use decide::{Step, decide};
pub(super) use filter::keyless;
pub use hedge::Hedges;
use plan::{Plan, Standing, Stop};
use turn::Turn;

/// One try at one target.
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the mark keeps the other modules of this crate from making one, too"
)]
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The call, and the money for it.
    pub funded: Funded,
    /// Who is asked.
    pub target: Arc<Target>,
    /// Which attempt of the call, from 0.
    pub number: u8,
    /// How many targets were left behind before.
    pub fallbacks: u8,
    /// Keys of the vendor that have failed this call.
    pub tried: Tried,
    /// Whether somebody else could be asked as well.
    pub others: bool,
    /// Ask although the target is left alone: nobody else is left.
    pub forced: bool,
    /// Which key it was made with, for who tries the next one.
    pub key_note: Option<KeyNote>,
    /// What the caller has of the answer already.
    pub prefix: Option<Arc<Prefix>>,
    /// Only this stage makes one.
    _routed: (),
}

/// Where the gate notes which key it lent.
#[derive(Clone, Debug, Default)]
pub struct KeyNote(Arc<Mutex<Option<Lent>>>);

impl KeyNote {
    pub(crate) fn set(&self, lent: &Lent) {
        *self.0.lock() = Some(*lent);
    }

    fn get(&self) -> Option<Lent> {
        *self.0.lock()
    }
}

/// What the caller has of a broken answer.
#[derive(Debug)]
pub struct Prefix {
    /// The text, as it was delivered.
    pub text: String,
    /// About how many tokens it has.
    pub written: u64,
}

impl Prefix {
    pub(crate) fn put(&self, request: &mut Request) {
        use llm_core::prompt::{Message, Role};
        // Some APIs refuse an answer that ends in blanks; what they would add is left out later.
        let begun = self.text.trim_end().to_owned();
        request.messages.push(Message::text(Role::Assistant, begun));
        if let Some(most) = request.output.tokens_max.as_ref().and_then(RawNumber::as_u64) {
            request.output.tokens_max = Some(most.saturating_sub(self.written).max(1).into());
        }
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct RouteStage {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Totals.
    pub metrics: Arc<Metrics>,
    /// Second askings of the whole gateway.
    pub hedges: Hedges,
}

/// Where a call stands.
struct Journey {
    funded: Funded,
    plan: Plan,
    attempts: u8,
    fallbacks: u8,
    /// Attempts at the target that was asked last.
    here: u32,
    tried: Tried,
    /// The target that is asked now was left alone, and is asked since nobody else is left.
    forced: bool,
    /// Spent on waiting for targets that rest.
    waited: Duration,
    /// Who failed last, and how.
    last: Option<(usize, Error)>,
}

/// Who was asked, with which key, and what came of it.
struct Asked {
    at: usize,
    note: Option<KeyNote>,
    answer: Result<Reply, Error>,
}

impl Stage for RouteStage {
    type In = Funded;
    type Out = Attempt;

    async fn run<N: Next<Attempt>>(&self, funded: Funded, next: &N) -> Result<Reply, Error> {
        let plan = filter::plan(&funded)?;
        let mut journey = Journey {
            funded,
            plan,
            attempts: 0,
            fallbacks: 0,
            here: 0,
            tried: Tried::default(),
            forced: false,
            waited: Duration::ZERO,
            last: None,
        };
        let mut turn = self.begin(&mut journey);
        loop {
            let at = match turn {
                Turn::GiveUp(error) => return Err(error),
                Turn::Wait(wait) => {
                    self.clock.sleep(wait).await;
                    journey.waited += wait;
                    turn = self.begin(&mut journey);
                    continue;
                }
                Turn::Ask { at, wait } => {
                    if !wait.is_zero() {
                        self.clock.sleep(wait).await;
                    }
                    at
                }
            };
            let Some(attempt) = journey.attempt(at) else {
                return Err(Error::new(Kind::Internal, "a plan has lost a target"));
            };
            let asked = if journey.attempts == 1 && journey.funded.opened().model.policy.hedge {
                hedge::ask(self, &mut journey, at, attempt, next).await
            } else {
                let note = attempt.key_note.clone();
                Asked { at, note, answer: next.run(attempt).await }
            };
            let Asked { at, note, answer } = asked;
            let error = match answer {
                Ok(reply) if journey.may_resume() => {
                    return Ok(resume::wrap(self, next, journey, at, reply));
                }
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if let Some(lent) = note.and_then(|n| n.get()) {
                journey.tried = journey.tried.with(&lent);
            }
            journey.note_failure(at, &error);
            turn = self.turn(&mut journey, at, error);
        }
    }
}

impl Journey {
    fn note_failure(&self, at: usize, error: &Error) {
        if let Some(stop) = self.plan.stop(at) {
            let record = &self.funded.opened().record;
            record.failed(&stop.target.id, error.kind(), error.advice());
        }
    }

    fn attempt(&mut self, at: usize) -> Option<Attempt> {
        let target = Arc::clone(&self.plan.stop(at)?.target);
        let number = self.attempts;
        let left = self.plan.left().any(|(other, _)| other != at);
        let most = self.funded.opened().model.policy.attempts_max;
        self.attempts = self.attempts.saturating_add(1);
        Some(Attempt {
            funded: self.funded.clone(),
            key_note: (target.vendor.keys.len() > 1).then(KeyNote::default),
            target,
            number,
            fallbacks: self.fallbacks,
            tried: self.tried,
            others: left && self.attempts < most,
            forced: self.forced,
            prefix: None,
            _routed: (),
        })
    }

    fn may_resume(&self) -> bool {
        let opened = self.funded.opened();
        let wanted = opened.call.controls.resume.unwrap_or(opened.model.policy.resume);
        // The hold was made for one way only unless the model's policy said otherwise.
        wanted && opened.model.policy.resume && opened.call.operation == Operation::Chat
    }

    fn deadline(&self) -> Instant {
        self.funded.opened().call.deadline.0
    }
}

/// Whether a target may be asked.
fn open(funded: &Funded, stop: &Stop, now: Instant) -> bool {
    let (health, lasting) = (stop.target.health(), &stop.target.lasting);
    let own = funded.opened().call.controls.own_key(&stop.target.vendor.name);
    health.breaker.lock().until(now).is_none()
        && (own.is_some() || stop.target.vendor.keys.any(now))
        && lasting.room.as_ref().is_none_or(|room| room.has_place())
}

fn standing(funded: &Funded, stop: &Stop, now: Instant) -> Standing {
    let (health, price) = (stop.target.health(), funded.price(&stop.target));
    Standing {
        score: health.score(funded.opened().call.peek.stream, now),
        in_flight: health.in_flight(),
        cost: price.map_or(i64::MAX, |p| cost_max(&funded.bound_at(&stop.target), p).0),
    }
}
