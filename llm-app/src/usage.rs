//! What people are told of their own use beyond the sums: when what is left will be gone, and which
//! limits are nearly reached.
//!
//! Pure: sums of days and limits in, dates and thresholds out.

use jiff::civil::Date;

/// Shares of a limit, in percent, at which people are told.
pub const THRESHOLDS: [u8; 4] = [50, 80, 90, 100];
/// Days by whose spend the next ones are foreseen.
const DAYS: i64 = 7;
/// Nobody foresees more days than that.
const AHEAD_MAX: i64 = 3_650;

/// The day on which what is left will be gone, if the next days are like the last: by what was spent
/// in the week up to today, or since it was first spent if that is less. `None` where it will not be
/// gone within years.
pub fn exhausted(spent: &[(Date, i64)], today: Date, left: i64) -> Option<Date> {
    if left <= 0 {
        return Some(today);
    }
    let ago = |day: Date| i64::from((today - day).get_days());
    let recent = || spent.iter().filter(|(day, _)| (0..DAYS).contains(&ago(*day)));
    let sum = recent().fold(0i64, |sum, (_, pieces)| sum.saturating_add((*pieces).max(0)));
    let days = recent().map(|(day, _)| ago(*day) + 1).max()?;
    if sum == 0 {
        return None;
    }
    // The day after the last one for which there is enough; in wider numbers, since both are money.
    let ahead = i128::from(left) * i128::from(days) / i128::from(sum);
    let ahead = i64::try_from(ahead).ok().filter(|ahead| *ahead <= AHEAD_MAX)?;
    today.checked_add(jiff::Span::new().days(ahead)).ok()
}

/// The highest threshold that was reached of a limit.
pub fn reached(used: i64, limit: i64) -> Option<u8> {
    let at = |percent: &&u8| {
        i128::from(used) * 100 >= i128::from(limit) * i128::from(**percent) && used > 0
    };
    THRESHOLDS.iter().rev().find(at).copied()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_lasts_as_the_last_days_were() {
        let today = date(2026, 11, 21);
        let day = |d| date(2026, 11, d);
        // Ten a day for a week: thirty last three days.
        let week: Vec<_> = (15..=21).map(|d| (day(d), 10)).collect();
        assert_eq!(exhausted(&week, today, 30), Some(day(24)));
        assert_eq!(exhausted(&week, today, 0), Some(today));
        // Begun today; what was spent last month says nothing.
        assert_eq!(exhausted(&[(date(2026, 10, 1), 900), (today, 5)], today, 12), Some(day(23)));
        assert_eq!(exhausted(&[(date(2026, 10, 1), 900)], today, 12), None);
        assert_eq!(exhausted(&[(today, 0)], today, 12), None);
        assert_eq!(exhausted(&[], today, 12), None);
        assert_eq!(exhausted(&[(today, 1)], today, i64::MAX), None, "within nobody's time");
    }

    #[test]
    fn thresholds_are_reached_one_after_the_other() {
        for (used, wanted) in [
            (0, None),
            (49, None),
            (50, Some(50)),
            (89, Some(80)),
            (99, Some(90)),
            (300, Some(100)),
        ] {
            assert_eq!(reached(used, 100), wanted, "{used}");
        }
        assert_eq!(reached(1, 0), Some(100));
        assert_eq!(reached(i64::MAX, i64::MAX), Some(100));
    }

    proptest! {
        /// Until that day it is enough, by the same pace, and the day after it is not.
        #[test]
        fn the_day_is_the_first_that_is_not_paid_for(pace in 1i64..1_000, left in 1i64..100_000) {
            let today = date(2026, 3, 31);
            let found = exhausted(&[(today, pace)], today, left);
            let days = left / pace;
            let wanted = today.checked_add(jiff::Span::new().days(days)).ok();
            prop_assert_eq!(found, wanted.filter(|_| days <= AHEAD_MAX));
        }
    }
}
