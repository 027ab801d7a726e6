//! The whole pipeline in virtual time: many callers, failing providers, disconnects and swapped
//! configurations, with an auditor that looks at every step.
//!
//! The three seams are the world's own: a clock that only moves when everybody waits, randomness
//! that a seed begins, and the simulated providers in process. So one number reproduces a run to
//! the bit ([`Report::fingerprint`]). What the auditor checks, it checks from outside: it stands
//! around the ledger, the network and the request log, and reads what callers receive; it knows
//! nothing of stages. That it can see is proved by [`Planted`] mistakes, each of which it must
//! catch.

mod audit;
mod caller;
mod ledger;
mod load;
mod planted;
mod seams;
mod setting;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use self::audit::Audit;
use self::load::Load;
use self::setting::World;

pub use planted::Planted;

/// What to run.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Reproduces the run.
    pub seed: u64,
    /// How many calls.
    pub calls: u32,
    /// A mistake that somebody made.
    pub planted: Option<Planted>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What must never happen, and did.
    pub violations: Vec<String>,
    /// The same for the same seed.
    pub fingerprint: u64,
    /// Calls that ended with a whole answer.
    pub answered: u32,
    /// Calls that were refused or failed before anything was said.
    pub refused: u32,
    /// Calls that failed in the middle.
    pub broken: u32,
    /// Callers that left.
    pub left: u32,
    /// Requests that went upstream.
    pub sends: u32,
}

/// Lets what is under way come to rest: a body that was dropped is gone at once, and nothing else
/// may be left over.
const REST: Duration = Duration::from_secs(2);

/// Runs a world. Must be called within a runtime whose time is paused.
pub async fn run(setup: Setup) -> Report {
    let audit = Arc::new(Audit::new());
    let world = World::new(setup, &audit);
    let mut load = Load::new(setup.seed);
    let mut left = setup.calls;
    while left > 0 {
        let burst = load.burst(left);
        left -= u32::try_from(burst.len()).unwrap_or(left);
        world.disturb(&mut load);
        let mut calls: FuturesUnordered<_> =
            burst.into_iter().map(|plan| caller::call(&world, plan)).collect();
        while calls.next().await.is_some() {}
        drop(calls);
        world.clock.advance(load.pause()).await;
        if load.chance(8) {
            world.clock.advance(REST).await;
            audit.at_rest(&world);
        }
    }
    world.clock.advance(REST).await;
    audit.at_rest(&world);
    audit.report()
}
