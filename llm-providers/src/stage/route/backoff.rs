//! How long to wait before the same target is asked again.

use std::sync::LazyLock;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// A provider may ask for more, up to here.
const ASKED_MAX: Duration = Duration::from_secs(60);
const STEPS: usize = 8;

/// The ceilings, without jitter: chance enters through the seam, so that a seed repeats a run.
static CEILINGS: LazyLock<Vec<Duration>> = LazyLock::new(|| {
    let schedule = ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .with_factor(2.0)
        .with_max_times(STEPS);
    schedule.build().collect()
});

/// The wait before a repetition, counted from 0. Full jitter below the schedule's ceiling; what the
/// provider asked for is a floor.
pub(super) fn wait(repetition: u32, asked: Option<Duration>, random: u64) -> Duration {
    let last = CEILINGS.len().saturating_sub(1);
    let at = usize::try_from(repetition).unwrap_or(last).min(last);
    let ceiling = CEILINGS.get(at).copied().unwrap_or(LONGEST);
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
    let drawn = Duration::from_micros(random % micros.max(1));
    match asked {
        // Everybody was asked to wait as long: they must not all come back at the same instant.
        Some(asked) => asked.min(ASKED_MAX) + drawn.min(FIRST),
        None => drawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_below_their_ceiling() {
        let most = |n| (0..1_000u64).map(|r| wait(n, None, r * 7_919 * 104_729)).max().unwrap();
        assert!(most(0) <= FIRST && most(0) > FIRST * 8 / 10);
        assert!(most(2) <= FIRST * 4 && most(2) > FIRST * 3);
        assert!(most(40) <= LONGEST && most(40) > LONGEST * 9 / 10);
    }

    #[test]
    fn what_a_provider_asks_for_is_a_floor_with_a_lid() {
        let asked = Duration::from_secs(7);
        assert!((0..100).all(|r| wait(3, Some(asked), r) >= asked));
        assert!(wait(0, Some(Duration::from_secs(1_000_000_000)), 1) <= ASKED_MAX + FIRST);
    }
}
