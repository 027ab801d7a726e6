//! What a process remembers: over a directory whose answers a test gives, and over a real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use llm_core::principal::{Grant, KeyId};
use llm_core::seam::Clock;
use llm_core::store::{Directory, KeyHash, Shown, StoreError, Stored};
use llm_store::directory::{Bounds, KnownKeys};
use tokio::sync::Notify;

use crate::clocks::HandClock;

/// A directory that says what a test wants, when it wants.
#[derive(Debug)]
struct Told {
    asked: AtomicUsize,
    says: parking_lot::Mutex<Result<Shown, StoreError>>,
    /// Answers wait for it, if there is one.
    gate: parking_lot::Mutex<Option<Arc<Notify>>>,
}

impl Told {
    fn new(says: Shown) -> Arc<Self> {
        let says = parking_lot::Mutex::new(Ok(says));
        Arc::new(Self { asked: AtomicUsize::new(0), says, gate: parking_lot::Mutex::new(None) })
    }

    fn say(&self, says: Result<Shown, StoreError>) {
        *self.says.lock() = says;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Directory for Told {
    fn grant<'a>(&'a self, _: &'a KeyHash) -> Stored<'a, Shown> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // What is true when it is asked, however late it arrives.
        let says = self.says.lock().clone();
        let gate = self.gate.lock().clone();
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.notified().await;
            }
            says
        })
    }

    fn changed(&self, since: u64) -> Stored<'_, (Vec<KeyId>, u64)> {
        Box::pin(std::future::ready(Ok((Vec::new(), since))))
    }
}

fn works(line: &'static str, until: Option<Timestamp>) -> Shown {
    let mut grant = Grant::embedded();
    Arc::make_mut(&mut grant.principal).key = KeyId::from(line);
    Shown::Known { grant: Arc::new(grant), until }
}

fn print(number: u32) -> KeyHash {
    let mut print = [0; 32];
    print[..4].copy_from_slice(&number.to_le_bytes());
    print[31] = number.to_le_bytes()[0];
    KeyHash(print)
}

fn out() -> Result<Shown, StoreError> {
    Err(StoreError::Unavailable("gone".into()))
}

fn known(directory: &Arc<Told>, clock: &Arc<HandClock>) -> KnownKeys {
    let directory: Arc<dyn Directory> = Arc::<Told>::clone(directory);
    KnownKeys::new(directory, Arc::<HandClock>::clone(clock), Bounds::default())
}

#[tokio::test]
async fn a_key_is_asked_for_once_a_minute() {
    let (directory, clock) = (Told::new(works("a", None)), Arc::new(HandClock::new()));
    let known = known(&directory, &clock);
    for _ in 0..10 {
        assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
    }
    assert_eq!(directory.asked(), 1);
    clock.pass(59_000);
    known.grant(&print(1)).await.unwrap();
    assert_eq!(directory.asked(), 1);
    clock.pass(1_000);
    directory.say(Ok(Shown::Unknown));
    assert_eq!(known.grant(&print(1)).await, Ok(Shown::Unknown));
    assert_eq!((directory.asked(), known.len()), (2, 0));
    // What is no key is soon asked for again.
    known.grant(&print(1)).await.unwrap();
    assert_eq!(directory.asked(), 2);
    clock.pass(2_000);
    directory.say(Ok(works("a", None)));
    assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
}

#[tokio::test]
async fn nobody_is_remembered_beyond_their_end() {
    let clock = Arc::new(HandClock::new());
    let until = Timestamp::try_from(clock.wall() + Duration::from_secs(10)).unwrap();
    let directory = Told::new(works("a", Some(until)));
    let known = known(&directory, &clock);
    known.grant(&print(1)).await.unwrap();
    clock.pass(9_999);
    assert!(known.known(&print(1)).is_some());
    clock.pass(1);
    assert_eq!(known.known(&print(1)), None);
    // Nor when nobody can say what else it is.
    directory.say(out());
    assert_eq!(known.grant(&print(1)).await, out());
}

#[tokio::test]
async fn those_who_are_known_go_on_without_the_store() {
    let (directory, clock) = (Told::new(works("a", None)), Arc::new(HandClock::new()));
    let known = known(&directory, &clock);
    known.grant(&print(1)).await.unwrap();
    directory.say(out());
    // Who is not known is no stranger.
    assert_eq!(known.grant(&print(2)).await, out());
    assert_eq!(directory.asked(), 2);
    // And for a moment nobody waits to hear so again.
    assert!(matches!(known.grant(&print(3)).await, Err(StoreError::Unavailable(_))));
    assert_eq!(directory.asked(), 2);
    for _ in 0..4 {
        clock.pass(59_000);
        assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
        assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
    }
    assert!(directory.asked() <= 6, "one of them waits, once in a while");
    clock.pass(63_999);
    assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
    clock.pass(1);
    assert!(matches!(known.grant(&print(1)).await, Err(StoreError::Unavailable(_))));
    clock.pass(1_000);
    directory.say(Ok(works("a", None)));
    assert_eq!(known.grant(&print(1)).await, Ok(works("a", None)));
    // What is broken is told at once: nobody goes on with what the store contradicts.
    clock.pass(60_000);
    let corrupt = StoreError::Corrupt("odd".into());
    directory.say(Err(corrupt.clone()));
    assert_eq!(known.grant(&print(1)).await, Err(corrupt));
}

#[tokio::test]
async fn of_all_who_ask_at_once_one_asks() {
    let (directory, clock) = (Told::new(works("a", None)), Arc::new(HandClock::new()));
    let known = Arc::new(known(&directory, &clock));
    let gate = Arc::new(Notify::new());
    *directory.gate.lock() = Some(Arc::clone(&gate));
    let ask = || {
        let known = Arc::clone(&known);
        tokio::spawn(async move { known.grant(&print(1)).await })
    };
    let first = ask();
    tokio::task::yield_now().await;
    let others: Vec<_> = (0..50).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    assert_eq!(directory.asked(), 1);
    // Whoever is in front leaves: the next one asks.
    first.abort();
    assert!(first.await.is_err());
    tokio::task::yield_now().await;
    gate.notify_one();
    for other in others {
        assert_eq!(other.await.unwrap(), Ok(works("a", None)));
    }
    assert_eq!(directory.asked(), 2);
}

#[tokio::test]
async fn an_answer_that_was_under_way_brings_nothing_back() {
    let (directory, clock) = (Told::new(works("a", None)), Arc::new(HandClock::new()));
    let known = Arc::new(known(&directory, &clock));
    let gate = Arc::new(Notify::new());
    *directory.gate.lock() = Some(Arc::clone(&gate));
    let asked = {
        let known = Arc::clone(&known);
        tokio::spawn(async move { known.grant(&print(1)).await })
    };
    tokio::task::yield_now().await;
    assert_eq!(directory.asked(), 1);
    // Taken away while the answer is on its way.
    directory.say(Ok(Shown::Barred));
    known.forget(&[KeyId::from("a")]);
    gate.notify_one();
    tokio::task::yield_now().await;
    gate.notify_one();
    assert_eq!(asked.await.unwrap(), Ok(Shown::Barred));
    assert_eq!(known.known(&print(1)), Some(Shown::Barred));
}

#[tokio::test]
async fn what_is_forgotten_is_asked_for_and_nothing_else() {
    let (directory, clock) = (Told::new(works("a", None)), Arc::new(HandClock::new()));
    let known = known(&directory, &clock);
    for number in 0..40 {
        known.grant(&print(number)).await.unwrap();
    }
    directory.say(Ok(works("b", None)));
    for number in 40..80 {
        known.grant(&print(number)).await.unwrap();
    }
    assert_eq!(known.len(), 80);
    known.forget(&[KeyId::from("a"), KeyId::from("zz")]);
    assert_eq!(known.len(), 40);
    assert!((40..80).all(|number| known.known(&print(number)) == Some(works("b", None))));
    known.forget_all();
    assert!(known.is_empty());
}

#[tokio::test]
async fn room_is_for_those_who_are_asked_for() {
    let clock = Arc::new(HandClock::new());
    let directory = Told::new(works("a", None));
    let bounds = Bounds { keys_max: 64, strangers_max: 32, ..Bounds::default() };
    let asked: Arc<dyn Directory> = Arc::<Told>::clone(&directory);
    let known = KnownKeys::new(asked, clock.clone(), bounds);
    for number in 0..5_000u32 {
        known.grant(&print(number)).await.unwrap();
        // Somebody who is asked for all the time stays.
        let frequent = known.grant(&print(0)).await;
        assert_eq!(frequent, Ok(works("a", None)));
    }
    assert_eq!(known.len(), 64);
    assert_eq!(directory.asked(), 5_000, "the frequent one was asked for once");
    // Those who guess push nobody out.
    directory.say(Ok(Shown::Unknown));
    for number in 10_000..15_000 {
        known.grant(&print(number)).await.unwrap();
    }
    assert_eq!(known.len(), 64);
    assert!(known.known(&print(0)).is_some());
}

#[test]
fn a_look_takes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let clock = Arc::new(HandClock::new());
    let directory = Told::new(works("a", None));
    let known = known(&directory, &clock);
    for number in 0..10_000 {
        runtime.block_on(known.grant(&print(number))).unwrap();
    }
    let looks = 100_000u32;
    #[expect(clippy::disallowed_methods, reason = "the machine's own time is what is measured")]
    let begin = std::time::Instant::now();
    let taken = allocation_counter::measure(|| {
        for look in 0..looks {
            let number = look.wrapping_mul(2_654_435_761) % 10_000;
            assert!(known.known(&print(number)).is_some());
        }
    });
    let each = begin.elapsed() / looks;
    println!("a look at a known key: {each:?}");
    assert_eq!(taken.count_total, 0);
}

#[cfg(feature = "sqlite")]
mod real {
    use llm_store::directory::{By, Level, SqlDirectory, Turn};
    use llm_store::keys::Draft;

    use super::*;
    use crate::place::{self, *};

    async fn knows(known: &KnownKeys, number: u32) -> Shown {
        known.grant(&place::print(number)).await.unwrap()
    }

    /// What is done here holds here when it is answered, and elsewhere with the next look.
    #[tokio::test]
    async fn a_change_is_heard_here_and_there() {
        let file = InFile::new();
        let place: &dyn Place = &file;
        let open = async || {
            let directory = place.open().await;
            let known = KnownKeys::of(&directory, file.clock.clone(), Bounds::default());
            known.catch_up().await.unwrap();
            (directory, known)
        };
        let ((here, at_once), (_there, later)) = (open().await, open().await);
        people(&here).await;
        let both = [&at_once, &later];
        for known in both {
            assert_eq!(knows(known, 1).await, Shown::Unknown);
        }
        issue(&here, 1, Draft::new(of_user("ann"))).await;
        assert!(matches!(knows(&at_once, 1).await, Shown::Known { .. }), "just issued");
        assert_eq!(knows(&later, 1).await, Shown::Unknown);
        later.catch_up().await.unwrap();
        assert!(matches!(knows(&later, 1).await, Shown::Known { .. }));

        here.rest_party(&By::Operator, party(Level::Team, "red"), true).await.unwrap();
        assert_eq!(knows(&at_once, 1).await, Shown::Barred);
        assert!(matches!(knows(&later, 1).await, Shown::Known { .. }));
        later.catch_up().await.unwrap();
        assert_eq!(knows(&later, 1).await, Shown::Barred);
        here.rest_party(&By::Operator, party(Level::Team, "red"), false).await.unwrap();
        here.turn(&By::Operator, id(1), Turn::Revoke).await.unwrap();
        assert_eq!(knows(&at_once, 1).await, Shown::Unknown);
        later.catch_up().await.unwrap();
        assert_eq!(knows(&later, 1).await, Shown::Unknown);
    }

    /// The worker by itself, in its own time.
    #[tokio::test]
    async fn the_worker_looks_every_second() {
        let file = InFile::new();
        let place: &dyn Place = &file;
        let (here, there): (SqlDirectory, SqlDirectory) = (place.open().await, place.open().await);
        people(&here).await;
        issue(&here, 1, Draft::new(of_user("ann"))).await;
        let known = KnownKeys::of(&there, file.clock.clone(), Bounds::default());
        let worker = tokio::spawn({
            let known = Arc::clone(&known);
            async move { known.watch().await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(matches!(knows(&known, 1).await, Shown::Known { .. }));
        here.turn(&By::Operator, id(1), Turn::Suspend).await.unwrap();
        let forgotten = async {
            while knows(&known, 1).await != Shown::Barred {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), forgotten).await.unwrap();
        worker.abort();
    }

    /// An end by the calendar ends what is remembered, too.
    #[tokio::test]
    async fn an_overlap_ends_by_the_clock() {
        let file = InFile::new();
        let directory = (&file as &dyn Place).open().await;
        people(&directory).await;
        issue(&directory, 1, Draft::new(of_user("ann"))).await;
        let known = KnownKeys::of(&directory, file.clock.clone(), Bounds::default());
        let overlap = Duration::from_secs(10);
        directory.rotate(&By::Operator, id(1), minted(2), overlap).await.unwrap();
        assert!(matches!(knows(&known, 1).await, Shown::Known { .. }));
        file.clock.pass(10_000);
        assert_eq!(knows(&known, 1).await, Shown::Unknown);
        assert!(matches!(knows(&known, 2).await, Shown::Known { .. }));
    }
}

/// A server that has stopped: who is known goes on, and who is not is not a stranger.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_silent_stops_nobody_who_is_known() {
    use crate::place::{InDatabase, Place, id, issue, minted, of_user, people};
    use llm_store::directory::{By, Turn};
    use llm_store::keys::Draft;

    let Some(server) = crate::server::Server::start() else { return };
    let place = InDatabase::new(&server).await;
    let directory = (&place as &dyn Place).open().await;
    people(&directory).await;
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    issue(&directory, 2, Draft::new(of_user("bob"))).await;
    let clock = Arc::new(HandClock::new());
    let known = KnownKeys::of(&directory, clock.clone(), Bounds::default());
    let [one, two] = [1, 2].map(|number| minted(number).print.hash);
    assert!(matches!(known.grant(&one).await, Ok(Shown::Known { .. })));
    server.signal("STOP");
    clock.pass(61_000);
    assert!(matches!(known.grant(&one).await, Ok(Shown::Known { .. })));
    assert!(matches!(known.grant(&two).await, Err(StoreError::Unavailable(_))));
    let refused = directory.turn(&By::Operator, id(1), Turn::Suspend).await;
    assert!(refused.is_err(), "nobody administers what is not there");
    server.signal("CONT");
    clock.pass(2_000);
    let back = async {
        while known.grant(&two).await.is_err() {
            clock.pass(1_000);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.unwrap();
}
