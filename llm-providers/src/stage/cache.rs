//! Answers from recordings, and one upstream call for all who ask the same at once.
//!
//! Off unless a model's policy has it. Below the money: a caller who cannot fund a miss is refused
//! before a recording is looked for, and every reader has a hold of its own, of which a hit takes
//! the policy's price. Above the routing: a recording answers whatever target made it. The rooms:
//! `key` says which questions are the same, `shelf` keeps answers, `flight` shares one that is under
//! way, `course` says how that goes, `tail` reads either; `alike` finds answers to similar questions,
//! for policies that want them.

pub mod alike;
mod bell;
mod coalesce;
mod course;
mod flight;
mod key;
mod recording;
mod shelf;
mod shown;
mod tail;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use llm_core::call::{CacheUse, Operation};
use llm_core::error::Error;
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::CacheKey;

use self::alike::{Alike, Embedder};
use self::coalesce::{Aboard, Flights, is_shared};
use self::course::Course;
use self::flight::{Head, Log, Seat};
use self::recording::Recording;
use self::tail::{Owed, Replay, Tail, passed, unasked};
use super::record::{Opened, ReceiptCell};
use super::reserve::Funded;
use super::{Either, Next, Stage, race};
use crate::model::CachePolicy;
use crate::reply::{CacheState, Reply, ReplyBody, ReplyHead, Source};

pub(crate) use shelf::Shelf;

/// How often a call goes along with one that fails, before the failure is its own. Each time one of
/// those who waited asks again: so many calls hit a provider that is down, however many wait.
const FOLLOWS_MAX: usize = 1;

/// The work has its caller's deadline itself; beyond it something has broken down.
const LEAD_GRACE: Duration = Duration::from_millis(200);

/// The stage.
pub struct CacheStage {
    shelf: Arc<Shelf>,
    flights: Arc<Flights>,
    /// Similar questions, where somebody said what is similar.
    alike: Option<Alike>,
    clock: Arc<dyn Clock>,
}

impl CacheStage {
    /// Over a shelf.
    pub(crate) fn new(
        shelf: Arc<Shelf>,
        embedder: Option<Arc<dyn Embedder>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let alike = embedder.map(|embedder| Alike::new(embedder, Arc::clone(&clock)));
        Self { shelf, flights: Arc::default(), alike, clock }
    }
}

impl Stage for CacheStage {
    type In = Funded;
    type Out = Funded;

    async fn run<N: Next<Funded>>(&self, funded: Funded, next: &N) -> Result<Reply, Error> {
        match key_of(funded.opened()) {
            None => next.run(funded).await,
            // Boxed: what is not kept does not carry it.
            Some(key) => Box::pin(self.kept(key, funded, next)).await,
        }
    }
}

impl CacheStage {
    /// An answer that may be kept, or be there already.
    async fn kept<N: Next<Funded>>(
        &self,
        key: CacheKey,
        funded: Funded,
        next: &N,
    ) -> Result<Reply, Error> {
        let Opened { call, model, .. } = funded.opened();
        let Some(policy) = &model.policy.cache else { return next.run(funded).await };
        let mut wish = call.controls.cache;
        if let Some(age) = call.controls.cache_age
            && self.is_older(&key, call.operation, age).await
        {
            wish = match wish {
                CacheUse::Use | CacheUse::Refresh => CacheUse::Refresh,
                CacheUse::NoStore | CacheUse::Off => return next.run(funded).await,
            };
        }
        if wish != CacheUse::Refresh
            && let Some(kept) = self.shelf.near(&key).await
        {
            return Ok(self.replay(&funded, policy, kept));
        }
        // What is alike may be of any age.
        if wish == CacheUse::Use
            && call.controls.cache_age.is_none()
            && let Some(kept) = self.like(&key, &funded, policy).await
        {
            let mut reply = self.replay(&funded, policy, kept);
            if let CacheState::Hit { age_s } = reply.head.cache {
                reply.head.cache = CacheState::Alike { age_s };
            }
            return Ok(reply);
        }
        let mut follows = 0;
        loop {
            let aboard = match wish {
                CacheUse::Use | CacheUse::Refresh => {
                    let refresh = wish == CacheUse::Refresh;
                    let work = |log| self.work(log, &key, &funded, policy, (refresh, next));
                    self.flights.board(&key, refresh, work)
                }
                // It may go along, and leaves nothing behind.
                CacheUse::NoStore | CacheUse::Off => {
                    self.flights.join(&key).map_or(Aboard::Alone, Aboard::Follows)
                }
            };
            match aboard {
                Aboard::Leads(seat) => return self.lead(seat, &funded, policy).await,
                Aboard::Follows(seat) => match self.follow(seat, &funded, policy).await {
                    Err(error) if !is_shared(&error) && follows < FOLLOWS_MAX => {
                        follows += 1;
                        // Somebody else may have had more luck meanwhile.
                        if wish != CacheUse::Refresh
                            && let Some(kept) = self.shelf.near(&key).await
                        {
                            return Ok(self.replay(&funded, policy, kept));
                        }
                    }
                    answered => return answered,
                },
                Aboard::Alone => return self.alone(&key, &funded, policy, next).await,
            }
        }
    }

    /// Whether what is kept is older than a caller would have it.
    async fn is_older(&self, key: &CacheKey, of: Operation, age: Duration) -> bool {
        let mut kept = self.shelf.near(key).await;
        if kept.is_none() {
            kept = self.shelf.far(key, of).await;
        }
        kept.is_some_and(|kept| kept.age(self.clock.now()) > age)
    }

    /// The answer to a similar question. When there is none, ours will be one to the next.
    async fn like(
        &self,
        key: &CacheKey,
        funded: &Funded,
        policy: &CachePolicy,
    ) -> Option<Arc<Recording>> {
        let (alike, least) = (self.alike.as_ref()?, policy.alike?);
        let place = alike.place(funded.opened()).await?;
        for recording in alike.find(&place, least) {
            match self.shelf.near(&recording).await {
                Some(kept) => return Some(kept),
                None => alike.missed(&place, &recording),
            }
        }
        alike.note(place, key);
        None
    }

    /// The first who asks.
    async fn lead(
        &self,
        mut seat: Seat,
        funded: &Funded,
        policy: &CachePolicy,
    ) -> Result<Reply, Error> {
        let left = funded.opened().call.deadline.0.saturating_duration_since(self.clock.now());
        let head = std::future::poll_fn(|cx| seat.poll_head(cx));
        let head = match race(head, || self.clock.sleep(left + LEAD_GRACE)).await {
            Either::First(head) => head?,
            Either::Second(()) => return Err(passed()),
        };
        match head {
            Head::Kept(kept) => Ok(self.replay(funded, policy, kept)),
            Head::Live(head) => {
                funded.opened().model.metrics.cache.miss.inc();
                let until = funded.opened().call.deadline.0;
                let clock = Arc::clone(&self.clock);
                let tail = Tail::leader(seat, unasked(funded, &head), until, clock);
                Ok(reply(Box::new(ReplyHead { cache: CacheState::Miss, ..*head }), tail))
            }
        }
    }

    /// One who asks the same meanwhile.
    async fn follow(
        &self,
        mut seat: Seat,
        funded: &Funded,
        policy: &CachePolicy,
    ) -> Result<Reply, Error> {
        let deadline = funded.opened().call.deadline.0;
        let left = deadline.saturating_duration_since(self.clock.now());
        let head = std::future::poll_fn(|cx| seat.poll_head(cx));
        let head = match race(head, || self.clock.sleep(left)).await {
            Either::First(head) => head?,
            Either::Second(()) => return Err(passed()),
        };
        match head {
            Head::Kept(kept) => Ok(self.replay(funded, policy, kept)),
            Head::Live(head) => {
                funded.opened().model.metrics.cache.coalesced.inc();
                let owed = Owed { funded: funded.clone(), price: policy.price };
                let hidden = unasked(funded, &head);
                let tail = Tail::follower(seat, hidden, owed, Arc::clone(&self.clock));
                let cache = CacheState::Coalesced;
                let head = ReplyHead { attempts: 0, fallbacks: 0, cache, limits: None, ..*head };
                Ok(reply(Box::new(head), tail))
            }
        }
    }

    /// One who cannot go along, or must not leave anything behind.
    async fn alone<N: Next<Funded>>(
        &self,
        key: &CacheKey,
        funded: &Funded,
        policy: &CachePolicy,
        next: &N,
    ) -> Result<Reply, Error> {
        let opened = funded.opened();
        if let Some(kept) = self.shelf.far(key, opened.call.operation).await {
            return Ok(self.replay(funded, policy, kept));
        }
        opened.model.metrics.cache.miss.inc();
        let mut reply = next.run(funded.clone()).await?;
        reply.head.cache = CacheState::Miss;
        Ok(reply)
    }

    fn replay(&self, funded: &Funded, policy: &CachePolicy, kept: Arc<Recording>) -> Reply {
        funded.opened().model.metrics.cache.hit.inc();
        let owed = Owed { funded: funded.clone(), price: policy.price };
        let head = kept.replayed(self.clock.now());
        let hidden = unasked(funded, &head);
        reply(Box::new(head), Replay::new(kept, hidden, owed))
    }

    /// What a flight does, from the second look at the shelf to the last byte.
    fn work<N: Next<Funded>>(
        &self,
        log: Arc<Log>,
        key: &CacheKey,
        funded: &Funded,
        policy: &CachePolicy,
        (refresh, next): (bool, &N),
    ) -> BoxFuture<'static, ()> {
        let course = Course::new(self, log, key, funded, policy).refreshing(refresh);
        let (funded, next) = (funded.clone(), next.clone());
        Box::pin(course.fly(funded, next))
    }
}

/// The key of a call whose answer may be kept, or be there already.
fn key_of(Opened { call, model, .. }: &Opened) -> Option<CacheKey> {
    let policy = model.policy.cache.as_ref()?;
    // What somebody's own key bought is nobody else's, and not even its owner is known by it.
    let off = call.controls.cache == CacheUse::Off || call.controls.own_keys.is_some();
    let key = if off { None } else { key::key(call, model, policy.scope) };
    if key.is_none() {
        model.metrics.cache.bypass.inc();
    }
    key
}

fn reply(head: Box<ReplyHead>, source: impl Source + 'static) -> Reply {
    Reply { head, body: ReplyBody::new(Box::new(source)), receipt: ReceiptCell::default() }
}

impl fmt::Debug for CacheStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheStage").field("shelf", &self.shelf).finish_non_exhaustive()
    }
}
