//! Eight workers and two hundred jobs. Workers die at any instant, sleep past their leases and leave
//! politely; each job ends once, each hold is paid once, and no step that was kept is done again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::TenantId;
use llm_core::seam::{BoxFuture, Entropy};
use llm_store::jobs::runner::{Done, Run, Runner, Settings, Trouble, Work};
use llm_store::jobs::{ATTEMPTS_MAX, Draft, JobId, NotDone, OWED_MAX, State, Want, Whose};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::pay::Ledger;
use crate::place::{Dice, Time, World, draft, payment};

const WORKERS: u64 = 8;
const JOBS: u128 = 200;
const STEPS: u8 = 3;
const LEASE: Duration = Duration::from_millis(800);
/// One step of so many is its worker's last: so many deaths on a slow machine as on a fast one.
const DEADLY: u64 = 20;
const TENANTS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[derive(Debug, Default)]
struct Steps {
    /// Steps whose result was surely kept.
    kept: Mutex<BTreeSet<(JobId, u8)>>,
    begun: AtomicUsize,
    resumed: AtomicUsize,
    dice: Dice,
}

/// The same, done by a worker that ends in the middle of some.
#[derive(Debug)]
struct Mortal {
    steps: Arc<Steps>,
    end: Notify,
}

impl Steps {
    async fn work(&self, run: &Run, end: &Notify) -> Result<Done, Trouble> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let id = run.job().id;
        for step in 1..=STEPS {
            let name = Str::from(format!("step-{step}"));
            if let Some(body) = run.kept(name.clone()).await? {
                assert_eq!(body, Bytes::from(vec![step; 64]));
                self.resumed.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            assert!(!self.kept.lock().contains(&(id, step)), "{id}: step {step} again");
            sleep(Duration::from_millis(self.dice.next_u64() % 8)).await;
            if self.dice.next_u64().is_multiple_of(DEADLY) {
                end.notify_one();
                std::future::pending::<()>().await;
            }
            run.checkpoint(name.clone(), Bytes::from(vec![step; 64])).await?;
            self.kept.lock().insert((id, step));
            run.progress(step * 30, Some((name, 100))).await?;
        }
        run.attach("result", "text/plain", Bytes::from(id.to_string())).await?;
        Ok(Done { charge: 240 })
    }
}

impl Work for Mortal {
    fn run<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<Done, Trouble>> {
        Box::pin(self.steps.work(run, &self.end))
    }
}

/// A worker that dies or leaves in the middle of a step, again and again.
async fn mortal(world: &World, steps: Arc<Steps>, number: u64, over: &AtomicBool) {
    let dice = Dice(AtomicU64::new(number * 7_919));
    let mut lives = 0;
    while !over.load(Ordering::SeqCst) {
        lives += 1;
        let settings = Settings {
            lease: LEASE,
            width: 2,
            idle: Duration::from_millis(20),
            grace: Duration::from_millis(20),
            backoff: Duration::from_millis(5),
            ..Settings::new(format!("worker-{number}-{lives}").into())
        };
        let work = Arc::new(Mortal { steps: steps.clone(), end: Notify::new() });
        let works = [(Str::from_static("transcribe"), work.clone() as Arc<dyn Work>)];
        let runner = Runner::new(world.jobs.clone(), works, settings);
        let end = async {
            while !over.load(Ordering::SeqCst)
                && tokio::time::timeout(Duration::from_millis(50), work.end.notified())
                    .await
                    .is_err()
            {}
        };
        if dice.next_u64().is_multiple_of(3) {
            // It is told, and gives back what it has.
            runner.run(end).await;
        } else {
            tokio::select! {
                () = runner.run(std::future::pending()) => {}
                () = end => {}
            }
        }
    }
}

/// One that takes jobs, sleeps past its lease, and then says that they are done.
async fn sleeper(world: &World, number: u64, over: &AtomicBool) -> usize {
    let mut refused = 0;
    while !over.load(Ordering::SeqCst) {
        sleep(Duration::from_millis(120)).await;
        let want = Want {
            kinds: vec![Str::from_static("transcribe")],
            owner: format!("sleeper-{number}").into(),
            lease: Duration::from_millis(40),
            max: 1,
            after: TenantId::from("c"),
        };
        let Ok(taken) = world.jobs.take(&want).await else { continue };
        sleep(Duration::from_millis(60)).await;
        for one in taken {
            match world.jobs.finish(&one.lease, 240).await {
                Ok(State::Completed) => {}
                Err(NotDone::Lost) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    refused
}

async fn race(world: World) {
    let world = Arc::new(world);
    let mut ids = Vec::new();
    for n in 0..JOBS {
        let tenant = TENANTS[usize::try_from(n).unwrap() % TENANTS.len()];
        let attempts_max = ATTEMPTS_MAX;
        ids.push(world.make(Draft { attempts_max, payment: payment(n), ..draft(tenant) }).await);
    }
    let (work, over) = (Arc::new(Steps::default()), Arc::new(AtomicBool::new(false)));
    let ledger = Arc::new(Ledger::default());
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..WORKERS {
        let (world, work, over) = (world.clone(), work.clone(), over.clone());
        let ledger = ledger.clone();
        workers.spawn(async move {
            if number < WORKERS - 2 {
                mortal(&world, work, number, &over).await;
                0
            } else {
                let carry = async {
                    while !over.load(Ordering::SeqCst) {
                        let _ = world.jobs.settle(&*ledger, 3).await;
                        sleep(Duration::from_millis(30)).await;
                    }
                };
                tokio::join!(sleeper(&world, number, &over), carry).0
            }
        });
    }
    let mut left = ids.len();
    for _ in 0..2_000 {
        sleep(Duration::from_millis(50)).await;
        let Ok(stats) = world.jobs.stats().await else { continue };
        let ended = stats.counts.iter().filter(|count| count.state.is_over());
        left = ids.len() - usize::try_from(ended.map(|count| count.jobs).sum::<u64>()).unwrap();
        if left == 0 && stats.owed == 0 {
            break;
        }
    }
    over.store(true, Ordering::SeqCst);
    let refused: usize = workers.join_all().await.into_iter().sum();
    assert_eq!(left, 0, "jobs that have not ended");
    world.jobs.settle(&*ledger, OWED_MAX).await.unwrap();
    let (mut attempts, mut lost) = (0, 0);
    for id in &ids {
        let (job, _) = world.jobs.get(*id, &Whose::all()).await.unwrap();
        let words = world.words(*id).await;
        let end = (job.state, job.percent, job.settled);
        assert_eq!(end, (State::Completed, 100, true), "{job:?} {words:?}");
        attempts += job.attempts;
        assert_eq!(words.iter().filter(|word| **word == "completed").count(), 1, "{words:?}");
        assert_eq!(words.last(), Some(&"completed"));
        lost += words.iter().filter(|word| **word == "lost").count();
    }
    let paid = ledger.paid.lock();
    assert_eq!(paid.len(), ids.len());
    assert!(paid.values().all(|charge| *charge == 240));
    let resumed = work.resumed.load(Ordering::SeqCst);
    println!("{attempts} attempts, {lost} lost, {resumed} steps not done again, {refused} refused");
    // It would all be true as well if nobody had died.
    assert!(lost > 10 && resumed > 0, "{lost} {resumed}");
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_of_a_file_ends_once() {
    race(World::in_file(Time::Passing).await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_job_of_postgres_ends_once() {
    let Some(server) = crate::server::Server::shared() else { return };
    race(World::in_postgres(&server, Time::Passing).await).await;
}
