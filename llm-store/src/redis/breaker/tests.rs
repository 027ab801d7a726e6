use proptest::prelude::*;

use super::*;

fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn open(breaker: &mut Breaker, now: Instant) {
    for n in 1..=STRIKES_MAX {
        assert_eq!(breaker.strike(now), n == STRIKES_MAX);
    }
}

#[test]
fn three_in_a_row_and_not_three_in_all() {
    let now = start();
    let mut breaker = Breaker::new(now);
    breaker.healed(now);
    for _ in 0..10 {
        assert!(!breaker.strike(now) && !breaker.strike(now));
        breaker.well();
    }
    assert_eq!(breaker.down_since(), None);
    open(&mut breaker, now);
    assert_eq!(breaker.down_since(), Some(now));
    assert!(!breaker.strike(now), "only one witness starts the probes");
}

#[test]
fn the_pause_grows_up_to_its_most_and_starts_again_after_calm() {
    let now = start();
    let mut breaker = Breaker::new(now);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        pauses.push(breaker.pause().as_millis());
        breaker.still_down();
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    breaker.healed(now);
    open(&mut breaker, now + Duration::from_secs(1));
    assert_eq!(breaker.pause(), PAUSE_MAX, "it answers probes and fails calls");
    breaker.healed(now);
    open(&mut breaker, now + CALM);
    assert_eq!(breaker.pause(), PAUSE_MIN);
}

proptest! {
    /// Whatever happens: down exactly from the last of so many failures in a row to the next
    /// healing, and never a pause beyond the most.
    #[test]
    fn against_a_list_of_what_happened(steps in prop::collection::vec((0u8..4, 0u64..20_000), 1..200)) {
        let mut now = start();
        let mut breaker = Breaker::new(now);
        let (mut down, mut row) = (true, 0);
        for (step, wait) in steps {
            now += Duration::from_millis(wait);
            match step {
                0 => { breaker.well(); row = 0; }
                1 => {
                    let opened = breaker.strike(now);
                    row += u32::from(!down);
                    prop_assert_eq!(opened, !down && row == STRIKES_MAX);
                    down |= opened;
                }
                2 => if down { breaker.still_down() },
                _ => { breaker.healed(now); (down, row) = (false, 0); }
            }
            prop_assert_eq!(breaker.down_since().is_some(), down);
            prop_assert!((PAUSE_MIN..=PAUSE_MAX).contains(&breaker.pause()));
        }
    }
}
