//! How many calls a target can carry, learned from how long it takes to say its first word.
//!
//! Not from how long an answer takes: that is the length of the answer. Prompts are compared with
//! prompts of their size, for a long one takes longer to read. The best time is that of the last
//! ten minutes of live traffic, never of an idle target probed on purpose. Pure: time comes with
//! each call, and without calls nothing is learned.

use std::time::{Duration, Instant};

/// The learned limit of one target.
#[derive(Debug)]
pub struct Adaptive {
    limit: f64,
    max: u32,
    epoch: Instant,
    since: Instant,
    buckets: [Bucket; BUCKETS],
    /// Exchanges that ended in this window, and those of them that said "too much".
    ends: u32,
    overloads: u32,
    /// The most calls in flight in this window.
    peak: u32,
}

/// Prompts of about one size.
#[derive(Clone, Debug, Default)]
struct Bucket {
    samples: Vec<Duration>,
    /// The best of each past minute, and of this one.
    best: [Option<Duration>; BEST_MINUTES],
    minute: u64,
}

/// A target that may carry no two calls at once cannot show that it could carry more.
pub const LIMIT_MIN: u32 = 2;
/// How often the limit moves.
const WINDOW: Duration = Duration::from_secs(1);
/// How long the best time is remembered, minute by minute.
const BEST_MINUTES: usize = 10;
/// Upper bounds of prompt sizes in tokens; the last bucket has none.
const SIZES: [u64; BUCKETS - 1] = [256, 1_024, 4_096, 16_384, 65_536];
const BUCKETS: usize = 6;
/// A second of a busy target; what comes beyond is left out.
const SAMPLES_MAX: usize = 512;
/// Times within this factor of the best are no sign of a queue.
const TOLERANCE: f64 = 1.25;
/// The least that the limit falls to in one window because of slowness.
const GRADIENT_MIN: f64 = 0.5;
/// What an overload that the target itself names leaves of the limit.
const BACK_OFF: f64 = 0.7;
/// Percent of exchanges that may say "too much".
const OVERLOAD_PERCENT: u64 = 5;

impl Adaptive {
    /// Starts at `start`, never to leave [`LIMIT_MIN`]`..=max`.
    pub fn new(start: u32, max: u32, now: Instant) -> Self {
        let max = max.max(1);
        Self {
            limit: f64::from(start.clamp(LIMIT_MIN.min(max), max)),
            max,
            epoch: now,
            since: now,
            buckets: std::array::from_fn(|_| Bucket::default()),
            ends: 0,
            overloads: 0,
            peak: 0,
        }
    }

    /// How many may be in flight.
    pub fn limit(&self) -> u32 {
        // In range by construction; the cast rounds down.
        (self.limit as u32).clamp(LIMIT_MIN.min(self.max), self.max)
    }

    /// A call was sent, and with it so many are in flight.
    pub fn sent(&mut self, in_flight: u32) {
        self.peak = self.peak.max(in_flight);
    }

    /// A first word came after `took`.
    pub fn answered(&mut self, prompt_tokens: u64, took: Duration, now: Instant) {
        let minute = now.saturating_duration_since(self.epoch).as_secs() / 60;
        let size = SIZES.iter().position(|size| prompt_tokens <= *size).unwrap_or(BUCKETS - 1);
        let bucket = &mut self.buckets[size];
        bucket.see(took, minute);
        self.ends = self.ends.saturating_add(1);
        self.roll(now);
    }

    /// The target said that it has too much to do, or said nothing in time.
    pub fn overloaded(&mut self, now: Instant) {
        self.ends = self.ends.saturating_add(1);
        self.overloads = self.overloads.saturating_add(1);
        self.roll(now);
    }

    /// Once a window: moves the limit by what the window showed.
    fn roll(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) < WINDOW {
            return;
        }
        let overloaded = u64::from(self.overloads) * 100 > u64::from(self.ends) * OVERLOAD_PERCENT;
        // A caller who asks for little says nothing of how much the target could carry.
        let asked_for_more = f64::from(self.peak) * 2.0 >= self.limit;
        if overloaded {
            self.limit *= BACK_OFF;
        } else if asked_for_more && let Some(gradient) = self.gradient() {
            self.limit = gradient * self.limit + self.limit.sqrt();
        }
        let least = LIMIT_MIN.min(self.max);
        self.limit = self.limit.clamp(f64::from(least), f64::from(self.max));
        self.buckets.iter_mut().for_each(|bucket| bucket.samples.clear());
        (self.since, self.ends, self.overloads, self.peak) = (now, 0, 0, 0);
    }

    /// How much slower than at its best the target is, over all sizes of prompts, each with the
    /// weight of its calls. 1 is not slower; `None` is not known.
    fn gradient(&mut self) -> Option<f64> {
        let (mut sum, mut calls) = (0.0, 0.0);
        for bucket in &mut self.buckets {
            let (Some(best), Some(slow)) = (bucket.best(), bucket.ninetieth()) else { continue };
            let ratio = best.as_secs_f64() * TOLERANCE / slow.as_secs_f64().max(f64::EPSILON);
            let weight = bucket.samples.len() as f64;
            sum += ratio.clamp(GRADIENT_MIN, 1.0) * weight;
            calls += weight;
        }
        (calls > 0.0).then(|| sum / calls)
    }
}

impl Bucket {
    fn see(&mut self, took: Duration, minute: u64) {
        // Minutes without calls are forgotten one by one, all at most once.
        let passed = minute.saturating_sub(self.minute).min(BEST_MINUTES as u64);
        for back in 0..passed {
            self.best[place(minute - back)] = None;
        }
        self.minute = self.minute.max(minute);
        let best = &mut self.best[place(self.minute)];
        *best = Some(best.map_or(took, |best| best.min(took)));
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(took);
        }
    }

    fn best(&self) -> Option<Duration> {
        self.best.iter().flatten().min().copied()
    }

    fn ninetieth(&mut self) -> Option<Duration> {
        let last = self.samples.len().checked_sub(1)?;
        let (_, at, _) = self.samples.select_nth_unstable(last * 9 / 10);
        Some(*at)
    }
}

fn place(minute: u64) -> usize {
    (minute % BEST_MINUTES as u64) as usize
}

#[cfg(test)]
mod tests;
