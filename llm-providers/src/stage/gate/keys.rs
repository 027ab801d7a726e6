//! A vendor's keys: used in turn, and left alone when the vendor says so.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use llm_core::Str;
use llm_core::error::Kind;
use llm_core::provider::{Credential, LimitHint};
use parking_lot::Mutex;

/// More keys than anyone has; a call remembers in a word which of them it has tried.
pub const KEYS_MAX: usize = 64;
/// A key that was refused is tried again after an hour at the latest: somebody may have mended it.
const REST_MAX: Duration = Duration::from_hours(1);

/// A pool.
pub struct Keys {
    keys: Vec<Key>,
    turn: AtomicUsize,
}

struct Key {
    credential: Arc<Credential>,
    /// Whether anything is held against it. Mostly nothing is, and then no call locks anything here.
    marked: AtomicBool,
    rest: Mutex<Option<Rest>>,
    /// Used when no other is at hand: its answers say that nothing is left.
    spare_until: Mutex<Option<Instant>>,
    /// What its vendor said last of its limits, and when.
    told: Mutex<Option<(LimitHint, Instant)>>,
}

/// A key is left alone.
#[derive(Clone, Copy, Debug)]
struct Rest {
    since: Instant,
    until: Instant,
    why: Standing,
}

/// Whether a key is used, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Up,
    /// Too much was asked of it.
    Limited,
    /// Its vendor does not know it.
    Rejected,
    /// Nothing is left of what was paid for: only its owner can change that.
    InsufficientQuota,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Up, Self::Limited, Self::Rejected, Self::InsufficientQuota];

    /// The word for it in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Limited => "limited",
            Self::Rejected => "rejected",
            Self::InsufficientQuota => "insufficient_quota",
        }
    }

    /// What a failure that asks for another key says of this one.
    pub(super) fn after(kind: Kind) -> Self {
        if kind == Kind::UpstreamQuota {
            Self::InsufficientQuota
        } else if kind == Kind::UpstreamKeyRejected {
            Self::Rejected
        } else {
            Self::Limited
        }
    }
}

/// A key as an operator sees it.
#[derive(Clone, Debug)]
pub struct KeyState {
    /// Its name in the configuration.
    pub id: Str,
    /// Whether it is used.
    pub standing: Standing,
    /// What its vendor said last of its limits.
    pub told: Option<LimitHint>,
    /// How long ago.
    pub told_ago: Duration,
}

impl Key {
    fn is_marked(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }

    fn rests_until(&self, now: Instant) -> Option<Instant> {
        if !self.is_marked() {
            return None;
        }
        self.rest.lock().map(|rest| rest.until).filter(|until| now < *until)
    }

    fn is_spared(&self, now: Instant) -> bool {
        self.is_marked() && self.spare_until.lock().is_some_and(|until| now < until)
    }
}

/// Keys that a call has tried, by their number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u64);

/// A key on loan.
#[derive(Clone, Copy, Debug)]
pub struct Lent {
    number: usize,
    at: Instant,
}

impl Keys {
    /// A pool of keys; those beyond [`KEYS_MAX`] are left out.
    pub fn new(keys: impl IntoIterator<Item = Arc<Credential>>) -> Self {
        let key = |credential| Key {
            credential,
            marked: AtomicBool::new(false),
            rest: Mutex::default(),
            spare_until: Mutex::default(),
            told: Mutex::default(),
        };
        let keys = keys.into_iter().take(KEYS_MAX).map(key).collect();
        Self { keys, turn: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The next key that neither rests nor was tried; else the instant at which the first rest
    /// ends (`None` when every key was tried).
    pub fn lend(&self, tried: Tried, now: Instant) -> Result<Lent, Option<Instant>> {
        // One key has no turns to take.
        let turn = if self.keys.len() > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let mut first: Option<Instant> = None;
        let mut spare = None;
        for step in 0..self.keys.len() {
            let number = (turn + step) % self.keys.len();
            if tried.has(number) {
                continue;
            }
            let key = &self.keys[number];
            match key.rests_until(now) {
                Some(until) => first = Some(first.map_or(until, |f| f.min(until))),
                None if key.is_spared(now) => {
                    spare = spare.or(Some(number));
                }
                None => return Ok(Lent { number, at: now }),
            }
        }
        spare.map(|number| Lent { number, at: now }).ok_or(first)
    }

    /// The key that is lent. `None` if it is of another pool.
    pub fn credential(&self, lent: &Lent) -> Option<&Arc<Credential>> {
        self.keys.get(lent.number).map(|key| &key.credential)
    }

    /// What a vendor says of a key's limits.
    pub fn told(&self, lent: &Lent, told: LimitHint, now: Instant) {
        if let Some(key) = self.keys.get(lent.number) {
            *key.told.lock() = Some((told, now));
        }
        if let Some(spent) = told.spent_for() {
            self.spare(lent, spent, now);
        }
    }

    /// All keys, for whoever looks on.
    pub fn states(&self, now: Instant) -> Vec<KeyState> {
        let state = |key: &Key| {
            let rest = key.rest.lock().filter(|rest| now < rest.until);
            let told = *key.told.lock();
            KeyState {
                id: key.credential.id.clone(),
                standing: rest.map_or(Standing::Up, |rest| rest.why),
                told: told.map(|(told, _)| told),
                told_ago: told.map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(at)),
            }
        };
        self.keys.iter().map(state).collect()
    }

    /// A key whose vendor says that nothing is left of its limits. Others go first; it is not left
    /// out, because what is told is when a window is whole again, and not when the next call fits.
    pub fn spare(&self, lent: &Lent, told: Duration, now: Instant) {
        if let Some(key) = self.keys.get(lent.number) {
            let mut spare = key.spare_until.lock();
            *spare = Some(now + told.min(REST_MAX));
            key.marked.store(true, Ordering::Relaxed);
        }
    }

    /// When the first key is back, if all rest.
    pub fn back(&self, now: Instant) -> Option<Instant> {
        let mut first = None;
        for key in &self.keys {
            let until = key.rests_until(now)?;
            first = Some(first.map_or(until, |f: Instant| f.min(until)));
        }
        first
    }

    /// Whether any key may be used now.
    pub fn any(&self, now: Instant) -> bool {
        self.keys.iter().any(|key| key.rests_until(now).is_none())
    }

    /// A key is done for a while. A longer rest is never cut short.
    pub fn rest(&self, lent: &Lent, rest: Duration, why: Standing, now: Instant) {
        if let Some(key) = self.keys.get(lent.number).filter(|_| !rest.is_zero()) {
            let mut now_resting = key.rest.lock();
            let until = now + rest.min(REST_MAX);
            if now_resting.is_none_or(|resting| resting.until < until) {
                *now_resting = Some(Rest { since: now, until, why });
            }
            key.marked.store(true, Ordering::Relaxed);
        }
    }

    /// A key was accepted: whatever was held against it when it was lent is past.
    pub fn accepted(&self, lent: &Lent) {
        let Some(key) = self.keys.get(lent.number).filter(|key| key.is_marked()) else { return };
        let mut rest = key.rest.lock();
        let _ = rest.take_if(|rest| rest.since < lent.at);
        let spare = key.spare_until.lock();
        if rest.is_none() && spare.is_none_or(|until| until < lent.at) {
            // With both in hand: whoever marks it anew waits for one of them.
            key.marked.store(false, Ordering::Relaxed);
        }
    }

    /// What is known of the keys of an earlier pool, for those that are in this one as well.
    pub(crate) fn inherit(&self, before: &Self) {
        for key in &self.keys {
            // By the key itself: one that another name or place has is the same to its vendor.
            let same = |old: &&Key| old.credential.key == key.credential.key;
            if let Some(old) = before.keys.iter().find(same) {
                let (rest, spare) = (*old.rest.lock(), *old.spare_until.lock());
                (*key.rest.lock(), *key.spare_until.lock()) = (rest, spare);
                *key.told.lock() = *old.told.lock();
                key.marked.store(rest.is_some() || spare.is_some(), Ordering::Relaxed);
            }
        }
    }
}

impl Tried {
    fn has(self, number: usize) -> bool {
        self.0 & (1 << (number % KEYS_MAX)) != 0
    }

    /// With one more.
    #[must_use]
    pub fn with(self, lent: &Lent) -> Self {
        Self(self.0 | 1 << (lent.number % KEYS_MAX))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn pool(count: usize) -> Keys {
        let key = |n| Arc::new(Credential { id: format!("key {n}").into(), key: None });
        Keys::new((0..count).map(key))
    }

    fn lent(keys: &Keys, tried: Tried, now: Instant) -> String {
        let lent = keys.lend(tried, now).unwrap();
        keys.credential(&lent).unwrap().id.to_string()
    }

    #[test]
    fn keys_take_turns_and_resting_ones_are_left_out() {
        let (keys, now) = (pool(3), start());
        let names = || lent(&keys, Tried::default(), now);
        assert_eq!([names(), names(), names(), names()], ["key 0", "key 1", "key 2", "key 0"]);
        let second = keys.lend(Tried::default(), now).unwrap();
        keys.rest(&second, Duration::from_secs(60), Standing::InsufficientQuota, now);
        keys.rest(&second, Duration::from_secs(1), Standing::Limited, now);
        let states = keys.states(now);
        let standing: Vec<_> = states.iter().map(|key| key.standing.name()).collect();
        assert_eq!(standing, ["up", "insufficient_quota", "up"]);
        assert!((0..9).all(|_| names() != "key 1"));
        let later = now + Duration::from_secs(61);
        assert!((0..3).any(|_| lent(&keys, Tried::default(), later) == "key 1"));
    }

    /// Whose limits are used up goes last, and still goes before nobody.
    #[test]
    fn a_key_with_nothing_left_is_spared_but_not_left_out() {
        let (keys, now) = (pool(2), start());
        let first = keys.lend(Tried::default(), now).unwrap();
        keys.spare(&first, Duration::from_secs(60), now);
        let name = |tried| lent(&keys, tried, now);
        assert!((0..4).all(|_| name(Tried::default()) == "key 1"));
        let second = keys.lend(Tried::default(), now).unwrap();
        assert_eq!(name(Tried::default().with(&second)), "key 0");
        let later = now + Duration::from_secs(61);
        let ids = (0..2).map(|_| keys.lend(Tried::default(), later).unwrap().number);
        assert_eq!(ids.sum::<usize>(), 1, "both again");
    }

    #[test]
    fn who_has_tried_all_gets_none_and_who_waits_learns_for_how_long() {
        let (keys, now) = (pool(2), start());
        let mut tried = Tried::default();
        for _ in 0..2 {
            let lent = keys.lend(tried, now).unwrap();
            tried = tried.with(&lent);
        }
        assert_eq!(keys.lend(tried, now).unwrap_err(), None);
        for rest in [30, 20] {
            let lent = keys.lend(Tried::default(), now).unwrap();
            keys.rest(&lent, Duration::from_secs(rest), Standing::Limited, now);
        }
        let first = keys.lend(Tried::default(), now).unwrap_err();
        assert_eq!(first, Some(now + Duration::from_secs(20)));
    }
}
