//! The ways to upstreams: [`direct`](DirectTransport), which the proxy uses and which needs nothing of
//! the machine, and [`reqwest`](ReqwestTransport), with the machine's proxies and roots.
//!
//! Both do one exchange and no more. Deliberately absent: redirects, retries, decompression,
//! cookies. Each of them is either decided elsewhere (retries in `route`) or must not happen at all
//! (a redirect would carry a key to another host).

mod chunks;
mod dial;
mod direct;
mod framing;
mod http2;
mod line;
mod names;
mod pool;
#[cfg(feature = "reqwest")]
mod reqwest;

use std::time::Duration;

pub use self::direct::DirectTransport;
#[cfg(feature = "reqwest")]
pub use self::reqwest::ReqwestTransport;

/// A transport could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no transport: {0}")]
pub struct NoTransport(pub String);

/// How often a connection shows that it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How connections are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// To accept one, at the most, its encryption included.
    pub connect: Duration,
    /// An idle one is closed after so long; below what servers usually keep, so that we are the
    /// first to close and not the one that writes into a closing connection.
    pub idle: Duration,
    /// Idle ones kept for a host.
    pub idle_max: usize,
    /// Offer HTTP/2. One connection then carries all calls, and a provider's limit on streams
    /// becomes a queue that nobody sees; so it is off unless asked for.
    pub http2: bool,
    /// Certificates of authorities to be trusted beside the public ones, in DER.
    pub roots: Vec<Vec<u8>>,
    /// Connect to addresses of the public Internet alone: for addresses that are not the operator's
    /// own to choose, or that might lead to a machine beside this one by mistake.
    pub public_only: bool,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(50),
            idle_max: 1_024,
            http2: false,
            roots: Vec::new(),
            public_only: false,
        }
    }
}
