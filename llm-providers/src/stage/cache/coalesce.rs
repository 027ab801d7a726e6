//! Which calls are under way, so that whoever asks the same goes along.
//!
//! The map knows flights weakly: the readers own them, and one that nobody reads is gone. A flight
//! leaves the map before its end is told, and after its answer was kept, so that whoever does not
//! find it here finds its answer in the cache.

use std::sync::{Arc, Weak};

use foldhash::HashMap;
use llm_core::error::{Error, Kind};
use llm_core::seam::BoxFuture;
use llm_core::store::CacheKey;
use parking_lot::Mutex;

use super::flight::{Flight, Log, Seat};

/// More calls than a process has under way. Beyond it nobody is found, and each call goes alone.
const FLIGHTS_MAX: usize = 1 << 16;

/// The calls under way, by their question.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<CacheKey, Weak<Flight>>>);

/// What becomes of a call that asks what others may be asking.
pub(super) enum Aboard {
    /// It began the flight.
    Leads(Seat),
    /// It goes along.
    Follows(Seat),
    /// It cannot go along.
    Alone,
}

impl Flights {
    /// Goes along with a flight, if there is one.
    pub(super) fn join(&self, key: &CacheKey) -> Option<Seat> {
        let flight = self.0.lock().get(key).and_then(Weak::upgrade);
        flight?.board()
    }

    /// Goes along with the flight of that question, or begins it. `fresh` begins one anyway.
    pub(super) fn board(
        self: &Arc<Self>,
        key: &CacheKey,
        fresh: bool,
        work: impl FnOnce(Arc<Log>) -> BoxFuture<'static, ()>,
    ) -> Aboard {
        let mut flights = self.0.lock();
        let known = if fresh { None } else { flights.get(key).and_then(Weak::upgrade) };
        if let Some(flight) = known {
            drop(flights);
            // Should this be its last reader by now, it is dropped here, and not under our lock.
            return flight.board().map_or(Aboard::Alone, Aboard::Follows);
        }
        let flight = Flight::new(Arc::downgrade(self), key.clone(), work);
        if flights.len() < FLIGHTS_MAX {
            flights.insert(key.clone(), Arc::downgrade(&flight));
        }
        drop(flights);
        flight.board().map_or(Aboard::Alone, Aboard::Leads)
    }

    /// Forgets a flight that writes to this log, unless another has taken its place.
    pub(super) fn forget(&self, key: &CacheKey, log: &Arc<Log>) {
        let mut flights = self.0.lock();
        let Some(flight) = flights.get(key) else { return };
        let flight = flight.upgrade();
        if flight.as_ref().is_none_or(|f| f.writes_to(log)) {
            flights.remove(key);
        }
        drop(flights);
        drop(flight);
    }

    /// Whether the flight that writes to this log is still the one that others find: one that a
    /// later call has replaced must not write over what that one keeps.
    pub(super) fn finds(&self, key: &CacheKey, log: &Arc<Log>) -> bool {
        let flight = self.0.lock().get(key).and_then(Weak::upgrade);
        flight.is_some_and(|f| f.writes_to(log))
    }

    /// Forgets the name of a flight whose last reader has left, unless another has it by now.
    pub(super) fn left(&self, key: &CacheKey) {
        let mut flights = self.0.lock();
        if flights.get(key).is_some_and(|f| f.strong_count() == 0) {
            flights.remove(key);
        }
    }

    /// How many are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// Whether an error that came before anything was delivered is the question's own, and so that of
/// all who ask it. Others may be the misfortune of one call: one of those who waited asks again.
pub(super) fn is_shared(error: &Error) -> bool {
    match error.kind() {
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Forbidden
        | Kind::UnknownModel
        | Kind::ContextOverflow
        | Kind::ContentFiltered => true,
        // The first caller's own: its time, its credit, its place in a queue.
        Kind::Unauthenticated
        | Kind::CreditExhausted
        | Kind::QuotaExceeded
        | Kind::RateLimited
        | Kind::Busy
        | Kind::LedgerUnavailable
        | Kind::Cancelled
        | Kind::DeadlinePassed
        | Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::UpstreamRateLimited
        | Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::Timeout
        | Kind::BrokenStream
        | Kind::CorruptReply
        | Kind::Internal => false,
    }
}
