//! Who should hear that a balance is low. Only the decision; sending is done elsewhere.

use crate::money::{Credits, Unit};
use crate::quota::WindowId;

/// Thresholds of one wallet: everybody who is told of all of them reads none.
pub const THRESHOLDS_MAX: usize = 16;

/// A balance at or below which somebody should hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold<U: Unit = Credits> {
    /// The balance.
    pub at: U,
    /// The period in which it has fired; `None` since the balance was above it.
    pub fired: Option<WindowId>,
}

impl<U: Unit> Threshold<U> {
    /// One that has not fired.
    pub fn new(at: U) -> Self {
        Self { at, fired: None }
    }

    /// So many percent of an amount, rounded down: 20 % of what the month has granted.
    pub fn percent(of: U, percent: u8) -> Self {
        let pieces = i128::from(of.pieces()) * i128::from(percent) / 100;
        Self::new(i64::try_from(pieces).map_or(U::MAX, U::from_pieces))
    }
}

/// Which thresholds a change of balance fires, the highest first.
///
/// A balance that stays low fires once in each period, the reminder of a new month included; within
/// one it fires again only after it was above. A balance that was low before anybody watched fires
/// at the first change.
pub fn crossed<U: Unit>(
    before: U,
    after: U,
    thresholds: &mut [Threshold<U>],
    period: WindowId,
) -> Vec<U> {
    debug_assert!(thresholds.len() <= THRESHOLDS_MAX, "more thresholds than a wallet may have");
    let mut fired = Vec::new();
    for threshold in thresholds {
        // It may have been above in between, where nobody compared.
        if before > threshold.at {
            threshold.fired = None;
        }
        if after > threshold.at {
            threshold.fired = None;
        } else if threshold.fired != Some(period) {
            threshold.fired = Some(period);
            fired.push(threshold.at);
        }
    }
    fired.sort_unstable_by(|a, b| b.cmp(a));
    fired
}

#[cfg(test)]
mod tests;
