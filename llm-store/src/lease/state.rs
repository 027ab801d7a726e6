//! What an operator sees, as plain numbers that nobody waits for.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use llm_core::money::{Money, Unit};
use llm_core::store::LedgerHealth;

use crate::journal::{Condition, Journal};

/// How a ledger is doing. Each number is right by itself; together they are of about one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerState<U: Unit = Money> {
    /// Accounts in use.
    pub accounts: u64,
    /// Holds that have not ended.
    pub holds_open: u64,
    /// Ends that the vault does not know yet.
    pub unfolded: u64,
    /// How long the oldest of them has waited.
    pub lag: Duration,
    /// Whether the vault does not answer, or the journal takes no new holds.
    pub degraded: bool,
    /// Whether the journal takes nothing any more: only another start mends that.
    pub broken: bool,
    /// Whether the vault has declared this process dead: it makes no holds any more.
    pub fenced: bool,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// What is leased, over all accounts.
    pub leased: U,
    /// Holds that the last start found open, and ended.
    pub reclaimed: u64,
    /// What the operator paid since this process began, for holds that were reclaimed as well.
    pub loss: U,
}

impl<U: Unit> LedgerState<U> {
    /// The part of it that every ledger has.
    pub(super) fn health(&self) -> LedgerHealth<U> {
        let Self { holds_open, reclaimed, loss, lag, degraded, fenced, .. } = *self;
        LedgerHealth { holds_open, reclaimed, loss, lag, degraded: degraded || fenced }
    }
}

/// The numbers behind it.
#[derive(Debug)]
pub(super) struct Gauges {
    born: Instant,
    pub(super) accounts: AtomicU64,
    pub(super) holds_open: AtomicU64,
    pub(super) unfolded: AtomicU64,
    /// When the oldest has ended, in nanoseconds since `born`; [`NONE`] where there was none lately.
    oldest: AtomicU64,
    pub(super) degraded: AtomicU64,
    /// Whether the journal takes no new holds, and whether it takes nothing any more.
    refusing: AtomicU64,
    broken: AtomicU64,
    pub(super) fenced: AtomicU64,
    pub(super) journal_bytes: AtomicU64,
    pub(super) leased: AtomicI64,
    pub(super) reclaimed: AtomicU64,
    pub(super) loss: AtomicI64,
}

/// An end that has come since nobody had waited is counted before it is noted when it came: it has not
/// waited, and not since we were born.
const NONE: u64 = u64::MAX;

impl Gauges {
    pub(super) fn new(born: Instant) -> Self {
        Self {
            born,
            accounts: AtomicU64::new(0),
            holds_open: AtomicU64::new(0),
            unfolded: AtomicU64::new(0),
            oldest: AtomicU64::new(NONE),
            degraded: AtomicU64::new(0),
            refusing: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            fenced: AtomicU64::new(0),
            journal_bytes: AtomicU64::new(0),
            leased: AtomicI64::new(0),
            reclaimed: AtomicU64::new(0),
            loss: AtomicI64::new(0),
        }
    }

    /// How the journal is doing.
    pub(super) fn look<U: Unit>(&self, journal: &Journal<U>) {
        let condition = journal.condition();
        let put = |to: &AtomicU64, is: bool| to.store(u64::from(is), Ordering::Relaxed);
        put(&self.refusing, condition != Condition::Well);
        put(&self.broken, condition == Condition::Broken);
        self.journal_bytes.store(journal.bytes(), Ordering::Relaxed);
    }

    pub(super) fn aged(&self, oldest: Option<Instant>) {
        let since = |at: Instant| at.saturating_duration_since(self.born).as_nanos();
        let nanos = oldest.map(|at| u64::try_from(since(at)).unwrap_or(NONE));
        self.oldest.store(nanos.unwrap_or(NONE), Ordering::Relaxed);
    }

    pub(super) fn read<U: Unit>(&self, now: Instant) -> LedgerState<U> {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let unfolded = get(&self.unfolded);
        let age = now.saturating_duration_since(self.born);
        let lag = age.saturating_sub(Duration::from_nanos(get(&self.oldest)));
        LedgerState {
            accounts: get(&self.accounts),
            holds_open: get(&self.holds_open),
            unfolded,
            lag: if unfolded == 0 { Duration::ZERO } else { lag },
            degraded: get(&self.degraded) > 0 || get(&self.refusing) > 0,
            broken: get(&self.broken) > 0,
            fenced: get(&self.fenced) > 0,
            journal_bytes: get(&self.journal_bytes),
            leased: U::from_pieces(self.leased.load(Ordering::Relaxed)),
            reclaimed: get(&self.reclaimed),
            loss: U::from_pieces(self.loss.load(Ordering::Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn who_has_just_come_has_not_waited() {
        let born = Instant::now();
        let (first, later) = (born + Duration::from_secs(60), born + Duration::from_secs(61));
        let gauges = Gauges::new(born);
        gauges.unfolded.store(1, Ordering::Relaxed);
        assert_eq!(gauges.read::<Money>(later).lag, Duration::ZERO);
        gauges.aged(Some(first));
        assert_eq!(gauges.read::<Money>(later).lag, Duration::from_secs(1));
        gauges.aged(None);
        assert_eq!(gauges.read::<Money>(later).lag, Duration::ZERO);
    }
}
