//! What a caller is told when one of our own rules says no.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Str;
use crate::quota::Verdict;

/// The rule that refused, with all that a caller needs to plan the next try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its name, as configuration and headers spell it.
    pub rule: Str,
    /// How much it allows.
    pub limit: u64,
    /// How much of that is used.
    pub used: u64,
    /// How much of that is set aside for calls that still run.
    pub reserved: u64,
    /// When it allows more; `None` when waiting does not help, or nobody can say.
    pub resets_at: Option<Timestamp>,
    /// How long to wait; `None` when asking again cannot help.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// What a quota said at an instant. Waits are of the wall's time: windows are.
    pub fn of(verdict: Verdict, now: Timestamp) -> Self {
        debug_assert!(!verdict.allowed, "a refusal of what was allowed");
        let Verdict { rule, limit, used, reserved, resets_at, .. } = verdict;
        let until = |at: Timestamp| at.duration_since(now).max(SignedDuration::ZERO);
        let retry_after = resets_at.map(|at| until(at).unsigned_abs());
        Self { rule, limit, used, reserved, resets_at, retry_after }
    }
}
