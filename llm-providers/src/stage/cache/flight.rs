//! One call under way for all who ask the same.
//!
//! Who is in it: a *work* (the future that asks the cache further away, then the upstream, and then
//! reads the answer), the *readers* (the caller who began it and those who came later), and the
//! *log* (what has come of the answer, append-only), which each reader reads at its own position.
//!
//! Nobody owns the work; whoever reads and finds nothing new polls it, one at a time, and a bell
//! wakes all others when something came. So there is no leader to wait for: one that is slow is not
//! polled and holds nobody up, and one that is gone is not missed. When the last reader has left the
//! work is dropped on the spot, in that reader's drop, so that the upstream closes and the bill is
//! complete before the reader's own money is settled. A task that pumps was rejected for these: it
//! would end later than the call it belongs to, read ahead of a caller who does not read, and cost a
//! switch for each piece.
//!
//! What is lent below (a target's slot and pace, a breaker's pass) rides in the body inside the
//! work and comes back when the work ends. What is lent above (the caller's own slot and pace) rides
//! in each reader's reply and comes back when that reader leaves, the first one included: it no
//! longer waits for anything. Only its hold stays until the work has ended, since the real cost is
//! its to pay (the share in the obligation that the work keeps).
//!
//! The first caller's deadline holds for the work; a reader's own ends that reader.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use llm_core::dialect::Observed;
use llm_core::error::{Error, Kind};
use llm_core::seam::BoxFuture;
use llm_core::store::CacheKey;
use parking_lot::Mutex;

use super::bell::Bell;
use super::coalesce::Flights;
use super::recording::{RECORDING_BYTES_MAX, Recording, joined};
use crate::reply::ReplyHead;

/// More who ask the same at once go their own way: waking them all for each piece would cost more
/// than their calls.
const READERS_MAX: usize = 16_384;

/// What a call begins with, for all its readers.
#[derive(Clone, Debug)]
pub(super) enum Head {
    /// An upstream answers.
    Live(Box<ReplyHead>),
    /// A recording does that was found on the way.
    Kept(Arc<Recording>),
}

/// A call under way.
pub(super) struct Flight {
    flights: Weak<Flights>,
    key: CacheKey,
    work: Mutex<Option<BoxFuture<'static, ()>>>,
    /// Somebody found the work busy: whoever is at it looks once more.
    again: AtomicBool,
    log: Arc<Log>,
}

/// What has come of it. Shared with the work, which must not hold the flight that holds it.
pub(super) struct Log {
    written: Mutex<Written>,
    bell: Arc<Bell>,
    /// The reader who polls the work now; it need not be woken.
    at_work: AtomicUsize,
}

#[derive(Default)]
struct Written {
    head: Option<Result<Head, Error>>,
    pieces: VecDeque<Bytes>,
    /// Pieces that are there no more.
    gone: usize,
    bytes: usize,
    seen: Observed,
    end: Option<Result<(), Error>>,
    readers: usize,
}

/// What a reader finds.
pub(super) enum Found {
    /// A piece.
    Piece(Bytes),
    /// The last one.
    Last(Bytes),
    /// It broke.
    Broke(Error),
}

impl Log {
    fn new() -> Arc<Self> {
        let written = Mutex::default();
        Arc::new(Self { written, bell: Arc::default(), at_work: AtomicUsize::new(usize::MAX) })
    }

    fn ring(&self) {
        self.bell.ring(Some(self.at_work.load(Ordering::Relaxed)));
    }

    /// It begins.
    pub(super) fn begin(&self, head: Head) {
        self.written.lock().head = Some(Ok(head));
        self.ring();
    }

    /// A piece came.
    pub(super) fn push(&self, piece: Bytes, seen: &Observed) {
        {
            let mut written = self.written.lock();
            written.seen.clone_from(seen);
            written.bytes += piece.len();
            written.pieces.push_back(piece);
            // Too large to be kept: then only what a slow reader may be behind is.
            while written.bytes > RECORDING_BYTES_MAX && written.pieces.len() > 1 {
                let first = written.pieces.pop_front();
                written.bytes -= first.map_or(0, |p| p.len());
                written.gone += 1;
            }
        }
        self.ring();
    }

    /// Everything that was written, as one piece; `None` when it is too much to keep.
    pub(super) fn whole(&self, last: &Bytes) -> Option<Bytes> {
        let written = self.written.lock();
        let fits = written.gone == 0 && written.bytes + last.len() <= RECORDING_BYTES_MAX;
        if !fits {
            return None;
        }
        let pieces: Vec<Bytes> = written.pieces.iter().cloned().collect();
        drop(written);
        let all: Vec<&Bytes> = pieces.iter().chain(std::iter::once(last)).collect();
        Some(joined(all.into_iter()))
    }

    /// It has ended. The first word counts.
    pub(super) fn end(&self, last: Bytes, seen: &Observed, end: Result<(), Error>) {
        {
            let mut written = self.written.lock();
            if let (Err(error), None) = (&end, &written.head) {
                written.head = Some(Err(error.clone()));
            }
            if written.end.is_none() {
                written.seen.clone_from(seen);
                if end.is_ok() {
                    written.pieces.push_back(last);
                }
                written.end = Some(end);
            }
        }
        self.ring();
    }
}

impl Flight {
    /// One that `work` drives; it writes to the log it is given.
    pub(super) fn new(
        flights: Weak<Flights>,
        key: CacheKey,
        work: impl FnOnce(Arc<Log>) -> BoxFuture<'static, ()>,
    ) -> Arc<Self> {
        let log = Log::new();
        let work = Mutex::new(Some(work(Arc::clone(&log))));
        Arc::new(Self { flights, key, work, again: AtomicBool::new(false), log })
    }

    /// A reader's place; `None` when it is too late or too crowded for another reader.
    pub(super) fn board(self: &Arc<Self>) -> Option<Seat> {
        {
            let mut written = self.log.written.lock();
            if written.gone > 0 || written.readers >= READERS_MAX {
                return None;
            }
            written.readers += 1;
        }
        let place = self.log.bell.enter();
        Some(Seat { flight: Arc::clone(self), place, at: 0 })
    }

    /// Whether this is the flight that writes to that log.
    pub(super) fn writes_to(&self, log: &Arc<Log>) -> bool {
        Arc::ptr_eq(&self.log, log)
    }

    /// Polls the work, unless somebody is at it: then they look again, so that nothing that woke us
    /// is missed.
    fn drive(&self, place: usize) {
        loop {
            let work = self.work.try_lock().or_else(|| {
                self.again.store(true, Ordering::SeqCst);
                // They may have looked just before.
                self.work.try_lock()
            });
            let Some(mut work) = work else { return };
            self.again.store(false, Ordering::SeqCst);
            self.log.at_work.store(place, Ordering::Relaxed);
            // Taken out while it is polled: if it panics, nobody polls it again.
            match work.take() {
                Some(mut future) => {
                    let waker = Waker::from(Arc::clone(&self.log.bell));
                    if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                        *work = Some(future);
                    }
                }
                None => {
                    let text = "the call that this one followed was lost";
                    let error = Error::new(Kind::Internal, text);
                    self.log.end(Bytes::new(), &Observed::default(), Err(error));
                }
            }
            self.log.at_work.store(usize::MAX, Ordering::Relaxed);
            drop(work);
            if !self.again.swap(false, Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(flights) = self.flights.upgrade() {
            flights.left(&self.key);
        }
    }
}

/// A reader's place in a flight.
pub(super) struct Seat {
    flight: Arc<Flight>,
    place: usize,
    at: usize,
}

impl Seat {
    /// How the call begins.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, Error>> {
        self.poll(cx, |written, _| written.head.clone())
    }

    /// What comes next, and what was seen by then.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>, seen: &mut Observed) -> Poll<Found> {
        self.poll(cx, |written, at| {
            let found = written.next(at)?;
            seen.clone_from(&written.seen);
            Some(found)
        })
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> Observed {
        self.flight.log.written.lock().seen.clone()
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&Written, &mut usize) -> Option<T>,
    ) -> Poll<T> {
        let log = &*self.flight.log;
        let mut look = |at: &mut usize| read(&log.written.lock(), at);
        if let Some(found) = look(&mut self.at) {
            return Poll::Ready(found);
        }
        // Before the work is polled: what comes from elsewhere in between must wake us.
        log.bell.wait(self.place, cx.waker());
        if let Some(found) = look(&mut self.at) {
            return Poll::Ready(found);
        }
        self.flight.drive(self.place);
        look(&mut self.at).map_or(Poll::Pending, Poll::Ready)
    }
}

impl Written {
    fn next(&self, at: &mut usize) -> Option<Found> {
        let Some(ahead) = at.checked_sub(self.gone) else {
            let text = "the answer went on faster than it was read, and is too large to be kept";
            return Some(Found::Broke(Error::new(Kind::BrokenStream, text)));
        };
        let Some(piece) = self.pieces.get(ahead) else {
            return match &self.end {
                Some(Err(error)) => Some(Found::Broke(error.clone())),
                Some(Ok(())) => Some(Found::Last(Bytes::new())),
                None => None,
            };
        };
        *at += 1;
        let last = self.end == Some(Ok(())) && ahead + 1 == self.pieces.len();
        Some(if last { Found::Last(piece.clone()) } else { Found::Piece(piece.clone()) })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.flight.log.bell.leave(self.place);
        self.flight.log.written.lock().readers -= 1;
    }
}

/// Lets the reader who drives take what was written before the work goes on: an upstream is read no
/// faster than its fastest reader reads.
pub(super) async fn breathe() {
    let mut again = false;
    std::future::poll_fn(|_| {
        // No waker: whoever wants more comes by itself.
        if std::mem::replace(&mut again, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests;
