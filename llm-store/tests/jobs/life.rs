//! From its making to its end.

use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::{KeyId, Priority, TenantId, UserId};
use llm_store::jobs::{
    ATTEMPTS_MAX, Beat, Draft, Fault, JobId, NAME_MAX, NotDone, PART_MAX, Progress, Retention,
    STEPS_MAX, State, Whose,
};

use crate::place::{World, draft, payment, want};

fn progress(percent: u8, step: &'static str, done: u8) -> Progress {
    Progress { percent, step: Some((Str::from_static(step), done)) }
}

pub(crate) async fn a_job_is_made_once(world: &World) {
    let jobs = &world.jobs;
    let named = Draft { once: Some("upload-7".into()), ..draft("acme") };
    let first = jobs.create(named.clone()).await.unwrap();
    let again = jobs.create(named.clone()).await.unwrap();
    assert!(first.new && !again.new && first.id == again.id);
    let other = Draft { input: Bytes::from_static(b"another film"), ..named.clone() };
    assert_eq!(jobs.create(other).await, Err(NotDone::Reused));
    let elsewhere = Draft { tenant: TenantId::from("zenith"), ..named.clone() };
    assert!(jobs.create(elsewhere).await.unwrap().new);
    let (one, two) = (world.make(draft("acme")).await, world.make(draft("acme")).await);
    assert_ne!(one, two);
    // At once, and after it has ended.
    let rivals = (0..12).map(|_| jobs.create(Draft { once: Some("race".into()), ..draft("acme") }));
    let made = futures_util::future::join_all(rivals).await;
    let ids: Vec<JobId> = made.iter().map(|made| made.as_ref().unwrap().id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{made:?}");
    assert_eq!(made.iter().filter(|made| made.as_ref().unwrap().new).count(), 1);
    assert_eq!(jobs.cancel(first.id, &Whose::all()).await, Ok(State::Cancelled));
    assert!(!jobs.create(named).await.unwrap().new);
    assert_eq!(world.words(first.id).await, ["created", "cancelled"]);
}

pub(crate) async fn a_job_comes_back_as_it_was(world: &World) {
    let draft = Draft {
        user: Some(UserId::from("min")),
        key: Some(KeyId::from("k-1")),
        priority: Priority::Batch,
        attempts_max: 7,
        retention: Retention::Month,
        payment: payment(u128::MAX - 5),
        once: Some("o".into()),
        ..draft("t/'\u{ac00}%_")
    };
    let id = world.make(draft.clone()).await;
    assert_eq!(id.to_string().parse(), Ok(id));
    let (job, steps) = world.jobs.get(id, &Whose::all()).await.unwrap();
    assert!(steps.is_empty());
    assert_eq!(
        (&job.tenant, &job.user, &job.key, &job.kind, job.priority, &job.payment),
        (&draft.tenant, &draft.user, &draft.key, &draft.kind, draft.priority, &draft.payment)
    );
    assert_eq!((job.state, job.percent, job.attempts, job.attempts_max), (State::Pending, 0, 0, 7));
    assert_eq!((job.charge, job.settled, job.events), (None, false, 1));
    assert_eq!(job.created_at.as_second(), 1_800_000_000);
    assert_eq!((job.began_at, job.ended_at, job.expires_at), (None, None, None));
    assert_eq!(world.jobs.input(id, &Whose::all()).await, Ok(draft.input));
    // What is kept is sealed: nothing of it is in the file.
    let Some(folder) = &world.folder else { return };
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"a film of tw"));
    }
}

pub(crate) async fn a_job_is_done_step_by_step(world: &World) {
    let (jobs, all) = (&world.jobs, Whose::all());
    let id = world.make(draft("acme")).await;
    assert_eq!(jobs.take(&want("w", 0)).await, Ok(Vec::new()));
    let taken = world.take_one("w").await;
    let lease = taken.lease;
    assert_eq!((taken.job.state, taken.job.attempts), (State::Processing, 1));
    assert!(world.take("v", 5).await.is_empty());
    assert_eq!(jobs.progress(&lease, progress(5, "upload", 50)).await, Ok(()));
    assert_eq!(jobs.progress(&lease, progress(20, "upload", 100)).await, Ok(()));
    // Never less than it was, and what is no news is not told.
    assert_eq!(jobs.progress(&lease, progress(10, "upload", 30)).await, Ok(()));
    assert_eq!(jobs.progress(&lease, progress(20, "upload", 100)).await, Ok(()));
    let words = Bytes::from_static(b"what was said");
    for _ in 0..2 {
        let kept = jobs.checkpoint(&lease, Str::from_static("speech"), words.clone());
        assert_eq!(kept.await, Ok(()));
    }
    assert_eq!(jobs.kept(&lease, Str::from_static("speech")).await, Ok(Some(words)));
    assert_eq!(jobs.kept(&lease, Str::from_static("translate")).await, Ok(None));
    let (name, media) = (|| Str::from_static("ko.srt"), || Str::from_static("text/srt"));
    let lines = Bytes::from_static(b"1\n00:00");
    assert_eq!(jobs.attach(&lease, name(), media(), Bytes::new()).await, Ok(()));
    assert_eq!(jobs.attach(&lease, name(), media(), lines.clone()).await, Ok(()));
    // Nothing has come of it until it is done.
    assert_eq!(jobs.artefacts(id, &all).await, Err(NotDone::Absent));
    assert_eq!(jobs.artefact(id, &all, name()).await, Err(NotDone::Absent));
    for _ in 0..2 {
        assert_eq!(jobs.finish(&lease, 3).await, Ok(State::Completed));
    }
    let (job, steps) = jobs.get(id, &all).await.unwrap();
    assert_eq!(
        (job.state, job.percent, job.charge, job.settled),
        (State::Completed, 100, None, true)
    );
    assert_eq!((&steps[0].name[..], steps[0].percent, steps.len()), ("upload", 100, 1));
    let artefacts = jobs.artefacts(id, &all).await.unwrap();
    assert_eq!((&artefacts[0].name[..], artefacts[0].size), ("ko.srt", 7));
    assert_eq!(jobs.artefact(id, &all, name()).await, Ok((media(), lines)));
    assert_eq!(jobs.kept(&lease, Str::from_static("speech")).await, Ok(None));
    assert_eq!(jobs.beat(&lease).await, Err(NotDone::Lost));
    let words = world.words(id).await;
    assert_eq!(words, ["created", "started", "progress", "progress", "step", "completed"]);
    // Whoever lost the connection goes on behind what they have seen.
    let rest = jobs.events(id, &all, 3, 2).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.number).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(rest[0].step, Some((Str::from_static("upload"), 100)));
    assert_eq!((rest[0].percent, rest[0].attempt), (20, 1));
}

pub(crate) async fn what_goes_wrong_is_tried_again(world: &World) {
    let (jobs, all) = (&world.jobs, Whose::all());
    let again = |after: u64| Fault {
        problem: Str::from_static("the provider is away"),
        again: Some(Duration::from_millis(after)),
        charge: 9,
    };
    let id = world.make(Draft { attempts_max: 2, payment: payment(1), ..draft("acme") }).await;
    let first = world.take_one("w").await;
    for _ in 0..2 {
        assert_eq!(jobs.fail(&first.lease, &again(5_000)).await, Ok(State::Pending));
    }
    let (job, _) = jobs.get(id, &all).await.unwrap();
    assert_eq!((job.problem.as_deref(), job.charge), (Some("the provider is away"), None));
    world.pass(4_999).await;
    assert!(world.take("w", 1).await.is_empty());
    world.pass(1).await;
    // Given back it was no attempt.
    let second = world.take_one("w").await;
    for _ in 0..2 {
        assert_eq!(jobs.release(&second.lease).await, Ok(State::Pending));
    }
    let third = world.take_one("w").await;
    assert_eq!(third.job.attempts, 2);
    assert_eq!(jobs.fail(&second.lease, &again(0)).await, Err(NotDone::Lost));
    assert_eq!(jobs.fail(&third.lease, &again(0)).await, Ok(State::Failed));
    assert_eq!(jobs.fail(&third.lease, &again(0)).await, Ok(State::Failed));
    assert_eq!(jobs.finish(&third.lease, 0).await, Err(NotDone::Lost));
    let (job, _) = jobs.get(id, &all).await.unwrap();
    assert_eq!((job.charge, job.attempts), (Some(9), 2));
    let words = ["created", "started", "retrying", "started", "released", "started", "failed"];
    assert_eq!(world.words(id).await, words);
    // What is of no use is not tried again.
    let id = world.make(draft("acme")).await;
    let taken = world.take_one("w").await;
    let never = Fault { problem: "\u{ac00}".repeat(1_000).into(), again: None, charge: 0 };
    assert_eq!(jobs.fail(&taken.lease, &never).await, Ok(State::Failed));
    let (job, _) = jobs.get(id, &all).await.unwrap();
    assert_eq!(job.problem.map(|text| text.len()), Some(1_023));
    // Nor begun before its time.
    world.make(Draft { after: Duration::from_secs(60), ..draft("acme") }).await;
    assert!(world.take("w", 1).await.is_empty());
    world.pass(60_000).await;
    world.take_one("w").await;
}

pub(crate) async fn tenants_take_turns(world: &World) {
    let mut made = Vec::new();
    for tenant in ["a", "a", "a", "a", "b", "c", "c"] {
        made.push((tenant, world.make(draft(tenant)).await));
        world.pass(1).await;
    }
    let urgent = Draft { priority: Priority::Critical, ..draft("d") };
    world.make(urgent).await;
    let later = Draft { priority: Priority::Sheddable, ..draft("0") };
    world.make(later).await;
    let other = Draft { kind: Str::from_static("embed"), ..draft("a") };
    world.make(other).await;
    let taken = world.take("w", 4).await;
    let whose = |taken: &[llm_store::jobs::Taken]| -> Vec<String> {
        taken.iter().map(|taken| taken.job.tenant.0.to_string()).collect()
    };
    assert_eq!(whose(&taken), ["d", "a", "b", "c"]);
    // The one who has waited longest of each.
    let first = |tenant| made.iter().find(|made| made.0 == tenant).unwrap().1;
    assert_eq!(taken[1].lease.id, first("a"));
    assert_eq!(taken[3].lease.id, first("c"));
    let mut next = want("w", 3);
    next.after = TenantId::from("b");
    assert_eq!(whose(&world.jobs.take(&next).await.unwrap()), ["c", "a", "a"]);
    assert_eq!(whose(&world.take("w", 9).await), ["a", "0"]);
}

pub(crate) async fn there_are_bounds(world: &World) {
    let jobs = &world.jobs;
    let too_much = |done: Result<(), NotDone>| matches!(done, Err(NotDone::TooMuch { .. }));
    let made = |draft| async { jobs.create(draft).await.map(drop) };
    let large = Bytes::from(vec![7; PART_MAX + 1]);
    assert!(too_much(made(Draft { input: large.clone(), ..draft("a") }).await));
    let long: Str = "x".repeat(NAME_MAX + 1).into();
    assert!(too_much(made(Draft { once: Some(long.clone()), ..draft("a") }).await));
    assert!(too_much(made(Draft { kind: long.clone(), ..draft("a") }).await));
    let largest = large.slice(1..);
    let id = world.make(Draft { attempts_max: 1_000, input: largest.clone(), ..draft("a") }).await;
    assert_eq!(jobs.input(id, &Whose::all()).await, Ok(largest));
    let taken = world.take_one("w").await;
    assert_eq!(taken.job.attempts_max, ATTEMPTS_MAX);
    let lease = &taken.lease;
    let step = Str::from_static("s");
    assert!(too_much(jobs.checkpoint(lease, step, large).await));
    for n in 0..STEPS_MAX {
        let name = Str::from(format!("s{n}"));
        assert_eq!(jobs.checkpoint(lease, name.clone(), Bytes::new()).await, Ok(()));
        let progress = Progress { percent: 1, step: Some((name, 1)) };
        assert_eq!(jobs.progress(lease, progress).await, Ok(()));
    }
    assert!(too_much(jobs.checkpoint(lease, Str::from_static("one more"), Bytes::new()).await));
    assert!(too_much(jobs.progress(lease, progress(2, "one more", 1)).await));
    assert!(too_much(jobs.progress(lease, progress(101, "s1", 1)).await));
    assert!(too_much(jobs.progress(lease, progress(2, "s1", 101)).await));
    assert_eq!(jobs.progress(lease, progress(2, "s1", 2)).await, Ok(()));
    assert_eq!(jobs.beat(lease).await, Ok(Beat::Go));
}
