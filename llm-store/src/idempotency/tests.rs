mod crashes;

use futures_util::FutureExt;
use llm_core::call::CallId;
use llm_core::idempotency::{Fingerprint, Form, IdempotencyKey};
use llm_core::store::vault::Tenure;

use super::*;

#[tokio::test]
async fn memory_passes_the_suite() {
    suite::all(|| async { MemorySlots::default() }).await;
}

#[test]
fn one_key_is_paid_once() {
    crashes::once(1_000, async || MemorySlots::default());
}

fn slot(tenant: &'static str, key: &str) -> Slot {
    let key = IdempotencyKey::parse(key.as_bytes()).unwrap();
    Slot { tenant: TenantId::from(tenant), key }
}

fn record(run: u128) -> Record {
    let owner = Tenure { replica: Str::from_static("r"), epoch: 1 };
    Record::running(Fingerprint([1; 32]), CallId::new(1, run), owner, Timestamp::UNIX_EPOCH)
}

fn now<T>(stored: Stored<'_, T>) -> Result<T, StoreError> {
    stored.now_or_never().expect("memory never waits")
}

fn answer(size: usize) -> Answer {
    Answer::new(200, Str::new(), Form::Whole, Bytes::from(vec![b'x'; size]))
}

#[test]
fn a_full_store_forgets_nobody() {
    let store = MemorySlots::new(Bounds { records: 5, tenant_records: 3, body_bytes: 100 });
    let put = |tenant, n: u32| {
        now(store.write(&slot(tenant, &format!("k{n}")), None, &record(u128::from(n))))
    };
    let full = |result| matches!(result, Err(StoreError::Full(_)));
    assert_eq!((put("a", 0), put("a", 1), put("a", 2)), (Ok(()), Ok(()), Ok(())));
    assert!(full(put("a", 3)));
    // One tenant has not filled it for the others.
    assert_eq!((put("b", 0), put("b", 1)), (Ok(()), Ok(())));
    assert!(full(put("b", 2)) && full(put("c", 0)));
    // What is there goes on, and what goes makes room.
    let (first, begun) = (slot("a", "k0"), record(0));
    let lost = begun.indefinite(Timestamp::UNIX_EPOCH);
    assert_eq!(now(store.write(&first, Some(begun.seen()), &lost)), Ok(()));
    assert_eq!(now(store.remove(&first, lost.seen())), Ok(()));
    assert_eq!(put("a", 3), Ok(()));
    assert!(full(put("c", 0)));
    assert_eq!(now(store.sweep(Timestamp::MAX, 100)), Ok(5));
    assert_eq!(put("c", 0), Ok(()));
}

#[test]
fn bodies_without_room_are_dropped_and_their_records_kept() {
    let store = MemorySlots::new(Bounds { body_bytes: 100, ..Bounds::default() });
    let done = |n: u32, size| {
        let (slot, begun) = (slot("t", &format!("k{n}")), record(u128::from(n)));
        let done = begun.done(answer(size), Timestamp::UNIX_EPOCH);
        assert_eq!(now(store.write(&slot, None, &begun)), Ok(()));
        assert_eq!(now(store.write(&slot, Some(begun.seen()), &done)), Ok(()));
        let kept = now(store.read(&slot)).unwrap().unwrap();
        assert_eq!(kept.seen(), done.seen());
        (slot, kept)
    };
    let is_kept = |record: &Record| record.state == State::Done(answer(60));
    let (first, kept) = done(0, 60);
    assert!(is_kept(&kept) && store.body_bytes() == 60);
    let (_, dropped) = done(1, 60);
    assert!(matches!(dropped.state, State::Done(Answer { body: Kept::Dropped, .. })));
    done(2, 40);
    assert_eq!(store.body_bytes(), 100);
    assert_eq!(now(store.remove(&first, kept.seen())), Ok(()));
    assert_eq!(store.body_bytes(), 40);
    assert!(is_kept(&done(3, 60).1));
    assert_eq!(now(store.sweep(Timestamp::MAX, 100)), Ok(3));
    assert_eq!(store.body_bytes(), 0);
}

/// A body that is a corner of a large buffer does not hold the buffer.
#[test]
fn a_body_is_kept_by_itself() {
    let store = MemorySlots::default();
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    let slot = slot("t", "k");
    let done = Record {
        state: State::Done(Answer { body: Kept::Body(large.slice(..10)), ..answer(0) }),
        ..record(1)
    };
    assert_eq!(now(store.write(&slot, None, &done)), Ok(()));
    drop(done);
    assert!(large.is_unique());
    assert!(!format!("{store:?}").contains("xxx"));
}
