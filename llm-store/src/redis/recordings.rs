//! Answers that replicas share.
//!
//! A recording stands under its tenant, and is named in the lists of the tenant, of its scope and
//! of each of its tags. It is served only while *all* of these name it: so a purge takes one list
//! away and has forgotten at that moment, whatever memory it then takes back step by step, and a
//! server that drops a list for want of memory loses recordings and not the power to forget them.
//! Lists are bounded; what falls out of one is forgotten whole. Nothing here walks the keyspace.

use std::time::Duration;

use bytes::Bytes;
use llm_core::Str;
use llm_core::store::{CacheKey, CacheStore, Purge, StoreError, Stored};
use redis::Script;

use super::Redis;
use super::names::member;

/// A larger recording is not kept: it would take a good part of the deadline of everything that
/// waits behind it.
pub const RECORDING_MAX: usize = 1 << 20;
/// Tags of one recording: twice of what a caller may give, and those of ours.
pub const TAGS_MAX: usize = 72;
/// Nobody wants an answer that is older.
pub const RECORDING_TTL_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Recordings forgotten in one step; each step has its own deadline, and others come between.
const FORGET_STEP: usize = 256;

#[derive(Debug)]
pub(super) struct Keeping {
    get: Script,
    put: Script,
    doom: Script,
    forget: Script,
    /// How many recordings a list may name.
    pub(super) listed_max: u32,
}

impl Keeping {
    pub(super) fn new(listed_max: u32) -> Self {
        Self {
            get: Script::new(include_str!("lua/get.lua")),
            put: Script::new(include_str!("lua/put.lua")),
            doom: Script::new(include_str!("lua/doom.lua")),
            forget: Script::new(include_str!("lua/forget.lua")),
            listed_max,
        }
    }
}

impl CacheStore for Redis {
    fn get<'a>(&'a self, key: &'a CacheKey) -> Stored<'a, Option<Bytes>> {
        Box::pin(async move {
            self.recordings.ready()?;
            let mut script = self.keeping.get.prepare_invoke();
            self.place(key, &mut script);
            let run = |mut to| async move { script.invoke_async::<Option<Vec<u8>>>(&mut to).await };
            Ok(self.recordings.run(run).await?.map(Bytes::from))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        recording: Bytes,
        ttl: Duration,
        tags: &'a [Str],
    ) -> Stored<'a, ()> {
        Box::pin(async move {
            if recording.len() > RECORDING_MAX {
                return Err(StoreError::Full(Str::from_static("a recording above 1 MiB")));
            }
            if tags.len() > TAGS_MAX {
                return Err(StoreError::Full(Str::from_static("a recording with too many tags")));
            }
            let ttl = u64::try_from(ttl.min(RECORDING_TTL_MAX).as_millis()).unwrap_or(u64::MAX);
            if ttl == 0 {
                return Ok(());
            }
            self.recordings.ready()?;
            let mut script = self.keeping.put.prepare_invoke();
            self.place(key, &mut script);
            script.arg(self.names.recordings(&key.tenant)).arg(ttl).arg(self.keeping.listed_max);
            script.arg(&recording[..]);
            for tag in tags {
                script.arg(&**tag);
            }
            let run = |mut to| async move { script.invoke_async::<()>(&mut to).await };
            self.recordings.run(run).await
        })
    }

    fn purge<'a>(&'a self, what: &'a Purge) -> Stored<'a, u64> {
        Box::pin(async move {
            let (tenant, list, tag) = match what {
                Purge::Tag(tenant, tag) => (tenant, self.names.of_tags(tenant) + tag, Some(&**tag)),
                Purge::Scope(tenant, scope) => (tenant, self.names.of_scope(tenant, scope), None),
                Purge::Tenant(tenant) => (tenant, self.names.of_tenant(tenant), None),
            };
            let mut doom = self.keeping.doom.key(&list);
            doom.arg(self.names.doomed(tenant));
            let run = |mut to| async move { doom.invoke_async::<Option<String>>(&mut to).await };
            let Some(doomed) = self.recordings.run(run).await? else { return Ok(0) };
            let record = self.names.recordings(tenant);
            let mut forgotten = 0;
            // Nothing is added to the doomed, so that this ends after as many steps as it has
            // recordings.
            loop {
                let mut forget = self.keeping.forget.key(&doomed);
                // A tag may be empty; the word before it tells it from none.
                forget.key(&list).arg(&record).arg(FORGET_STEP);
                forget.arg(i32::from(tag.is_some())).arg(tag.unwrap_or_default());
                let run = |mut to| async move { forget.invoke_async(&mut to).await };
                let (some, left): (u64, u64) = self.recordings.run(run).await?;
                forgotten += some;
                if left == 0 {
                    return Ok(forgotten);
                }
            }
        })
    }
}

impl Redis {
    /// Where a recording stands, and what lists call it.
    fn place(&self, key: &CacheKey, script: &mut redis::ScriptInvocation<'_>) {
        let (names, member) = (&self.names, member(key));
        script.key(names.recordings(&key.tenant) + &member);
        script.key(names.of_tenant(&key.tenant)).key(names.of_scope(&key.tenant, &key.scope));
        script.arg(member).arg(names.of_tags(&key.tenant));
    }
}
