//! What a process remembers of keys, so that no call waits for a database.
//!
//! The actors are the *rings* (what is known, with room for so many and no more), the *gates* (of
//! all who ask for the same unknown key at once, one asks the directory), and the *worker* (looks
//! once a second at what others have changed). A key that is remembered is a hash look-up behind
//! a shared lock; nothing is allocated.
//!
//! | | remembered for | when the directory does not answer |
//! | --- | --- | --- |
//! | a key | 60 s, and no longer than it works | goes on, up to five minutes after it was last seen |
//! | a key that may not | 60 s | the same |
//! | no key | 2 s | an error: whoever is not known then is not a stranger, but unknown |
//!
//! What is changed here is forgotten before the change is answered. A look-up that began before a
//! change and ends after it is asked anew, so that it never brings back what was taken away.
//!
//! Deliberately absent: keys in the clear, and every question that is not about one key.

mod gate;
mod ring;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::KeyId;
use llm_core::seam::{BoxFuture, Clock};
use llm_core::store::{Directory, KeyHash, Shown, StoreError};
use parking_lot::RwLock;

use super::{SqlDirectory, Told};
use gate::Gates;
use ring::{Entry, Ring};

/// Calls of different keys rarely meet at one lock.
const SHARDS: usize = 16;
/// How often a look-up is asked anew because something changed meanwhile. After that what it says
/// is answered and not remembered.
const ANEW_MAX: u32 = 2;

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys at once. At some 200 bytes each beside their grants.
    pub keys_max: usize,
    /// Texts that are no keys at once: those who guess must not push out those who are known.
    pub strangers_max: usize,
    /// How long a key is taken for what it was.
    pub fresh: Duration,
    /// The same for what is no key: somebody may be issuing it elsewhere.
    pub stranger: Duration,
    /// How long a key goes on when the directory does not answer.
    pub stale: Duration,
    /// After a failure, for how long the directory is not asked again.
    pub pause: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            keys_max: 100_000,
            strangers_max: 4_096,
            fresh: Duration::from_secs(60),
            stranger: Duration::from_secs(2),
            stale: Duration::from_secs(300),
            pause: Duration::from_secs(1),
        }
    }
}

/// What a process knows of keys.
pub struct KnownKeys {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    begin: Instant,
    shards: [Shard; SHARDS],
    gates: Gates,
    /// Grows with all that is forgotten.
    forgotten: AtomicU64,
    /// When the directory may be asked again, in milliseconds since the beginning.
    out_until: AtomicU64,
    /// How far the changes were read; none yet.
    cursor: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    keys: RwLock<Ring>,
    strangers: RwLock<Ring>,
}

/// What is remembered of a print.
enum Memory {
    /// This, for sure.
    Fresh(Shown),
    /// This, some time ago.
    Stale(Shown),
    /// Nothing.
    None,
}

impl KnownKeys {
    /// Over any directory.
    pub fn new(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>, bounds: Bounds) -> Self {
        let shard = |_| Shard {
            keys: RwLock::new(Ring::new(bounds.keys_max.div_ceil(SHARDS))),
            strangers: RwLock::new(Ring::new(bounds.strangers_max.div_ceil(SHARDS))),
        };
        Self {
            begin: clock.now(),
            directory,
            clock,
            bounds,
            shards: std::array::from_fn(shard),
            gates: Gates::default(),
            forgotten: AtomicU64::new(0),
            out_until: AtomicU64::new(0),
            cursor: AtomicU64::new(u64::MAX),
        }
    }

    /// Over the one in SQL, which tells it at once what is changed here.
    pub fn of(directory: &SqlDirectory, clock: Arc<dyn Clock>, bounds: Bounds) -> Arc<Self> {
        let known = Arc::new(Self::new(Arc::new(directory.clone()), clock, bounds));
        // Not to keep each other alive.
        let weak = Arc::downgrade(&known);
        directory.listen(Box::new(move |told| {
            let Some(known) = weak.upgrade() else { return };
            match told {
                Told::Keys(keys) => known.forget(keys),
                Told::All => known.forget_all(),
            }
        }));
        known
    }

    /// What is remembered for sure, without asking anybody.
    pub fn known(&self, print: &KeyHash) -> Option<Shown> {
        match self.remembered(print, self.clock.now()) {
            Memory::Fresh(shown) => Some(shown),
            Memory::Stale(_) | Memory::None => None,
        }
    }

    /// What a key is. An error means that nobody knows, which is not that there is no such key.
    pub async fn grant(&self, print: &KeyHash) -> Result<Shown, StoreError> {
        let stale = match self.remembered(print, self.clock.now()) {
            Memory::Fresh(shown) => return Ok(shown),
            Memory::Stale(shown) => Some(shown),
            Memory::None => None,
        };
        let asked = self.look(print).await;
        asked.or_else(|why| stale.filter(|_| why.retryable()).ok_or(why))
    }

    /// What belongs to these keys is looked up anew, and so is whatever was no key.
    pub fn forget(&self, keys: &[KeyId]) {
        if keys.is_empty() {
            return;
        }
        // First: a look-up that is under way sees that it began before.
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let keys: std::collections::HashSet<&KeyId> = keys.iter().collect();
        for shard in &self.shards {
            shard
                .keys
                .write()
                .retain(|entry| entry.line.as_ref().is_some_and(|l| !keys.contains(l)));
            shard.strangers.write().clear();
        }
    }

    /// Everything is looked up anew.
    pub fn forget_all(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        for shard in &self.shards {
            shard.keys.write().clear();
            shard.strangers.write().clear();
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.keys.read().len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, print: &KeyHash) -> &Shard {
        // Prints are keyed hashes: any byte of them is as good as another.
        &self.shards[usize::from(print.0[31]) % SHARDS]
    }

    fn remembered(&self, print: &KeyHash, now: Instant) -> Memory {
        let shard = self.shard(print);
        if let Some(entry) = shard.keys.read().get(print) {
            let age = now.saturating_duration_since(entry.seen);
            if age >= self.bounds.stale || self.ended(entry) {
                return Memory::None;
            }
            let shown = entry.shown.clone();
            return if age < self.bounds.fresh {
                Memory::Fresh(shown)
            } else {
                Memory::Stale(shown)
            };
        }
        match shard.strangers.read().get(print) {
            Some(entry) if now.saturating_duration_since(entry.seen) < self.bounds.stranger => {
                Memory::Fresh(Shown::Unknown)
            }
            Some(_) | None => Memory::None,
        }
    }

    /// Whether time alone has made it less. What the calendar says counts, since that is what its
    /// end was written by.
    fn ended(&self, entry: &Entry) -> bool {
        let Shown::Known { until: Some(until), .. } = &entry.shown else { return false };
        Timestamp::try_from(self.clock.wall()).is_ok_and(|wall| wall >= *until)
    }

    /// Asks the directory, unless somebody else is doing so.
    async fn look(&self, print: &KeyHash) -> Result<Shown, StoreError> {
        self.not_out()?;
        let gate = self.gates.enter(print).ok_or_else(busy)?;
        let _turn = gate.wait().await;
        // Whoever was here before may have brought it along, or found out that there is nobody.
        if let Memory::Fresh(shown) = self.remembered(print, self.clock.now()) {
            return Ok(shown);
        }
        self.not_out()?;
        let mut anew = 0;
        loop {
            let before = self.forgotten.load(Ordering::SeqCst);
            // As old as its question, not as its answer.
            let seen = self.clock.now();
            let shown = match self.directory.grant(print).await {
                Ok(shown) => shown,
                Err(why) => {
                    self.fail();
                    return Err(why);
                }
            };
            if self.keep(print, &shown, seen, before) || anew == ANEW_MAX {
                return Ok(shown);
            }
            anew += 1;
        }
    }

    /// Remembers it, unless something was forgotten since it was asked for.
    fn keep(&self, print: &KeyHash, shown: &Shown, seen: Instant, before: u64) -> bool {
        let shard = self.shard(print);
        let (mut keys, mut strangers) = (shard.keys.write(), shard.strangers.write());
        // Under the locks that whoever forgets takes after counting.
        if self.forgotten.load(Ordering::SeqCst) != before {
            return false;
        }
        let line = match shown {
            Shown::Known { grant, .. } => Some(grant.principal.key.clone()),
            Shown::Barred | Shown::Unknown => None,
        };
        let entry = Entry::new(*print, shown.clone(), line, seen);
        match shown {
            Shown::Known { .. } | Shown::Barred => {
                strangers.remove(print);
                keys.put(entry);
            }
            Shown::Unknown => {
                keys.remove(print);
                strangers.put(entry);
            }
        }
        true
    }

    fn millis(&self) -> u64 {
        let passed = self.clock.now().saturating_duration_since(self.begin);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// The directory did not answer: for a moment nobody waits to hear that again.
    fn fail(&self) {
        let pause = u64::try_from(self.bounds.pause.as_millis()).unwrap_or(u64::MAX);
        self.out_until.store(self.millis().saturating_add(pause), Ordering::Relaxed);
    }

    fn not_out(&self) -> Result<(), StoreError> {
        if self.millis() < self.out_until.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable(Str::from_static("keys cannot be looked up")));
        }
        Ok(())
    }
}

fn busy() -> StoreError {
    StoreError::Unavailable(Str::from_static("too many unknown keys at once"))
}

impl fmt::Debug for KnownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownKeys").field("keys", &self.len()).finish_non_exhaustive()
    }
}

/// A directory that remembers is one.
impl Directory for KnownKeys {
    fn grant<'a>(&'a self, key: &'a KeyHash) -> BoxFuture<'a, Result<Shown, StoreError>> {
        Box::pin(self.grant(key))
    }

    fn changed(&self, since: u64) -> BoxFuture<'_, Result<(Vec<KeyId>, u64), StoreError>> {
        self.directory.changed(since)
    }
}

#[cfg(test)]
mod tests;
