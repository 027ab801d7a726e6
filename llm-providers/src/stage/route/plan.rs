//! Who can be asked for a call, in which order, and who is out.
//!
//! A plan is a small value of one call: targets in tiers, with marks. Choosing looks only at these
//! marks and at a snapshot of how each target is doing, so that it can be tested without a runtime.

use std::sync::Arc;

use llm_core::error::Need;
use smallvec::SmallVec;

use crate::model::Balance;
use crate::target::Target;

/// The targets of a call.
#[derive(Debug)]
pub(super) struct Plan {
    stops: SmallVec<[Stop; 6]>,
}

/// One target of a plan.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) target: Arc<Target>,
    pub(super) tier: u8,
    pub(super) weight: u32,
    /// Not to be asked again by this call.
    pub(super) out: bool,
}

/// How a target is doing at the moment of a choice among several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The lower, the sooner it answers.
    pub(super) score: f64,
    /// Calls under way.
    pub(super) in_flight: u32,
    /// What this call would cost at the most, in pieces of money.
    pub(super) cost: i64,
}

impl Plan {
    pub(super) fn new(stops: impl IntoIterator<Item = Stop>) -> Self {
        Self { stops: stops.into_iter().collect() }
    }

    pub(super) fn stop(&self, at: usize) -> Option<&Stop> {
        self.stops.get(at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.stops.is_empty()
    }

    /// All that are not out, with their places.
    pub(super) fn left(&self) -> impl Iterator<Item = (usize, &Stop)> {
        self.stops.iter().enumerate().filter(|(_, s)| !s.out)
    }

    /// A target is out.
    pub(super) fn exclude(&mut self, at: usize) {
        if let Some(stop) = self.stops.get_mut(at) {
            stop.out = true;
        }
    }

    /// Everybody is out who offers no more than the target at a place did.
    pub(super) fn need(&mut self, need: Need, than: usize) {
        let Some(failed) = self.stops.get(than).map(|s| s.target.capability) else { return };
        for stop in &mut self.stops {
            let has = stop.target.capability;
            let more = match need {
                // A window nobody told us may be larger.
                Need::Context => {
                    has.context_tokens_max == 0
                        || has.context_tokens_max > failed.context_tokens_max.max(1)
                }
                Need::Modality => {
                    (has.image_in && !failed.image_in)
                        || (has.audio_in && !failed.audio_in)
                        || (has.file_in && !failed.file_in)
                        || (has.video_in && !failed.video_in)
                }
                Need::Tools => has.tools && !failed.tools,
            };
            stop.out |= !more;
        }
        self.exclude(than);
    }

    /// The next to be asked: of the first tier in which anybody is `open`. How they are doing is asked
    /// only where there is a choice.
    pub(super) fn next(
        &self,
        how: Balance,
        session: impl Fn() -> Option<u64>,
        random: u64,
        open: impl Fn(&Stop) -> bool,
        standing: impl Fn(&Stop) -> Standing,
    ) -> Option<usize> {
        let last = self.stops.iter().map(|s| s.tier).max()?;
        for number in 0..=last {
            let of = self.left().filter(|(_, s)| s.tier == number);
            let tier: SmallVec<[(usize, &Stop); 6]> = of.filter(|(_, s)| open(s)).collect();
            match tier.as_slice() {
                [] => {}
                [(at, _)] => return Some(*at),
                several => {
                    let stands = |(at, stop): &(usize, &Stop)| (*at, standing(stop));
                    let tier: SmallVec<[_; 6]> = several.iter().map(stands).collect();
                    return self.choose(&tier, how, session(), random);
                }
            }
        }
        None
    }

    fn choose(
        &self,
        tier: &[(usize, Standing)],
        how: Balance,
        session: Option<u64>,
        random: u64,
    ) -> Option<usize> {
        if let Some(session) = session {
            return self.affine(tier, session);
        }
        let by = |key: &dyn Fn(&Standing) -> f64| {
            tier.iter().min_by(|a, b| key(&a.1).total_cmp(&key(&b.1))).map(|(at, _)| *at)
        };
        match how {
            Balance::Weighted => self.weighted(tier, random),
            Balance::LeastBusy => by(&|s| f64::from(s.in_flight) + s.score / 1e6),
            #[expect(clippy::cast_precision_loss, reason = "an order, not an amount")]
            Balance::Cheapest => by(&|s| s.cost as f64 + s.score / 1e6),
            Balance::Latency => {
                // Two by chance, the better of them: always taking the best would send everybody
                // to the same target at once.
                let one = self.weighted(tier, random)?;
                // Now and then whoever comes: one that nobody asks is never known to have got faster.
                if (random >> 59).is_multiple_of(LOOK_EVERY) {
                    return Some(one);
                }
                let others: SmallVec<[(usize, Standing); 6]> =
                    tier.iter().filter(|(at, _)| *at != one).copied().collect();
                let two = self.weighted(&others, random >> 32)?;
                let score = |at: usize| {
                    tier.iter().find(|(a, _)| *a == at).map_or(f64::MAX, |(_, s)| s.score)
                };
                Some(if score(two) < score(one) { two } else { one })
            }
        }
    }

    fn weighted(&self, tier: &[(usize, Standing)], random: u64) -> Option<usize> {
        let weight = |at: usize| u64::from(self.stops.get(at).map_or(0, |s| s.weight.max(1)));
        let all: u64 = tier.iter().map(|(at, _)| weight(*at)).sum();
        let mut drawn = random % all.max(1);
        for (at, _) in tier {
            match drawn.checked_sub(weight(*at)) {
                None => return Some(*at),
                Some(rest) => drawn = rest,
            }
        }
        None
    }

    /// The target that a session belongs to (rendezvous hashing: each target that comes or goes
    /// moves only its own sessions), unless it is much busier than the others.
    fn affine(&self, tier: &[(usize, Standing)], session: u64) -> Option<usize> {
        let weight = |at: usize| self.stops.get(at).map_or(1.0, |s| f64::from(s.weight.max(1)));
        let weights: f64 = tier.iter().map(|(at, _)| weight(*at)).sum();
        let all: f64 = tier.iter().map(|(_, s)| f64::from(s.in_flight)).sum();
        // A quarter above its share, and never less than two calls more.
        let roomy = |at: usize, s: &Standing| {
            f64::from(s.in_flight) <= all * weight(at) / weights * 1.25 + 2.0
        };
        let fastest = tier.iter().map(|(_, s)| s.score).fold(f64::MAX, f64::min);
        let rank = |at: usize| {
            let id = self.stops.get(at).map_or("", |s| &*s.target.id.0);
            #[expect(clippy::cast_precision_loss, reason = "a rank, not a number")]
            let drawn = (mix(session ^ hash(id.as_bytes())) >> 11) as f64 / (1u64 << 53) as f64;
            // In proportion to the weights: the highest of such draws is each one's as often.
            weight(at) / -drawn.max(f64::MIN_POSITIVE).ln()
        };
        let fit = tier.iter().filter(|(at, s)| roomy(*at, s) && s.score <= fastest * SLOW + SLACK);
        let best = fit.max_by(|(a, _), (b, _)| rank(*a).total_cmp(&rank(*b)));
        best.or_else(|| tier.first()).map(|(at, _)| *at)
    }
}

/// One choice in so many looks at anybody.
const LOOK_EVERY: u64 = 16;
/// What was read before is worth waiting for it so much longer than for the fastest, and no more.
const SLOW: f64 = 4.0;
const SLACK: f64 = 0.5;

/// FNV-1a, spread by a mixer: names are short, and the order must be the same on every replica.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let fold = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
