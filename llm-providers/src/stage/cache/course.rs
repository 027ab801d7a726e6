//! What a flight does, from the second look at the shelf to the last byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::Observed;
use llm_core::seam::Clock;
use llm_core::store::{CacheKey, label};

use super::coalesce::Flights;
use super::flight::{Head, Log, breathe};
use super::recording::Recording;
use super::{CacheStage, Shelf};
use crate::model::CachePolicy;
use crate::reply::{Reply, ReplyHead, Source, Step};
use crate::stage::Next;
use crate::stage::record::Opened;
use crate::stage::reserve::{Funded, HoldGuard};

/// Where a flight goes.
pub(super) struct Course {
    shelf: Arc<Shelf>,
    flights: Arc<Flights>,
    clock: Arc<dyn Clock>,
    key: CacheKey,
    log: Arc<Log>,
    ttl: Duration,
    /// What is kept is not looked at.
    refresh: bool,
    age: u64,
    labels: Vec<Str>,
    /// The first caller's hold stays until the work has ended: the real cost is its to pay.
    share: HoldGuard,
}

impl Course {
    /// For the caller who begins it.
    pub(super) fn new(
        stage: &CacheStage,
        log: Arc<Log>,
        key: &CacheKey,
        funded: &Funded,
        policy: &CachePolicy,
    ) -> Self {
        // Readers who want the usage are given it, and the others are not shown it.
        funded.show_usage();
        let controls = &funded.opened().call.controls;
        Self {
            shelf: Arc::clone(&stage.shelf),
            flights: Arc::clone(&stage.flights),
            clock: Arc::clone(&stage.clock),
            key: key.clone(),
            log,
            ttl: controls.cache_ttl.map_or(policy.ttl, |ttl| ttl.min(policy.ttl)),
            refresh: false,
            age: stage.shelf.age(),
            labels: labels(funded.opened()),
            share: funded.oblige(),
        }
    }

    /// Without a look at what is kept, where its caller wants none of it.
    pub(super) fn refreshing(self, refresh: bool) -> Self {
        Self { refresh, ..self }
    }

    /// All the way.
    pub(super) async fn fly<N: Next<Funded>>(self, funded: Funded, next: N) {
        let call = &funded.opened().call;
        if !self.refresh {
            // A flight may have landed between our first look and our own beginning.
            let mut kept = self.shelf.near(&self.key).await;
            if kept.is_none() {
                kept = self.shelf.far(&self.key, call.operation).await;
            }
            if let Some(kept) = kept {
                drop(funded);
                return self.land(|log| log.begin(Head::Kept(kept)));
            }
        }
        match next.run(funded).await {
            Ok(reply) => self.read(reply).await,
            Err(error) => {
                self.land(|log| log.end(Bytes::new(), &Observed::default(), Err(error)));
            }
        }
    }

    async fn read(self, reply: Reply) {
        let Reply { head, mut body, receipt: _ } = reply;
        self.log.begin(Head::Live(head.clone()));
        loop {
            match std::future::poll_fn(|cx| body.poll_step(cx)).await {
                Step::Bytes(piece) if piece.is_empty() => {}
                Step::Bytes(piece) => {
                    self.log.push(piece, body.observed());
                    breathe().await;
                }
                Step::Last(last) => {
                    let seen = body.observed().clone();
                    drop(body);
                    self.keep(*head, &last, &seen).await;
                    return self.land(|log| log.end(last, &seen, Ok(())));
                }
                Step::Failed(error) => {
                    let seen = body.observed().clone();
                    drop(body);
                    return self.land(|log| log.end(Bytes::new(), &seen, Err(error)));
                }
            }
        }
    }

    /// It is over, and then that is told: by now what was lent below is back, the share in the hold
    /// too, so that nobody sees an end that is not paid for; and the name is free, so that whoever
    /// asks again begins anew.
    fn land(self, tell: impl FnOnce(&Log)) {
        let Self { flights, key, log, share, .. } = self;
        drop(share);
        flights.forget(&key, &log);
        tell(&log);
    }

    async fn keep(&self, head: ReplyHead, last: &Bytes, seen: &Observed) {
        let named = self.flights.finds(&self.key, &self.log);
        if self.ttl.is_zero() || !named || !Recording::is_worth(head.operation, seen) {
            return;
        }
        let Some(body) = self.log.whole(last) else { return };
        let recorded = self.clock.now();
        let Some(expires) = recorded.checked_add(self.ttl.min(TTL_MAX)) else { return };
        let (seen, labels) = (seen.clone(), self.labels.clone());
        let recording = Recording { head, body, seen, labels, recorded, expires };
        self.shelf.keep(&self.key, Arc::new(recording), self.age).await;
    }
}

/// Nothing is kept for longer, whatever a policy says.
const TTL_MAX: Duration = Duration::from_hours(24 * 366);

/// What an answer can be forgotten by.
fn labels(opened: &Opened) -> Vec<Str> {
    let principal = &opened.call.grant.principal;
    let mut labels = opened.call.controls.tags.clone();
    labels.truncate(TAGS_MAX);
    labels.push(label("key", &principal.key.0));
    labels.push(label("model", &opened.model.name));
    if let Some(user) = &principal.user {
        labels.push(label("user", &user.0));
    }
    labels
}

/// Tags of a caller by which its answers can be forgotten.
const TAGS_MAX: usize = 32;
