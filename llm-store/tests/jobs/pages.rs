//! Lists.

use llm_core::principal::{TenantId, UserId};
use llm_store::jobs::{Draft, Filter, JobId, NotDone, State, Whose};

use crate::place::{World, draft};

async fn names(world: &World, filter: &Filter, size: usize) -> Vec<JobId> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = world.jobs.list(filter.clone(), before, size).await.unwrap();
        assert!(page.jobs.len() == size || page.next.is_none());
        all.extend(page.jobs.iter().map(|job| job.id));
        before = page.next;
        if before.is_none() {
            return all;
        }
    }
}

pub(crate) async fn are_of_whom_they_are_for(world: &World) {
    let mut made = Vec::new();
    for n in 0..12u8 {
        let tenant = if n % 3 == 0 { "b" } else { "a" };
        let user = n.is_multiple_of(2).then(|| UserId::from("min"));
        let kind = if n < 6 { "transcribe" } else { "translate" }.into();
        made.push(world.make(Draft { user, kind, ..draft(tenant) }).await);
        world.pass(1).await;
    }
    let picked = |fits: &dyn Fn(usize) -> bool| -> Vec<JobId> {
        (0..12).rev().filter(|n| fits(*n)).map(|n| made[n]).collect()
    };
    let of = |tenant: &'static str| Whose::tenant(TenantId::from(tenant));
    let a = of("a");
    let min = Whose { user: Some(UserId::from("min")), ..a.clone() };
    assert_eq!(names(world, &Filter::default(), 5).await, picked(&|_| true));
    for size in [1, 2, 4, 100] {
        let filter = Filter { whose: a.clone(), ..Filter::default() };
        assert_eq!(names(world, &filter, size).await, picked(&|n| n % 3 != 0));
        let filter = Filter { whose: min.clone(), ..Filter::default() };
        assert_eq!(names(world, &filter, size).await, picked(&|n| n % 3 != 0 && n % 2 == 0));
        let filter = Filter { kind: Some("translate".into()), ..filter };
        let expected = picked(&|n| n % 3 != 0 && n % 2 == 0 && n >= 6);
        assert_eq!(names(world, &filter, size).await, expected);
    }
    for whose in [a.clone(), min.clone()] {
        assert_eq!(world.jobs.cancel(made[4], &whose).await, Ok(State::Cancelled));
        let filter = Filter { whose, state: Some(State::Cancelled), kind: None };
        assert_eq!(names(world, &filter, 5).await, [made[4]]);
    }
    // Somebody else's is not there.
    for whose in [of("b"), Whose { user: Some(UserId::from("other")), ..a }] {
        assert_eq!(world.jobs.get(made[4], &whose).await, Err(NotDone::Absent));
        assert_eq!(world.jobs.events(made[4], &whose, 0, 9).await, Err(NotDone::Absent));
        assert_eq!(world.jobs.input(made[4], &whose).await, Err(NotDone::Absent));
        assert_eq!(world.jobs.artefacts(made[4], &whose).await, Err(NotDone::Absent));
        assert_eq!(world.jobs.cancel(made[4], &whose).await, Err(NotDone::Absent));
    }
    let stats = world.jobs.stats().await.unwrap();
    let counts = stats.counts.iter().map(|count| (&count.kind[..], count.state, count.jobs));
    let expected = [
        ("transcribe", State::Cancelled, 1),
        ("transcribe", State::Pending, 5),
        ("translate", State::Pending, 6),
    ];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}
