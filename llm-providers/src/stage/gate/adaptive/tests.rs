use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn t0() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A second of a target at which every call takes so long.
fn second(adaptive: &mut Adaptive, now: &mut Instant, in_flight: u32, took: Duration) {
    adaptive.sent(in_flight);
    for _ in 0..20 {
        adaptive.answered(100, took, *now);
    }
    *now += WINDOW;
    adaptive.answered(100, took, *now);
}

#[test]
fn it_grows_while_the_first_word_comes_as_fast_as_ever() {
    let mut now = t0();
    let mut adaptive = Adaptive::new(4, 50, now);
    for _ in 0..40 {
        let limit = adaptive.limit();
        second(&mut adaptive, &mut now, limit, 200 * MS);
        assert!(adaptive.limit() > limit || limit == 50);
    }
    assert_eq!(adaptive.limit(), 50);
}

#[test]
fn a_target_that_is_asked_for_little_shows_nothing() {
    let mut now = t0();
    let mut adaptive = Adaptive::new(20, 50, now);
    for took in [200, 200, 900, 50] {
        second(&mut adaptive, &mut now, 9, took * MS);
        assert_eq!(adaptive.limit(), 20);
    }
}

#[test]
fn it_finds_what_a_queueing_target_carries() {
    // Serves 32 at once in 200 ms; what is beyond waits.
    let mut now = t0();
    let mut adaptive = Adaptive::new(4, 1_000, now);
    let mut tail = Vec::new();
    for round in 0..200 {
        let limit = adaptive.limit();
        let took = 200 * MS * limit.max(32) / 32;
        second(&mut adaptive, &mut now, limit, took);
        if round > 100 {
            tail.push(limit);
        }
    }
    let (low, high) = (tail.iter().min().unwrap(), tail.iter().max().unwrap());
    assert!(*low >= 28 && *high <= 80, "{low}..{high}");
}

#[test]
fn one_slow_size_of_prompt_is_compared_with_its_own() {
    let mut now = t0();
    let mut adaptive = Adaptive::new(10, 50, now);
    for _ in 0..3 {
        adaptive.sent(50);
        for _ in 0..10 {
            adaptive.answered(100, 100 * MS, now);
            adaptive.answered(50_000, 5_000 * MS, now);
        }
        now += WINDOW;
        adaptive.answered(100, 100 * MS, now);
    }
    assert!(adaptive.limit() > 15, "{}", adaptive.limit());
}

#[test]
fn what_the_target_says_weighs_more_than_how_fast_it_is() {
    let mut now = t0();
    let mut adaptive = Adaptive::new(100, 100, now);
    adaptive.sent(100);
    (0..15).for_each(|_| adaptive.answered(1, 100 * MS, now));
    now += WINDOW;
    adaptive.overloaded(now);
    assert_eq!(adaptive.limit(), 70);
    (0..30).for_each(|_| adaptive.answered(1, 100 * MS, now));
    adaptive.sent(100);
    now += WINDOW;
    adaptive.overloaded(now);
    assert!(adaptive.limit() > 70, "one in thirty-one is no overload: {}", adaptive.limit());
    for _ in 0..20 {
        now += WINDOW;
        adaptive.overloaded(now);
    }
    assert_eq!(adaptive.limit(), LIMIT_MIN);
}

#[test]
fn the_best_time_is_forgotten_after_ten_minutes() {
    let mut now = t0();
    let mut adaptive = Adaptive::new(100, 1_000, now);
    second(&mut adaptive, &mut now, 1_000, 100 * MS);
    // The model was moved and is slower for good: the limit shrinks until that is learned.
    let grown = adaptive.limit();
    second(&mut adaptive, &mut now, 1_000, 400 * MS);
    assert!(adaptive.limit() < grown);
    for _ in 0..600 {
        second(&mut adaptive, &mut now, 1_000, 400 * MS);
    }
    let shrunk = adaptive.limit();
    second(&mut adaptive, &mut now, 1_000, 400 * MS);
    assert!(adaptive.limit() > shrunk, "{shrunk}");
}

proptest! {
    #[test]
    fn it_never_leaves_its_range(
        start in 0..500u32, max in 0..500u32,
        steps in prop::collection::vec((0..4u8, 0..100_000u64, 0..3_000u64), 1..300),
    ) {
        let mut now = t0();
        let mut adaptive = Adaptive::new(start, max, now);
        for (what, tokens, ms) in steps {
            match what {
                0 => adaptive.overloaded(now),
                1 => adaptive.sent(u32::try_from(tokens).unwrap()),
                2 => now += Duration::from_millis(ms),
                _ => adaptive.answered(tokens, Duration::from_millis(ms), now),
            }
            prop_assert!((LIMIT_MIN.min(max.max(1))..=max.max(1)).contains(&adaptive.limit()));
        }
    }
}
