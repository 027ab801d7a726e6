//! How much may be tried again at a target, all calls together.
//!
//! A tenth of what comes in, and one a second so that a quiet target is not left without any: in a
//! total outage of it our calls grow by a tenth, and not by the number of our retries.

use std::time::Instant;

/// Retries for each first attempt.
const RATIO: f64 = 0.1;
/// Retries a second, whatever comes in.
const TRICKLE: f64 = 1.0;
/// What may be saved up: ten seconds of trickle.
const SAVED_MAX: f64 = 10.0;

/// What is left for a target.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget {
    tokens: f64,
    at: Option<Instant>,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: TRICKLE, at: None }
    }
}

impl RetryBudget {
    /// A first attempt is made.
    pub fn first(&mut self, now: Instant) {
        self.flow(now);
        self.tokens = (self.tokens + RATIO).min(SAVED_MAX);
    }

    /// Whether one may be tried again; takes it.
    pub fn again(&mut self, now: Instant) -> bool {
        self.flow(now);
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        debug_assert!(self.tokens >= 0.0 && self.tokens <= SAVED_MAX);
        may
    }

    fn flow(&mut self, now: Instant) {
        let since = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.tokens = (self.tokens + since * TRICKLE).min(SAVED_MAX);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the pattern of failures: attempts ≤ 1.1 × calls + 1/s × t, and what was saved.
        #[test]
        fn retries_stay_within_a_tenth(
            steps in prop::collection::vec((0..400u64, 0..5u8), 1..600),
        ) {
            #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
            let start = Instant::now();
            let (mut budget, mut now) = (RetryBudget::default(), start);
            let (mut first, mut again) = (0.0, 0.0);
            for (wait, wanted) in steps {
                now += Duration::from_millis(wait);
                budget.first(now);
                first += 1.0;
                for _ in 0..wanted {
                    again += f64::from(u8::from(budget.again(now)));
                }
                let since = now.duration_since(start).as_secs_f64();
                prop_assert!(again <= RATIO * first + TRICKLE * (since + 1.0) + 1e-6);
            }
        }
    }

    #[test]
    fn a_quiet_target_may_be_tried_again_and_a_busy_broken_one_hardly() {
        #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
        let now = Instant::now();
        let mut budget = RetryBudget::default();
        budget.first(now);
        assert!(budget.again(now));
        assert!(!budget.again(now));
        let mut busy = RetryBudget::default();
        let again = (0..1_000).filter(|_| {
            busy.first(now);
            busy.again(now)
        });
        assert!((95..=105).contains(&again.count()));
    }
}
