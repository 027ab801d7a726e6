//! Decimal strings and integers, exactly.

use std::fmt;

/// A text that is no decimal, or none that can be kept exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecimal {
    /// Anything but digits with at most one point in or before them.
    #[error("not a decimal number (digits with at most one point)")]
    Syntax,
    /// More places than the unit has, which would have to be rounded.
    #[error("more decimal places than can be kept exactly")]
    TooFine,
    /// More than the integer holds.
    #[error("the number is too large")]
    TooLarge,
}

/// Reads `12.5` as so many pieces of 10^-places. Neither sign nor exponent: no amount that people
/// write down is negative, and an exponent is how floats get in.
pub(crate) fn read(text: &str, places: u32) -> Result<u64, NotDecimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(NotDecimal::Syntax);
    }
    let fraction = fraction.trim_end_matches('0');
    let given = u32::try_from(fraction.len()).map_err(|_| NotDecimal::TooFine)?;
    let missing = places.checked_sub(given).ok_or(NotDecimal::TooFine)?;
    let mut pieces: u64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        pieces = times_ten(pieces, 1)?
            .checked_add(u64::from(digit - b'0'))
            .ok_or(NotDecimal::TooLarge)?;
    }
    times_ten(pieces, missing)
}

fn times_ten(n: u64, times: u32) -> Result<u64, NotDecimal> {
    if n == 0 {
        return Ok(0);
    }
    10u64.checked_pow(times).and_then(|p| n.checked_mul(p)).ok_or(NotDecimal::TooLarge)
}

/// Writes pieces of 10^-places as the shortest decimal that is exact. By hand, from its last digit
/// on: it stands in the head of every answer.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, pieces: i128, places: u32) -> fmt::Result {
    let mut text = [0; TEXT_BYTES];
    let mut at = text.len();
    let mut put = |byte| {
        at -= 1;
        text[at] = byte;
    };
    let (mut left, mut place, mut fraction) = (pieces.unsigned_abs(), 0, false);
    while left > 0 || place <= places {
        // What fits a word, as nearly every amount does, is divided as a word.
        let digit = match u64::try_from(left) {
            Ok(word) => {
                left = u128::from(word / 10);
                word % 10
            }
            Err(_) => {
                let digit = left % 10;
                left /= 10;
                digit as u64
            }
        };
        let whole = place >= places;
        fraction |= !whole && digit > 0;
        if whole || fraction {
            put(b'0' + digit as u8);
        }
        place += 1;
        if place == places && fraction {
            put(b'.');
        }
    }
    if pieces < 0 {
        put(b'-');
    }
    f.pad(str::from_utf8(&text[at..]).map_err(|_| fmt::Error)?)
}

/// A sign, a point, and the digits of the largest number; no unit has as many places.
const TEXT_BYTES: usize = 2 + 39;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Shown(i128, u32);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(f, self.0, self.1)
        }
    }

    /// As anybody would write it down.
    fn naive(pieces: i128, places: u32) -> String {
        let digits = format!("{:0>width$}", pieces.unsigned_abs(), width = places as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places as usize);
        let sign = if pieces < 0 { "-" } else { "" };
        match fraction.trim_end_matches('0') {
            "" => format!("{sign}{whole}"),
            fraction => format!("{sign}{whole}.{fraction}"),
        }
    }

    proptest! {
        #[test]
        fn amounts_are_written_as_anybody_would(
            pieces in prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from), -2_000..2_000i128],
            places in prop::sample::select(vec![0u32, 6, 9]),
        ) {
            prop_assert_eq!(Shown(pieces, places).to_string(), naive(pieces, places));
        }
    }

    #[test]
    fn the_ends_of_the_range_have_room() {
        for pieces in [0, 1, -1, i128::MIN, i128::MAX, i64::MIN.into(), u64::MAX.into()] {
            for places in [0, 6, 9] {
                assert_eq!(Shown(pieces, places).to_string(), naive(pieces, places));
            }
        }
        assert_eq!(format!("{:>6}", Shown(1_500_000, 6)), "   1.5");
    }
}
