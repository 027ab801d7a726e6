//! Rows that go and people who are forgotten, whose sums stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::call::CallId;
use llm_core::principal::{KeyId, TenantId, UserId};
use llm_core::seam::Entropy;
use llm_core::store::{CallRecord, StoreError};
use llm_store::requests::{By, Forget, Kept, Of, Requests, Search, Usage};

use crate::calls::{HOUR, NOVEMBER, call, micros};
use crate::places::{self, Place, logged};

const PLANS: [&str; 4] = ["", "basic", "pro", "odd"];

/// Numbers that nobody has seen before.
#[derive(Debug, Default)]
struct Numbers(std::sync::atomic::AtomicU64);

impl Entropy for Numbers {
    fn next_u64(&self) -> u64 {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (next + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

fn list() -> Vec<CallRecord> {
    let call = |n: u64| call(u128::from(n), NOVEMBER + HOUR * (n as i64 / 10), n * 7);
    (0..1_200).map(call).collect()
}

async fn all_logged(place: &Place, list: &[CallRecord]) {
    for some in list.chunks(512) {
        logged(&place.log(), some).await;
    }
}

fn kept(usual: Option<u64>, plans: &[(&'static str, u64)]) -> Kept {
    let span = |hours: u64| Duration::from_secs(hours * 3_600);
    let plans = plans.iter().map(|(plan, hours)| (Str::from_static(plan), span(*hours)));
    Kept { usual: usual.map(span), plans: plans.collect() }
}

async fn ids(log: &Requests) -> BTreeSet<CallId> {
    let (mut ids, mut after) = (BTreeSet::new(), None);
    loop {
        let page = log.page(&Search::default(), after, 500).await.unwrap();
        ids.extend(page.requests.iter().map(|request| request.id));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Prunes until somebody knows: how many rows are gone, where the first answer said it.
async fn pruned(place: &Place, kept: &Kept, now: Timestamp) -> Option<u64> {
    for tried in 0..20 {
        match place.log().prune(kept, now).await {
            Err(StoreError::Unavailable(_)) => {}
            told => return told.unwrap().filter(|_| tried == 0),
        }
        // The turn of whoever was not answered is over.
        place.raw.run("UPDATE request_state SET turn = 0").await;
    }
    panic!("the log is not available");
}

/// Of every plan those go that are kept no longer, and no others; whatever was said before.
async fn old_rows_go(place: &Place) {
    let log = place.log();
    // Some hours with more than a batch has, of all plans, and one instant with thousands.
    let many = |n: u64| {
        let hour = if n < 2_400 { 40 } else { (n % 120) as i64 };
        CallRecord {
            plan: PLANS[(n % 4) as usize].into(),
            ..call(n.into(), NOVEMBER + HOUR * hour, n * 7)
        }
    };
    let list: Vec<CallRecord> = (0..4_800).map(many).collect();
    all_logged(place, &list).await;
    let all = Usage { by: vec![By::User, By::Day], ..Usage::default() };
    let before = log.usage(&all).await.unwrap();
    let now = Timestamp::from_microsecond(NOVEMBER + HOUR * 120).unwrap();
    let mut left: BTreeMap<CallId, &CallRecord> = list.iter().map(|call| (call.id, call)).collect();
    let sweeps = [
        kept(None, &[]),
        kept(None, &[("pro", 110)]),
        kept(Some(100), &[("basic", 60), ("pro", 200)]),
        // Longer again: what is gone is gone. Shorter: more goes.
        kept(Some(300), &[("basic", 90), ("pro", 150)]),
        kept(Some(90), &[("basic", 30), ("gold", 7)]),
        // Nobody speaks of these plans any more.
        kept(Some(50), &[]),
    ];
    for (number, kept) in sweeps.iter().enumerate() {
        let count = left.len();
        left.retain(|_, call| {
            let span = kept.plans.get(&call.plan).copied().or(kept.usual);
            let age = Duration::from_micros((now.as_microsecond() - micros(call.at)) as u64);
            span.is_none_or(|span| age <= span)
        });
        let gone = (count - left.len()) as u64;
        assert_eq!(pruned(place, kept, now).await.unwrap_or(gone), gone, "sweep {number}");
        assert_eq!(ids(&log).await, left.keys().copied().collect(), "sweep {number}");
        assert_eq!(pruned(place, kept, now).await.unwrap_or(0), 0);
    }
    assert!(!left.is_empty() && left.len() < 2_000, "{}", left.len());
    assert_eq!(log.usage(&all).await.unwrap(), before, "sums stay");
    // Time passes: no more than what is new is looked through.
    let later = Timestamp::from_microsecond(NOVEMBER + HOUR * 121).unwrap();
    let before = left.len();
    left.retain(|_, call| later.as_microsecond() - micros(call.at) <= 50 * HOUR);
    let gone = (before - left.len()) as u64;
    assert_eq!(pruned(place, &sweeps[5], later).await.unwrap_or(gone), gone);
    assert_eq!(ids(&log).await, left.keys().copied().collect());
    assert_eq!(spans(place).await, [("missing".to_owned(), 0), ("stale".to_owned(), 0)]);
    labels_are_those_of_rows(place).await;
}

/// Spans of time in which a subject has calls, that are not written down; and such as are, where it
/// has none.
async fn spans(place: &Place) -> Vec<(String, i64)> {
    let text = "SELECT 'missing', count(*), CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM request r \
         WHERE NOT EXISTS (SELECT 1 FROM request_span w WHERE w.subject = r.subject \
         AND w.span = r.at / 10000000) UNION ALL \
         SELECT 'stale', count(*), CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM request_span w \
         WHERE NOT EXISTS (SELECT 1 FROM request r WHERE r.subject = w.subject \
         AND r.at / 10000000 = w.span) ORDER BY 1";
    place.raw.ask(text).await.0.into_iter().map(|(word, count, ..)| (word, count)).collect()
}

/// Each label's calls are those that have it: what is written down beside the log is what its rows
/// say.
pub(crate) async fn labels_are_those_of_rows(place: &Place) {
    let rows = "SELECT tags, at, CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM request \
         WHERE tags IS NOT NULL";
    let mut told = Vec::new();
    for (tags, at, ..) in place.raw.ask(rows).await.0 {
        let labels: std::collections::BTreeSet<_> =
            tags.split_terminator('\n').skip(1).map(str::to_owned).collect();
        told.extend(labels.into_iter().map(|label| (label, at)));
    }
    let written = "SELECT l.label, l.at, CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM request_label l \
         JOIN request r ON r.at = l.at AND r.id = l.id";
    let whole = "SELECT label, at, CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM request_label";
    told.sort();
    for text in [written, whole] {
        let rows = place.raw.ask(text).await.0;
        let mut rows: Vec<_> = rows.into_iter().map(|(label, at, ..)| (label, at)).collect();
        rows.sort();
        assert!(rows == told, "{} labels of {}", rows.len(), told.len());
    }
}

/// One process at a time; one that died with the turn keeps it for a minute.
async fn they_take_turns(place: &Place) {
    let log = place.log();
    let kept = kept(Some(1), &[]);
    let now = Timestamp::from_microsecond(NOVEMBER).unwrap();
    place.raw.run("UPDATE request_state SET turn = 9000000000000000").await;
    assert_eq!(log.prune(&kept, now).await, Ok(None));
    place.raw.run("UPDATE request_state SET turn = 1").await;
    assert_eq!(log.prune(&kept, now).await, Ok(Some(0)));
    assert_eq!(place.log().prune(&kept, now).await, Ok(Some(0)), "it was given back");
}

async fn somebody_is_forgotten(place: &Place) {
    let (log, list) = (place.log(), list());
    all_logged(place, &list).await;
    // One that remembers names, and is not told.
    let stale = place.log();
    logged(&stale, &[call(9_000, NOVEMBER, 2)]).await;
    let by = |by| Usage { by: vec![by], ..Usage::default() };
    let sums = async || log.usage(&by(By::Model)).await.unwrap();
    let (users, models) = (log.usage(&by(By::User)).await.unwrap(), sums().await);
    let (tenant, user) = (TenantId::from("t0"), UserId::from("user2"));
    let theirs = |call: &&CallRecord| call.principal.user.as_ref() == Some(&user);
    let ids: Vec<_> = list.iter().filter(theirs).map(|call| call.id).collect();
    assert!(ids.len() > 256, "more than one batch: {}", ids.len());
    let who = Forget::User(tenant.clone(), user.clone());
    let forgotten = log.forget(&who, &Numbers::default()).await.unwrap();
    assert_eq!(forgotten.requests as usize, ids.len() + 1);
    assert_eq!(sums().await, models);
    let now = log.usage(&by(By::User)).await.unwrap();
    let numbers = |rows: &[llm_store::requests::UsageRow]| {
        let mut sums: Vec<_> = rows.iter().map(|row| row.sums.charged).collect();
        sums.sort_unstable();
        sums
    };
    assert_eq!(numbers(&now), numbers(&users));
    assert!(now.iter().all(|row| row.of[0] != "user2"));
    // Not by their ids either, nor by what they called things.
    assert_eq!(log.request(ids[0]).await, Ok(None));
    let pseudonym = now.iter().find(|row| row.of[0].starts_with("erased-")).unwrap().of[0].clone();
    let of = Of { user: Some(pseudonym), ..Of::default() };
    let page = log.page(&Search { of, ..Search::default() }, None, 500).await.unwrap();
    assert_eq!(page.requests.len(), ids.len() + 1);
    assert!(page.requests.iter().all(|request| request.tags.is_empty()));
    labels_are_those_of_rows(place).await;
    // Whoever comes again is somebody new, also to those who remember them.
    logged(&stale, &[call(9_001, NOVEMBER, 2)]).await;
    let of = Of { user: Some("user2".into()), ..Of::default() };
    let page = log.page(&Search { of, ..Search::default() }, None, 500).await.unwrap();
    assert_eq!(page.requests.len(), 1);
    let key = page.requests[0].subject.key.clone();
    let again = Forget::Key(tenant, KeyId(key));
    assert_eq!(log.forget(&again, &Numbers(3.into())).await.unwrap().requests, 1);
    assert_eq!(log.forget(&again, &Numbers(9.into())).await.unwrap(), Default::default());
}

#[tokio::test]
async fn in_a_file() {
    old_rows_go(&places::sqlite().await.0).await;
    they_take_turns(&places::sqlite().await.0).await;
    somebody_is_forgotten(&places::sqlite().await.0).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    old_rows_go(&places::postgres(&server).await.0).await;
    they_take_turns(&places::postgres(&server).await.0).await;
    somebody_is_forgotten(&places::postgres(&server).await.0).await;
}
