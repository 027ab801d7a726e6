//! Ollama's times: RFC 3339 text where others write seconds since 1970.

const DAY_S: u64 = 86_400;

/// Seconds since 1970 of a time like `2026-01-01T09:00:00.123+09:00`; `None` when it is none, or
/// before 1970.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).filter(|b| marks.contains(b));
    for (at, marks) in [(4, b"--"), (7, b"--"), (10, b"Tt"), (13, b"::"), (16, b"::")] {
        mark(at, marks)?;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24;
    if !in_range || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let rest =
        rest.strip_prefix('.').map_or(rest, |r| r.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset = offset_s(rest)?;
    let total = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    u64::try_from(total).ok()
}

/// `Z`, or `+09:00`.
fn offset_s(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// Days since 1970 of a date of the Gregorian calendar, counted in years that start in March, so
/// that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The time as Ollama writes it.
pub(super) fn text(seconds: u64) -> String {
    // Above it a year has more than four digits, which RFC 3339 has no way to say.
    const SECONDS_MAX: u64 = 253_402_300_799;
    let seconds = seconds.min(SECONDS_MAX);
    let (day, rest) = (seconds / DAY_S + 719_468, seconds % DAY_S);
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        for (seconds_, text_) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text(seconds_), text_);
            assert_eq!(seconds(text_), Some(seconds_));
        }
        assert_eq!(seconds("2026-01-01T09:00:00.123456789+09:00"), Some(1_767_225_600));
        assert_eq!(seconds("2025-12-31T17:00:00-07:00"), Some(1_767_225_600));
        for bad in [
            "",
            "2026-01-01",
            "2026-13-01T00:00:00Z",
            "2026-01-01T00:00:00",
            "é026-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
