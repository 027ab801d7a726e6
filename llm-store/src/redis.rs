//! What several replicas share through Redis: windows, slots, recordings, revocations. Never money.
//!
//! The actors are the *links* (a connection, a deadline for every operation, a breaker), the
//! *scripts* (all that must happen at once happens in one of them, by the server's clock) and the
//! four services above them: [`Counters`], [`Slots`], [`CacheStore`] and the fan-out of
//! revocations. Whoever asks hears within [`DEADLINE`] or hears that it is not available; what to
//! do then (a local share of the window, a miss, a look at the directory) is theirs to know.
//!
//! Deliberately absent: retries, a queue of what could not be written, and everything that must
//! not be lost. A Redis that is emptied costs some counts and all recordings, and nobody money.
//!
//! [`Counters`]: llm_core::store::Counters
//! [`CacheStore`]: llm_core::store::CacheStore

mod breaker;
mod counters;
mod fault;
mod link;
mod names;
mod recordings;
mod revoked;
mod slots;

use std::fmt;
use std::sync::Arc;

use futures_util::future::join;
use jiff::Timestamp;
use llm_core::Str;
use llm_core::quota::Zone;
use llm_core::seam::Clock;
use llm_core::secret::Secret;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, ScriptInvocation, TlsCertificates};
use tokio::runtime::Handle;

use counters::Counting;
use link::Link;
use names::Names;
use recordings::Keeping;
use slots::Leasing;

pub use counters::RULES_MAX;
pub use link::{DEADLINE, State, Tally};
pub use llm_core::store::{SlotVerdict, Slots};
pub use recordings::{RECORDING_MAX, RECORDING_TTL_MAX, TAGS_MAX};
pub use revoked::{News, Revocations};
pub use slots::SLOT_TTL_MAX;

/// Where it is and what may be in it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://` or `rediss://`, with name and password if need be.
    pub url: Secret<String>,
    /// What all keys begin with, so that several installations can share a server.
    pub prefix: Str,
    /// The time zone of calendar windows.
    pub zone: Zone,
    /// Certificates to trust beside the public ones (PEM), for `rediss://`.
    pub roots: Option<Vec<u8>>,
    /// How many recordings are kept of a tenant, a scope or a tag.
    pub listed_max: u32,
    /// Whose clock counts windows and slots.
    pub time: Time,
}

/// Whose clock counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Time {
    /// The server's: the only one that all replicas share.
    #[default]
    Server,
    /// Ours: for tests that move time by hand.
    Ours,
}

/// Settings with which nothing can be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRedis {
    /// No address of a Redis. The message does not repeat it: it may hold a password.
    #[error("not a Redis address: write redis://host:port/0 or rediss://…")]
    Url,
    /// A prefix too long, or with braces.
    #[error("a prefix has at most 64 bytes and no braces")]
    Prefix,
    /// Certificates that cannot be read, or for an address without TLS.
    #[error("certificates that cannot be read, or an address without TLS")]
    Roots,
    /// No tokio runtime runs here.
    #[error("outside a tokio runtime")]
    Runtime,
}

/// Recordings of one tenant; at a few kilobytes each this is a few hundred megabytes.
const LISTED_MAX: u32 = 1 << 16;

impl Settings {
    /// The usual ones for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            prefix: Str::from_static("llm:"),
            zone: Zone::UTC,
            roots: None,
            listed_max: LISTED_MAX,
            time: Time::Server,
        }
    }
}

/// One Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis {
    counts: Arc<Link>,
    /// A connection of their own and a breaker of their own: a megabyte on the way would make every
    /// count behind it late, and must not have us count alone.
    recordings: Arc<Link>,
    names: Arc<Names>,
    counting: Arc<Counting>,
    leasing: Arc<Leasing>,
    keeping: Arc<Keeping>,
    time: Time,
}

impl Redis {
    /// Connects, or goes on trying behind everybody's back: a gateway starts without its Redis.
    /// An error is a mistake in the settings.
    pub async fn connect(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, NotRedis> {
        let runtime = Handle::try_current().map_err(|_| NotRedis::Runtime)?;
        let names = Names::new(&settings.prefix).ok_or(NotRedis::Prefix)?;
        let client = client(settings)?;
        let open =
            || Link::open(client.clone(), Arc::clone(&clock), runtime.clone(), names.probe());
        let (counts, recordings) = join(open(), open()).await;
        Ok(Self {
            counts,
            recordings,
            names: Arc::new(names),
            counting: Arc::new(Counting::new(settings.zone.clone())),
            leasing: Arc::new(Leasing::new()),
            keeping: Arc::new(Keeping::new(settings.listed_max.max(1))),
            time: settings.time,
        })
    }

    /// Whether it is used now, for counts and for recordings: for readiness.
    pub fn state(&self) -> State {
        match self.counts.state() {
            State::Up => self.recordings.state(),
            degraded @ State::Degraded { .. } => degraded,
        }
    }

    /// What happened so far: for metrics.
    pub fn tally(&self) -> Tally {
        let (counts, recordings) = (self.counts.tally(), self.recordings.tally());
        Tally {
            failures: counts.failures + recordings.failures,
            skipped: counts.skipped + recordings.skipped,
            outages: counts.outages + recordings.outages,
        }
    }

    /// The instant, where it is ours to say.
    fn told_time(&self) -> Option<Timestamp> {
        let wall = || Timestamp::try_from(self.counts.clock().wall()).unwrap_or(Timestamp::MAX);
        match self.time {
            Time::Server => None,
            Time::Ours => Some(wall()),
        }
    }

    fn tell_time(&self, script: &mut ScriptInvocation<'_>) {
        match self.told_time() {
            None => script.arg(""),
            Some(now) => script.arg(now.as_microsecond()),
        };
    }
}

fn client(settings: &Settings) -> Result<Client, NotRedis> {
    let url = settings.url.expose().as_str();
    let place = url.into_connection_info().map_err(|_| NotRedis::Url)?;
    let secure = matches!(place.addr(), ConnectionAddr::TcpTls { .. });
    if secure {
        // Whoever embeds us may have chosen already; then it is theirs.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    match &settings.roots {
        None => Client::open(place).map_err(|_| NotRedis::Url),
        Some(_) if !secure => Err(NotRedis::Roots),
        Some(roots) => {
            let root_cert = Some(roots.clone());
            Client::build_with_tls(place, TlsCertificates { client_tls: None, root_cert })
                .map_err(|_| NotRedis::Roots)
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("state", &self.state()).finish_non_exhaustive()
    }
}
