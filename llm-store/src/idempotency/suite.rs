//! What every store of idempotency keys must pass. Each scenario gets a store of its own; a
//! scenario that fails panics, as a test does.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;

use bytes::Bytes;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::idempotency::{
    Answer, BODY_BYTES_MAX, Claimed, Ending, Fate, Fingerprint, Form, IdempotencyKey,
    IdempotencyStore, Kept, Owners, Record, Refused, Slot, State, TTL, claim, finish,
};
use llm_core::ledger::HoldId;
use llm_core::principal::TenantId;
use llm_core::store::vault::Tenure;
use llm_core::store::{StoreError, Stored};

/// Claims that go for one slot at the same time.
const RIVALS: u32 = 24;
/// Steps of the comparison with the simplest store there is.
const MODEL_STEPS: usize = 600;

/// All scenarios, each with a fresh store.
pub async fn all<S, F>(fresh: impl Fn() -> F)
where
    S: IdempotencyStore,
    F: Future<Output = S>,
{
    a_slot_is_written_as_it_was_seen(&fresh().await).await;
    a_record_comes_back_as_it_was(&fresh().await).await;
    tenants_never_meet(&fresh().await).await;
    what_is_over_is_swept(&fresh().await).await;
    a_run_ends_once_for_all(&fresh().await).await;
    a_dead_run_ends_as_its_hold_did(&fresh().await).await;
    one_of_many_runs(&fresh().await).await;
    it_is_the_simplest_store_there_is(&fresh().await).await;
}

fn at(seconds: i64) -> Timestamp {
    // Far from the epoch, and with the fraction that a clock has.
    let start = SignedDuration::new(1_800_000_000 + seconds, 123_000_000);
    Timestamp::UNIX_EPOCH.checked_add(start).unwrap_or(Timestamp::MAX)
}

#[expect(clippy::expect_used, reason = "a suite fails by panicking, as a test does")]
fn slot(tenant: &'static str, key: &str) -> Slot {
    let key = IdempotencyKey::parse(key.as_bytes()).expect("keys of the suite are keys");
    Slot { tenant: TenantId::from(tenant), key }
}

fn tenure(epoch: u64) -> Tenure {
    Tenure { replica: Str::from_static("replica-1"), epoch }
}

fn running(asked: u8, run: u128, epoch: u64, now: Timestamp) -> Record {
    // Both halves of a call's id are in use.
    let run = CallId::new(1 << 40, run);
    Record::running(Fingerprint([asked; 32]), run, tenure(epoch), now)
}

fn answer(body: Bytes) -> Answer {
    Answer::new(200, Str::from_static("application/json"), Form::Whole, body)
}

fn is_conflict(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(_)))
}

/// Every process of epoch 1 is dead.
#[derive(Debug)]
struct Epochs(Fate);

impl Owners for Epochs {
    fn fate<'a>(&'a self, owner: &'a Tenure, _: HoldId) -> Stored<'a, Fate> {
        let fate = if owner.epoch == 1 { self.0 } else { Fate::Alive };
        Box::pin(async move { Ok(fate) })
    }
}

/// Compare and swap, and the repetition of both.
pub async fn a_slot_is_written_as_it_was_seen(store: &impl IdempotencyStore) {
    let slot = slot("t", "k");
    let (one, two) = (running(1, 1, 1, at(0)), running(1, 2, 1, at(0)));
    assert_eq!(store.read(&slot).await, Ok(None));
    assert!(is_conflict(&store.write(&slot, Some(two.seen()), &one).await));
    assert_eq!(store.write(&slot, None, &one).await, Ok(()));
    assert_eq!(store.read(&slot).await, Ok(Some(one.clone())));
    // Whoever does not know whether it was written writes it again.
    assert_eq!(store.write(&slot, None, &one).await, Ok(()));
    assert!(is_conflict(&store.write(&slot, None, &two).await));
    assert!(is_conflict(&store.write(&slot, Some(two.seen()), &two).await));
    let done = one.done(answer(Bytes::from_static(b"said")), at(1));
    assert_eq!(store.write(&slot, Some(one.seen()), &done).await, Ok(()));
    assert_eq!(store.write(&slot, Some(one.seen()), &done).await, Ok(()));
    // What was seen before is not there any more.
    assert!(is_conflict(&store.write(&slot, Some(one.seen()), &two).await));
    assert_eq!(store.remove(&slot, one.seen()).await, Ok(()));
    assert_eq!(store.remove(&slot, two.seen()).await, Ok(()));
    assert_eq!(store.read(&slot).await, Ok(Some(done.clone())));
    assert_eq!(store.write(&slot, Some(done.seen()), &two).await, Ok(()));
    assert_eq!(store.remove(&slot, two.seen()).await, Ok(()));
    assert_eq!(store.remove(&slot, two.seen()).await, Ok(()));
    assert_eq!(store.read(&slot).await, Ok(None));
    // A run that was forgotten does not come back by being done.
    assert!(is_conflict(&store.write(&slot, Some(two.seen()), &two.indefinite(at(2))).await));
}

/// Every field, and bodies that are no text.
pub async fn a_record_comes_back_as_it_was(store: &impl IdempotencyStore) {
    let bytes: Vec<u8> = (0..=255).collect();
    let long: Bytes = bytes.iter().copied().cycle().take(BODY_BYTES_MAX).collect();
    let kind = || Str::from_static("text/event-stream; charset=utf-8");
    let states = [
        State::Running { owner: tenure(u64::from(u32::MAX) * 16) },
        State::Indefinite,
        State::Done(answer(Bytes::new())),
        State::Done(answer(Bytes::from(bytes))),
        State::Done(Answer::new(599, kind(), Form::Stream, long)),
        State::Done(Answer { body: Kept::Dropped, ..answer(Bytes::new()) }),
        State::Done(Answer::new(100, Str::new(), Form::Stream, Bytes::from_static(b"'; --"))),
    ];
    let longest = "~".repeat(llm_core::idempotency::KEY_BYTES_MAX);
    for (n, state) in (0u32..).zip(states) {
        let slot = slot("t/'\u{ac00}%_", &longest[usize::try_from(n).unwrap_or(0)..]);
        let begun = running(0xa5, u128::from(n), 1, at(0));
        let record = Record { step: n * 7, state, ..begun };
        assert_eq!(store.write(&slot, None, &record).await, Ok(()));
        assert_eq!(store.read(&slot).await, Ok(Some(record)));
    }
}

/// One key of two tenants is two slots.
pub async fn tenants_never_meet(store: &impl IdempotencyStore) {
    let slots = [slot("a", "b/c"), slot("a/b", "c"), slot("a", "B/C"), slot("A", "b/c")];
    for (n, slot) in (0u32..).zip(&slots) {
        let record = running(1, u128::from(n), 1, at(0));
        assert_eq!(store.write(slot, None, &record).await, Ok(()), "{slot:?}");
    }
    for (n, slot) in (0u32..).zip(&slots) {
        let record = running(1, u128::from(n), 1, at(0));
        assert_eq!(store.read(slot).await, Ok(Some(record.clone())));
        assert_eq!(store.remove(slot, record.seen()).await, Ok(()));
    }
}

/// In order, not before their time, and not more than was said.
pub async fn what_is_over_is_swept(store: &impl IdempotencyStore) {
    let slots: Vec<Slot> = (0..5).map(|n| slot("t", &format!("k{n}"))).collect();
    for (n, slot) in (0u32..).zip(&slots) {
        // The last written is the first to end.
        let record = running(1, u128::from(n), 1, at(100 - i64::from(n)));
        assert_eq!(store.write(slot, None, &record).await, Ok(()));
    }
    let end = |seconds| at(seconds).checked_add(TTL).unwrap_or(Timestamp::MAX);
    let before = end(96).checked_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN);
    assert_eq!(store.sweep(before, 10).await, Ok(0));
    assert_eq!(store.sweep(end(98), 2).await, Ok(2));
    assert_eq!(store.sweep(end(98), 2).await, Ok(1));
    assert_eq!(store.sweep(end(98), 2).await, Ok(0));
    assert_eq!(store.sweep(end(200), 0).await, Ok(0));
    for (n, slot) in slots.iter().enumerate() {
        let there = store.read(slot).await.map(|record| record.is_some());
        assert_eq!(there, Ok(n < 2), "{n}");
    }
    // A record that changed ends when it says now.
    let record = running(1, 0, 1, at(100));
    let done = record.done(answer(Bytes::new()), at(500));
    let first = slot("t", "k0");
    assert_eq!(store.write(&first, Some(record.seen()), &done).await, Ok(()));
    assert_eq!(store.sweep(end(499), 10).await, Ok(1));
    assert_eq!(store.sweep(end(500), 10).await, Ok(1));
}

/// The life of a slot whose process lives.
pub async fn a_run_ends_once_for_all(store: &impl IdempotencyStore) {
    let owners = Epochs(Fate::Lost);
    let charged = || answer(Bytes::from_static(b"dear"));
    let said = Ending::Answered(charged());
    let wrong = |charged| Ending::Failed { answer: answer(Bytes::new()), charged };
    let hold = |run| HoldId::from(CallId::new(1 << 40, run));
    let indefinite = Claimed::Refused(Refused::Indefinite { hold: hold(0) });
    let again = |now| Claimed::Run(running(1, 1, 2, now));
    let cases = [
        (said, Claimed::Replay(charged())),
        (wrong(true), Claimed::Replay(answer(Bytes::new()))),
        (wrong(false), again(at(20))),
        (Ending::Broken { charged: true }, indefinite),
        (Ending::Broken { charged: false }, again(at(20))),
    ];
    for (n, (ending, then)) in cases.into_iter().enumerate() {
        let slot = slot("t", &format!("case-{n}"));
        let claim = |record, now| claim(store, &owners, &slot, record, now);
        let first = running(1, 0, 2, at(0));
        assert_eq!(claim(first.clone(), at(0)).await, Ok(Claimed::Run(first.clone())));
        // The claim's own repetition is the claim.
        assert_eq!(claim(first.clone(), at(0)).await, Ok(Claimed::Run(first.clone())));
        let second = running(1, 1, 2, at(10));
        let early = claim(second, at(10)).await;
        assert!(matches!(early, Ok(Claimed::Refused(Refused::Running { .. }))), "{early:?}");
        let other = Ok(Claimed::Refused(Refused::OtherRequest));
        assert_eq!(claim(running(2, 2, 2, at(10)), at(10)).await, other);
        for _ in 0..2 {
            assert_eq!(finish(store, &slot, &first, ending.clone(), at(15)).await, Ok(()));
        }
        assert_eq!(claim(running(1, 1, 2, at(20)), at(20)).await, Ok(then), "{ending:?}");
        // A day later it is forgotten, swept or not.
        let late = running(2, 3, 2, at(200_000));
        assert_eq!(claim(late.clone(), at(200_000)).await, Ok(Claimed::Run(late)));
    }
}

/// The life of a slot whose process died.
pub async fn a_dead_run_ends_as_its_hold_did(store: &impl IdempotencyStore) {
    let cases = [Fate::Unresolved, Fate::NeverHeld, Fate::Voided, Fate::Paid, Fate::Lost];
    for (n, fate) in cases.into_iter().enumerate() {
        let slot = slot("t", &format!("case-{n}"));
        let owners = Epochs(fate);
        let dead = running(1, 0, 1, at(0));
        assert_eq!(store.write(&slot, None, &dead).await, Ok(()));
        let next = running(1, 1, 2, at(10));
        let claimed = claim(store, &owners, &slot, next.clone(), at(10)).await;
        let state = store.read(&slot).await.map(|record| record.map(|r| (r.run, r.state)));
        match fate {
            Fate::Alive | Fate::Unresolved => {
                let wait = matches!(claimed, Ok(Claimed::Refused(Refused::Running { .. })));
                assert!(wait, "{claimed:?}");
                assert_eq!(state, Ok(Some((dead.run, dead.state))));
            }
            Fate::NeverHeld | Fate::Voided => {
                assert_eq!(claimed, Ok(Claimed::Run(next.clone())));
                assert_eq!(state, Ok(Some((next.run, next.state.clone()))));
                // The dead one changes nothing any more.
                let said = Ending::Answered(answer(Bytes::new()));
                assert!(is_conflict(&finish(store, &slot, &dead, said, at(11)).await));
                let broken = Ending::Broken { charged: false };
                assert_eq!(finish(store, &slot, &dead, broken, at(11)).await, Ok(()));
                assert_eq!(store.read(&slot).await, Ok(Some(next)));
            }
            Fate::Paid | Fate::Lost => {
                let hold = HoldId::from(dead.run);
                let no = Ok(Claimed::Refused(Refused::Indefinite { hold }));
                assert_eq!(claimed, no);
                assert_eq!(state, Ok(Some((dead.run, State::Indefinite))));
                // Whoever asks next needs nobody's word for it.
                let again = claim(store, &Epochs(Fate::Voided), &slot, next, at(20)).await;
                assert_eq!(again, no);
            }
        }
    }
}

/// Of many that come at once one runs: on a free slot, on one whose process died, on one that
/// expired.
pub async fn one_of_many_runs(store: &impl IdempotencyStore) {
    let owners = Epochs(Fate::Voided);
    let free = slot("t", "free");
    let (dead, expired) = (slot("t", "dead"), slot("t", "expired"));
    assert_eq!(store.write(&dead, None, &running(1, 0, 1, at(0))).await, Ok(()));
    assert_eq!(store.write(&expired, None, &running(9, 0, 2, at(-90_000))).await, Ok(()));
    for slot in [&free, &dead, &expired] {
        let rivals = (1..=RIVALS).map(|n| {
            let run = running(1, u128::from(n), 2, at(5));
            claim(store, &owners, slot, run, at(5))
        });
        let claims = join_all(rivals).await;
        let ran = claims.iter().filter(|c| matches!(c, Ok(Claimed::Run(_)))).count();
        assert_eq!(ran, 1, "{claims:?}");
        let refused = |c: &&_| matches!(c, Ok(Claimed::Refused(Refused::Running { .. })));
        // Some may have lost too often to say more.
        let lost = |c: &&_| matches!(c, Err(StoreError::Conflict(_)));
        let others = claims.iter().filter(|c| refused(c) || lost(c)).count();
        assert_eq!(others + 1, claims.len(), "{claims:?}");
    }
}

/// Any steps in any order, beside a map.
pub async fn it_is_the_simplest_store_there_is(store: &impl IdempotencyStore) {
    let slots: Vec<Slot> = (0..3).map(|n| slot("t", &format!("k{n}"))).collect();
    let mut model: HashMap<Slot, Record> = HashMap::new();
    let mut past: Vec<Record> = Vec::new();
    let mut dice = Dice(7);
    for step in 0..MODEL_STEPS {
        let slot = &slots[dice.below(slots.len())];
        let known = model.get(slot).cloned();
        let old = past.get(dice.below(past.len() + 1)).cloned();
        let seen = match dice.below(4) {
            0 => None,
            1 => old.as_ref().map(Record::seen),
            _ => known.as_ref().map(Record::seen),
        };
        let now = at(i64::try_from(step).unwrap_or(0));
        match dice.below(5) {
            0 => {
                let Some(seen) = seen else { continue };
                assert_eq!(store.remove(slot, seen).await, Ok(()));
                model.retain(|s, r| s != slot || r.seen() != seen);
            }
            1 if step % 7 == 0 => {
                let over = model.values().filter(|r| r.expires_at <= now).count();
                assert_eq!(store.sweep(now, MODEL_STEPS).await, Ok(over));
                model.retain(|_, r| r.expires_at > now);
            }
            kind => {
                let fresh = running(1, u128::from(dice.next()), 1, now);
                let next = match (kind, known.as_ref(), old) {
                    (2, Some(known), _) => known.done(answer(Bytes::from_static(b"x")), now),
                    (3, Some(known), _) => known.indefinite(now),
                    (1, _, Some(old)) => old,
                    _ => fresh,
                };
                let written = store.write(slot, seen, &next).await;
                let there = known.as_ref().map(Record::seen);
                if there == Some(next.seen()) {
                    assert_eq!(written, Ok(()), "{step}");
                } else if there == seen {
                    assert_eq!(written, Ok(()), "{step}");
                    model.insert(slot.clone(), next.clone());
                    past.push(next);
                } else {
                    assert!(is_conflict(&written), "{step}: {written:?}");
                }
            }
        }
        for slot in &slots {
            assert_eq!(store.read(slot).await, Ok(model.get(slot).cloned()), "{step}");
        }
    }
}

/// The same steps on every store, without a clock or a source of chance.
struct Dice(u64);

impl fmt::Debug for Dice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dice({})", self.0)
    }
}

impl Dice {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 32) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }
}
