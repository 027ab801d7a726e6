//! Pages and sums against a plain list.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use llm_core::Str;
use llm_core::error::Kind;
use llm_core::store::{CallRecord, Outcome};
use llm_core::usage::TokenKind;
use llm_store::requests::{By, Cursor, Ended, Of, Request, Requests, Search, Sums, Usage};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::calls::{call, calls, day, micros};
use crate::places::{self, Place, TURN, logged};

/// A question, out of small numbers as well.
#[derive(Clone, Debug)]
struct Asked {
    seed: u64,
    size: usize,
}

fn asked() -> impl Strategy<Value = Vec<Asked>> {
    let one = (any::<u64>(), 1..9_usize).prop_map(|(seed, size)| Asked { seed, size });
    proptest::collection::vec(one, 1..6)
}

fn of(seed: u64) -> Of {
    let named = |bit: u32, name: &str| (seed >> bit & 3 == 0).then(|| Str::from(name.to_owned()));
    let mut of = Of::default();
    match seed % 7 {
        0 => {}
        1 => of.key = named(8, &format!("key{}", seed >> 12 & 7)),
        2 => of.user = named(8, &format!("user{}", seed >> 12 & 3)),
        3 => of.team = Some("team".into()),
        4 => of.model = Some("m1".into()),
        5 => (of.tenant, of.provider) = (Some("t1".into()), named(8, "openai")),
        _ => (of.target, of.feature) = (named(8, "gemini/m2"), named(10, "boost")),
    }
    if seed >> 20 & 7 == 0 {
        of.cached = Some(seed >> 23 & 1 == 0);
    }
    of
}

fn search(seed: u64, list: &[CallRecord]) -> Search {
    let moment = |bit: u32| {
        let call = &list[(seed >> bit) as usize % list.len()];
        jiff::Timestamp::from_microsecond(micros(call.at)).unwrap()
    };
    Search {
        of: of(seed),
        ended: match seed >> 30 & 7 {
            0 => Some(Ended::Done),
            1 => Some(Ended::Left),
            2 => Some(Ended::Failed),
            3 => Some(Ended::With(Kind::Timeout)),
            _ => None,
        },
        tag: ["a", "b%", "a_b", "b"].get((seed >> 33 & 15) as usize).map(|tag| Str::from(*tag)),
        from: (seed >> 37 & 3 == 0).then(|| moment(40)),
        to: (seed >> 39 & 3 == 0).then(|| moment(44)),
    }
}

fn unknown(call: &CallRecord) -> bool {
    call.target.is_none() && call.outcome == Outcome::Failed(Kind::UnknownModel)
}

fn name<T>(of: &Option<T>, text: impl Fn(&T) -> Str) -> Str {
    of.as_ref().map(text).unwrap_or_default()
}

/// The word of a call for a sum.
fn word(by: By, call: &CallRecord) -> Str {
    let who = &call.principal;
    match by {
        By::Tenant => who.tenant.0.clone(),
        By::Key => who.key.0.clone(),
        By::User => name(&who.user, |user| user.0.clone()),
        By::Team => name(&who.team, |team| team.0.clone()),
        By::Feature => call.feature.0.clone(),
        By::Operation => call.operation.name().into(),
        By::Model if unknown(call) => Str::default(),
        By::Model => Str::from(call.model.replace('\0', "\u{fffd}")),
        By::Provider => name(&call.target, |t| Str::from(t.0.split('/').next().unwrap())),
        By::Target => name(&call.target, |target| target.0.clone()),
        By::Day => Str::from(day(call.at).to_string()),
        By::Month => Str::from(day(call.at).to_string()[..7].to_owned()),
    }
}

fn is_of(of: &Of, call: &CallRecord) -> bool {
    let pairs = [
        (By::Tenant, &of.tenant),
        (By::Key, &of.key),
        (By::User, &of.user),
        (By::Team, &of.team),
        (By::Feature, &of.feature),
        (By::Model, &of.model),
        (By::Provider, &of.provider),
        (By::Target, &of.target),
    ];
    let named = |(by, name): (By, &Option<Str>)| name.as_ref().is_none_or(|n| *n == word(by, call));
    pairs.into_iter().all(named) && of.cached.is_none_or(|cached| cached == call.cached)
}

fn has(search: &Search, call: &CallRecord) -> bool {
    let ended = match search.ended {
        None => true,
        Some(Ended::Done) => call.outcome == Outcome::Done,
        Some(Ended::Left) => call.outcome == Outcome::Left,
        Some(Ended::Failed) => matches!(call.outcome, Outcome::Failed(_)),
        Some(Ended::With(kind)) => call.outcome == Outcome::Failed(kind),
    };
    let at = jiff::Timestamp::from_microsecond(micros(call.at)).unwrap();
    ended
        && is_of(&search.of, call)
        && search.tag.as_ref().is_none_or(|tag| call.tags.contains(tag))
        && search.from.is_none_or(|from| from <= at)
        && search.to.is_none_or(|to| at < to)
}

/// What comes out is what went in.
fn same(call: &CallRecord, seen: &Request) {
    assert_eq!((call.id, micros(call.at)), (seen.id, seen.at.as_microsecond()));
    let outcome = match call.outcome {
        Outcome::Done => "done",
        Outcome::Left => "left",
        Outcome::Failed(kind) => kind.name(),
    };
    assert_eq!((outcome, call.usage), (&*seen.outcome, seen.usage));
    assert_eq!((call.charged, call.loss), (seen.charged, seen.loss));
    assert_eq!((call.credits, &call.plan), (seen.credits, &seen.plan));
    assert_eq!((call.first_byte, call.total), (seen.first_byte, seen.total));
    assert_eq!((call.stream, u32::from(call.attempts)), (seen.stream, seen.attempts));
    assert_eq!(call.tags, seen.tags);
    assert_eq!(call.model.replace('\0', "\u{fffd}"), &*seen.subject.model);
    let subject = &seen.subject;
    let words = [&subject.tenant, &subject.key, &subject.user, &subject.team, &subject.target];
    let by = [By::Tenant, By::Key, By::User, By::Team, By::Target];
    assert_eq!(words.map(Clone::clone), by.map(|by| word(by, call)));
    assert_eq!(call.cached, subject.cached);
}

async fn pages(log: &Requests, list: &mut Vec<CallRecord>, asked: &Asked) {
    let search = search(asked.seed, list);
    let mut expected: Vec<CallRecord> =
        list.iter().filter(|call| has(&search, call)).cloned().collect();
    expected.sort_by_key(|call| Reverse((call.at, call.id)));
    let mut seen = Vec::new();
    let mut after: Option<Cursor> = None;
    loop {
        let page = log.page(&search, after, asked.size).await.unwrap();
        assert!(page.requests.len() <= asked.size);
        assert!(page.next.is_none() || page.requests.len() == asked.size);
        seen.extend(page.requests);
        // What comes meanwhile is newer, and moves nothing.
        let number = list.len();
        let newer = call(number as u128, crate::calls::NOVEMBER * 2 + number as i64, asked.seed);
        logged(log, std::slice::from_ref(&newer)).await;
        list.push(newer);
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    assert_eq!(expected.len(), seen.len(), "{search:?}");
    expected.iter().zip(&seen).for_each(|(call, seen)| same(call, seen));
}

async fn sums(log: &Requests, list: &[CallRecord], asked: &Asked) {
    let drawn = |by: &By| asked.seed >> (4 * *by as u32) & 3 == 0;
    let by: Vec<By> = By::ALL.into_iter().filter(drawn).collect();
    let bound = |bit: u32| {
        let call = &list[(asked.seed >> bit) as usize % list.len()];
        (asked.seed >> bit & 1 == 0).then(|| day(call.at))
    };
    let usage = Usage { of: of(asked.seed >> 3), by: by.clone(), from: bound(5), to: bound(9) };
    let mut expected: BTreeMap<Vec<Str>, Sums> = BTreeMap::new();
    if by.is_empty() {
        // One sum, also of nothing.
        expected.insert(Vec::new(), Sums::default());
    }
    for call in list.iter().filter(|call| is_of(&usage.of, call)) {
        let day = day(call.at);
        if usage.from.is_none_or(|from| from <= day) && usage.to.is_none_or(|to| day < to) {
            let words = by.iter().map(|by| word(*by, call)).collect();
            add(expected.entry(words).or_default(), call);
        }
    }
    let rows = log.usage(&usage).await.unwrap();
    let told: Vec<_> = rows.into_iter().map(|row| (row.of, row.sums)).collect();
    let listed: Vec<_> = expected.clone().into_iter().collect();
    assert_eq!(told, listed, "{usage:?}");
    let spend = log.spend(&usage, 3).await.unwrap();
    let mut paid: Vec<i64> = expected.values().map(|sums| sums.charged.0).collect();
    assert_eq!(spend.total.charged.0, paid.iter().sum::<i64>());
    paid.sort_unstable_by_key(|paid| Reverse(*paid));
    paid.truncate(3);
    assert_eq!(spend.top.iter().map(|row| row.sums.charged.0).collect::<Vec<_>>(), paid);
    let saved = log.savings(&usage).await.unwrap();
    assert!(saved.iter().all(|row| row.sums.cached == row.sums.calls));
}

fn add(sums: &mut Sums, call: &CallRecord) {
    sums.calls += 1;
    sums.errors += u64::from(matches!(call.outcome, Outcome::Failed(_)));
    sums.cached += u64::from(call.cached);
    for (at, kind) in TokenKind::ALL.into_iter().enumerate() {
        sums.tokens[at] += call.usage.tokens(kind);
    }
    sums.images += u64::from(call.usage.images);
    sums.pieces += u64::from(call.usage.calls);
    sums.audio_ms += call.usage.audio_ms;
    sums.charged.0 += call.charged.0;
    sums.loss.0 += call.loss.0;
}

async fn run(place: &Place, list: Vec<CallRecord>, cut: usize, asked: Vec<Asked>) {
    let log = place.log();
    // In pieces, some of which are told again, also by somebody who remembers nothing.
    let again = place.log();
    for (number, some) in list.chunks(cut).enumerate() {
        logged(&log, some).await;
        if number % 3 == 0 {
            let some = &list[..((number + 1) * cut / 2).min(list.len())];
            logged(&again, some).await;
        }
        if number % 5 == 0 {
            logged(&log, &[some, some].concat()).await;
        }
    }
    let mut list = list;
    for asked in asked {
        sums(&log, &list, &asked).await;
        pages(&log, &mut list, &asked).await;
    }
    let one = &list[0];
    same(one, &log.request(one.id).await.unwrap().unwrap());
    let other = call(77_777, 5_000_000, 1);
    assert_eq!(log.request(other.id).await, Ok(None));
}

fn script() -> impl Strategy<Value = (Vec<CallRecord>, usize, Vec<Asked>)> {
    (calls(120), 1..90_usize, asked())
}

fn checked(cases: u32, place: impl AsyncFn() -> Place) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    let done = TestRunner::new(config).run(&script(), |(list, cut, asked)| {
        runtime.block_on(async { run(&place().await, list, cut, asked).await });
        Ok(())
    });
    done.unwrap();
}

#[test]
fn a_file_answers_as_a_list() {
    checked(48, async || places::sqlite().await.0);
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_answers_as_a_list() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = TURN.blocking_lock();
    checked(24, async || places::postgres(&server).await.0);
}

#[test]
fn what_is_no_cursor_is_none() {
    for word in ["", "a", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "!!!!"] {
        assert!(word.parse::<Cursor>().is_err());
    }
}
