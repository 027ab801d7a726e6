use proptest::prelude::*;

use super::*;
use crate::money::Credits;
use crate::quota::{Limit, Zone};

const NONE: [i64; 0] = [];

fn month(n: usize) -> WindowId {
    let months = "1/month".parse::<Limit>().unwrap().window(&Zone::get("Asia/Seoul").unwrap());
    let first = "2026-11-21T00:00:00Z".parse().unwrap();
    let months = months.unwrap();
    (0..n).fold(months.window_at(first), |month, _| months.window_at(month.end))
}

fn thresholds(at: &[i64]) -> Vec<Threshold> {
    at.iter().map(|at| Threshold::new(Credits(*at))).collect()
}

fn fired(before: i64, after: i64, of: &mut [Threshold], period: usize) -> Vec<i64> {
    let fired = crossed(Credits(before), Credits(after), of, month(period));
    fired.into_iter().map(|at| at.0).collect()
}

#[test]
fn each_fires_once_and_again_only_after_it_was_above() {
    let mut of = thresholds(&[20, 50]);
    assert_eq!(fired(100, 51, &mut of, 0), NONE);
    assert_eq!(fired(51, 50, &mut of, 0), [50], "at the threshold is low");
    assert_eq!(fired(50, 21, &mut of, 0), NONE);
    assert_eq!(fired(21, 3, &mut of, 0), [20]);
    // A hold that goes back and forth below says nothing more.
    assert_eq!(fired(3, 20, &mut of, 0), NONE);
    assert_eq!(fired(20, 3, &mut of, 0), NONE);
    // Above one of them, and low again.
    assert_eq!(fired(3, 40, &mut of, 0), NONE);
    assert_eq!(fired(40, 0, &mut of, 0), [20]);
    // Above, and then low where nobody compared.
    assert_eq!(fired(0, 40, &mut of, 0), NONE);
    assert_eq!(fired(10, 5, &mut of, 0), [20]);
}

#[test]
fn one_large_step_fires_all_that_it_passes() {
    assert_eq!(fired(100, 0, &mut thresholds(&[0, 50, 20]), 0), [50, 20, 0]);
    // Topped up and spent between two looks: it was above, and is low again.
    let mut of = thresholds(&[20]);
    assert_eq!(fired(30, 10, &mut of, 0), [20]);
    assert_eq!(fired(30, 10, &mut of, 0), [20]);
}

#[test]
fn who_stays_low_is_reminded_once_in_each_period() {
    let mut of = thresholds(&[20]);
    assert_eq!(fired(10, 9, &mut of, 0), [20], "low before anybody watched");
    assert_eq!(fired(9, 8, &mut of, 0), NONE);
    assert_eq!(fired(8, 7, &mut of, 1), [20]);
    assert_eq!(fired(7, 6, &mut of, 1), NONE);
    // A new month that lifts the balance fires nothing.
    assert_eq!(fired(6, 500, &mut of, 2), NONE);
}

#[test]
fn shares_of_an_amount() {
    assert_eq!(Threshold::percent(Credits(1_001), 20).at, Credits(200));
    assert_eq!(Threshold::percent(Credits::MAX, 200).at, Credits::MAX);
}

proptest! {
    /// Between two firings of one period, the balance was above.
    #[test]
    fn firings_are_apart(balances in prop::collection::vec(0i64..40, 2..60)) {
        let mut of = thresholds(&[10, 20]);
        let mut was_above = [true, true];
        for pair in balances.windows(2) {
            let fired = fired(pair[0], pair[1], &mut of, 0);
            for (at, above) in [10, 20].into_iter().zip(&mut was_above) {
                *above |= pair[0] > at;
                let due = *above && pair[1] <= at;
                prop_assert_eq!(fired.contains(&at), due);
                *above &= !due;
            }
        }
    }
}
