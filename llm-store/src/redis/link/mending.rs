//! How a link comes back: probes behind everybody's back, each over a new wire.

use std::sync::{Arc, Weak};
use std::time::Duration;

use llm_core::Str;
use redis::RedisError;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::{DEADLINE, Late, Link};
use crate::redis::fault::fault;

/// What a new connection may take, with name lookup and TLS. Only the mender waits for it.
pub(in crate::redis) const CONNECT_WAIT: Duration = Duration::from_millis(500);
/// How long what a probe writes stays: it shows that this server takes writes.
const PROBE_TTL_MS: u64 = 1_000;

impl Link {
    /// Starts the one mender there is: called only by whoever saw the breaker go down.
    pub(super) fn mend(self: &Arc<Self>) {
        self.runtime.spawn(mend(Arc::downgrade(self)));
    }

    /// A new wire over which a write has passed in time.
    pub(super) async fn probe(&self) -> Result<ConnectionManager, Str> {
        let settings = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_WAIT))
            // The deadline of the operation is ours, and a second timer is a second cost.
            .set_response_timeout(None);
        let told = |error: RedisError| Str::from(fault(&error).error.to_string());
        let connect = ConnectionManager::new_with_config(self.client.clone(), settings);
        let connected = self.within(CONNECT_WAIT, connect).await;
        let wire = connected.map_err(|Late| Late::WHY)?.map_err(told)?;
        let mut write = redis::cmd("SET");
        write.arg(&self.probe_key).arg(1).arg("PX").arg(PROBE_TTL_MS);
        let wrote = self.within(DEADLINE, write.exec_async(&mut wire.clone())).await;
        match wrote.map_err(|Late| Late::WHY)? {
            Ok(()) => Ok(wire),
            // A full server is not an outage: it says so at once.
            Err(error) if !fault(&error).is_outage => Ok(wire),
            Err(error) => Err(told(error)),
        }
    }

    pub(super) fn mended(&self, wire: ConnectionManager) {
        let now = self.clock.now();
        let mut health = self.health.lock();
        health.breaker.healed(now);
        health.wire = Some(wire);
        health.age += 1;
        drop(health);
        tracing::info!("redis answers");
    }

    pub(super) fn not_mended(&self, why: Str) {
        let mut health = self.health.lock();
        health.breaker.still_down();
        health.wire = None;
        health.why = why;
    }
}

/// Probes until one succeeds or nobody needs the link any more.
async fn mend(link: Weak<Link>) {
    loop {
        let Some(pause) = link.upgrade().map(|link| {
            let pause = link.health.lock().breaker.pause();
            link.clock.sleep(pause)
        }) else {
            return;
        };
        pause.await;
        let Some(link) = link.upgrade() else { return };
        match link.probe().await {
            Ok(wire) => return link.mended(wire),
            Err(why) => link.not_mended(why),
        }
    }
}
