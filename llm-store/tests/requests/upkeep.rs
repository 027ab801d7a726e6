//! Rows that go and people who are forgotten, whose sums stay.

use llm_core::principal::{KeyId, TenantId, UserId};
use llm_core::seam::Entropy;
use llm_core::store::CallRecord;
use llm_store::requests::{By, Forget, Of, Search, Usage};

use crate::calls::{HOUR, NOVEMBER, call};
use crate::places::{self, Place, logged};

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

async fn old_rows_go(place: &Place) {
    let (log, list) = (place.log(), list());
    all_logged(place, &list).await;
    let all = Usage { by: vec![By::User, By::Day], ..Usage::default() };
    let before = log.usage(&all).await.unwrap();
    let bound = list[1_100].at;
    let kept: Vec<_> = list.iter().filter(|call| call.at >= bound).map(|call| call.id).collect();
    let gone = log.prune(bound.try_into().unwrap()).await.unwrap();
    assert_eq!(gone as usize + kept.len(), list.len());
    let page = log.page(&Search::default(), None, 500).await.unwrap();
    let mut left: Vec<_> = page.requests.iter().map(|request| request.id).collect();
    left.sort_unstable();
    assert_eq!(left, kept);
    assert_eq!(log.usage(&all).await.unwrap(), before);
    assert_eq!(log.prune(bound.try_into().unwrap()).await, Ok(0));
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
    somebody_is_forgotten(&places::sqlite().await.0).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn in_postgres() {
    let Some(server) = crate::server::Server::shared() else { return };
    let _turn = places::TURN.lock().await;
    old_rows_go(&places::postgres(&server).await.0).await;
    somebody_is_forgotten(&places::postgres(&server).await.0).await;
}
