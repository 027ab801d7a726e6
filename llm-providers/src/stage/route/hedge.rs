//! A second asking when the first is slower than usual: before anything is committed, of another
//! target, and of few calls in a hundred.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use llm_core::call::Operation;
use llm_core::error::Error;
use parking_lot::Mutex;

use super::plan::Standing;
use super::{Attempt, Journey, RouteStage};
use crate::reply::Reply;
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
/// attempt is dropped, and what it cost is not the caller's.
pub(super) async fn ask<N: Next<Attempt>>(
    route: &RouteStage,
    journey: &mut Journey,
    at: usize,
    first: Attempt,
    next: &N,
) -> Result<Reply, Error> {
    route.hedges.call();
    let slow = first.target.health().pace.lock().slow();
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
    let number = first.number;
    let main = Box::pin(next.run(first));
    let Some(delay) = slow.filter(|_| cheap) else { return main.await };
    let main = match select(main, route.clock.sleep(delay.max(DELAY_MIN))).await {
        Either::Left((done, _)) => return done,
        Either::Right(((), main)) => main,
    };
    let Some(second) = other(route, journey, at) else { return main.await };
    let (bill, spare) = (journey.funded.clone(), second.number);
    match select(main, Box::pin(next.run(second))).await {
        Either::Left((Ok(reply), _)) => {
            bill.bill().lost(spare);
            Ok(reply)
        }
        Either::Right((Ok(reply), _)) => {
            bill.bill().lost(number);
            Ok(reply)
        }
        // One has failed: the other is all there is.
        Either::Left((Err(_), rest)) => rest.await,
        Either::Right((Err(_), rest)) => rest.await,
    }
}

fn other(route: &RouteStage, journey: &mut Journey, asked: usize) -> Option<Attempt> {
    let asked = journey.plan.stop(asked).map(|stop| stop.target.id.clone())?;
    let now = route.clock.now();
    let random = route.entropy.next_u64();
    let how = journey.funded.opened().model.policy.balance;
    let at = journey.plan.next(how, None, random, |stop| {
        let standing = super::standing(&journey.funded, stop, now);
        Standing { open: standing.open && stop.target.id != asked, ..standing }
    })?;
    if !route.hedges.take() {
        return None;
    }
    journey.attempt(at, false)
}
