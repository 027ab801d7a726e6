//! One connection: what was asked on it, what is still being answered, and how it ends.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use llm_core::seam::Clock;
use llm_providers::seam::{Doze, Moment, Patient};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::yield_now;

use super::super::body::Body;
use super::super::house::House;
use super::super::web::{self, Entered, Peer};
use super::FIRST_HEAD_MAX;
use super::crowd::Within;
use super::paced::Paced;
use super::turns::InTurn;

/// When the process ends: on a connection that is silent for so long nobody is about to ask.
const SILENT: Duration = Duration::from_secs(1);

/// How often it is looked whether a connection is silent, in the time for which it may be: each is
/// kept for at most a look longer, the first of which is when a first head is whole.
const LOOKS: u32 = 8;
/// Whoever wants connections kept for less has them kept for this: each look polls all of one.
const IDLE_MIN: Duration = Duration::from_millis(100);

/// What connections are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Go on.
    Serve,
    /// The process ends.
    Leave,
}

/// Who has just connected.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) heard: watch::Receiver<Word>,
    pub(super) place: Place,
}

/// What happens on a connection.
#[derive(Debug)]
struct Seat {
    /// Requests that have begun and answers that have ended, above; below, how many are under way. In
    /// one number, since each call changes both twice.
    calls: AtomicU64,
    /// It speaks HTTP/2, which can say that it wants no more calls.
    can_say: AtomicBool,
    /// Free once nobody is here any more: the last call too has been settled by then, so that who counts
    /// places knows that none is under way. Calls over HTTP/2 are tasks of their own.
    _place: Place,
}

/// What a connection takes up.
pub(super) type Place = (Within, OwnedSemaphorePermit);

/// One of either in the number of calls: more are never under way on one connection.
const MOVE: u64 = 1 << 32;

impl Seat {
    fn new(place: Place) -> Arc<Self> {
        let (calls, can_say) = Default::default();
        Arc::new(Self { calls, can_say, _place: place })
    }
}

/// A request, until its answer has gone out.
#[derive(Debug)]
struct Turn(Arc<Seat>);

impl Turn {
    fn begin(seat: &Arc<Seat>, version: Version) -> Self {
        seat.calls.fetch_add(MOVE + 1, Ordering::Relaxed);
        if version == Version::HTTP_2 {
            seat.can_say.store(true, Ordering::Relaxed);
        }
        Self(Arc::clone(seat))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.calls.fetch_add(MOVE - 1, Ordering::Relaxed);
    }
}

/// An answer's body, and that it is under way.
#[derive(Debug)]
struct Held {
    body: Body,
    /// What it broke off with, and how often the connection is asked to write before it hears of that:
    /// with it goes whatever was not written.
    broke: Option<(io::Error, u8)>,
    /// The moment in which it had nothing: a connection asks twice more in the same.
    silent: Option<u64>,
    _turn: Turn,
}

impl Held {
    fn new(body: Body, turn: Turn) -> Self {
        Self { body, broke: None, silent: None, _turn: turn }
    }
}

/// One to have a turn, and one to write in it.
const WRITES: u8 = 2;

/// Serves a connection to its end, with a task of its own.
pub(super) fn serve(house: Arc<House>, builder: &auto::Builder<TokioExecutor>, arrived: Arrived) {
    let Arrived { stream, peer: address, heard, place } = arrived;
    let clock = Arc::clone(&house.clock);
    // Under the encryption: it is the socket that stands still.
    let stream = Paced::new(stream, house.web.edge.write_timeout, clock);
    let Some(tls) = house.web.tls.clone() else {
        let from = Peer { address, secure: false };
        tokio::spawn(carry(house, builder, stream, from, heard, place));
        return;
    };
    let builder = builder.clone();
    tokio::spawn(async move {
        let stream = tokio::select! {
            stream = tls.accept(stream) => stream,
            () = house.clock.sleep(FIRST_HEAD_MAX) => return,
        };
        // Who cannot agree on a way to speak is nobody's to help.
        if let Ok(stream) = stream {
            let from = Peer { address, secure: true };
            carry(house, &builder, stream, from, heard, place).await;
        }
    });
}

/// No `async fn`: each piece of an answer passes by all that is here, and so it lies together, with the
/// connection apart. Futures in futures would have their states between what they were made of.
fn carry<S>(
    house: Arc<House>,
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    from: Peer,
    heard: watch::Receiver<Word>,
    place: Place,
) -> impl Future<Output = ()> + Send + use<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seat = Seat::new(place);
    let (clock, idle) = (Arc::clone(&house.clock), house.web.edge.idle.max(IDLE_MIN));
    let own = Arc::clone(&seat);
    let service = service_fn(move |request: Request<Incoming>| {
        let (house, turn) = (Arc::clone(&house), Turn::begin(&own, request.version()));
        // Made where it stays: all of a call is in it, of which nearly nothing is anything yet.
        let answered = Box::write(Box::new_uninit(), answered(house, from, request, turn));
        Box::into_pin(answered)
    });
    let connection = builder.serve_connection(TokioIo::new(InTurn::new(stream)), service);
    let mut connection = Box::pin(connection.into_owned());
    let (mut beside, mut before, mut looks) = (Beside::new(clock, heard), 0, 0);
    poll_fn(move |cx| {
        // All that waits for somebody on this connection is polled each time.
        let moment = Moment::alarmed(cx.waker());
        loop {
            // How a connection ends is the client's affair.
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            match ready!(beside.poll(moment.alarm(), cx)) {
                Stir::Below => continue,
                Stir::Leave => {}
                Stir::Time => {
                    let calls = seat.calls.load(Ordering::Relaxed);
                    // Who has just had an answer may be about to ask again.
                    let silent = calls == before && calls.is_multiple_of(MOVE);
                    if calls == 0 && beside.is_late() {
                        // It has not finished its first head, or not begun.
                        return Poll::Ready(());
                    }
                    looks = if silent { looks + 1 } else { 0 };
                    let silent = looks >= if beside.leaving { 1 } else { LOOKS };
                    if silent || beside.leaving && seat.can_say.load(Ordering::Relaxed) {
                        // Who is in the middle of a head as well: it has had that long to end it.
                        connection.as_mut().graceful_shutdown();
                    }
                    before = calls;
                }
            }
            beside.begin(if beside.leaving { SILENT } else { idle / LOOKS });
        }
    })
}

/// Apart, so that it can be made in its box.
#[inline(never)]
fn answered(
    house: Arc<House>,
    from: Peer,
    request: Request<Incoming>,
    turn: Turn,
) -> impl Future<Output = Result<Response<Held>, Infallible>> + Send {
    let mut entered = Entered::new(&house, from, request);
    async move {
        let response = web::answer(&house, from, &mut entered).await;
        Ok(response.map(|body| Held::new(body, turn)))
    }
}

/// What a connection is woken for, beside what happens on it.
enum Stir {
    Time,
    /// Somebody below wanted to be polled, and is.
    Below,
    Leave,
}

/// What it is that wakes it. In one place, since each piece of an answer passes by all of it.
struct Beside {
    clock: Arc<dyn Clock>,
    /// When it is looked what has happened.
    look: Instant,
    /// When a first head is whole.
    first: Instant,
    /// Until then, or until somebody below wants to be polled before.
    wait: Doze,
    word: Heard,
    /// It was told that the process ends.
    leaving: bool,
}

impl Beside {
    fn new(clock: Arc<dyn Clock>, heard: watch::Receiver<Word>) -> Self {
        let now = clock.now();
        let wait = Doze::new(&*clock, now, FIRST_HEAD_MAX);
        let first = now + FIRST_HEAD_MAX;
        Self { clock, look: first, first, wait, word: Heard::new(heard), leaving: false }
    }

    /// Whether a first head would be whole by now.
    fn is_late(&self) -> bool {
        self.clock.now() >= self.first
    }

    /// Time begins anew.
    fn begin(&mut self, wait: Duration) {
        self.look = self.clock.now() + wait;
        self.wait = Doze::new(&*self.clock, self.clock.now(), wait);
    }

    fn poll(&mut self, alarm: Option<Duration>, cx: &mut Context<'_>) -> Poll<Stir> {
        let now = self.clock.now();
        let next = alarm.map_or(self.look, |alarm| self.look.min(now + alarm));
        // Mostly whoever waits does so for longer than until the next look.
        if next < self.wait.until() {
            self.wait = Doze::new(&*self.clock, now, next.saturating_duration_since(now));
        }
        if self.wait.poll(now, cx).is_ready() {
            if now >= self.look {
                return Poll::Ready(Stir::Time);
            }
            let look = self.look.saturating_duration_since(now);
            self.wait = Doze::new(&*self.clock, now, look);
            return Poll::Ready(Stir::Below);
        }
        if !self.leaving && self.word.poll(cx).is_ready() {
            self.leaving = true;
            return Poll::Ready(Stir::Leave);
        }
        Poll::Pending
    }
}

/// That the process ends. What all connections look at says whether that may be.
struct Heard {
    look: watch::Receiver<Word>,
    leave: Patient,
}

impl Heard {
    fn new(heard: watch::Receiver<Word>) -> Self {
        let mut wait = heard.clone();
        let leave = Patient::new(Box::pin(async move {
            // An error says that nobody is left who could say it: the process ends.
            let _ = wait.wait_for(|word| *word == Word::Leave).await;
        }));
        Self { look: heard, leave }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let may_be = !matches!(self.look.has_changed(), Ok(false));
        self.leave.poll(may_be, cx)
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let held = self.get_mut();
        if held.broke.is_none() {
            let moment = Moment::current();
            if moment.is_some() && moment == held.silent {
                return Poll::Pending;
            }
            match Pin::new(&mut held.body).poll_frame(cx) {
                Poll::Pending => {
                    held.silent = moment;
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(error))) => held.broke = Some((error, WRITES)),
                other => return other,
            }
        }
        match held.broke.take() {
            Some((error, left @ 1..)) => {
                held.broke = Some((error, left - 1));
                // Whoever is asked again at once is asked after everybody else.
                let _ = pin!(yield_now()).poll(cx);
                Poll::Pending
            }
            Some((error, 0)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::atomic::AtomicUsize;

    use futures_core::Stream;
    use futures_util::task::noop_waker_ref;
    use http_body::Body as _;
    use tokio::sync::Semaphore;

    use super::super::super::body::Piece;
    use super::super::crowd::Crowd;
    use super::*;

    /// A body that counts how often it is asked, and notes which places are free when it goes.
    struct Noting {
        asked: Arc<AtomicUsize>,
        has: Arc<AtomicBool>,
        places: Arc<Semaphore>,
        free_at_its_end: Arc<AtomicUsize>,
    }

    impl Stream for Noting {
        type Item = Piece;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            match self.has.load(Ordering::Relaxed) {
                true => Poll::Ready(Some(Ok(Bytes::from_static(b"x")))),
                false => Poll::Pending,
            }
        }
    }

    impl Drop for Noting {
        fn drop(&mut self) {
            self.free_at_its_end.store(self.places.available_permits(), Ordering::Relaxed);
        }
    }

    fn seated(places: &Arc<Semaphore>) -> Arc<Seat> {
        let within = Crowd::new(None).enter(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        let permit = Arc::clone(places).try_acquire_owned().unwrap();
        Seat::new((within, permit))
    }

    fn held(seat: &Arc<Seat>, body: Noting) -> Held {
        Held::new(Body::Pieces(Box::pin(body)), Turn::begin(seat, Version::HTTP_11))
    }

    #[test]
    fn who_had_nothing_is_asked_again_in_the_next_moment() {
        let places = Arc::new(Semaphore::new(1));
        let (asked, has) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let body = Noting {
            asked: Arc::clone(&asked),
            has: Arc::clone(&has),
            places: Arc::clone(&places),
            free_at_its_end: Arc::default(),
        };
        let mut held = held(&seated(&places), body);
        let mut cx = Context::from_waker(noop_waker_ref());
        let mut poll = || Pin::new(&mut held).poll_frame(&mut cx).is_ready();
        let first = Moment::begin();
        assert!(!poll());
        assert!(!poll());
        has.store(true, Ordering::Relaxed);
        // Who has it now has woken the task, which begins another moment.
        assert!(!poll());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        drop(first);
        let next = Moment::begin();
        assert!(poll() && poll());
        assert_eq!(asked.load(Ordering::Relaxed), 3);
        drop(next);
        // A task without moments asks each time.
        has.store(false, Ordering::Relaxed);
        assert!(!poll() && !poll());
        assert_eq!(asked.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_place_is_free_once_its_last_answer_is_gone() {
        let places = Arc::new(Semaphore::new(1));
        let free_at_its_end = Arc::new(AtomicUsize::new(usize::MAX));
        let body = Noting {
            asked: Arc::default(),
            has: Arc::default(),
            places: Arc::clone(&places),
            free_at_its_end: Arc::clone(&free_at_its_end),
        };
        let seat = seated(&places);
        let held = held(&seat, body);
        // The connection goes first.
        drop(seat);
        assert_eq!(places.available_permits(), 0);
        drop(held);
        assert_eq!(free_at_its_end.load(Ordering::Relaxed), 0);
        assert_eq!(places.available_permits(), 1);
    }
}
