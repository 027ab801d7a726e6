use llm_core::ledger::Owner;

use super::*;
use crate::stage::admit::hand_clock::HandClock;
use crate::stage::admit::meter::{Ask, Booking, Share, book};

fn key(name: &str) -> OwnerId {
    OwnerId {
        kind: OwnerKind::Level(Owner::Key),
        tenant: TenantId::from("t"),
        name: Str::from(name),
    }
}

fn rules(text: &str) -> [Rule; 1] {
    [Rule::Window(text.parse().unwrap())]
}

fn count(limits: &Limits, name: &str, clock: &Arc<HandClock>) -> Option<Box<Booking>> {
    let rules = rules("2/hour");
    let now = clock.read();
    let tally = limits.tally(key(name), rules.into_iter(), None, now).ok()?;
    let sets = [Arc::clone(&tally.meters)].into_iter().collect();
    let mut booking =
        book(sets, Ask { requests: 1, tokens: 0 }, Share::All, now, clock.clone()).ok()?;
    booking.admit();
    Some(booking)
}

fn small(room: usize, clock: &Arc<HandClock>) -> Limits {
    Limits::with_room(room * SHARDS, Zone::UTC, clock.clone())
}

#[test]
fn an_owner_is_the_same_one_each_time_and_not_its_namesake() {
    let clock = HandClock::new();
    let limits = small(8, &clock);
    assert!(count(&limits, "a", &clock).is_some());
    assert!(count(&limits, "a", &clock).is_some());
    assert!(count(&limits, "a", &clock).is_none());
    assert!(count(&limits, "b", &clock).is_some());
    let other = OwnerId { tenant: TenantId::from("u"), ..key("a") };
    let tally = limits.tally(other, rules("2/hour").into_iter(), None, clock.read()).unwrap();
    assert!(!tally.meters.counts(clock.read()));
    assert_eq!(limits.len(), 3);
}

#[test]
fn nobody_who_counts_is_forgotten_and_everybody_else_may_be() {
    let clock = HandClock::new();
    let limits = small(1, &clock);
    let names: Vec<String> = (0..400).map(|n| format!("k{n}")).collect();
    let came: Vec<&String> =
        names.iter().filter(|name| count(&limits, name, &clock).is_some()).collect();
    assert!(came.len() <= SHARDS && limits.len() == came.len(), "{}", came.len());
    for name in &came {
        assert!(count(&limits, name, &clock).is_some());
        assert!(count(&limits, name, &clock).is_none(), "{name} got a second window");
    }
    // A window and its last slice later, all are strangers again.
    clock.pass(Duration::from_secs(3_700));
    let later: Vec<_> = names.iter().rev().map(|name| count(&limits, name, &clock)).collect();
    assert!(later.iter().flatten().count() == came.len());
    assert_eq!(limits.len(), came.len());
}

#[test]
fn who_runs_is_not_forgotten_either() {
    let clock = HandClock::new();
    let limits = small(1, &clock);
    let tally =
        |name: &str| limits.tally(key(name), rules("9/minute").into_iter(), Some(1), clock.read());
    let slot = tally("a").unwrap().flight.take().unwrap();
    for n in 0..200 {
        clock.pass(Duration::from_secs(100));
        let _ = tally(&format!("k{n}"));
    }
    assert!(tally("a").unwrap().flight.take().is_none());
    drop(slot);
    assert!(tally("a").unwrap().flight.take().is_some());
}

#[test]
fn limits_that_change_hold_from_the_next_call_on() {
    let clock = HandClock::new();
    let limits = small(4, &clock);
    for _ in 0..2 {
        drop(count(&limits, "a", &clock));
    }
    assert!(count(&limits, "a", &clock).is_none());
    let more = limits.tally(key("a"), rules("3/hour").into_iter(), Some(7), clock.read()).unwrap();
    assert_eq!(more.flight.max(), 7);
    let sets = [Arc::clone(&more.meters)].into_iter().collect();
    let ask = Ask { requests: 1, tokens: 0 };
    let booked = book(sets, ask, Share::All, clock.read(), clock.clone()).unwrap();
    assert_eq!(booked.requests.as_ref().unwrap().limit, 3);
}
