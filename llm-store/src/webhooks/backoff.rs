//! When a webhook that did not arrive is tried again.

use std::time::Duration;

/// Tries of one event at one endpoint: with the waits below, about half a day.
pub const TRIES_MAX: u32 = 14;
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(4 * 3_600);

/// How long to wait after so many tries: twice as long each time, and somewhere between a half and
/// the whole of that, so that what failed together does not come back together. An endpoint that
/// asks for more time gets it, within reason.
pub(super) fn wait(tries: u32, random: u64, asked: Option<Duration>) -> Duration {
    let doublings = tries.saturating_sub(1).min(u32::from(u16::BITS as u16));
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let half = whole / 2;
    let millis = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    let jittered = half + Duration::from_millis(random % millis);
    jittered.max(asked.unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests;
