use std::future::poll_fn;
use std::sync::atomic::AtomicU32;

use llm_core::principal::TenantId;

use super::*;

fn key() -> CacheKey {
    CacheKey { tenant: TenantId::from("t"), scope: "".into(), question: [0; 32] }
}

fn flight(work: impl FnOnce(Arc<Log>) -> BoxFuture<'static, ()>) -> (Arc<Flights>, Seat) {
    let flights = Arc::<Flights>::default();
    match flights.board(&key(), false, work) {
        super::super::coalesce::Aboard::Leads(seat) => (flights, seat),
        _ => panic!("nobody was there"),
    }
}

async fn next(seat: &mut Seat) -> Found {
    let mut seen = Observed::default();
    poll_fn(|cx| seat.poll_next(cx, &mut seen)).await
}

async fn all(mut seat: Seat) -> Result<Vec<u8>, Kind> {
    let mut out = Vec::new();
    loop {
        match next(&mut seat).await {
            Found::Piece(piece) => out.extend_from_slice(&piece),
            Found::Last(piece) => {
                out.extend_from_slice(&piece);
                return Ok(out);
            }
            Found::Broke(error) => return Err(error.kind()),
        }
    }
}

/// Work that writes so many pieces of that size, resting now and then.
fn pieces(count: usize, size: usize) -> impl FnOnce(Arc<Log>) -> BoxFuture<'static, ()> {
    move |log| {
        Box::pin(async move {
            for n in 0..count {
                if n % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                log.push(vec![n as u8; size].into(), &Observed::default());
                breathe().await;
            }
            log.end(Bytes::from_static(b"."), &Observed::default(), Ok(()));
        })
    }
}

#[tokio::test]
async fn pieces_and_end_come_to_all_in_order() {
    let (flights, first) = flight(pieces(20, 2));
    let second = flights.join(&key()).unwrap();
    let (a, b) = tokio::join!(all(first), all(second));
    let expected: Vec<u8> = (0..20).flat_map(|n| [n; 2]).chain([b'.']).collect();
    assert_eq!(a.unwrap(), expected);
    assert_eq!(b.unwrap(), expected);
    assert_eq!(flights.len(), 0, "the last reader took the name along");
}

#[tokio::test]
async fn the_work_goes_no_further_than_its_readers() {
    let written = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&written);
    let (_flights, mut seat) = flight(move |log| {
        Box::pin(async move {
            loop {
                count.fetch_add(1, Ordering::Relaxed);
                log.push(Bytes::from_static(b"x"), &Observed::default());
                breathe().await;
            }
        })
    });
    for read in 1..50 {
        assert!(matches!(next(&mut seat).await, Found::Piece(_)));
        assert_eq!(written.load(Ordering::Relaxed), read);
    }
}

#[tokio::test]
async fn an_answer_too_large_to_keep_cuts_off_whoever_is_too_far_behind() {
    let size = RECORDING_BYTES_MAX / 4;
    let (flights, fast) = flight(pieces(12, size));
    let mut slow = flights.join(&key()).unwrap();
    assert!(matches!(next(&mut slow).await, Found::Piece(_)));
    assert_eq!(all(fast).await.unwrap().len(), 12 * size + 1);
    assert!(matches!(next(&mut slow).await, Found::Broke(_)));
    assert!(flights.join(&key()).is_none(), "nobody can begin in the middle");
}

#[tokio::test]
async fn one_large_piece_is_for_everybody() {
    let (flights, first) = flight(pieces(1, RECORDING_BYTES_MAX * 2));
    let second = flights.join(&key()).unwrap();
    assert_eq!(all(first).await.unwrap().len(), RECORDING_BYTES_MAX * 2 + 1);
    assert_eq!(all(second).await.unwrap().len(), RECORDING_BYTES_MAX * 2 + 1);
}

#[tokio::test]
async fn work_that_panics_is_an_error_for_the_others() {
    let (flights, mut first) = flight(|log| {
        Box::pin(async move {
            log.push(Bytes::from_static(b"x"), &Observed::default());
            breathe().await;
            panic!("on purpose");
        })
    });
    let second = flights.join(&key()).unwrap();
    assert!(matches!(next(&mut first).await, Found::Piece(_)));
    assert!(tokio::spawn(all(first)).await.unwrap_err().is_panic());
    assert_eq!(all(second).await, Err(Kind::Internal));
}

#[tokio::test]
async fn the_last_to_leave_ends_the_work() {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let told = Told(Arc::clone(&over));
    let (flights, first) = flight(|_| {
        Box::pin(async move {
            let _told = told;
            std::future::pending::<()>().await;
        })
    });
    let second = flights.join(&key()).unwrap();
    drop(first);
    assert!(!over.load(Ordering::Relaxed));
    drop(second);
    assert!(over.load(Ordering::Relaxed));
    assert_eq!(flights.len(), 0);
    assert!(flights.join(&key()).is_none());
}

/// Nothing that wakes one of many readers on several threads is lost: each round ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_wake_is_lost() {
    for round in 0..200u64 {
        let (flights, first) = flight(move |log| {
            Box::pin(async move {
                for n in 0..20u64 {
                    // Woken from another thread, at any time.
                    if (n + round) % 2 == 0 {
                        let (tell, told) = tokio::sync::oneshot::channel::<()>();
                        tokio::spawn(async move { tell.send(()) });
                        let _ = told.await;
                    }
                    log.push(Bytes::copy_from_slice(&n.to_le_bytes()), &Observed::default());
                    breathe().await;
                }
                log.end(Bytes::new(), &Observed::default(), Ok(()));
            })
        });
        let mut readers = vec![tokio::spawn(all(first))];
        for n in 0..8 {
            let Some(seat) = flights.join(&key()) else { break };
            if n % 4 == 3 {
                drop(seat);
            } else {
                readers.push(tokio::spawn(all(seat)));
            }
        }
        for reader in readers {
            let read = tokio::time::timeout(std::time::Duration::from_secs(20), reader).await;
            assert_eq!(read.expect("a wake was lost").unwrap().unwrap().len(), 160);
        }
    }
}

/// Whether somebody was woken.
#[derive(Default)]
struct Flag(AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Flag {
    fn wait(&self) {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
}

/// What wakes the work while one reader polls it, and finds another who cannot, is not lost with
/// the first when it leaves.
#[test]
fn a_wake_in_the_middle_of_a_poll_outlives_who_polled() {
    let (tried, mut step) = (Arc::new(Flag::default()), 0);
    let seen = Arc::clone(&tried);
    let (flights, mut first) = flight(move |log| {
        Box::pin(poll_fn(move |cx| {
            step += 1;
            match step {
                1 => {}
                2 => {
                    // From elsewhere, and the other reader comes before we are done.
                    cx.waker().wake_by_ref();
                    seen.wait();
                }
                3 => log.push(Bytes::from_static(b"x"), &Observed::default()),
                _ => {}
            }
            Poll::<()>::Pending
        }))
    });
    let mut second = flights.join(&key()).unwrap();
    let poll = |seat: &mut Seat, flag: &Arc<Flag>| {
        let waker = Waker::from(Arc::clone(flag));
        seat.poll_next(&mut Context::from_waker(&waker), &mut Observed::default()).is_ready()
    };
    let woken = Arc::new(Flag::default());
    assert!(!poll(&mut second, &woken));
    let other = std::thread::spawn({
        let woken = Arc::clone(&woken);
        move || {
            woken.wait();
            woken.0.store(false, Ordering::SeqCst);
            assert!(!poll(&mut second, &woken), "the first is still at it");
            tried.0.store(true, Ordering::SeqCst);
            second
        }
    });
    poll(&mut first, &Arc::default());
    drop(first);
    let mut second = other.join().unwrap();
    assert!(woken.0.load(Ordering::SeqCst), "nobody told the reader who is left");
    assert!(poll(&mut second, &woken));
}
