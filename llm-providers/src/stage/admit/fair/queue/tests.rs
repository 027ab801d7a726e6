use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;

fn t0() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn bounds(slots: u32, waiting_max: usize) -> Bounds {
    Bounds { slots, waiting_max, waiting_bytes_max: 1_000 }
}

fn ticket(priority: Priority, line: &'static str, now: Instant) -> Ticket {
    let deadline = now + Duration::from_secs(60);
    Ticket { priority, line: Str::from_static(line), tokens: 10, bytes: 1, deadline }
}

fn waits(entry: Entry) -> WaiterId {
    match entry {
        Entry::Waiting(id) => id,
        Entry::Started | Entry::Refused(_) => panic!("{entry:?}"),
    }
}

/// Ends one running call and says who is next.
fn next(queue: &mut Queue, now: Instant) -> Vec<WaiterId> {
    let mut moves = Moves::new();
    queue.finish(Priority::Default, now, &mut moves);
    moves.into_iter().filter(|(_, end)| end.is_ok()).map(|(id, _)| id).collect()
}

#[test]
fn the_last_fifth_is_kept_for_critical_calls() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(10, 10));
    let mut enter = |priority| queue.enter(ticket(priority, "a", now), now, &mut moves);
    for _ in 0..8 {
        assert_eq!(enter(Priority::Default), Entry::Started);
    }
    assert!(matches!(enter(Priority::Default), Entry::Waiting(_)));
    assert_eq!(enter(Priority::Critical), Entry::Started);
    assert_eq!(enter(Priority::Critical), Entry::Started);
    assert!(matches!(enter(Priority::Critical), Entry::Waiting(_)));
}

#[test]
fn earlier_classes_go_first_and_calm_lines_in_order() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 10));
    let mut enter = |priority| queue.enter(ticket(priority, "a", now), now, &mut moves);
    assert_eq!(enter(Priority::Default), Entry::Started);
    let order = [Priority::Sheddable, Priority::Batch, Priority::Default, Priority::Default];
    let [sheddable, batch, first, second] = order.map(|p| waits(enter(p)));
    let served: Vec<_> = (0..4).flat_map(|_| next(&mut queue, now)).collect();
    assert_eq!(served, [first, second, batch, sheddable]);
}

#[test]
fn a_line_that_waits_too_long_is_served_newest_first_and_the_others_are_not() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 10));
    let mut enter = |line, at| queue.enter(ticket(Priority::Default, line, at), at, &mut moves);
    assert_eq!(enter("x", now), Entry::Started);
    let late = now + Duration::from_millis(101);
    let [noisy_old, noisy_new] = ["noisy"; 2].map(|line| waits(enter(line, now)));
    let [quiet_old, quiet_new] = ["quiet"; 2].map(|line| waits(enter(line, late)));
    let served: Vec<_> = (0..4).flat_map(|_| next(&mut queue, late)).collect();
    assert_eq!(served, [noisy_new, quiet_old, noisy_old, quiet_new]);
}

#[test]
fn the_lowest_class_makes_room_and_then_who_is_late_and_then_the_longest_line() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 4));
    queue.set_usual(Duration::from_secs(1));
    let mut enter = |ticket: Ticket, at| {
        let entry = queue.enter(ticket, at, &mut moves);
        (entry, std::mem::take(&mut moves).into_vec())
    };
    let plain = |line| ticket(Priority::Default, line, now);
    assert_eq!(enter(plain("a"), now).0, Entry::Started);
    let batch = waits(enter(ticket(Priority::Batch, "b", now), now).0);
    let soon = Ticket { deadline: now + Duration::from_secs(2), ..plain("a") };
    let soon = waits(enter(soon, now).0);
    let second = waits(enter(plain("a"), now).0);
    let third = waits(enter(plain("a"), now).0);
    assert_eq!(enter(ticket(Priority::Sheddable, "s", now), now).0, Entry::Refused(Shed::Full));

    let (entry, shed) = enter(plain("a"), now);
    assert_eq!(shed, [(batch, Err(Shed::Overtaken))]);
    let fourth = waits(entry);
    let later = now + Duration::from_millis(1_500);
    let (entry, shed) = enter(plain("b"), later);
    assert_eq!(shed, [(soon, Err(Shed::Late))]);
    waits(entry);
    assert_eq!(enter(plain("a"), later).0, Entry::Refused(Shed::Full), "its own line is longest");
    let (entry, shed) = enter(plain("c"), later);
    assert_eq!(shed, [(fourth, Err(Shed::Overtaken))]);
    waits(entry);
    assert!(queue.leave(second) && queue.leave(third) && !queue.leave(fourth));
}

#[test]
fn waiting_bodies_are_bounded_in_bytes() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 100));
    let heavy = |priority, bytes| Ticket { bytes, ..ticket(priority, "a", now) };
    let mut enter = |priority, bytes| queue.enter(heavy(priority, bytes), now, &mut moves);
    assert_eq!(enter(Priority::Default, usize::MAX), Entry::Started, "who runs does not wait");
    assert_eq!(enter(Priority::Default, 1_001), Entry::Refused(Shed::Full));
    assert_eq!(enter(Priority::Default, usize::MAX), Entry::Refused(Shed::Full));
    let batch = waits(enter(Priority::Batch, 600));
    waits(enter(Priority::Default, 300));
    assert_eq!(enter(Priority::Default, 701), Entry::Refused(Shed::Full), "batch is not enough");
    waits(enter(Priority::Default, 700));
    assert_eq!(moves.to_vec(), [(batch, Err(Shed::Overtaken))]);
}

#[test]
fn who_cannot_be_answered_in_time_gets_no_place() {
    let (now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 10));
    queue.set_usual(Duration::from_secs(2));
    let until = |s| Ticket {
        deadline: now + Duration::from_secs(s),
        ..ticket(Priority::Default, "a", now)
    };
    assert_eq!(queue.enter(until(60), now, &mut moves), Entry::Started);
    assert_eq!(queue.enter(until(1), now, &mut moves), Entry::Refused(Shed::Late));
    let late = waits(queue.enter(until(5), now, &mut moves));
    let fine = waits(queue.enter(until(60), now, &mut moves));
    // An overload: newest first, and whoever cannot be answered any more is told so.
    let later = now + Duration::from_secs(4);
    queue.finish(Priority::Default, later, &mut moves);
    assert_eq!(moves.to_vec(), [(fine, Ok(Priority::Default))]);
    queue.finish(Priority::Default, later, &mut moves);
    assert_eq!(moves.to_vec()[1..], [(late, Err(Shed::Late))]);
    assert_eq!((queue.held(), queue.waiting()), (0, 0));
}

#[test]
fn what_a_refusal_says_of_waiting_follows_the_pace_of_endings() {
    let (mut now, mut moves) = (t0(), Moves::new());
    let mut queue = Queue::new(bounds(1, 10));
    assert_eq!(queue.wait_estimate(), WAIT_MIN);
    for _ in 0..60 {
        while queue.waiting() < 4 {
            queue.enter(ticket(Priority::Default, "a", now), now, &mut moves);
        }
        now += Duration::from_secs(3);
        queue.finish(Priority::Default, now, &mut moves);
    }
    let wait = queue.wait_estimate();
    assert!(wait > Duration::from_secs(11) && wait <= Duration::from_secs(12), "{wait:?}");
}

const LINES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    Enter(u8, usize, u64, u64),
    Leave(usize),
    Finish(usize),
    Slots(u32),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4u8, 0..4usize, 1..300u64, 0..3_000u64)
            .prop_map(|(p, line, bytes, ms)| Step::Enter(p, line, bytes, ms)),
        1 => any::<usize>().prop_map(Step::Leave),
        3 => any::<usize>().prop_map(Step::Finish),
        1 => (0..8u32).prop_map(Step::Slots),
        1 => (0..500u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    /// Whatever happens: no more run than may, no more wait than may, nobody is lost or served
    /// twice, nobody waits for a place that is free, and in the end all is empty.
    #[test]
    fn nobody_is_lost(steps in steps()) {
        let mut queue = Queue::new(bounds(4, 6));
        let (mut now, mut slots) = (t0(), 4u32);
        let mut waiting: BTreeMap<WaiterId, usize> = BTreeMap::new();
        let mut running: Vec<Priority> = Vec::new();
        for step in steps {
            let mut moves = Moves::new();
            match step {
                Step::Enter(p, line, bytes, ms) => {
                    let priority = PRIORITIES[p as usize];
                    let bytes = bytes as usize;
                    let deadline = now + Duration::from_millis(ms);
                    let line = ticket(priority, LINES[line], now);
                    match queue.enter(Ticket { bytes, deadline, ..line }, now, &mut moves) {
                        Entry::Started => running.push(priority),
                        Entry::Waiting(id) => prop_assert!(waiting.insert(id, bytes).is_none()),
                        Entry::Refused(_) => {}
                    }
                }
                Step::Leave(n) if !waiting.is_empty() => {
                    let id = *waiting.keys().nth(n % waiting.len()).unwrap();
                    prop_assert!(queue.leave(id) && !queue.leave(id));
                    waiting.remove(&id);
                }
                Step::Finish(n) if !running.is_empty() => {
                    let priority = running.swap_remove(n % running.len());
                    queue.finish(priority, now, &mut moves);
                }
                Step::Slots(n) => {
                    slots = n.max(1);
                    queue.set_slots(n, now, &mut moves);
                }
                Step::Wait(ms) => now += Duration::from_millis(ms),
                Step::Leave(_) | Step::Finish(_) => {}
            }
            for (id, end) in moves {
                prop_assert!(waiting.remove(&id).is_some());
                running.extend(end.ok());
            }
            prop_assert_eq!(queue.held() as usize, running.len());
            prop_assert_eq!(queue.waiting(), waiting.len());
            prop_assert!(waiting.len() <= 6 && waiting.values().sum::<usize>() <= 1_000);
            let plain = running.iter().filter(|p| **p != Priority::Critical).count() as u32;
            if (running.len() as u32) < slots && plain < slots - slots / 5 {
                prop_assert!(waiting.is_empty(), "somebody waits for a place that is free");
            }
        }
        for id in waiting.into_keys() {
            prop_assert!(queue.leave(id));
        }
        for priority in running {
            queue.finish(priority, now, &mut Moves::new());
        }
        prop_assert_eq!((queue.held(), queue.waiting(), queue.bytes), (0, 0, 0));
    }

    /// I-14: of two lines that both wait all the time, neither is served more than one largest
    /// call ahead of the other, in any stretch of that time.
    #[test]
    fn lines_that_wait_are_served_alike(
        sizes in prop::collection::vec(prop::collection::vec(1..1_000u64, 40), 4),
        slots in 1..5u32,
        joined in prop::collection::vec(0..30usize, 4),
    ) {
        let (now, mut moves) = (t0(), Moves::new());
        let mut queue = Queue::new(Bounds { slots, waiting_max: 1_000, waiting_bytes_max: 1_000 });
        for _ in 0..slots {
            queue.enter(ticket(Priority::Default, "x", now), now, &mut moves);
        }
        let mut whose: BTreeMap<WaiterId, (usize, u64)> = BTreeMap::new();
        let mut rows: Vec<VecDeque<u64>> =
            sizes.iter().map(|s| s.iter().copied().collect()).collect();
        let mut served: Vec<[u64; 4]> = vec![[0; 4]];
        let (mut since, mut until) = ([usize::MAX; 4], [usize::MAX; 4]);
        for round in 0..120 {
            for (line, row) in rows.iter_mut().enumerate() {
                // Each line comes at its own time and from then on always has two waiting.
                while joined[line] <= round
                    && whose.values().filter(|w| w.0 == line).count() < 2
                    && let Some(tokens) = row.pop_front()
                {
                    let one = Ticket { tokens, ..ticket(Priority::Default, LINES[line], now) };
                    whose.insert(waits(queue.enter(one, now, &mut moves)), (line, tokens));
                    since[line] = since[line].min(served.len() - 1);
                }
                if joined[line] <= round && !whose.values().any(|w| w.0 == line) {
                    until[line] = until[line].min(served.len() - 1);
                }
            }
            if whose.is_empty() {
                continue;
            }
            for id in next(&mut queue, now) {
                let (line, tokens) = whose.remove(&id).unwrap();
                let mut sums = *served.last().unwrap();
                sums[line] += tokens;
                served.push(sums);
                if !whose.values().any(|w| w.0 == line) {
                    until[line] = until[line].min(served.len() - 1);
                }
            }
        }
        let largest = *sizes.iter().flatten().max().unwrap();
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let (from, to) = (since[a].max(since[b]), until[a].min(until[b]));
            let apart: Vec<i128> = served.iter().enumerate()
                .filter(|(at, _)| (from..=to).contains(at))
                .map(|(_, sums)| i128::from(sums[a]) - i128::from(sums[b]))
                .collect();
            if let (Some(max), Some(min)) = (apart.iter().max(), apart.iter().min()) {
                // Ahead by one call at one end of a stretch, behind by one at the other.
                prop_assert!(max - min <= 2 * i128::from(largest));
            }
            if from == 0 {
                prop_assert!(apart.iter().all(|d| d.abs() <= i128::from(largest)));
            }
        }
    }
}
