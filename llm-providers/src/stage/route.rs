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

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::call::Operation;
use llm_core::error::{Advice, Error, Kind};
use llm_core::money::cost_max;
use llm_core::prompt::Request;
use llm_core::seam::{Clock, Entropy};
use parking_lot::Mutex;

use super::gate::{Lent, Tried};
use super::reserve::Funded;
use super::{Next, Stage};
use crate::metrics::Metrics;
use crate::reply::Reply;
use crate::target::Target;

use decide::{Step, decide};
pub use hedge::Hedges;
use plan::{Plan, Standing, Stop};

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
        *self.0.lock() = Some(lent.clone());
    }

    fn get(&self) -> Option<Lent> {
        self.0.lock().clone()
    }
}

/// What the caller has of a broken answer.
#[derive(Debug)]
pub struct Prefix {
    /// The text, as it was delivered.
    pub text: String,
}

impl Prefix {
    pub(crate) fn put(&self, request: &mut Request) {
        use llm_core::prompt::{Message, Role};
        // Some APIs refuse an answer that ends in blanks; what they would add is left out later.
        let begun = self.text.trim_end().to_owned();
        request.messages.push(Message::text(Role::Assistant, begun));
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
    last: Option<(usize, Error)>,
}

/// Where to go.
enum Turn {
    Ask { at: usize, forced: bool, wait: Duration },
    GiveUp(Error),
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
            last: None,
        };
        let mut turn = self.begin(&mut journey);
        loop {
            let (at, forced) = match turn {
                Turn::GiveUp(error) => return Err(error),
                Turn::Ask { at, forced, wait } => {
                    if !wait.is_zero() {
                        self.clock.sleep(wait).await;
                    }
                    (at, forced)
                }
            };
            let Some(attempt) = journey.attempt(at, forced) else {
                return Err(Error::new(Kind::Internal, "a plan has lost a target"));
            };
            let target = Arc::clone(&attempt.target);
            let note = attempt.key_note.clone();
            let asked = if journey.attempts == 1 && journey.funded.opened().model.policy.hedge {
                hedge::ask(self, &mut journey, at, attempt, next).await
            } else {
                next.run(attempt).await
            };
            let error = match asked {
                Ok(reply) if journey.may_resume() => {
                    return Ok(resume::wrap(self, next, journey, at, reply));
                }
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if let Some(lent) = note.and_then(|n| n.get()) {
                journey.tried = journey.tried.with(&lent);
            }
            let record = &journey.funded.opened().record;
            record.failed(&target.id, error.kind(), error.advice());
            turn = self.turn(&mut journey, at, error);
        }
    }
}

impl Journey {
    fn attempt(&mut self, at: usize, forced: bool) -> Option<Attempt> {
        let target = Arc::clone(&self.plan.stop(at)?.target);
        let number = self.attempts;
        self.attempts = self.attempts.saturating_add(1);
        Some(Attempt {
            funded: self.funded.clone(),
            key_note: (target.vendor.keys.len() > 1).then(KeyNote::default),
            target,
            number,
            fallbacks: self.fallbacks,
            tried: self.tried,
            forced,
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

impl RouteStage {
    /// Where to go first.
    fn begin(&self, journey: &mut Journey) -> Turn {
        let now = self.clock.now();
        match self.choose(journey, now) {
            Some(at) => self.first(journey, at, now),
            None => self.least_bad(journey, now),
        }
    }

    fn first(&self, journey: &mut Journey, at: usize, now: Instant) -> Turn {
        journey.here = 0;
        journey.tried = Tried::default();
        if let Some(stop) = journey.plan.stop(at) {
            stop.target.health().budget.lock().first(now);
        }
        Turn::Ask { at, forced: false, wait: Duration::ZERO }
    }

    /// Where to go after a failure.
    fn turn(&self, journey: &mut Journey, at: usize, error: Error) -> Turn {
        let policy = &journey.funded.opened().model.policy;
        let step = decide(&error, policy.refiltered);
        let spent = journey.attempts >= policy.attempts_max;
        let now = self.clock.now();
        if step == Step::GiveUp {
            return Turn::GiveUp(error);
        }
        if spent || now >= journey.deadline() {
            return Turn::GiveUp(self.spent(journey, at, error));
        }
        match step {
            Step::GiveUp => return Turn::GiveUp(error),
            Step::Again(after) => {
                if let Some(turn) = self.again(journey, at, after, now) {
                    return turn;
                }
                journey.plan.exclude(at);
            }
            Step::OtherKey => {
                let stop = journey.plan.stop(at);
                let keys = stop.map(|s| Arc::clone(&s.target.vendor.keys));
                if keys.is_some_and(|keys| keys.lend(journey.tried, now).is_ok()) {
                    return Turn::Ask { at, forced: false, wait: Duration::ZERO };
                }
                journey.plan.exclude(at);
            }
            Step::Elsewhere { same } => {
                let alone = journey.plan.left().all(|(other, _)| other == at);
                if alone
                    && same
                    && let Some(turn) = self.again(journey, at, None, now)
                {
                    return turn;
                }
                journey.plan.exclude(at);
            }
            Step::Bigger(need) => journey.plan.need(need, at),
        }
        self.elsewhere(journey, at, error, now)
    }

    /// The same target again, if its budget and the call's time allow.
    fn again(
        &self,
        journey: &mut Journey,
        at: usize,
        after: Option<Duration>,
        now: Instant,
    ) -> Option<Turn> {
        let stop = journey.plan.stop(at)?;
        let wait = backoff::wait(journey.here, after, self.entropy.next_u64());
        let fits = now + wait < journey.deadline();
        if journey.here >= u32::from(stop.target.vendor.retries) || !fits {
            return None;
        }
        if !stop.target.health().budget.lock().again(now) {
            return None;
        }
        journey.here += 1;
        Some(Turn::Ask { at, forced: false, wait })
    }

    fn elsewhere(&self, journey: &mut Journey, from: usize, error: Error, now: Instant) -> Turn {
        let Some(at) = self.choose(journey, now) else {
            return Turn::GiveUp(self.spent(journey, from, error));
        };
        journey.fallbacks = journey.fallbacks.saturating_add(1);
        if let (Some(a), Some(b)) = (journey.plan.stop(from), journey.plan.stop(at)) {
            let labels = [a.target.label(), b.target.label(), error.kind().name()];
            self.metrics.fallbacks.with_label_values(&labels).inc();
        }
        journey.last = Some((from, error));
        self.first(journey, at, now)
    }

    /// Nobody may be asked at the moment: whoever can be the soonest is asked all the same, since
    /// failing at once helps nobody. One who rests at a provider's own wish is waited for instead,
    /// as long as the call has time.
    fn least_bad(&self, journey: &mut Journey, now: Instant) -> Turn {
        let until = |stop: &Stop| {
            let breaker = stop.target.health().breaker.lock();
            (breaker.until(now), breaker.resting(now))
        };
        let soonest = journey.plan.left().map(|(at, stop)| (at, until(stop)));
        let Some((at, (_, resting))) = soonest.min_by_key(|(_, (until, _))| *until) else {
            return Turn::GiveUp(Error::new(Kind::Internal, "a plan without a target"));
        };
        let wait = resting.map_or(Duration::ZERO, |r| r.saturating_duration_since(now));
        if wait <= WAIT_MAX && now + wait < journey.deadline() {
            return Turn::Ask { at, forced: true, wait };
        }
        let text = "every provider of this model has asked to be left alone for a while";
        let after = Some(wait);
        Turn::GiveUp(Error::new(Kind::Busy, text).advise(Advice::Again { after }))
    }

    fn choose(&self, journey: &Journey, now: Instant) -> Option<usize> {
        let opened = journey.funded.opened();
        let session = opened.call.controls.session.as_deref().map(|s| plan::hash(s.as_bytes()));
        let how = opened.model.policy.balance;
        let random = self.entropy.next_u64();
        journey.plan.next(how, session, random, |stop| standing(&journey.funded, stop, now))
    }

    /// Nothing is left to try. Whoever asked must not try it all again.
    fn spent(&self, journey: &Journey, at: usize, error: Error) -> Error {
        let error = match journey.plan.stop(at) {
            Some(stop) if error.target().is_none() => error.at(stop.target.id.clone()),
            _ => error,
        };
        match error.advice() {
            Advice::Stop | Advice::Spent => error,
            Advice::Again { .. }
            | Advice::OtherKey { .. }
            | Advice::Elsewhere { .. }
            | Advice::Bigger(_) => error.advise(Advice::Spent),
        }
    }
}

/// Longer than this nobody waits for a target that rests: the caller hears when to come back.
const WAIT_MAX: Duration = Duration::from_secs(2);

fn standing(funded: &Funded, stop: &Stop, now: Instant) -> Standing {
    let health = stop.target.health();
    let price = stop.target.price.as_ref();
    let cost = price.map_or(i64::MAX, |p| cost_max(&funded.bound_at(&stop.target), p).0);
    Standing {
        open: health.breaker.lock().until(now).is_none() && stop.target.vendor.keys.any(now),
        score: health.score(now),
        in_flight: health.in_flight(),
        cost,
    }
}
