//! Whoever has lost a job, by any way.

use bytes::Bytes;
use llm_core::Str;
use llm_store::jobs::{Beat, Draft, Fault, Lease, NotDone, Progress, State, Whose};

use crate::place::{World, draft, payment};

fn fault() -> Fault {
    Fault { problem: Str::from_static("no"), again: Some(Default::default()), charge: 0 }
}

/// Everything that an owner may say.
async fn is_refused(world: &World, lease: &Lease) {
    let (jobs, lost) = (&world.jobs, NotDone::Lost);
    let progress = Progress { percent: 99, step: Some((Str::from_static("late"), 99)) };
    assert_eq!(jobs.beat(lease).await.map(drop), Err(lost.clone()));
    assert_eq!(jobs.progress(lease, progress).await, Err(lost.clone()));
    let name = || Str::from_static("late");
    assert_eq!(jobs.checkpoint(lease, name(), Bytes::new()).await, Err(lost.clone()));
    assert_eq!(jobs.attach(lease, name(), name(), Bytes::new()).await, Err(lost.clone()));
    assert_eq!(jobs.finish(lease, 77).await, Err(lost.clone()));
    assert_eq!(jobs.fail(lease, &fault()).await, Err(lost.clone()));
    assert_eq!(jobs.release(lease).await, Err(lost));
}

pub(crate) async fn who_has_lost_a_job_writes_nothing(world: &World) {
    let jobs = &world.jobs;
    let id = world.make(Draft { payment: payment(3), ..draft("acme") }).await;
    let first = world.take_one("first").await.lease;
    let speech = || Str::from_static("speech");
    assert_eq!(jobs.checkpoint(&first, speech(), Bytes::from_static(b"words")).await, Ok(()));
    let half = Progress { percent: 60, step: None };
    assert_eq!(jobs.progress(&first, half).await, Ok(()));
    // A beat is another ten seconds.
    world.pass(9_000).await;
    assert_eq!(jobs.beat(&first).await, Ok(Beat::Go));
    world.pass(9_999).await;
    assert!(world.take("second", 1).await.is_empty());
    world.pass(1).await;
    let second = world.take_one("second").await;
    assert_eq!((second.job.attempts, second.job.percent), (2, 60));
    is_refused(world, &first).await;
    // It goes on behind what was kept.
    let kept = jobs.kept(&second.lease, speech()).await;
    assert_eq!(kept, Ok(Some(Bytes::from_static(b"words"))));
    assert_eq!(jobs.finish(&second.lease, 240).await, Ok(State::Completed));
    is_refused(world, &first).await;
    let (job, steps) = jobs.get(id, &Whose::all()).await.unwrap();
    assert_eq!((job.state, job.charge, steps.len()), (State::Completed, Some(240), 0));
    let words = ["created", "started", "step", "progress", "lost", "started", "completed"];
    assert_eq!(world.words(id).await, words);
}

/// Nobody else began: what was done is good.
pub(crate) async fn who_is_late_and_alone_may_end_it(world: &World) {
    let jobs = &world.jobs;
    let id = world.make(draft("acme")).await;
    let late = world.take_one("late").await.lease;
    world.pass(60_000).await;
    assert_eq!(jobs.beat(&late).await, Ok(Beat::Go));
    world.pass(60_000).await;
    assert_eq!(jobs.finish(&late, 0).await, Ok(State::Completed));
    assert_eq!(world.words(id).await, ["created", "started", "completed"]);
    // Once it was said to be lost, it is.
    world.make(draft("acme")).await;
    let lost = world.take_one("lost").await.lease;
    world.pass(10_000).await;
    assert_eq!(jobs.reap().await, Ok(1));
    assert_eq!(jobs.reap().await, Ok(0));
    assert_eq!(jobs.finish(&lost, 0).await, Err(NotDone::Lost));
    assert_eq!(jobs.beat(&lost).await, Err(NotDone::Lost));
    // And that it gives back what it does not have is no mistake.
    assert_eq!(jobs.release(&lost).await, Ok(State::Pending));
    assert_eq!(world.take_one("other").await.job.attempts, 2);
}

/// A job that kills its workers ends, whether anybody would still take it or not.
pub(crate) async fn what_is_lost_too_often_fails(world: &World) {
    let jobs = &world.jobs;
    for reaped in [false, true] {
        let id = world.make(Draft { attempts_max: 2, payment: payment(3), ..draft("a") }).await;
        for _ in 0..2 {
            world.take_one("w").await;
            world.pass(10_000).await;
        }
        if reaped {
            assert_eq!(jobs.reap().await, Ok(1));
        } else {
            assert!(world.take("w", 5).await.is_empty());
        }
        let (job, _) = jobs.get(id, &Whose::all()).await.unwrap();
        assert_eq!((job.state, job.charge, job.settled), (State::Failed, Some(0), false));
        assert_eq!(job.problem.as_deref(), Some("whoever worked on it was lost"));
        let words = ["created", "started", "lost", "started", "lost", "failed"];
        assert_eq!(world.words(id).await, words);
    }
}
