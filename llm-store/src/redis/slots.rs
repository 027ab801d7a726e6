//! How many calls of an owner run at once, over all replicas.
//!
//! A slot expires on the server's clock; nobody sweeps.

use std::time::Duration;

use jiff::Timestamp;
use llm_core::call::CallId;
use llm_core::ledger::AccountId;
use llm_core::store::{SlotVerdict, Slots, Stored};
use redis::Script;

use super::Redis;

/// A lease for longer than any call is a slot that a crash takes away for as long.
pub const SLOT_TTL_MAX: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Leasing {
    take: Script,
    renew: Script,
}

impl Leasing {
    pub(super) fn new() -> Self {
        Self {
            take: Script::new(include_str!("lua/slot_take.lua")),
            renew: Script::new(include_str!("lua/slot_renew.lua")),
        }
    }
}

impl Slots for Redis {
    fn take<'a>(
        &'a self,
        owner: &'a AccountId,
        max: u32,
        call: CallId,
        ttl: Duration,
    ) -> Stored<'a, SlotVerdict> {
        Box::pin(async move {
            self.counts.ready()?;
            let mut script = self.leasing.take.key(self.names.slots(owner));
            self.tell_time(&mut script);
            script.arg(max).arg(call.to_string()).arg(ms(ttl));
            let run = |mut to| async move { script.invoke_async(&mut to).await };
            let (granted, held, known, until): (bool, u64, bool, i64) =
                self.counts.run(run).await?;
            let until = known.then(|| Timestamp::from_millisecond(until).unwrap_or(Timestamp::MAX));
            Ok(SlotVerdict { granted, held, max, until })
        })
    }

    fn renew<'a>(&'a self, owner: &'a AccountId, call: CallId, ttl: Duration) -> Stored<'a, bool> {
        Box::pin(async move {
            self.counts.ready()?;
            let mut script = self.leasing.renew.key(self.names.slots(owner));
            self.tell_time(&mut script);
            script.arg(call.to_string()).arg(ms(ttl));
            self.counts.run(|mut to| async move { script.invoke_async(&mut to).await }).await
        })
    }

    fn give_back<'a>(&'a self, owner: &'a AccountId, call: CallId) -> Stored<'a, bool> {
        Box::pin(async move {
            self.counts.ready()?;
            let mut remove = redis::cmd("ZREM");
            remove.arg(self.names.slots(owner)).arg(call.to_string());
            self.counts.run(|mut to| async move { remove.query_async(&mut to).await }).await
        })
    }
}

fn ms(ttl: Duration) -> u64 {
    let ttl = ttl.clamp(Duration::from_millis(1), SLOT_TTL_MAX);
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)
}
