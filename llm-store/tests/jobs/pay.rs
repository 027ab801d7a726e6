//! What is owed, and what is kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::store::{StoreError, Stored};
use llm_store::jobs::{
    Draft, HISTORY, NotDone, OWED_MAX, Owed, Retention, Settle, State, Swept, Whose,
};
use parking_lot::Mutex;

use crate::place::{World, draft, payment};

/// A ledger that settles each hold once, however often it is asked to.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) paid: Mutex<BTreeMap<HoldId, i64>>,
    pub(crate) away: AtomicBool,
}

impl Settle for Ledger {
    fn settle<'a>(&'a self, owed: &'a Owed) -> Stored<'a, ()> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(StoreError::Unavailable("away".into()));
            }
            let before = self.paid.lock().insert(owed.hold, owed.charge);
            // Asked again it is asked for the same.
            assert!(before.is_none_or(|before| before == owed.charge));
            Ok(())
        })
    }
}

pub(crate) async fn a_hold_is_settled_once(world: &World) {
    let (jobs, all, ledger) = (&world.jobs, Whose::all(), Ledger::default());
    let first = world.make(Draft { payment: payment(1), ..draft("acme") }).await;
    let free = world.make(draft("acme")).await;
    let dropped = world.make(Draft { payment: payment(2), ..draft("acme") }).await;
    assert_eq!(jobs.cancel(dropped, &all).await, Ok(State::Cancelled));
    for taken in world.take("w", 9).await {
        assert_eq!(jobs.finish(&taken.lease, 240).await, Ok(State::Completed));
    }
    assert_eq!(jobs.stats().await.unwrap().owed, 2);
    ledger.away.store(true, Ordering::SeqCst);
    let carried = jobs.settle(&ledger, 1).await.unwrap();
    assert_eq!((carried.settled, carried.left), (0, 1));
    assert!(matches!(carried.why, Some(StoreError::Unavailable(_))));
    let carried = jobs.settle(&ledger, OWED_MAX).await.unwrap();
    assert_eq!((carried.settled, carried.left), (0, 1));
    ledger.away.store(false, Ordering::SeqCst);
    // Not at once again.
    assert_eq!(jobs.settle(&ledger, OWED_MAX).await, Ok(Default::default()));
    assert!(!jobs.get(first, &all).await.unwrap().0.settled);
    world.pass(30_000).await;
    assert_eq!(jobs.settle(&ledger, OWED_MAX).await.unwrap().settled, 2);
    world.pass(600_000).await;
    assert_eq!(jobs.settle(&ledger, OWED_MAX).await, Ok(Default::default()));
    for id in [first, free, dropped] {
        assert!(jobs.get(id, &all).await.unwrap().0.settled);
    }
    let paid = [(HoldId(1), 240), (HoldId(2), 0)];
    assert_eq!(*ledger.paid.lock(), BTreeMap::from(paid));
}

pub(crate) async fn parts_are_kept_as_long_as_was_said(world: &World) {
    const HOUR: u64 = 3_600_000;
    let (jobs, all, ledger) = (&world.jobs, Whose::all(), Ledger::default());
    let name = || Str::from_static("srt");
    let mut made = Vec::new();
    for n in 1..=2 {
        let id = world.make(Draft { payment: payment(n), ..draft("acme") }).await;
        let lease = world.take_one("w").await.lease;
        let body = Bytes::from_static(b"lines");
        assert_eq!(jobs.attach(&lease, name(), name(), body).await, Ok(()));
        assert_eq!(jobs.finish(&lease, 1).await, Ok(State::Completed));
        made.push(id);
    }
    let (short, long) = (made[0], made[1]);
    assert_eq!(jobs.keep(long, &all, Retention::Week).await, Ok(State::Completed));
    // Never for less than was said before.
    assert_eq!(jobs.keep(long, &all, Retention::TwoHours).await, Ok(State::Completed));
    world.pass(2 * HOUR - 1).await;
    assert_eq!(jobs.sweep().await, Ok(Swept::default()));
    assert!(jobs.artefact(short, &all, name()).await.is_ok());
    world.pass(1).await;
    // Gone on time, swept or not.
    for _ in 0..2 {
        assert_eq!(jobs.artefact(short, &all, name()).await, Err(NotDone::Gone));
        assert_eq!(jobs.artefacts(short, &all).await, Err(NotDone::Gone));
        assert_eq!(jobs.input(short, &all).await, Err(NotDone::Gone));
        assert_eq!(jobs.keep(short, &all, Retention::Month).await, Err(NotDone::Gone));
        jobs.sweep().await.unwrap();
    }
    assert_eq!(world.words(short).await.last(), Some(&"expired"));
    assert!(jobs.artefact(long, &all, name()).await.is_ok());
    world.pass(7 * 24 * HOUR).await;
    assert_eq!(jobs.sweep().await, Ok(Swept { expired: 1, forgotten: 0 }));
    // What happened is known for longer, and as long as something is owed.
    world.pass(u64::try_from(HISTORY.as_millis()).unwrap()).await;
    assert_eq!(jobs.sweep().await, Ok(Swept::default()));
    assert_eq!(jobs.settle(&ledger, OWED_MAX).await.unwrap().settled, 2);
    assert_eq!(jobs.sweep().await, Ok(Swept { expired: 0, forgotten: 2 }));
    assert_eq!(jobs.get(short, &all).await, Err(NotDone::Absent));
    assert_eq!(jobs.events(long, &all, 0, 9).await, Err(NotDone::Absent));
}
