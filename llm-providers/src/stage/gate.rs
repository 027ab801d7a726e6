//! Everything about one target before it is asked, and what its answer says of it: the breaker's
//! pass, a key, the count of calls under way.
//!
//! Nothing waits here. A target that cannot be asked now is refused at once, and route goes
//! elsewhere.

pub mod adaptive;
pub mod breaker;
pub mod health;
pub mod keys;
pub mod room;
pub mod slots;

use std::sync::Arc;
use std::time::{Duration, Instant};

use llm_core::call::Peek;
use llm_core::dialect::Observed;
use llm_core::error::{Advice, Error, Kind};
use llm_core::provider::Credential;
use llm_core::seam::{Clock, Entropy};

use super::route::Attempt;
use super::{Next, Stage};
use crate::reply::{Ending, Guard, Reply};
use crate::target::Target;

use breaker::{Breaker, Outcome, Pass};
pub use health::Health;
use keys::Standing;
pub use keys::{Keys, Lent, Tried};
use room::Place;

/// An attempt with a key in hand.
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the mark keeps the other modules of this crate from making one, too"
)]
#[derive(Debug)]
pub struct Armed {
    /// The attempt.
    pub attempt: Attempt,
    /// The key it is made with.
    pub key: Arc<Credential>,
    /// Only this stage makes one.
    _armed: (),
}

/// The stage.
#[derive(Debug)]
pub struct GateStage {
    means: Arc<Means>,
}

/// What a visit needs as well: in one piece, since each call has a share in it.
#[derive(Debug)]
struct Means {
    /// Time.
    clock: Arc<dyn Clock>,
    /// Jitter.
    entropy: Arc<dyn Entropy>,
}

impl GateStage {
    /// Over time, and jitter.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { means: Arc::new(Means { clock, entropy }) }
    }
}

impl Stage for GateStage {
    type In = Attempt;
    type Out = Armed;

    async fn run<N: Next<Armed>>(&self, attempt: Attempt, next: &N) -> Result<Reply, Error> {
        let (target, clock) = (&attempt.target, &*self.means.clock);
        let (keys, now) = (&target.vendor.keys, clock.now());
        let call = &attempt.funded.opened().call;
        if let Some(own) = call.controls.own_key(&target.vendor.name) {
            let own = Arc::clone(own);
            let visit = self.enter(target, attempt.forced, &call.peek, now)?;
            // Boxed: it is rare, and would double what every call carries.
            return Box::pin(with_own(attempt, own, visit, next)).await;
        }
        let lent = keys.lend(attempt.tried, now).map_err(|until| keyless(target, until, now))?;
        let key =
            keys.credential(&lent).map(Arc::clone).ok_or_else(|| keyless(target, None, now))?;
        let mut visit = self.enter(target, attempt.forced, &call.peek, now)?;
        if let Some(note) = &attempt.key_note {
            note.set(&lent);
        }
        let answer = next.run(Armed { attempt, key, _armed: () }).await;
        let keys = &visit.target.vendor.keys;
        match answer {
            Ok(mut reply) => {
                keys.accepted(&lent);
                if let Some(told) = reply.head.limits {
                    keys.told(&lent, told, clock.now());
                }
                visit.answered(reply.head.framing.is_some());
                reply.body.lend(Box::new(visit));
                Ok(reply)
            }
            Err(error) => {
                let error = limited(keys, &lent, error, clock.now());
                if let Advice::OtherKey { rest } = error.advice() {
                    keys.rest(&lent, rest, Standing::after(error.kind()), clock.now());
                }
                Err(visit.failed(error))
            }
        }
    }
}

/// The same with the key that came with the call. What becomes of it is nobody else's: no key of
/// ours rests for it, and the target is not left alone by others.
async fn with_own<N: Next<Armed>>(
    attempt: Attempt,
    key: Arc<Credential>,
    mut visit: Visit,
    next: &N,
) -> Result<Reply, Error> {
    match next.run(Armed { attempt, key, _armed: () }).await {
        Ok(mut reply) => {
            visit.answered(reply.head.framing.is_some());
            reply.body.lend(Box::new(visit));
            Ok(reply)
        }
        Err(error) => {
            let kind = error.kind();
            let told = if kind == Kind::UpstreamKeyRejected {
                (Kind::Unauthenticated, OWN_REJECTED)
            } else if kind == Kind::UpstreamQuota {
                (Kind::CreditExhausted, OWN_SPENT)
            } else if kind == Kind::UpstreamRateLimited {
                return Err(visit.metered(error));
            } else {
                return Err(visit.failed(error));
            };
            let error = visit.metered(error);
            // Whoever sent it is to know; somebody else's key would hide it from them.
            Err(Error::new(told.0, told.1).because(error).advise(Advice::Stop))
        }
    }
}

const OWN_REJECTED: &str = "the provider does not accept the key that came with this call";
const OWN_SPENT: &str = "at its provider nothing is left of the key that came with this call";

impl GateStage {
    fn enter(
        &self,
        target: &Arc<Target>,
        forced: bool,
        peek: &Peek,
        now: Instant,
    ) -> Result<Visit, Error> {
        let pass = judged(target, |breaker| match forced {
            true => breaker.force(now),
            false => breaker.admit(now),
        });
        let pass = pass.map_err(|_| shut(target))?;
        // Given back with the visit, whatever comes next.
        let mut visit = Visit {
            target: Arc::clone(target),
            means: Arc::clone(&self.means),
            began: now,
            pass: Some(pass),
            stream: peek.stream,
            place: None,
            prompt_tokens: u64::from(peek.input_tokens_estimate),
        };
        target.health().enter();
        if let Some(room) = &target.lasting.room {
            let output = peek.output_tokens_max.unwrap_or(OUTPUT_TOKENS_USUAL);
            let tokens = visit.prompt_tokens.saturating_add(u64::from(output));
            visit.place = Some(Box::new(
                room.take(tokens, &self.means.clock).map_err(|e| e.at(target.id.clone()))?,
            ));
        }
        Ok(visit)
    }
}

/// Asks a target's breaker, or tells it something. What is shown of it is written where it is another
/// one, which need not be over this: several targets may be shown as one, and one may come back.
fn judged<T>(target: &Target, judge: impl FnOnce(&mut Breaker) -> T) -> T {
    let mut breaker = target.health().breaker.lock();
    let said = judge(&mut breaker);
    let (shown, level) = (&target.metrics.breaker, breaker.level());
    if shown.get() != level {
        shown.set(level);
    }
    said
}

/// A limit is one key's as long as there are others: they go on. Once none is left, the target
/// rests until the first of them is back.
fn limited(keys: &Keys, lent: &Lent, error: Error, now: Instant) -> Error {
    if error.kind() != Kind::UpstreamRateLimited || keys.len() < 2 {
        return error;
    }
    let rest = match error.advice() {
        Advice::Again { after } => after.unwrap_or(REST_UNSAID),
        Advice::Elsewhere { rest } | Advice::OtherKey { rest } => rest.max(REST_UNSAID),
        Advice::Stop | Advice::Spent | Advice::Bigger(_) => return error,
    };
    keys.rest(lent, rest, Standing::Limited, now);
    match keys.back(now) {
        None => error.advise(Advice::OtherKey { rest }),
        Some(back) => {
            let rest = back.saturating_duration_since(now);
            error.advise(match rest <= REST_SHORT {
                true => Advice::Again { after: Some(rest) },
                false => Advice::Elsewhere { rest },
            })
        }
    }
}

/// What is worth waiting for at one target.
const REST_SHORT: Duration = Duration::from_secs(2);
/// A key that is too fast is left alone for so long when nobody said for how long.
const REST_UNSAID: Duration = Duration::from_secs(1);

/// All keys rest, or were tried.
fn keyless(target: &Target, until: Option<Instant>, now: Instant) -> Error {
    let rest = until.map_or(Duration::ZERO, |u| u.saturating_duration_since(now));
    Error::new(Kind::UpstreamQuota, "no key of this provider can be used at the moment")
        .advise(Advice::Elsewhere { rest })
        .at(target.id.clone())
}

fn shut(target: &Target) -> Error {
    Error::new(Kind::UpstreamOverloaded, "this provider is left alone for a moment")
        .advise(Advice::Elsewhere { rest: Duration::ZERO })
        .at(target.id.clone())
}

/// A call at a target: from the moment it may be asked until its answer has ended.
struct Visit {
    target: Arc<Target>,
    means: Arc<Means>,
    began: Instant,
    pass: Option<Pass>,
    stream: bool,
    /// Boxed: it is large, and few targets have a limit of their own.
    place: Option<Box<Place>>,
    prompt_tokens: u64,
}

/// A cap on the answer that nobody gave.
const OUTPUT_TOKENS_USUAL: u32 = 1_024;

impl Visit {
    /// It has begun to answer: that is what health is about. How it ends is told by the guard.
    fn answered(&mut self, streamed: bool) {
        let now = self.means.clock.now();
        if let Some(pass) = self.pass.take() {
            let jitter = self.means.entropy.next_u64();
            let pass = judged(&self.target, |breaker| breaker.answered(pass, now, jitter));
            self.pass = Some(pass);
        }
        self.target.metrics.answered.inc();
        let took = now.saturating_duration_since(self.began);
        self.target.health().pace(streamed).lock().add(took, now);
        if !streamed {
            // All of a whole answer has come by now: its time says how long the answer is, and
            // nothing of how busy the target is.
            return;
        }
        self.target.metrics.first_event.observe(took.as_secs_f64());
        if let Some(place) = &self.place {
            place.answered(self.prompt_tokens, took, now);
        }
    }

    /// It failed over something that says nothing of the target. Gives the error, which names it.
    fn metered(mut self, error: Error) -> Error {
        self.target.metrics.failed(error.kind());
        self.report(Outcome::Unknown);
        error.at(self.target.id.clone())
    }

    /// It failed. Gives the error, which names the target.
    fn failed(mut self, error: Error) -> Error {
        self.target.metrics.failed(error.kind());
        let limited = error.kind() == Kind::UpstreamRateLimited;
        let told = error.fault().is_some_and(|f| f.retry_after.is_some());
        let rest = match error.advice() {
            // A rest that the provider asked for. What is broken is the breaker's to judge.
            Advice::Elsewhere { rest } if limited || told => rest,
            Advice::Again { after: Some(after) } => after,
            Advice::Elsewhere { .. }
            | Advice::Again { after: None }
            | Advice::OtherKey { .. }
            | Advice::Bigger(_)
            | Advice::Stop
            | Advice::Spent => Duration::ZERO,
        };
        self.target.health().breaker.lock().rest(rest, limited, self.means.clock.now());
        let busy = matches!(
            error.kind(),
            Kind::UpstreamRateLimited | Kind::UpstreamOverloaded | Kind::Timeout
        );
        if let Some(place) = self.place.as_ref().filter(|_| busy) {
            place.overloaded(self.means.clock.now());
        }
        let gave_up = error.kind() == Kind::DeadlinePassed;
        let outcome = if gave_up { self.unanswered() } else { health::outcome(&error) };
        self.report(outcome);
        error.at(self.target.id.clone())
    }

    /// What it means that it was left before it had begun to answer. A caller who hangs up early
    /// says nothing of the target; one who has waited for as long as we would have does.
    fn unanswered(&self) -> Outcome {
        let timeouts = &self.target.vendor.timeouts;
        let patience = if self.stream { timeouts.first_token } else { timeouts.total / 2 };
        let now = self.means.clock.now();
        let waited = now.saturating_duration_since(self.began);
        // The next choice knows that it takes at least so long.
        self.target.health().pace(self.stream).lock().at_least(waited, now);
        if waited >= patience { Outcome::Broken } else { Outcome::Unknown }
    }

    fn report(&mut self, outcome: Outcome) {
        if let Some(pass) = self.pass.take() {
            let (now, jitter) = (self.means.clock.now(), self.means.entropy.next_u64());
            judged(&self.target, |breaker| breaker.report(pass, outcome, now, jitter));
        }
    }
}

impl Guard for Visit {
    fn close(mut self: Box<Self>, ending: &Ending, seen: &Observed) {
        self.report(match ending {
            Ending::Complete => Outcome::Well,
            // It had begun to answer, and may have stopped: a caller who leaves says nothing.
            Ending::CallerLeft => Outcome::Unknown,
            Ending::Broke(error) => health::outcome(error),
        });
        if let Some(usage) = &seen.usage {
            self.target.metrics.used(usage);
        }
        if let Some(place) = &mut self.place {
            // A provider that does not say what it counted has counted all the same.
            let seen_only = || self.prompt_tokens.saturating_add(u64::from(seen.deltas));
            let used = seen.usage.map(|u| u.read_total().saturating_add(u.written_total()));
            place.used(used.unwrap_or_else(seen_only));
        }
        let written = u32::try_from(seen.usage.map_or(0, |u| u.written_total())).unwrap_or(0);
        if ending.is_complete() && written > 1 && seen.deltas > 1 {
            let took = self.means.clock.now().saturating_duration_since(self.began);
            self.target.metrics.per_token.observe(took.as_secs_f64() / f64::from(written));
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.pass.is_some() {
            let outcome = self.unanswered();
            self.report(outcome);
            // It has read the question, whoever was there to hear the answer.
            if let Some(place) = &mut self.place {
                place.used(self.prompt_tokens);
            }
        }
        self.target.health().leave();
    }
}
