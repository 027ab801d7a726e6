//! Token pace: so many tokens in so long, with a burst, that can be given back.
//!
//! The generic cell rate algorithm on one word: the *theoretical arrival time* at which all that
//! was admitted would have arrived at exactly the rate. What lies between it and now is backlog,
//! and backlog never exceeds the burst. Kept beside the limiter for requests because that one
//! cannot take anything back, and a call's tokens are known only when it has ended.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A pace of tokens. Shared without a lock.
#[derive(Debug)]
pub struct Gcra {
    epoch: Instant,
    /// Nanoseconds since the epoch.
    arrival_ns: AtomicU64,
    period_ns: u64,
    rate: NonZeroU64,
    burst: u64,
    burst_ns: u64,
}

/// Tokens that were let through, until [`Gcra::settle`] says how many there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paced {
    tokens: u64,
    /// The arrival time behind them: once that has passed, time itself has given them back.
    until_ns: u64,
}

/// Why tokens were not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// They would be after so long, if nobody else came.
    For(Duration),
    /// They are more than the burst: they never would.
    Never,
}

/// Longer bursts than this many nanoseconds (146 years) would overflow what they are added to.
const BURST_NS_MAX: u64 = u64::MAX / 4;

impl Gcra {
    /// `rate` tokens in each `period`, at most `burst` at once. `None` when nothing could pass or
    /// the numbers go beyond what a clock has.
    pub fn new(rate: NonZeroU64, period: Duration, burst: u64, epoch: Instant) -> Option<Self> {
        let period_ns = u64::try_from(period.as_nanos()).ok().filter(|ns| *ns > 0)?;
        let mut pace =
            Self { epoch, arrival_ns: AtomicU64::new(0), period_ns, rate, burst, burst_ns: 0 };
        pace.burst_ns = pace.cost(burst);
        (burst > 0 && pace.burst_ns <= BURST_NS_MAX).then_some(pace)
    }

    /// The most that passes at once.
    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// Lets `n` tokens through, or says how long they would have to wait.
    pub fn reserve(&self, n: u64, now: Instant) -> Result<Paced, Wait> {
        if n > self.burst {
            return Err(Wait::Never);
        }
        let (cost, now) = (self.cost(n), self.since_epoch(now));
        let until = |arrival: u64| arrival.max(now).saturating_add(cost);
        let moved = self.arrival_ns.try_update(Ordering::AcqRel, Ordering::Acquire, |arrival| {
            let until = until(arrival);
            (until - now <= self.burst_ns).then_some(until)
        });
        match moved {
            Ok(before) => Ok(Paced { tokens: n, until_ns: until(before) }),
            Err(arrival) => {
                let early = until(arrival) - now - self.burst_ns;
                debug_assert!(early > 0, "refused without a reason to wait");
                Err(Wait::For(Duration::from_nanos(early)))
            }
        }
    }

    /// Corrects what was let through to what was used. More than was reserved counts even past the
    /// burst: it has flowed. Less is given back as far as time has not done so already; otherwise
    /// whoever lets calls linger could save up refunds and spend them at once.
    pub fn settle(&self, paced: Paced, used: u64, now: Instant) {
        let now = self.since_epoch(now);
        let (reserved, used) = (self.cost(paced.tokens), self.cost(used));
        let live = paced.until_ns.saturating_sub(now);
        let back = reserved.saturating_sub(used).min(live);
        let more = used.saturating_sub(reserved);
        debug_assert!(back == 0 || more == 0);
        if back == 0 && more == 0 {
            return;
        }
        self.arrival_ns.update(Ordering::AcqRel, Ordering::Acquire, |arrival| {
            if more > 0 {
                arrival.max(now).saturating_add(more)
            } else {
                // Below now is the same as now: the allowance is the burst and no more.
                arrival.saturating_sub(back)
            }
        });
    }

    /// How many tokens would pass.
    pub fn remaining(&self, now: Instant) -> u64 {
        let room = self.burst_ns.saturating_sub(self.backlog_ns(now));
        let tokens = u128::from(room) * u128::from(self.rate.get()) / u128::from(self.period_ns);
        u64::try_from(tokens).map_or(self.burst, |tokens| tokens.min(self.burst))
    }

    /// How long until all of the burst is there again; zero means that nothing is remembered.
    pub fn backlog(&self, now: Instant) -> Duration {
        Duration::from_nanos(self.backlog_ns(now))
    }

    fn backlog_ns(&self, now: Instant) -> u64 {
        self.arrival_ns.load(Ordering::Acquire).saturating_sub(self.since_epoch(now))
    }

    /// Rounded up, so that no sum of small calls passes more than one large one.
    fn cost(&self, tokens: u64) -> u64 {
        let ns = u128::from(tokens) * u128::from(self.period_ns);
        u64::try_from(ns.div_ceil(u128::from(self.rate.get()))).unwrap_or(u64::MAX)
    }

    fn since_epoch(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
