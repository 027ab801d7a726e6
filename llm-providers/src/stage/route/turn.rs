//! Where a call goes next: first, after a failure, and when nobody may be asked at the moment.

use std::time::{Duration, Instant};

use llm_core::call::{Call, Payload};
use llm_core::error::{Advice, Error, Kind};

use super::decide::{Step, decide};
use super::plan::Stop;
use super::{Journey, RouteStage, backoff, open, plan, standing};
use crate::stage::gate::Tried;

/// Where to go.
pub(super) enum Turn {
    /// To this target, after so long.
    Ask {
        at: usize,
        wait: Duration,
    },
    /// Nowhere yet: who may be asked is to be looked at again.
    Wait(Duration),
    GiveUp(Error),
}

/// Longer than this nobody waits for a target that rests: the caller hears when to come back.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Those who wait for one target come back one after the other, within this.
const SPREAD: Duration = Duration::from_millis(500);
/// A place at a target may become free at any moment.
const ROOM_WAIT: Duration = Duration::from_millis(50);

impl RouteStage {
    /// Where to go, with everybody to choose from who is not out.
    pub(super) fn begin(&self, journey: &mut Journey) -> Turn {
        let now = self.clock.now();
        let turn = match self.choose(journey, now) {
            Some(at) => {
                journey.forced = false;
                Turn::Ask { at, wait: Duration::ZERO }
            }
            None => self.least_bad(journey, now),
        };
        match turn {
            Turn::Ask { at, .. } => {
                self.arrive(journey, at, now);
                turn
            }
            Turn::Wait(_) => turn,
            // Why the last one could not answer says more than that nobody else may be asked.
            Turn::GiveUp(error) => Turn::GiveUp(match journey.last.take() {
                Some((from, earlier)) if !is_our_own(&earlier) => {
                    self.spent(journey, from, earlier)
                }
                Some(_) | None => error,
            }),
        }
    }

    /// The call is at a target that it was not at before.
    fn arrive(&self, journey: &mut Journey, at: usize, now: Instant) {
        journey.here = 0;
        journey.tried = Tried::default();
        let Some(stop) = journey.plan.stop(at) else { return };
        stop.target.health().budget.lock().first(now);
        if let Some((from, error)) = &journey.last
            && let Some(left) = journey.plan.stop(*from).filter(|_| *from != at)
        {
            let labels = [left.target.label(), stop.target.label(), error.kind().name()];
            self.metrics.fallbacks.with_label_values(&labels).inc();
            journey.fallbacks = journey.fallbacks.saturating_add(1);
        }
    }

    /// Where to go after a failure.
    pub(super) fn turn(&self, journey: &mut Journey, at: usize, error: Error) -> Turn {
        let policy = &journey.funded.opened().model.policy;
        let step = decide(&error, policy.refiltered);
        let now = self.clock.now();
        if step == Step::GiveUp {
            return Turn::GiveUp(error);
        }
        let unsent = is_our_own(&error);
        if unsent {
            // Nobody was asked, and so it is no attempt.
            journey.attempts = journey.attempts.saturating_sub(1);
        }
        let spent = journey.attempts >= policy.attempts_max;
        if spent || now >= journey.deadline() {
            let error = journey.telling(error);
            return Turn::GiveUp(self.spent(journey, at, error));
        }
        if let Some(turn) = self.same(journey, at, step, &error, now) {
            return turn;
        }
        if !unsent || journey.last.is_none() {
            journey.last = Some((at, error));
        }
        self.begin(journey)
    }

    /// The same target again, if that may help; else it is out.
    fn same(
        &self,
        journey: &mut Journey,
        at: usize,
        step: Step,
        error: &Error,
        now: Instant,
    ) -> Option<Turn> {
        let again = match step {
            Step::Again(after) => self.again(journey, at, after, now),
            Step::OtherKey => self.other_key(journey, at, error, now),
            Step::Elsewhere { same } => {
                let alone = journey.plan.left().all(|(other, _)| other == at);
                match error.advice() {
                    // Nobody was asked, and nobody else is there: it may have room in a moment.
                    Advice::Elsewhere { rest } if alone && is_our_own(error) => {
                        self.wait(journey, rest.clamp(ROOM_WAIT, WAIT_MAX), now)
                    }
                    _ if alone && same => self.again(journey, at, None, now),
                    _ => None,
                }
            }
            Step::Bigger(need) => {
                journey.plan.need(need, at);
                return None;
            }
            Step::GiveUp => None,
        };
        if again.is_none() {
            journey.plan.exclude(at);
        }
        again
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
        let asked = journey.funded.opened().call.controls.retries;
        if journey.here >= u32::from(asked.unwrap_or(stop.target.vendor.retries)) || !fits {
            return None;
        }
        if !stop.target.health().budget.lock().again(now) {
            return None;
        }
        journey.here += 1;
        // Keys that were refused rest; what was only too fast may go again after the wait.
        journey.tried = Tried::default();
        // It rests for everybody else, and maybe its breaker has opened over this very failure.
        journey.forced = true;
        Some(Turn::Ask { at, wait })
    }

    fn other_key(&self, journey: &Journey, at: usize, error: &Error, now: Instant) -> Option<Turn> {
        let target = &journey.plan.stop(at)?.target;
        // A key that does not rest will be refused again, by every call: that has a budget.
        let free = !matches!(error.advice(), Advice::OtherKey { rest } if rest.is_zero());
        target.vendor.keys.lend(journey.tried, now).ok()?;
        if !free && !target.health().budget.lock().again(now) {
            return None;
        }
        Some(Turn::Ask { at, wait: Duration::ZERO })
    }

    /// Nobody may be asked at the moment. Whoever can be the soonest is asked all the same, one
    /// call at a time, since failing at once helps nobody; one who rests at a provider's own wish
    /// is waited for, as long as the call has time.
    fn least_bad(&self, journey: &mut Journey, now: Instant) -> Turn {
        let standing = |stop: &Stop| {
            let breaker = stop.target.health().breaker.lock();
            // A breaker may be forced. Keys that rest may not, and their vendor says until when.
            let vendor = &stop.target.vendor;
            let own = journey.funded.opened().call.controls.own_key(&vendor.name);
            let keys = if own.is_some() { None } else { vendor.keys.back(now) };
            let resting = breaker.resting(now).max(keys);
            let limited = resting.is_some() && breaker.is_limited(now);
            (resting.max(breaker.forced_until(now)), limited)
        };
        let soonest = journey.plan.left().map(|(at, stop)| (at, standing(stop)));
        let Some((at, (until, limited))) = soonest.min_by_key(|(_, (until, _))| *until) else {
            return Turn::GiveUp(Error::new(Kind::Internal, "a plan without a target"));
        };
        let Some(until) = until else {
            journey.forced = true;
            return Turn::Ask { at, wait: Duration::ZERO };
        };
        let wait = until.saturating_duration_since(now);
        self.wait(journey, wait, now).unwrap_or_else(|| {
            let text = "every provider of this model has asked to be left alone for a while";
            let kind = if limited { Kind::UpstreamRateLimited } else { Kind::Busy };
            Turn::GiveUp(Error::new(kind, text).advise(Advice::Again { after: Some(wait) }))
        })
    }

    /// A wait, if the call has time for it.
    fn wait(&self, journey: &Journey, wait: Duration, now: Instant) -> Option<Turn> {
        let spread = u64::try_from(wait.min(SPREAD).as_micros()).unwrap_or(0).max(1);
        let wait = wait + Duration::from_micros(self.entropy.next_u64() % spread);
        let fits = journey.waited + wait <= WAIT_MAX + SPREAD && now + wait < journey.deadline();
        fits.then_some(Turn::Wait(wait))
    }

    pub(super) fn choose(&self, journey: &Journey, now: Instant) -> Option<usize> {
        let opened = journey.funded.opened();
        let how = opened.model.policy.balance;
        let random = self.entropy.next_u64();
        let session = || session(&opened.call);
        let funded = &journey.funded;
        let open = |stop: &Stop| open(funded, stop, now);
        journey.plan.next(how, session, random, open, |stop| standing(funded, stop, now))
    }

    /// Nothing is left to try. Whoever asked must not try it all again.
    pub(super) fn spent(&self, journey: &Journey, at: usize, error: Error) -> Error {
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

impl Journey {
    /// What the caller is told: what a provider said, rather than that we left one alone.
    fn telling(&mut self, error: Error) -> Error {
        match self.last.take() {
            Some((_, earlier)) if is_our_own(&error) => earlier,
            _ => error,
        }
    }
}

/// Whether the gate refused, and nobody was asked.
fn is_our_own(error: &Error) -> bool {
    let ours = matches!(error.kind(), Kind::UpstreamOverloaded | Kind::UpstreamQuota);
    ours && error.fault().is_none() && std::error::Error::source(error).is_none()
}

/// Providers keep what they have read of a prompt from about this length on.
const KEPT_TOKENS_MIN: u32 = 1_024;
/// Enough of a body to tell one beginning of a prompt from another.
const PREFIX_BYTES: usize = 1_024;

/// What keeps a call with those that went before it: the session it names, or else the beginning of
/// a long prompt, which its provider may still have.
fn session(call: &Call) -> Option<u64> {
    if let Some(session) = &call.controls.session {
        return Some(plan::hash(session.as_bytes()));
    }
    let Payload::Raw { bytes, .. } = &call.payload else { return None };
    let long = call.peek.input_tokens_estimate >= KEPT_TOKENS_MIN;
    let key = plan::hash(call.grant.principal.key.0.as_bytes());
    long.then(|| key ^ plan::hash(&bytes[..bytes.len().min(PREFIX_BYTES)]))
}
