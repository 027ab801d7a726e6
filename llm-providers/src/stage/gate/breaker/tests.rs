use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

#[expect(clippy::disallowed_methods, reason = "a test needs some instant to count from")]
fn start() -> Instant {
    Instant::now()
}

fn fail(breaker: &mut Breaker, now: Instant) -> bool {
    match breaker.admit(now) {
        Ok(pass) => {
            breaker.report(pass, Outcome::Broken, now, 7);
            true
        }
        Err(_) => false,
    }
}

#[test]
fn five_failures_in_a_row_open_it_and_it_heals_within_five_seconds() {
    let (mut breaker, start) = (Breaker::default(), start());
    // Out for a minute, with a call each 100 ms.
    let mut asked = 0;
    for tick in 0..600 {
        asked += u32::from(fail(&mut breaker, start + Duration::from_millis(tick * 100)));
    }
    assert!(breaker.level() == 2 && asked < 40, "{asked} of 600 calls reached it");
    let healed = start + Duration::from_secs(60);
    let closed = (0..500).find(|tick| {
        let now = healed + Duration::from_millis(tick * 10);
        if let Ok(pass) = breaker.admit(now) {
            breaker.report(pass, Outcome::Well, now, 7);
        }
        breaker.level() == 0
    });
    assert!(closed.is_some(), "not closed within five seconds");
}

#[test]
fn one_probe_at_a_time_and_a_lost_one_is_given_back() {
    let (mut breaker, start) = (Breaker::default(), start());
    for _ in 0..5 {
        fail(&mut breaker, start);
    }
    let later = start + OPEN_MAX;
    let probe = breaker.admit(later).unwrap();
    assert!(breaker.admit(later).is_err());
    breaker.give_back(probe);
    let again = breaker.admit(later).unwrap();
    breaker.report(again, Outcome::Unknown, later, 0);
    assert!(breaker.admit(later).is_ok());
}

#[test]
fn a_shorter_rest_never_cuts_a_longer_one_short() {
    let (mut breaker, now) = (Breaker::default(), start());
    breaker.rest(Duration::from_secs(30), false, now);
    breaker.rest(Duration::from_secs(2), false, now);
    assert_eq!(breaker.admit(now).unwrap_err(), now + Duration::from_secs(30));
    breaker.rest(Duration::from_secs(1_000_000_000), false, now);
    assert_eq!(breaker.until(now), Some(now + REST_MAX));
    assert_eq!(breaker.level(), 0);
    breaker.rest(Duration::ZERO, false, now + REST_MAX);
    assert!(breaker.admit(now + REST_MAX).is_ok());
}

/// A target that fails half of the time for ten minutes: it must not open and close all the time.
#[test]
fn half_failures_do_not_make_it_flap() {
    for seed in 1..50u64 {
        let (mut breaker, start) = (Breaker::default(), start());
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for tick in 0..60_000u64 {
            let now = start + Duration::from_millis(tick * 10);
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if let Ok(pass) = breaker.admit(now) {
                let outcome = if random & 1 == 0 { Outcome::Well } else { Outcome::Broken };
                breaker.report(pass, outcome, now, random >> 8);
            }
        }
        assert!(breaker.changes() <= 60, "{} changes in ten minutes", breaker.changes());
    }
}

proptest! {
    /// Whatever happens: a target that nothing is known against, or whose time is over, is asked.
    #[test]
    fn nobody_is_shut_out_for_longer_than_the_longest(
        steps in prop::collection::vec((0..4u8, 0..3_000u64), 1..200),
    ) {
        let mut now = start();
        let mut breaker = Breaker::default();
        for (what, wait) in steps {
            now += Duration::from_millis(wait);
            match breaker.admit(now) {
                Ok(pass) => match what {
                    0 => breaker.report(pass, Outcome::Well, now, wait),
                    1 => breaker.report(pass, Outcome::Broken, now, wait),
                    2 => breaker.report(pass, Outcome::Unknown, now, wait),
                    _ => breaker.give_back(pass),
                },
                Err(until) => prop_assert!(until > now && until <= now + OPEN_MAX),
            }
        }
        prop_assert!(breaker.admit(now + OPEN_MAX).is_ok());
    }
}

/// Opens it, and waits until it may be probed.
fn probing() -> (Breaker, Instant) {
    let (mut breaker, now) = (Breaker::default(), start());
    for _ in 0..STREAK_MAX {
        let pass = breaker.admit(now).unwrap();
        breaker.report(pass, Outcome::Broken, now, 0);
    }
    assert!(breaker.admit(now).is_err());
    (breaker, now + OPEN_MAX)
}

/// A probe has found out what it was to find out when the answer begins; long streams must not keep
/// a target shut that is well.
#[test]
fn probes_end_with_the_first_word() {
    let (mut breaker, now) = probing();
    let passes: Vec<_> = (0..PROBES)
        .map(|_| {
            let pass = breaker.admit(now).unwrap();
            breaker.answered(pass, now, 0)
        })
        .collect();
    assert_eq!(breaker.level(), 0);
    // What they come to later counts as of a target that is closed.
    for pass in passes {
        breaker.report(pass, Outcome::Broken, now, 0);
    }
    assert_eq!(breaker.level(), 0);
}

/// A probe that took too long is not taken for the one after it.
#[test]
fn a_late_probe_does_not_make_room_for_two() {
    let (mut breaker, now) = probing();
    let late = breaker.admit(now).unwrap();
    let later = now + PROBE_MAX;
    let next = breaker.admit(later).unwrap();
    breaker.report(late, Outcome::Unknown, later, 0);
    assert!(breaker.admit(later).is_err(), "the second probe is under way");
    breaker.report(next, Outcome::Broken, later, 0);
    assert_eq!(breaker.level(), 2);
}

/// When nobody else is left, an open target is asked now and then, and by one call at a time.
#[test]
fn the_forced_go_through_one_by_one() {
    let (mut breaker, _) = probing();
    let now = start() + Duration::from_millis(1);
    assert!(breaker.force(now).is_ok());
    assert_eq!(breaker.force(now), Err(now + FORCED_EVERY));
    assert!(breaker.force(now + FORCED_EVERY).is_ok());
    breaker.rest(Duration::from_secs(3), true, now);
    assert_eq!(breaker.force(now + FORCED_EVERY * 2), Err(now + Duration::from_secs(3)));
}
