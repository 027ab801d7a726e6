//! The issuer's keys as it publishes them, fetched beside all calls: at the start, every few
//! minutes, and when a token names a key that nobody here knows, which anybody can do; so there is
//! a time between two askings, whoever wants them.
//!
//! When the issuer does not answer, its last keys go on: somebody who takes its network away must
//! not shut everybody out.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::BytesMut;
use http::{Request, StatusCode};
use llm_core::dialect::Chunks;
use llm_core::seam::{Clock, Transport};
use llm_providers::transport::{Connections, DirectTransport};
use tokio::sync::{Notify, watch};

use super::keys::{KeySet, Keys, NotKeys};
use crate::config::edge::{Jwks, Jwt};

/// How old they may become.
const EVERY: Duration = Duration::from_mins(10);
/// Between two askings, whoever wants them.
const FLOOR: Duration = Duration::from_secs(30);
/// The same where the last one failed.
const FLOOR_FAILED: Duration = Duration::from_secs(5);
/// An issuer takes no longer.
const WITHIN: Duration = Duration::from_secs(10);
/// A call does not wait longer for it.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A few dozen keys.
const BYTES_MAX: usize = 1 << 20;

/// The keys that there are now.
#[derive(Debug)]
pub(super) struct Published {
    keys: ArcSwap<KeySet>,
    /// How often other keys came.
    round: AtomicU64,
    wanted: Notify,
    /// How often the issuer was asked, and whether it may be asked at this moment.
    asked: watch::Sender<(u64, bool)>,
    apart: bool,
}

impl Published {
    /// Those of the configuration at once; those of the issuer as soon as they are there.
    pub(super) fn open(jwt: &Jwt, clock: Arc<dyn Clock>) -> Result<Arc<Self>, NotKeys> {
        let configured = KeySet::configured(jwt)?;
        let published = Arc::new(Self {
            keys: ArcSwap::from_pointee(configured.clone()),
            round: AtomicU64::new(0),
            wanted: Notify::new(),
            asked: watch::Sender::new((0, true)),
            apart: jwt.jwks.is_some(),
        });
        if let Some(place) = jwt.jwks.clone() {
            let way = DirectTransport::new(&Connections::default());
            let way = way.map_err(|error| NotKeys::Way(error.to_string()))?;
            let asker = Asker { place, way, clock, configured };
            let weak = Arc::downgrade(&published);
            tokio::spawn(asker.run(weak));
        }
        Ok(published)
    }

    /// The keys.
    pub(super) fn keys(&self) -> Keys {
        self.keys.load_full()
    }

    /// Changes with them.
    pub(super) fn round(&self) -> u64 {
        self.round.load(Ordering::Acquire)
    }

    /// Asks the issuer, if it may be asked, and waits for what comes of it. Whether there are other
    /// keys than in that round.
    pub(super) async fn renew(&self, round: u64) -> bool {
        if !self.apart {
            return false;
        }
        let mut asked = self.asked.subscribe();
        let (before, open) = *asked.borrow();
        if open {
            self.wanted.notify_one();
            let answered = asked.wait_for(|(times, _)| *times > before);
            let _ = tokio::time::timeout(WAIT_MAX, answered).await;
        }
        self.round() != round
    }
}

/// Who asks.
struct Asker {
    place: Jwks,
    way: DirectTransport,
    clock: Arc<dyn Clock>,
    configured: KeySet,
}

impl Asker {
    async fn run(self, published: std::sync::Weak<Published>) {
        let mut last = None;
        loop {
            let text = tokio::select! {
                text = self.text() => text,
                () = self.clock.sleep(WITHIN) => Err("it does not answer".to_owned()),
            };
            let Some(known) = published.upgrade() else { return };
            let floor = match text.and_then(|text| {
                let hash = blake3::hash(&text);
                Ok((hash, self.configured.with_published(&text)?))
            }) {
                Ok((hash, keys)) => {
                    if last.replace(hash) != Some(hash) {
                        known.keys.store(Arc::new(keys));
                        known.round.fetch_add(1, Ordering::Release);
                    }
                    FLOOR
                }
                Err(error) => {
                    tracing::warn!(%error, "the issuer's keys were not read: the last ones go on");
                    FLOOR_FAILED
                }
            };
            known.asked.send_modify(|asked| *asked = (asked.0 + 1, false));
            drop(known);
            self.clock.sleep(floor).await;
            let Some(known) = published.upgrade() else { return };
            known.asked.send_modify(|asked| asked.1 = true);
            tokio::select! {
                () = known.wanted.notified() => {}
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }

    async fn text(&self) -> Result<Vec<u8>, String> {
        match &self.place {
            Jwks::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || fs::read(path)).await;
                let text = read.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
                if text.len() > BYTES_MAX { Err(too_long()) } else { Ok(text) }
            }
            Jwks::Url(url) => self.fetched(url).await,
        }
    }

    async fn fetched(&self, url: &str) -> Result<Vec<u8>, String> {
        let request = Request::get(url).header("accept", "application/json").body(Chunks::new());
        let request = request.map_err(|error| error.to_string())?;
        let response = self.way.send(request).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let mut body = response.into_body();
        let mut text = BytesMut::new();
        while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
            text.extend_from_slice(&piece.map_err(|error| error.to_string())?);
            if text.len() > BYTES_MAX {
                return Err(too_long());
            }
        }
        Ok(text.into())
    }
}

fn too_long() -> String {
    "longer than any list of keys".to_owned()
}

#[cfg(test)]
mod tests;
