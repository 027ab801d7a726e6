//! A store behind the memory: two replicas, and a store that misbehaves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::principal::TenantId;
use llm_core::store::{CacheKey, CacheStore, Purge, StoreError, Stored};
use llm_providers::reply::CacheState;
use llm_sim::upstream::Vendor::OpenAi;
use parking_lot::Mutex;

use crate::lab::{global, lab_with, question, words};

/// What a store does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Broken,
    Silent,
    /// It gives every key the answer of another one.
    Confused,
    /// It changes a byte.
    Rotten,
}

#[derive(Debug)]
struct Memory {
    mood: Mood,
    kept: Mutex<HashMap<CacheKey, (Bytes, Vec<Str>)>>,
}

impl Memory {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { mood, kept: Mutex::default() })
    }

    fn count(&self) -> usize {
        self.kept.lock().len()
    }
}

impl CacheStore for Memory {
    fn get<'a>(&'a self, key: &'a CacheKey) -> Stored<'a, Option<Bytes>> {
        Box::pin(async move {
            let kept = self.kept.lock();
            match self.mood {
                Mood::Well => Ok(kept.get(key).map(|k| k.0.clone())),
                Mood::Confused => Ok(kept.values().next().map(|k| k.0.clone())),
                Mood::Rotten => Ok(kept.get(key).map(|k| {
                    let mut bytes = k.0.to_vec();
                    let last = bytes.len() - 3;
                    bytes[last] ^= 1;
                    bytes.into()
                })),
                Mood::Broken => Err(StoreError::Unavailable("gone".into())),
                Mood::Silent => {
                    drop(kept);
                    std::future::pending().await
                }
            }
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        recording: Bytes,
        _: Duration,
        tags: &'a [Str],
    ) -> Stored<'a, ()> {
        self.kept.lock().insert(key.clone(), (recording, tags.to_vec()));
        Box::pin(std::future::ready(Ok(())))
    }

    fn purge<'a>(&'a self, what: &'a Purge) -> Stored<'a, u64> {
        let Purge::Tag(tenant, tag) = what else { unreachable!() };
        let mut kept = self.kept.lock();
        let before = kept.len();
        kept.retain(|key, (_, tags)| key.tenant != *tenant || !tags.contains(tag));
        Box::pin(std::future::ready(Ok((before - kept.len()) as u64)))
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_share_a_store() {
    let store = Memory::new(Mood::Well);
    let (a, b) = (lab_with(global(), Some(store.clone())), lab_with(global(), Some(store.clone())));
    let first = a.say(&question(true)).await;
    tokio::task::yield_now().await;
    assert_eq!(store.count(), 1);
    for stream in [true, false, true] {
        let there = b.say(&question(stream)).await;
        assert!(matches!(there.cache, CacheState::Hit { .. }), "{:?}", there.cache);
        assert_eq!(words(&there.text), words(&first.text));
    }
    assert_eq!((a.asked(OpenAi), b.asked(OpenAi)), (1, 0));
    let forgotten = b.gateway.purge(&Purge::model(TenantId::from("t"), "openai")).await;
    assert_eq!((forgotten, store.count()), (1, 0));
    assert_eq!(b.say(&question(true)).await.cache, CacheState::Miss);
    b.assert_settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_misbehaves_is_a_miss() {
    for mood in [Mood::Broken, Mood::Silent, Mood::Confused, Mood::Rotten] {
        let store = Memory::new(mood);
        let other = lab_with(global(), Some(store.clone()));
        other.say(&question(false)).await;
        other.say(&question(false).replace("20", "30")).await;
        tokio::task::yield_now().await;
        let lab = lab_with(global(), Some(store));
        let start = tokio::time::Instant::now();
        let told = lab.say(&question(false).replace("20", "7")).await;
        assert_eq!(told.cache, CacheState::Miss, "{mood:?}");
        assert_eq!(words(&told.text).split_whitespace().count(), 7, "{mood:?}");
        assert!(start.elapsed() <= Duration::from_millis(51), "{mood:?}: {:?}", start.elapsed());
        if mood == Mood::Rotten {
            assert_eq!(lab.say(&question(false)).await.cache, CacheState::Miss);
        }
    }
}
