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
use crate::metrics::Metrics;
use crate::reply::{Ending, Guard, Reply};
use crate::target::Target;

use breaker::{Outcome, Pass};
pub use health::Health;
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
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Totals.
    pub metrics: Arc<Metrics>,
}

impl Stage for GateStage {
    type In = Attempt;
    type Out = Armed;

    async fn run<N: Next<Armed>>(&self, attempt: Attempt, next: &N) -> Result<Reply, Error> {
        let (target, now) = (Arc::clone(&attempt.target), self.clock.now());
        let keys = &target.vendor.keys;
        let lent = keys.lend(attempt.tried, now).map_err(|until| keyless(&target, until, now))?;
        let peek = &attempt.funded.opened().call.peek;
        let visit = self.enter(&target, attempt.forced, peek, now)?;
        if let Some(note) = &attempt.key_note {
            note.set(&lent);
        }
        let key = Arc::clone(&lent.credential);
        match next.run(Armed { attempt, key, _armed: () }).await {
            Ok(mut reply) => {
                if keys.accepted(&lent) {
                    self.metrics.key(&target.vendor.name, &lent.credential.id).set(1);
                }
                if let Some(spent) = reply.head.limits.and_then(|l| l.spent_for()) {
                    keys.spare(&lent, spent, self.clock.now());
                }
                visit.answered();
                reply.body.lend(Box::new(visit));
                Ok(reply)
            }
            Err(error) => {
                if let Advice::OtherKey { rest } = error.advice() {
                    keys.rest(&lent, rest, self.clock.now());
                    if !rest.is_zero() {
                        self.metrics.key(&target.vendor.name, &lent.credential.id).set(0);
                    }
                }
                visit.failed(&error);
                Err(error)
            }
        }
    }
}

impl GateStage {
    fn enter(
        &self,
        target: &Arc<Target>,
        forced: bool,
        peek: &Peek,
        now: Instant,
    ) -> Result<Visit, Error> {
        let pass = {
            let mut breaker = target.health().breaker.lock();
            let pass = if forced { Ok(breaker.force(now)) } else { breaker.admit(now) };
            target.metrics.breaker.set(breaker.level());
            pass
        };
        let pass = pass.map_err(|_| shut(target))?;
        // Given back with the visit, whatever comes next.
        let mut visit = Visit {
            target: Arc::clone(target),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            began: now,
            pass: Some(pass),
            place: None,
            prompt_tokens: u64::from(peek.input_tokens_estimate),
        };
        target.health().enter();
        if let Some(room) = &target.lasting.room {
            let output = peek.output_tokens_max.unwrap_or(OUTPUT_TOKENS_USUAL);
            let tokens = visit.prompt_tokens.saturating_add(u64::from(output));
            visit.place =
                Some(room.take(tokens, &self.clock).map_err(|e| e.at(target.id.clone()))?);
        }
        Ok(visit)
    }
}

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
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    began: Instant,
    pass: Option<Pass>,
    place: Option<Place>,
    prompt_tokens: u64,
}

/// A cap on the answer that nobody gave.
const OUTPUT_TOKENS_USUAL: u32 = 1_024;

impl Visit {
    /// The first event came: that is what health is about. How it ends is told by the guard.
    fn answered(&self) {
        let now = self.clock.now();
        let took = now.saturating_duration_since(self.began);
        self.target.health().pace.lock().add(took, now);
        self.target.metrics.first_event.observe(took.as_secs_f64());
        self.target.metrics.answered.inc();
        if let Some(place) = &self.place {
            place.answered(self.prompt_tokens, took, now);
        }
    }

    fn failed(mut self, error: &Error) {
        self.target.metrics.failed(error.kind());
        if let Advice::Elsewhere { rest } = error.advice() {
            let limited = error.kind() == Kind::UpstreamRateLimited;
            let told = error.fault().is_some_and(|f| f.retry_after.is_some());
            // A rest that the provider asked for. What is broken is the breaker's to judge.
            if limited || told {
                self.target.health().breaker.lock().rest(rest, self.clock.now());
            }
        }
        let busy = matches!(
            error.kind(),
            Kind::UpstreamRateLimited | Kind::UpstreamOverloaded | Kind::Timeout
        );
        if let Some(place) = self.place.as_ref().filter(|_| busy) {
            place.overloaded(self.clock.now());
        }
        self.report(health::outcome(error));
    }

    fn report(&mut self, outcome: Outcome) {
        if let Some(pass) = self.pass.take() {
            let mut breaker = self.target.health().breaker.lock();
            breaker.report(pass, outcome, self.clock.now(), self.entropy.next_u64());
            self.target.metrics.breaker.set(breaker.level());
        }
    }
}

impl Guard for Visit {
    fn close(mut self: Box<Self>, ending: &Ending, seen: &Observed) {
        self.report(match ending {
            Ending::Complete => Outcome::Well,
            // It had begun to answer, and so it was well.
            Ending::CallerLeft => Outcome::Well,
            Ending::Broke(error) => health::outcome(error),
        });
        if let Some(usage) = &seen.usage {
            self.target.metrics.used(usage);
            if let Some(place) = &mut self.place {
                place.used(usage.read_total().saturating_add(usage.written_total()));
            }
        }
        let written = u32::try_from(seen.usage.map_or(0, |u| u.written_total())).unwrap_or(0);
        if ending.is_complete() && written > 1 && seen.deltas > 1 {
            let took = self.clock.now().saturating_duration_since(self.began);
            self.target.metrics.per_token.observe(took.as_secs_f64() / f64::from(written));
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.report(Outcome::Unknown);
        self.target.health().leave();
    }
}
