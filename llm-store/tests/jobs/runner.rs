//! A worker: what it tells the work, and what it says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use llm_core::Str;
use llm_core::seam::BoxFuture;
use llm_store::jobs::runner::{Done, Run, Runner, Settings, Stop, Trouble, Work, keep_up};
use llm_store::jobs::{Draft, Job, JobId, State, Whose};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::pay::Ledger;
use crate::place::{Time, World, draft, payment};

/// What the work does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Stops when it is told to.
    Obeys,
    /// Does not hear.
    Deaf,
    /// Panics the first time.
    Panics,
    /// Fails the first time.
    Fails,
    /// Is done at once.
    Quick,
}

#[derive(Debug)]
struct Doing {
    way: Way,
    begun: Notify,
    times: AtomicUsize,
}

impl Doing {
    async fn work(&self, run: &Run) -> Result<Done, Trouble> {
        let first = self.times.fetch_add(1, Ordering::SeqCst) == 0;
        assert_eq!(&run.input()[..6], b"a film");
        self.begun.notify_one();
        match self.way {
            Way::Obeys => {
                let stop = run.stopped().await;
                assert_eq!(run.stop(), Some(stop));
                let charge = if stop == Stop::Cancelled { 30 } else { 0 };
                Err(Trouble { charge, ..Trouble::passing("stopped") })
            }
            Way::Deaf => std::future::pending().await,
            Way::Panics if first => panic!("as it should"),
            Way::Fails if first => Err(Trouble::passing("the provider is away")),
            Way::Panics | Way::Fails | Way::Quick => Ok(Done { charge: 240 }),
        }
    }
}

impl Work for Doing {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(self.work(run))
    }
}

fn runner(world: &World, way: Way) -> (Runner, Arc<Doing>) {
    let doing = Arc::new(Doing { way, begun: Notify::new(), times: AtomicUsize::new(0) });
    let settings = Settings {
        lease: Duration::from_millis(300),
        idle: Duration::from_millis(10),
        grace: Duration::from_millis(50),
        backoff: Duration::from_millis(5),
        ..Settings::new(Str::from_static("worker"))
    };
    let kind = Str::from_static("transcribe");
    let works = [(kind, doing.clone() as Arc<dyn Work>)];
    (Runner::new(world.jobs.clone(), works, settings), doing)
}

async fn see(world: &World, id: JobId) -> Job {
    world.jobs.get(id, &Whose::all()).await.unwrap().0
}

async fn ended(world: &World, id: JobId) -> Job {
    for _ in 0..500 {
        let job = see(world, id).await;
        if job.state.is_over() {
            return job;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not end: {:?}", see(world, id).await);
}

async fn tells_and_says(world: &World) {
    for (way, state, attempts, charge) in [
        (Way::Quick, State::Completed, 1, 240),
        (Way::Panics, State::Completed, 2, 240),
        (Way::Fails, State::Completed, 2, 240),
        (Way::Obeys, State::Cancelled, 1, 30),
        (Way::Deaf, State::Cancelled, 1, 0),
    ] {
        let id = world.make(Draft { payment: payment(1), ..draft("acme") }).await;
        let (runner, doing) = runner(world, way);
        let stop = async {
            doing.begun.notified().await;
            if state == State::Cancelled {
                // It goes on for longer than its lease: it beats.
                sleep(Duration::from_millis(500)).await;
                assert_eq!(world.jobs.cancel(id, &Whose::all()).await, Ok(State::Processing));
            }
            ended(world, id).await;
        };
        runner.run(stop).await;
        let job = see(world, id).await;
        assert_eq!(
            (job.state, job.attempts, job.charge),
            (state, attempts, Some(charge)),
            "{way:?}"
        );
    }
}

async fn gives_back_what_it_has(world: &World) {
    for way in [Way::Obeys, Way::Deaf] {
        let id = world.make(draft("acme")).await;
        let (leaving, doing) = runner(world, way);
        leaving.run(doing.begun.notified()).await;
        let job = see(world, id).await;
        assert_eq!((job.state, job.attempts), (State::Pending, 0));
        assert_eq!(world.words(id).await, ["created", "started", "released"]);
        let (next, _) = runner(world, Way::Quick);
        next.run(async { drop(ended(world, id).await) }).await;
        assert_eq!(see(world, id).await.attempts, 1);
    }
}

async fn is_followed_when_it_dies(world: &World) {
    let id = world.make(Draft { payment: payment(5), ..draft("acme") }).await;
    let (dies, doing) = runner(world, Way::Deaf);
    tokio::select! {
        () = dies.run(std::future::pending()) => {}
        () = doing.begun.notified() => {}
    }
    drop(dies);
    let (next, _) = runner(world, Way::Quick);
    let ledger = Ledger::default();
    let every = Duration::from_millis(20);
    let settled = async {
        while !see(world, id).await.settled {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::join!(next.run(async { drop(ended(world, id).await) }), async {
        keep_up(&world.jobs, &ledger, every, settled).await;
    });
    let job = see(world, id).await;
    assert_eq!((job.state, job.attempts), (State::Completed, 2));
    assert_eq!(ledger.paid.lock().values().copied().collect::<Vec<_>>(), [240]);
}

async fn all(fresh: impl AsyncFn() -> World) {
    Box::pin(tells_and_says(&fresh().await)).await;
    Box::pin(gives_back_what_it_has(&fresh().await)).await;
    Box::pin(is_followed_when_it_dies(&fresh().await)).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn works_for_a_file() {
    all(async || World::in_file(Time::Passing).await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
async fn works_for_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    all(async || World::in_postgres(&server, Time::Passing).await).await;
}
