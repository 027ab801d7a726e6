//! The world's time and chance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock, Entropy};

/// Time that moves only when everybody waits. The wall begins on a day of its own, so that the
/// windows of a run do not depend on when it is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorldClock {
    began: tokio::time::Instant,
}

/// A Monday in November 2026, a few minutes before midnight in Seoul.
const WALL_SECONDS: u64 = 1_794_840_900;

impl WorldClock {
    pub(super) fn new() -> Self {
        Self { began: tokio::time::Instant::now() }
    }

    /// Waits.
    pub(super) async fn advance(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }

    /// Since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(WALL_SECONDS) + self.began.elapsed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// Chance that a seed begins (SplitMix64).
#[derive(Debug)]
pub(super) struct Chance(AtomicU64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `n`.
    pub(super) fn below(&self, n: u64) -> u64 {
        self.next_u64() % n.max(1)
    }
}

impl Entropy for Chance {
    fn next_u64(&self) -> u64 {
        let step = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = step.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
