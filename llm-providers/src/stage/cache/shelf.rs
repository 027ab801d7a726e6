//! Where recordings stand: near, in memory and weighed by bytes, and far, in a store that replicas
//! share.
//!
//! The near ones are not packed: a hit shares their bytes. How old an entry is, the clock of the
//! gateway says; the map's own, which is real time, is only an upper bound. The far store is asked
//! for a moment and written behind the answer, and whatever is wrong with it is a miss. Deliberately
//! absent: an index of labels. Forgetting is rare, what is near is bounded, and an index would have
//! to be kept in step with every eviction; so it looks at all.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llm_core::call::Operation;
use llm_core::seam::Clock;
use llm_core::store::{CacheKey, CacheStore, Purge};
use moka::Expiry;
use moka::future::Cache;

use super::recording::Recording;
use crate::stage::{Either, race};

/// What a far store may take to answer: beyond it, asking the provider is as good.
const FAR_WAIT: Duration = Duration::from_millis(50);
/// What it may take to write, behind the answer.
const PUT_WAIT: Duration = Duration::from_secs(5);
/// Writes under way; a store that is slower than the answers come misses some.
const PUTS_MAX: usize = 64;
/// Entries looked at before others get their turn, when something is forgotten.
const STEP: usize = 256;

/// Both places.
pub(crate) struct Shelf {
    near: Cache<CacheKey, Arc<Recording>>,
    far: Option<Arc<dyn CacheStore>>,
    clock: Arc<dyn Clock>,
    /// How often something was forgotten: what was asked before that is not kept after it.
    purges: Arc<AtomicU64>,
    puts: Arc<AtomicUsize>,
}

/// Entries end with their own time to live.
struct Each;

impl Expiry<CacheKey, Arc<Recording>> for Each {
    fn expire_after_create(
        &self,
        _: &CacheKey,
        kept: &Arc<Recording>,
        _: Instant,
    ) -> Option<Duration> {
        Some(kept.expires.saturating_duration_since(kept.recorded))
    }

    fn expire_after_update(
        &self,
        _: &CacheKey,
        kept: &Arc<Recording>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.expires.saturating_duration_since(kept.recorded))
    }
}

impl Shelf {
    /// With room for so many bytes near.
    pub(crate) fn new(bytes: u64, far: Option<Arc<dyn CacheStore>>, clock: Arc<dyn Clock>) -> Self {
        let near = Cache::builder()
            .max_capacity(bytes)
            .weigher(|_, kept: &Arc<Recording>| kept.weight())
            .expire_after(Each)
            .build();
        Self { near, far, clock, purges: Arc::default(), puts: Arc::default() }
    }

    /// What is near and fresh.
    pub(super) async fn near(&self, key: &CacheKey) -> Option<Arc<Recording>> {
        let kept = self.near.get(key).await?;
        if self.clock.now() < kept.expires {
            return Some(kept);
        }
        self.near.invalidate(key).await;
        None
    }

    /// What is far and fresh; from now on it is near as well.
    pub(super) async fn far(&self, key: &CacheKey, of: Operation) -> Option<Arc<Recording>> {
        let far = self.far.as_ref()?;
        let age = self.age();
        let bytes = match race(far.get(key), || self.clock.sleep(FAR_WAIT)).await {
            Either::First(Ok(bytes)) => bytes?,
            Either::First(Err(error)) => {
                tracing::debug!(%error, "the cache's store failed");
                return None;
            }
            Either::Second(()) => return None,
        };
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let kept = Arc::new(Recording::decode(&bytes, key, of, now, wall)?);
        self.put(key, Arc::clone(&kept), age).await;
        Some(kept)
    }

    /// The age of what is on the shelf: a recording of an earlier one is not kept.
    pub(super) fn age(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Keeps a recording that was asked for at that age, near and far.
    pub(super) async fn keep(&self, key: &CacheKey, kept: Arc<Recording>, age: u64) {
        if self.put(key, Arc::clone(&kept), age).await {
            self.send(key, &kept, age);
        }
    }

    async fn put(&self, key: &CacheKey, kept: Arc<Recording>, age: u64) -> bool {
        if self.age() != age {
            return false;
        }
        self.near.insert(key.clone(), kept).await;
        // Somebody forgot while we wrote: what they meant to forget may be ours.
        if self.age() != age {
            self.near.invalidate(key).await;
            return false;
        }
        true
    }

    /// Writes behind the answer: a caller does not wait for a store.
    fn send(&self, key: &CacheKey, kept: &Arc<Recording>, age: u64) {
        let Some(far) = &self.far else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.puts.fetch_add(1, Ordering::Relaxed) >= PUTS_MAX {
            self.puts.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (far, key, kept) = (Arc::clone(far), key.clone(), Arc::clone(kept));
        let (clock, puts) = (Arc::clone(&self.clock), Arc::clone(&self.puts));
        let purges = Arc::clone(&self.purges);
        runtime.spawn(async move {
            let ttl = kept.expires.saturating_duration_since(kept.recorded);
            let bytes = kept.encode(&key, clock.now(), clock.wall());
            // What was forgotten meanwhile must not come back.
            let bytes = bytes.filter(|_| purges.load(Ordering::SeqCst) == age);
            if let Some(bytes) = bytes {
                let put = far.put(&key, bytes, ttl, &kept.labels);
                if let Either::First(Err(error)) = race(put, || clock.sleep(PUT_WAIT)).await {
                    tracing::debug!(%error, "the cache's store failed");
                }
                // Somebody forgot while it was written: it may be what they meant.
                if purges.load(Ordering::SeqCst) != age
                    && let Some(label) = kept.labels.first()
                {
                    let what = Purge::Tag(key.tenant.clone(), label.clone());
                    drop(race(far.purge(&what), || clock.sleep(PUT_WAIT)).await);
                }
            }
            puts.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// Forgets, near and far, and says how many: a recording that stood in both is one, so the
    /// larger count is it. What is under way is not kept either.
    pub(crate) async fn purge(&self, what: &Purge) -> u64 {
        self.purges.fetch_add(1, Ordering::SeqCst);
        let far = match &self.far {
            None => 0,
            Some(far) => match race(far.purge(what), || self.clock.sleep(PUT_WAIT)).await {
                Either::First(Ok(count)) => count,
                Either::First(Err(error)) => {
                    tracing::warn!(%error, "the cache's store did not forget");
                    0
                }
                Either::Second(()) => {
                    tracing::warn!("the cache's store did not forget in time");
                    0
                }
            },
        };
        // Behind the store: what was fetched from it in between is near by now.
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.forget(what).await.max(far)
    }

    async fn forget(&self, what: &Purge) -> u64 {
        let mut doomed = Vec::new();
        for (n, (key, kept)) in self.near.iter().enumerate() {
            if is_meant(what, &key, &kept) {
                doomed.push(key);
            }
            if n % STEP == STEP - 1 {
                yield_now().await;
            }
        }
        let mut count = 0;
        for key in doomed {
            count += u64::from(self.near.remove(&*key).await.is_some());
        }
        count
    }
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn is_meant(what: &Purge, key: &CacheKey, kept: &Recording) -> bool {
    match what {
        Purge::Tag(tenant, tag) => key.tenant == *tenant && kept.labels.contains(tag),
        Purge::Scope(tenant, scope) => key.tenant == *tenant && key.scope == *scope,
        Purge::Tenant(tenant) => key.tenant == *tenant,
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("bytes", &self.near.weighted_size()).finish_non_exhaustive()
    }
}
