//! Time and randomness as the machine has them. Nothing else here asks the machine for either.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, RawWakerVTable, Waker};
use std::time::{Duration, Instant, SystemTime};

use llm_core::seam::{BoxFuture, Clock, Entropy};

/// The machine's clock, through tokio's: a runtime whose time is paused pauses it too.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        SEEN.with(|seen| match seen.get() {
            Seen { open: false, .. } => self.machine(),
            Seen { now: Some(now), .. } => now,
            still => {
                let now = self.machine();
                seen.set(Seen { now: Some(now), ..still });
                now
            }
        })
    }

    fn anew(&self) -> Instant {
        let now = self.machine();
        SEEN.with(|seen| seen.set(Seen { now: Some(now), ..seen.get() }));
        now
    }

    #[expect(clippy::disallowed_methods, reason = "this is where time enters")]
    fn wall(&self) -> SystemTime {
        SEEN.with(|seen| match seen.get() {
            Seen { open: false, .. } => SystemTime::now(),
            Seen { wall: Some(wall), .. } => wall,
            still => {
                let wall = SystemTime::now();
                seen.set(Seen { wall: Some(wall), ..still });
                wall
            }
        })
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

impl SystemClock {
    fn machine(self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

thread_local! {
    static SEEN: Cell<Seen> = const { Cell::new(Seen { open: false, now: None, wall: None }) };
    /// Counts moments, each thread from a place of its own.
    static MOMENT: Cell<u64> = Cell::new(THREADS.fetch_add(1 << 40, Ordering::Relaxed));
}

thread_local! {
    static ALARM: Cell<Alarm> = const { Cell::new(Alarm::NONE) };
}

/// Who promises to poll again, and when.
#[derive(Clone, Copy)]
struct Alarm {
    /// By what waker, in its two parts: whoever is polled by another one may not be polled with it.
    of: Option<(*const (), &'static RawWakerVTable)>,
    /// A time and no instant: whoever promises may have another clock.
    wait: Option<Duration>,
}

impl Alarm {
    const NONE: Self = Self { of: None, wait: None };

    /// Asks whoever polls by that waker to do so after so long, if they have promised to.
    fn ask(waker: &Waker, wait: Duration) -> bool {
        let alarm = ALARM.get();
        let Some((data, vtable)) = alarm.of else { return false };
        if waker.data() != data || !std::ptr::eq(waker.vtable(), vtable) {
            return false;
        }
        let wait = alarm.wait.map_or(wait, |other| other.min(wait));
        ALARM.set(Alarm { wait: Some(wait), ..alarm });
        true
    }
}

/// A wait beside something that nearly always comes first: by the alarm of whoever polls it where there
/// is one, and else by a sleep of its own, which costs an allocation and a place among all timers.
pub(crate) struct Wait<'c> {
    clock: &'c dyn Clock,
    until: Instant,
    sleep: Option<BoxFuture<'static, ()>>,
}

impl<'c> Wait<'c> {
    /// Until then.
    pub(crate) fn until(clock: &'c dyn Clock, until: Instant) -> Self {
        Self { clock, until, sleep: None }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (clock, until) = (self.clock, self.until);
        let now = clock.now();
        if now >= until {
            return Poll::Ready(());
        }
        let wait = until.saturating_duration_since(now);
        if self.sleep.is_none() && Alarm::ask(cx.waker(), wait) {
            return Poll::Pending;
        }
        self.sleep.get_or_insert_with(|| clock.sleep(wait)).as_mut().poll(cx)
    }
}

static THREADS: AtomicU64 = AtomicU64::new(0);

/// What time this thread has seen it is.
#[derive(Clone, Copy)]
struct Seen {
    /// Time stands still.
    open: bool,
    now: Option<Instant>,
    wall: Option<SystemTime>,
}

/// While it lives, the machine's clock stands still for this thread: it is read once, and not by
/// everybody who wants to know. For whoever polls one connection or one task, which takes microseconds;
/// a call asks for the time some thirty times, and that was a fiftieth of all it costs. What is asked
/// of it otherwise sees the time as it is.
#[must_use]
pub struct Moment {
    outer: Seen,
    outer_alarm: Alarm,
    /// Of this thread.
    here: PhantomData<*const ()>,
}

impl Moment {
    /// From now on.
    pub fn begin() -> Self {
        Self::with(Alarm::NONE)
    }

    /// The same for whoever polls everything below each time it is woken by that waker, and promises to
    /// do so after [`Moment::alarm`] as well: nobody below needs a timer of their own.
    pub fn alarmed(waker: &Waker) -> Self {
        Self::with(Alarm { of: Some((waker.data(), waker.vtable())), wait: None })
    }

    fn with(alarm: Alarm) -> Self {
        let outer = SEEN.replace(Seen { open: true, now: None, wall: None });
        let outer_alarm = ALARM.replace(alarm);
        MOMENT.set(MOMENT.get() + 1);
        Self { outer, outer_alarm, here: PhantomData }
    }

    /// After how long somebody below wants to be polled at the latest.
    pub fn alarm(&self) -> Option<Duration> {
        ALARM.get().wait
    }

    /// Which one it is, unlike any other of the process, if there is one now. Who was asked in vain in
    /// it need not look again: whatever has come since wakes whoever asks. That holds for whoever is
    /// asked for the same waker each time, as all are that one poll of one task asks.
    pub fn current() -> Option<u64> {
        SEEN.get().open.then(|| MOMENT.get())
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        SEEN.set(self.outer);
        ALARM.set(self.outer_alarm);
        // One around it is another one from here on: others were asked in between, for somebody else.
        MOMENT.set(MOMENT.get() + 1);
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Moment")
    }
}

/// The machine's randomness: fast, and good enough for jitter and ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn next_u64(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// Something that is waited for beside much else: asked only when it may have come, or by somebody new.
/// Who is woken for other things a thousand times meanwhile would else go each time to where it lies in
/// memory.
pub struct Patient {
    waiting: BoxFuture<'static, ()>,
    told: Option<Waker>,
}

impl Patient {
    /// Waits for that.
    pub fn new(waiting: BoxFuture<'static, ()>) -> Self {
        Self { waiting, told: None }
    }

    /// Whether it has come, and if not, that somebody waits. `may_be` must not be false where it has.
    pub fn poll(&mut self, may_be: bool, cx: &mut Context<'_>) -> Poll<()> {
        let known = self.told.as_ref().is_some_and(|told| told.will_wake(cx.waker()));
        if known && !may_be {
            return Poll::Pending;
        }
        let come = self.waiting.as_mut().poll(cx);
        // A task that has used up its turn is not told of anything: it is asked again at once, and it
        // would be taken to know.
        if come.is_pending() && !known && tokio::task::coop::has_budget_remaining() {
            self.told = Some(cx.waker().clone());
        }
        come
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patient").field("told", &self.told).finish_non_exhaustive()
    }
}

/// A sleep that is asked only when it may be over.
#[derive(Debug)]
pub struct Doze {
    until: Instant,
    sleep: Patient,
}

impl Doze {
    /// From `now`, which is the clock's; by that its sleeps must go as well.
    pub fn new(clock: &dyn Clock, now: Instant, wait: Duration) -> Self {
        // A sleep begins when it is made, and that is after `now`: it never ends before `until`.
        Self { until: now + wait, sleep: Patient::new(clock.sleep(wait)) }
    }

    /// When it is over.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Whether it is over, and if not, that somebody waits.
    pub fn poll(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.poll(now >= self.until, cx)
    }
}

thread_local! {
    static CROWD: Cell<Crowd> = const { Cell::new(Crowd { came: 0, alone: 0 }) };
}

/// Who comes to wait for a turn on this thread.
#[derive(Clone, Copy)]
struct Crowd {
    /// How many have come so far.
    came: u32,
    /// How many of the last ones found nobody else, in a row.
    alone: u32,
}

/// So many in a row that found nobody are taken to mean that nobody is there;
const ALONE: u32 = 8;
/// and one in so many looks again, so that a crowd is seen soon. No multiple of the two turns that a
/// call waits for, so that each of them is looked at.
const LOOK_EVERY: u32 = 7;

/// A turn to write to somebody who may sleep, after everybody else has been made ready who is about to
/// write as well: each write wakes whoever sleeps, and what is written together wakes them once. Where
/// nobody else has been there of late, there is nobody to wait for, and to go around costs a system
/// call and a second look at everything.
#[derive(Debug, Default)]
pub struct Turn {
    /// After whom this one came.
    after: Option<u32>,
}

impl Turn {
    /// Whether it is there. Asked again at once if not, after everybody who is ready.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut crowd = CROWD.get();
        if let Some(after) = self.after.take() {
            let alone = crowd.came == after;
            crowd.alone = if alone { crowd.alone.saturating_add(1) } else { 0 };
            CROWD.set(crowd);
            return Poll::Ready(());
        }
        crowd.came = crowd.came.wrapping_add(1);
        CROWD.set(crowd);
        let looks = crowd.came.is_multiple_of(LOOK_EVERY);
        if crowd.alone >= ALONE && !looks {
            return Poll::Ready(());
        }
        self.after = Some(crowd.came);
        // Whoever is asked again by it is asked after everybody else.
        std::pin::pin!(tokio::task::yield_now()).poll(cx)
    }
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

pub(crate) fn entropy() -> Arc<dyn Entropy> {
    Arc::new(SystemEntropy)
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How many of two who come at once wait for a turn.
    async fn waited_of_two() -> usize {
        let waited = Cell::new(0);
        let one = async || {
            let mut turn = Turn::default();
            std::future::poll_fn(|cx| {
                let there = turn.poll(cx);
                waited.set(waited.get() + usize::from(there.is_pending()));
                there
            })
            .await;
        };
        tokio::join!(one(), one());
        waited.get()
    }

    #[tokio::test]
    async fn a_turn_is_waited_for_where_there_is_a_crowd() {
        assert_eq!(waited_of_two().await, 2);
        let mut looks = 0;
        for _ in 0..10 * LOOK_EVERY {
            std::future::poll_fn(|cx| {
                let mut turn = Turn::default();
                if turn.poll(cx).is_pending() {
                    looks += 1;
                    // Nobody else comes before it is asked again.
                    assert!(turn.poll(cx).is_ready());
                }
                Poll::Ready(())
            })
            .await;
        }
        // Those at first, and one in so many of the others.
        assert!((ALONE..ALONE + 11).contains(&looks), "{looks}");
        // Somebody comes, and is seen by the next one who looks before somebody else.
        let mut rounds = 0;
        while waited_of_two().await < 2 {
            rounds += 1;
            assert!(rounds <= 2 * LOOK_EVERY, "a crowd is not seen");
        }
        assert!(rounds > 0, "who was alone waits");
        assert_eq!(waited_of_two().await, 2);
    }

    #[test]
    fn no_moment_is_taken_for_another() {
        assert_eq!(Moment::current(), None);
        let first = Moment::begin();
        let seen = Moment::current();
        assert!(seen.is_some());
        assert_eq!(Moment::current(), seen);
        let inner = Moment::begin();
        let within = Moment::current();
        drop(inner);
        // Somebody else was asked in between.
        let again = Moment::current();
        drop(first);
        assert_eq!(Moment::current(), None);
        let _later = Moment::begin();
        let elsewhere = std::thread::spawn(|| {
            let _there = Moment::begin();
            Moment::current()
        });
        let mut all = vec![seen, within, again, Moment::current(), elsewhere.join().unwrap()];
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 5);
    }

    /// Counts the sleeps that it makes.
    #[derive(Debug, Default)]
    struct Counting(AtomicU64);

    impl Clock for Counting {
        fn now(&self) -> Instant {
            SystemClock.now()
        }

        fn wall(&self) -> SystemTime {
            SystemClock.wall()
        }

        fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
            self.0.fetch_add(1, Ordering::Relaxed);
            SystemClock.sleep(wait)
        }
    }

    /// A timer does not note a task whose turn is used up, and that task must not rely on it.
    #[tokio::test]
    async fn a_sleep_that_was_begun_with_a_turn_used_up_ends_all_the_same() {
        let mut doze = None;
        let dozed = std::future::poll_fn(|cx| {
            let now = SystemClock.now();
            if doze.is_none() {
                while tokio::task::coop::has_budget_remaining() {
                    let mut used = std::pin::pin!(tokio::task::coop::consume_budget());
                    assert!(used.as_mut().poll(cx).is_ready());
                }
            }
            let doze = doze.get_or_insert_with(|| Doze::new(&SystemClock, now, SECOND / 20));
            doze.poll(now, cx)
        });
        // Whoever is woken for something else meanwhile sees that it is over: that is not meant.
        let began = SystemClock.now();
        assert!(tokio::time::timeout(SECOND * 5, dozed).await.is_ok());
        assert!(SystemClock.now() - began < SECOND * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_polled_by_an_alarm_has_no_timer() {
        let clock = Counting::default();
        let sleeps = || clock.0.load(Ordering::Relaxed);
        let start = clock.now();
        let mut waits = [2, 1, 3].map(|n| Wait::until(&clock, start + SECOND * n));
        std::future::poll_fn(|cx| {
            let moment = Moment::alarmed(cx.waker());
            assert!(waits.iter_mut().all(|wait| Pin::new(wait).poll(cx).is_pending()));
            assert_eq!((moment.alarm(), sleeps()), (Some(SECOND), 0));
            {
                // Within it somebody who promises nothing.
                let inner = Moment::begin();
                let mut own = Wait::until(&clock, start + SECOND);
                assert!(Pin::new(&mut own).poll(cx).is_pending());
                assert_eq!((inner.alarm(), sleeps()), (None, 1));
            }
            // Whoever has another waker may not be polled with the others.
            let mut apart = Wait::until(&clock, start + SECOND / 2);
            let mut other = Context::from_waker(noop_waker_ref());
            assert!(Pin::new(&mut apart).poll(&mut other).is_pending());
            assert_eq!((moment.alarm(), sleeps()), (Some(SECOND), 2));
            Poll::Ready(())
        })
        .await;
        tokio::time::advance(SECOND).await;
        std::future::poll_fn(|cx| {
            let moment = Moment::alarmed(cx.waker());
            let over: Vec<bool> =
                waits.iter_mut().map(|wait| Pin::new(wait).poll(cx).is_ready()).collect();
            assert_eq!(over, [false, true, false]);
            // It is asked for anew each time.
            assert_eq!((moment.alarm(), sleeps()), (Some(SECOND), 2));
            Poll::Ready(())
        })
        .await;
        // Where nobody promises anything, it ends by itself.
        Pin::new(&mut waits[0]).await;
        assert_eq!((clock.now() - start, sleeps()), (SECOND * 2, 3));
    }

    #[test]
    fn time_stands_still_for_a_moment() {
        let clock = SystemClock;
        let pause = || std::thread::sleep(Duration::from_millis(2));
        let seen = || {
            let (now, wall) = (clock.now(), clock.wall());
            pause();
            (clock.now() == now, clock.wall() == wall)
        };
        assert_eq!(seen(), (false, false));
        let moment = Moment::begin();
        assert_eq!(seen(), (true, true));
        let before = clock.now();
        assert!(clock.anew() > before);
        assert!(clock.now() > before, "what was seen anew is seen from then on");
        // Another thread has its own time.
        assert_eq!(std::thread::scope(|scope| scope.spawn(seen).join().unwrap()), (false, false));
        let inner = Moment::begin();
        pause();
        assert!(clock.now() > before);
        drop(inner);
        drop(moment);
        assert_eq!(seen(), (false, false));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_dozes_is_woken_in_time() {
        let clock = SystemClock;
        let began = clock.now();
        let mut doze = Doze::new(&clock, began, SECOND);
        std::future::poll_fn(|cx| doze.poll(clock.now(), cx)).await;
        assert_eq!(clock.now().saturating_duration_since(began).as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_takes_over_is_woken_instead() {
        let clock = SystemClock;
        let mut doze = Doze::new(&clock, clock.now(), SECOND);
        let mut nobody = Context::from_waker(noop_waker_ref());
        // Asked twice by one that is never woken, and then by somebody else.
        assert!(doze.poll(clock.now(), &mut nobody).is_pending());
        assert!(doze.poll(clock.now(), &mut nobody).is_pending());
        let other = std::future::poll_fn(|cx| doze.poll(clock.now(), cx));
        let others = tokio::time::timeout(2 * SECOND, other);
        assert!(others.await.is_ok());
    }
}
