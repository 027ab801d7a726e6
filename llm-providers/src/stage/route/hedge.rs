//! A second asking when the first is slower than usual: before anything is committed, of another
//! target, and of few calls in a hundred.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use llm_core::call::Operation;
use llm_core::error::Error;
use parking_lot::Mutex;

use super::{Asked, Attempt, Journey, RouteStage, Step, decide};
use crate::stage::Next;

/// Second askings, all models together: at most one for twenty calls.
#[derive(Clone, Debug, Default)]
pub struct Hedges(Arc<Mutex<f64>>);

const RATIO: f64 = 0.05;
const SAVED_MAX: f64 = 10.0;
/// No answer is that much in a hurry.
const DELAY_MIN: Duration = Duration::from_millis(20);

impl Hedges {
    fn call(&self) {
        let mut saved = self.0.lock();
        *saved = (*saved + RATIO).min(SAVED_MAX);
    }

    fn take(&self) -> bool {
        let mut saved = self.0.lock();
        let may = *saved >= 1.0;
        if may {
            *saved -= 1.0;
        }
        may
    }
}

/// Asks, and asks another target too when this one is slow. The first answer wins; the other
/// attempt is dropped, and what it cost is not the caller's. When one fails, the other is all there
/// is, unless it would only say the same.
pub(super) async fn ask<N: Next<Attempt>>(
    route: &RouteStage,
    journey: &mut Journey,
    at: usize,
    first: Attempt,
    next: &N,
) -> Asked {
    route.hedges.call();
    let stream = first.funded.opened().call.peek.stream;
    let slow = first.target.health().pace(stream).lock().slow();
    let cheap = match first.funded.opened().call.operation {
        Operation::Chat | Operation::Embed | Operation::Rerank | Operation::Moderate => true,
        Operation::Transcribe
        | Operation::Translate
        | Operation::Speech
        | Operation::Image
        | Operation::CountTokens
        | Operation::ListModels
        | Operation::Passthrough => false,
        _ => false,
    };
    let (number, note) = (first.number, first.key_note.clone());
    let done = |answer| Asked { at, note: note.clone(), answer };
    let main = Box::pin(next.run(first));
    let Some(delay) = slow.filter(|_| cheap) else { return done(main.await) };
    let main = match select(main, route.clock.sleep(delay.max(DELAY_MIN))).await {
        Either::Left((answer, _)) => return done(answer),
        Either::Right(((), main)) => main,
    };
    let Some((beside, second)) = other(route, journey, at) else { return done(main.await) };
    let (bill, spare, noted) = (journey.funded.clone(), second.number, second.key_note.clone());
    let done_beside = |answer| Asked { at: beside, note: noted.clone(), answer };
    // Until it has won: whoever leaves meanwhile has not asked for it.
    bill.bill().lost(spare);
    let policy = &journey.funded.opened().model.policy;
    let settled = |error: &Error| decide(error, policy.refiltered) == Step::GiveUp;
    match select(main, Box::pin(next.run(second))).await {
        Either::Left((answer, rest)) => match answer {
            Err(error) if !settled(&error) => {
                journey.note_failure(at, &error);
                journey.plan.exclude(at);
                bill.bill().kept(spare);
                done_beside(rest.await)
            }
            answer => done(answer),
        },
        Either::Right((answer, rest)) => match answer {
            // It was asked beside; whatever it does not like, the first one may.
            Err(error) => {
                journey.note_failure(beside, &error);
                journey.plan.exclude(beside);
                done(rest.await)
            }
            answer => {
                bill.bill().kept(spare);
                bill.bill().lost(number);
                done_beside(answer)
            }
        },
    }
}

fn other(route: &RouteStage, journey: &mut Journey, asked: usize) -> Option<(usize, Attempt)> {
    let asked = journey.plan.stop(asked).map(|stop| stop.target.id.clone())?;
    let now = route.clock.now();
    let random = route.entropy.next_u64();
    let how = journey.funded.opened().model.policy.balance;
    let at = journey.plan.next(
        how,
        || None,
        random,
        |stop| stop.target.id != asked && super::open(&journey.funded, stop, now),
        |stop| super::standing(&journey.funded, stop, now),
    )?;
    if !route.hedges.take() {
        return None;
    }
    Some((at, journey.attempt(at)?))
}
