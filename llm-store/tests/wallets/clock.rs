//! A calendar that is moved by hand, also back; waits are as the machine's.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use llm_core::seam::{BoxFuture, Clock, Entropy};

/// 2027-01-15T08:00:00Z.
const BEGIN: i64 = 1_800_000_000_000_000;

#[derive(Debug)]
pub(crate) struct Calendar(AtomicI64);

impl Calendar {
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(BEGIN))
    }

    pub(crate) fn set(&self, micros: i64) {
        self.0.store(micros, Ordering::SeqCst);
    }

    pub(crate) fn micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.micros()).unwrap()
    }
}

impl Clock for Calendar {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(self.micros()).unwrap())
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

#[derive(Debug)]
pub(crate) struct Dice(pub(crate) AtomicI64);

impl Entropy for Dice {
    fn next_u64(&self) -> u64 {
        let next = self.0.fetch_add(1, Ordering::SeqCst) as u64;
        next.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678
    }
}
