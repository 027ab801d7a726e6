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

/// Writes pieces of 10^-places as the shortest decimal that is exact.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, pieces: i128, places: u32) -> fmt::Result {
    let one = 10u128.pow(places);
    let (whole, rest) = (pieces.unsigned_abs() / one, pieces.unsigned_abs() % one);
    let mut text = if pieces < 0 { format!("-{whole}") } else { whole.to_string() };
    if rest != 0 {
        let fraction = format!("{rest:0width$}", width = places as usize);
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    f.pad(&text)
}
