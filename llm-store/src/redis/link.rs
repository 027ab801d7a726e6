//! A way to the server: a connection, the deadline of every operation, and who notices that it is
//! out.
//!
//! The actors are *callers*, who wait [`DEADLINE`] at most and not at all once the breaker is down;
//! the *wire*, a connection that mends itself after a short break; and the *mender*, a task that
//! exists while the breaker is down and makes a new wire for each probe. An old wire is not
//! probed: behind a network that swallows packets it would be silent for as long as TCP repeats.
//! Deliberately absent: retries. Whether an operation happened is unknown when its deadline has
//! passed, and a caller would rather go on without than wait twice.

mod mending;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use llm_core::Str;
use llm_core::seam::Clock;
use llm_core::store::StoreError;
use parking_lot::Mutex;
use redis::aio::ConnectionManager;
use redis::{Client, RedisError, RedisResult};
use tokio::runtime::Handle;

use super::breaker::Breaker;
use super::fault::{Fault, fault};
pub(super) use mending::CONNECT_WAIT;

/// What any operation may take: a slow Redis is a dead one.
pub const DEADLINE: Duration = Duration::from_millis(50);
/// Who gives up so shortly before it was not in a hurry of their own.
const NEARLY: Duration = Duration::from_millis(40);

/// Whether Redis is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Up,
    /// It does not: everybody goes on without it, in the mode declared for that.
    Degraded {
        /// Since when.
        since: Instant,
        /// What was wrong last.
        why: Str,
    },
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations that failed, deadlines among them.
    pub failures: u64,
    /// Operations that were not tried, because it was known to be out.
    pub skipped: u64,
    /// How often it went out.
    pub outages: u64,
}

/// One way to a server.
pub(super) struct Link {
    client: Client,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    probe_key: String,
    health: Mutex<Health>,
    failures: AtomicU64,
    skipped: AtomicU64,
    outages: AtomicU64,
}

struct Health {
    breaker: Breaker,
    wire: Option<ConnectionManager>,
    why: Str,
    /// Which wire it is: what an older one still fails says nothing about this one.
    age: u64,
}

/// An operation under way. Counts as a failure when somebody else's patience ends first.
struct Waiting<'a> {
    link: &'a Arc<Link>,
    age: u64,
    since: Instant,
    done: bool,
}

impl Link {
    /// Tries once; if that fails the link is down, and the mender goes on.
    pub(super) async fn open(
        client: Client,
        clock: Arc<dyn Clock>,
        runtime: Handle,
        probe_key: String,
    ) -> Arc<Self> {
        let breaker = Breaker::new(clock.now());
        let why = Str::from_static("not connected yet");
        let health = Mutex::new(Health { breaker, wire: None, why, age: 0 });
        let [failures, skipped, outages] = [const { AtomicU64::new(0) }; 3];
        let link = Arc::new(Self {
            client,
            clock,
            runtime,
            probe_key,
            health,
            failures,
            skipped,
            outages,
        });
        match link.probe().await {
            Ok(wire) => link.mended(wire),
            Err(why) => {
                link.outages.fetch_add(1, Ordering::Relaxed);
                link.not_mended(why);
                link.mend();
            }
        }
        link
    }

    /// Carries out one operation within [`DEADLINE`], however many steps it has.
    pub(super) async fn run<T, F>(
        self: &Arc<Self>,
        operation: impl FnOnce(ConnectionManager) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        let (connection, age) = self.pass()?;
        let mut waiting = Waiting { link: self, age, since: self.clock.now(), done: false };
        let result = self.within(DEADLINE, operation(connection)).await;
        waiting.done = true;
        match result {
            Ok(Ok(value)) => {
                self.health.lock().well(age);
                Ok(value)
            }
            Ok(Err(error)) => Err(self.failed(&error, age)),
            Err(Late) => {
                self.strike(age, Late::WHY);
                Err(StoreError::Unavailable(Late::WHY))
            }
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn state(&self) -> State {
        let health = self.health.lock();
        match health.breaker.down_since() {
            None => State::Up,
            Some(since) => State::Degraded { since, why: health.why.clone() },
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Tally {
            failures: read(&self.failures),
            skipped: read(&self.skipped),
            outages: read(&self.outages),
        }
    }

    /// Says no at once when it is known to be out: before anything is written for nothing.
    pub(super) fn ready(&self) -> Result<(), StoreError> {
        match self.health.lock().breaker.down_since() {
            None => Ok(()),
            Some(_) => Err(self.skip()),
        }
    }

    fn skip(&self) -> StoreError {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        StoreError::Unavailable(Str::from_static("redis is out"))
    }

    fn pass(&self) -> Result<(ConnectionManager, u64), StoreError> {
        let health = self.health.lock();
        match (&health.wire, health.breaker.down_since()) {
            (Some(wire), None) => Ok((wire.clone(), health.age)),
            (None, _) | (_, Some(_)) => Err(self.skip()),
        }
    }

    async fn within<T>(&self, wait: Duration, step: impl Future<Output = T>) -> Result<T, Late> {
        match select(pin!(step), self.clock.sleep(wait)).await {
            Either::Left((value, _)) => Ok(value),
            Either::Right(((), _)) => Err(Late),
        }
    }

    fn failed(self: &Arc<Self>, error: &RedisError, age: u64) -> StoreError {
        let Fault { error: told, is_outage } = fault(error);
        tracing::debug!(error = %told, "redis failed");
        if is_outage {
            self.strike(age, Str::from(told.to_string()));
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.health.lock().well(age);
        }
        told
    }

    fn strike(self: &Arc<Self>, age: u64, why: Str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let mut health = self.health.lock();
        if health.age != age || !health.breaker.strike(now) {
            return;
        }
        health.why = why.clone();
        drop(health);
        tracing::warn!(%why, "redis is out; going on without it");
        self.outages.fetch_add(1, Ordering::Relaxed);
        self.mend();
    }
}

impl Health {
    fn well(&mut self, age: u64) {
        if self.age == age {
            self.breaker.well();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let waited = self.link.clock.now().saturating_duration_since(self.since);
        if waited >= NEARLY {
            self.link.strike(self.age, Late::WHY);
        }
    }
}

/// Nothing came in time.
struct Late;

impl Late {
    const WHY: Str = Str::from_static("redis: no answer in time");
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("state", &self.state()).finish_non_exhaustive()
    }
}
