//! Cancelling.

use llm_core::Str;
use llm_core::principal::TenantId;
use llm_store::jobs::{Beat, Draft, Fault, NotDone, State, Whose};

use crate::place::{World, draft, payment};

pub(crate) async fn at_every_state(world: &World) {
    let (jobs, all) = (&world.jobs, Whose::all());
    let paid = || Draft { payment: payment(9), ..draft("acme") };
    let cancel = |id| async move { world.jobs.cancel(id, &Whose::all()).await };

    // Nobody has it: at once. Not by somebody else.
    let id = world.make(paid()).await;
    let other = Whose::tenant(TenantId::from("zenith"));
    assert_eq!(jobs.cancel(id, &other).await, Err(NotDone::Absent));
    for _ in 0..2 {
        assert_eq!(cancel(id).await, Ok(State::Cancelled));
    }
    assert!(world.take("w", 1).await.is_empty());
    let (job, _) = jobs.get(id, &all).await.unwrap();
    assert_eq!((job.charge, job.settled, job.cancelling), (Some(0), false, false));
    assert_eq!(world.words(id).await, ["created", "cancelled"]);

    // Somebody has it, and hears of it.
    let id = world.make(paid()).await;
    let lease = world.take_one("w").await.lease;
    assert_eq!(jobs.beat(&lease).await, Ok(Beat::Go));
    for _ in 0..2 {
        assert_eq!(cancel(id).await, Ok(State::Processing));
    }
    assert!(jobs.get(id, &all).await.unwrap().0.cancelling);
    assert_eq!(jobs.beat(&lease).await, Ok(Beat::Stop));
    let partly = Fault { problem: Str::from_static("stopped"), again: None, charge: 30 };
    for _ in 0..2 {
        assert_eq!(jobs.fail(&lease, &partly).await, Ok(State::Cancelled));
    }
    assert_eq!(jobs.get(id, &all).await.unwrap().0.charge, Some(30));
    assert_eq!(world.words(id).await, ["created", "started", "cancelling", "cancelled"]);

    // It was done all the same.
    let id = world.make(paid()).await;
    let lease = world.take_one("w").await.lease;
    assert_eq!(cancel(id).await, Ok(State::Processing));
    assert_eq!(jobs.finish(&lease, 240).await, Ok(State::Completed));
    assert_eq!(cancel(id).await, Ok(State::Completed));
    assert_eq!(jobs.get(id, &all).await.unwrap().0.charge, Some(240));

    // Whoever had it gives it back, or is gone: nobody begins it again.
    for gone in [false, true] {
        let id = world.make(paid()).await;
        let lease = world.take_one("w").await.lease;
        assert_eq!(cancel(id).await, Ok(State::Processing));
        if gone {
            world.pass(10_000).await;
        } else {
            assert_eq!(jobs.release(&lease).await, Ok(State::Cancelled));
        }
        assert!(world.take("w", 1).await.is_empty());
        assert_eq!(jobs.get(id, &all).await.unwrap().0.state, State::Cancelled);
    }

    // It waits for its next attempt.
    let id = world.make(paid()).await;
    let lease = world.take_one("w").await.lease;
    let again = Fault { again: Some(Default::default()), ..partly };
    assert_eq!(jobs.fail(&lease, &again).await, Ok(State::Pending));
    assert_eq!(cancel(id).await, Ok(State::Cancelled));
    assert_eq!(jobs.get(id, &all).await.unwrap().0.charge, Some(0));

    // It has failed.
    let id = world.make(paid()).await;
    let lease = world.take_one("w").await.lease;
    let never = Fault { again: None, ..again };
    assert_eq!(jobs.fail(&lease, &never).await, Ok(State::Failed));
    assert_eq!(cancel(id).await, Ok(State::Failed));
    assert_eq!(world.words(id).await, ["created", "started", "failed"]);
}
