use super::*;

#[test]
fn waits_grow_and_end() {
    assert_eq!(wait(1, 0, None), Duration::from_millis(2_500));
    assert_eq!(wait(1, 2_500, None), Duration::from_millis(5_000));
    assert_eq!(wait(1, 2_501, None), Duration::from_millis(2_500));
    for tries in 1..=TRIES_MAX {
        for random in [0, 1, 77, u64::MAX] {
            assert!(wait(tries + 1, random, None) >= wait(tries, 0, None));
            assert!(wait(tries, random, None) <= LONGEST);
        }
    }
    assert_eq!(wait(u32::MAX, 0, None), LONGEST / 2);
}

#[test]
fn who_asks_for_time_gets_it_within_reason() {
    assert_eq!(wait(1, 0, Some(Duration::from_secs(90))), Duration::from_secs(90));
    assert_eq!(wait(1, 0, Some(Duration::MAX)), LONGEST);
    assert_eq!(wait(1, 0, Some(Duration::ZERO)), Duration::from_millis(2_500));
}
