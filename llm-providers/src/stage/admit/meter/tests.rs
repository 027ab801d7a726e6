use std::sync::Arc;

use llm_core::seam::Clock;
use proptest::prelude::*;

use smallvec::SmallVec;

use super::*;
use crate::stage::admit::hand_clock::HandClock;

fn window(text: &str) -> Rule {
    Rule::Window(text.parse().unwrap())
}

fn smooth_rule(of: Of, rate: u32, seconds: u64, burst: u32) -> Rule {
    let (rate, burst) = (NonZeroU32::new(rate).unwrap(), NonZeroU32::new(burst).unwrap());
    Rule::Smooth(Pace { of, rate, period: Duration::from_secs(seconds), burst })
}

fn set(rules: &[Rule], clock: &Arc<HandClock>) -> Arc<MeterSet> {
    let set = MeterSet::default();
    let clock: Arc<dyn Clock> = clock.clone();
    assert!(set.fit("key", rules.iter().copied(), &Zone::UTC, &clock));
    Arc::new(set)
}

fn ask(
    sets: &[&Arc<MeterSet>],
    tokens: u64,
    clock: &Arc<HandClock>,
) -> Result<Box<Booking>, Box<Verdict>> {
    let sets = sets.iter().map(|set| Arc::clone(set)).collect();
    let mut booking =
        book(sets, Ask { requests: 1, tokens }, Share::All, clock.read(), clock.clone())?;
    booking.admit();
    Ok(booking)
}

#[test]
fn exactly_the_limit_comes_in_however_many_ask_at_once() {
    let clock = HandClock::new();
    let (key, team) = (
        set(&[window("40/minute"), window("1000 tokens/hour")], &clock),
        set(&[window("25/hour"), smooth_rule(Of::Tokens, 1, 3_600, 300)], &clock),
    );
    let admitted: usize = std::thread::scope(|scope| {
        let one = || (0..100).filter_map(|_| ask(&[&key, &team], 10, &clock).ok()).collect();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        let all: Vec<Vec<Box<Booking>>> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        all.iter().map(Vec::len).sum()
    });
    assert_eq!(admitted, 25);
    // What the refused ones asked for is nowhere counted: the key has its other fifteen.
    let rest = (0..100).filter(|_| ask(&[&key], 0, &clock).is_ok()).count();
    assert_eq!(rest, 15);
}

#[test]
fn a_refusal_is_the_one_that_lasts_longest() {
    let clock = HandClock::new();
    let key = set(&[window("1/minute"), window("1/hour"), window("9/day")], &clock);
    assert!(ask(&[&key], 0, &clock).is_ok());
    let refused = ask(&[&key], 0, &clock).unwrap_err();
    assert_eq!((&*refused.rule, refused.limit, refused.used), ("key 1/hour", 1, 1));
    assert!(refused.resets_at.is_some());
}

#[test]
fn the_tightest_rule_is_what_a_caller_hears_of() {
    let clock = HandClock::new();
    let key = set(&[window("100/hour"), window("3/minute"), window("500 tokens/hour")], &clock);
    let booking = ask(&[&key], 100, &clock).unwrap();
    let requests = booking.requests.as_ref().unwrap();
    assert_eq!((&*requests.rule, requests.remaining), ("key 3/minute", 2));
    let tokens = booking.tokens.as_ref().unwrap();
    assert_eq!((tokens.limit, tokens.remaining), (500, 400));
}

#[test]
fn tokens_are_corrected_both_ways_and_requests_stay_counted() {
    let clock = HandClock::new();
    let rules = [window("10/hour"), window("100 tokens/hour")];
    let key = set(&rules, &clock);
    let mut booking = ask(&[&key], 100, &clock).unwrap();
    assert!(ask(&[&key], 1, &clock).is_err());
    booking.settle(30);
    booking.settle(90);
    drop(booking);
    let mut more = ask(&[&key], 70, &clock).unwrap();
    assert_eq!(more.tokens.as_ref().unwrap().remaining, 0);
    assert_eq!(more.requests.as_ref().unwrap().remaining, 8);
    more.settle(170);
    let refused = ask(&[&key], 0, &clock).map(|b| b.tokens.clone().unwrap().used);
    assert_eq!(refused.unwrap(), 200, "tokens that have flowed count even past the limit");
}

#[test]
fn who_never_came_in_has_counted_nothing() {
    let clock = HandClock::new();
    let key = set(&[window("1/hour"), window("10 tokens/hour")], &clock);
    for _ in 0..100 {
        let ask = Ask { requests: 1, tokens: 10 };
        let sets = SmallVec::from_iter([Arc::clone(&key)]);
        drop(book(sets, ask, Share::All, clock.read(), clock.clone()).unwrap());
    }
    assert!(ask(&[&key], 10, &clock).is_ok());
    assert!(ask(&[&key], 0, &clock).is_err());
}

#[test]
fn a_smooth_pace_follows_our_clock() {
    let clock = HandClock::new();
    let key = set(&[smooth_rule(Of::Requests, 60, 60, 3)], &clock);
    assert_eq!((0..9).filter(|_| ask(&[&key], 0, &clock).is_ok()).count(), 3);
    let refused = ask(&[&key], 0, &clock).unwrap_err();
    let wait = refused.resets_at.unwrap().duration_since(clock.read().wall);
    assert_eq!(wait, SignedDuration::from_secs(1));
    clock.pass(Duration::from_millis(999));
    assert!(ask(&[&key], 0, &clock).is_err());
    clock.pass(Duration::from_millis(1));
    assert!(ask(&[&key], 0, &clock).is_ok());
}

#[test]
fn what_cannot_be_taken_back_is_asked_last() {
    let clock = HandClock::new();
    let key = set(&[smooth_rule(Of::Requests, 1, 60, 2), window("5 tokens/hour")], &clock);
    for _ in 0..10 {
        assert!(ask(&[&key], 6, &clock).is_err());
    }
    assert!(ask(&[&key], 2, &clock).is_ok(), "the refusals above cost no turn of the pace");
    assert!(ask(&[&key], 2, &clock).is_ok());
}

#[test]
fn a_rule_that_stays_keeps_its_count_and_running_calls_find_it() {
    let clock = HandClock::new();
    let shared: Arc<dyn Clock> = clock.clone();
    let key = set(&[window("5/hour"), window("100 tokens/hour")], &clock);
    let mut running = ask(&[&key], 60, &clock).unwrap();
    let changed = [window("100 tokens/hour"), window("2/minute")];
    assert!(key.fit("key", changed.iter().copied(), &Zone::UTC, &shared));
    assert!(ask(&[&key], 41, &clock).is_err());
    running.settle(10);
    let next = ask(&[&key], 90, &clock).unwrap();
    assert_eq!(next.requests.as_ref().unwrap().limit, 2);
}

#[test]
fn money_is_not_counted_here() {
    let clock = HandClock::new();
    let key = set(&[window("$1/month"), window("5 credits/day")], &clock);
    assert!(ask(&[&key], u64::MAX, &clock).is_ok());
}

#[test]
fn numbers_beyond_a_clock_are_said_to_be() {
    let clock: Arc<dyn Clock> = HandClock::new();
    let rule = smooth_rule(Of::Requests, 1, u64::from(u32::MAX), u32::MAX);
    assert!(!MeterSet::default().fit("key", [rule].into_iter(), &Zone::UTC, &clock));
}

proptest! {
    /// Promise 9: whatever is asked, given back and charged, what was let into a window never
    /// exceeds its limit at the moment of being let in.
    #[test]
    fn nothing_is_let_in_beyond_the_limit(
        steps in prop::collection::vec((1..40u64, 0..3u8, any::<usize>(), 0..60u64), 1..150),
    ) {
        let clock = HandClock::new();
        let key = set(&[window("12/minute"), window("100 tokens/minute")], &clock);
        let (mut open, mut calls, mut spent) = (Vec::new(), Vec::new(), Vec::new());
        let mut seconds = 0u64;
        for (n, what, which, wait) in steps {
            match what {
                0 if !open.is_empty() => {
                    let (mut booking, at): (Box<Booking>, usize) =
                        open.swap_remove(which % open.len());
                    booking.settle(n);
                    spent[at] = (calls[at], n);
                }
                1 => {
                    clock.pass(Duration::from_secs(wait));
                    seconds += wait;
                }
                _ => if let Ok(booking) = ask(&[&key], n, &clock) {
                    open.push((booking, calls.len()));
                    calls.push(seconds);
                    spent.push((seconds, n));
                    let recent = |at: &u64| at + 60 > seconds;
                    prop_assert!(calls.iter().filter(|at| recent(at)).count() <= 12);
                    let tokens: u64 =
                        spent.iter().filter(|(at, _)| recent(at)).map(|(_, n)| n).sum();
                    prop_assert!(tokens <= 100);
                },
            }
        }
    }
}
