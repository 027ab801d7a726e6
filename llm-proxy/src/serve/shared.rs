//! What replicas share through Redis: windows, places of running calls, answers, and word of keys
//! that have changed.
//!
//! The actors are the *Redis*, which the gateway counts and remembers with for as long as it
//! answers, the *listener* (hears what other replicas have changed) and the *publisher* (tells them
//! what was changed here). A Redis that is slow or away is no failure, at the start or later: each
//! replica then lets in its part of every limit, and looks at the store for changed keys.
//!
//! Deliberately absent: money, which accounts keep, and anything that must not be lost.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use llm_core::principal::KeyId;
use llm_core::seam::Clock;
use llm_core::store::Counters;
use llm_providers::builder::GatewayBuilder;
use llm_store::directory::{KnownKeys, SqlDirectory, Told};
use llm_store::redis::{Redis, Settings, State, Tally};
use tokio::sync::mpsc;

use super::store::NotOpened;
use crate::config::Config;

/// Changes that wait to be published: a burst of administration while Redis takes its time. What
/// finds no room is seen by others when they next look at the store, a second later.
const NEWS_MAX: usize = 256;

/// What a replica has in common with others.
pub(crate) struct Shared {
    redis: Redis,
    replicas: NonZeroU32,
}

/// Connects, or goes on without; `None` where no Redis is configured.
pub(super) async fn open(
    config: &Config,
    clock: Arc<dyn Clock>,
) -> Result<Option<Shared>, NotOpened> {
    let Some(place) = &config.store.redis else { return Ok(None) };
    let zone = config.server.time_zone.1.clone();
    let settings = Settings { zone, ..Settings::new(place.secret.expose().clone()) };
    let redis = Redis::connect(&settings, clock).await.map_err(NotOpened::Redis)?;
    if let State::Degraded { why, .. } = redis.state() {
        tracing::warn!(%why, "redis does not answer; starting without it");
    }
    Ok(Some(Shared { redis, replicas: config.store.replicas }))
}

impl Shared {
    /// Has the gateway count and remember with it.
    pub(super) fn lend(&self, gateway: GatewayBuilder) -> GatewayBuilder {
        let redis = Arc::new(self.redis.clone());
        let gateway = gateway.counters(Arc::clone(&redis) as _, self.replicas);
        gateway.slots(Arc::clone(&redis) as _).cache_store(redis)
    }

    /// What replicas count with, and how many of them there are.
    pub(super) fn counters(&self) -> (&dyn Counters, NonZeroU32) {
        (&self.redis, self.replicas)
    }

    /// From now on others are told of what is changed in this directory, and what they tell is
    /// forgotten here.
    pub(super) fn tell(&self, directory: &SqlDirectory, known: &Arc<KnownKeys>) {
        let (known, news) = (Arc::clone(known), self.redis.revocations());
        // Both end with the runtime: nobody asks for keys then.
        tokio::spawn(async move { known.hear(news).await });
        let (out, changed) = mpsc::channel(NEWS_MAX);
        let heard = directory.listen(Box::new(move |told| match told {
            Told::Keys(keys) => {
                // Without room: see above.
                let _ = out.try_send(keys.to_vec());
            }
            // More than can be named: others see it when they next look.
            Told::All => {}
        }));
        if !heard {
            tracing::warn!("other replicas are not told of changed keys: they look every second");
        }
        tokio::spawn(publish(self.redis.clone(), changed));
    }

    /// What happened so far.
    pub(super) fn tally(&self) -> Tally {
        self.redis.tally()
    }

    /// Whether it does without Redis now.
    pub(super) fn is_degraded(&self) -> bool {
        match self.redis.state() {
            State::Up => false,
            State::Degraded { .. } => true,
        }
    }
}

async fn publish(redis: Redis, mut changed: mpsc::Receiver<Vec<KeyId>>) {
    while let Some(keys) = changed.recv().await {
        // A hint that is lost costs a second: nothing is tried again.
        if let Err(why) = redis.publish(&keys).await {
            tracing::debug!(%why, "other replicas were not told of changed keys");
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("redis", &self.redis).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests;
