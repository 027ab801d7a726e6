//! The three openings through which the world comes in. Tests and production differ only here.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_core::Stream;

use crate::dialect::Chunks;

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Time. Monotonic for waits and leases, wall for calendars and records; nothing else asks the
/// machine for either.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// Never goes back. May stand still while somebody is doing one thing.
    fn now(&self) -> Instant;
    /// The same, and surely not what was seen before: for whoever measures what that one thing takes.
    fn anew(&self) -> Instant {
        self.now()
    }
    /// What a calendar says; may jump.
    fn wall(&self) -> SystemTime;
    /// Wakes after `wait`.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
}

/// Randomness: ids, jitter, weighted choice. A seed reproduces a run.
pub trait Entropy: Send + Sync + fmt::Debug + 'static {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}

/// The network towards upstreams.
pub trait Transport: Send + Sync + fmt::Debug + 'static {
    /// Sends one request and answers with the head of its response. Dropping the future, or the
    /// body it returns, ends the exchange upstream.
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>>;
}

/// Bytes of a response as they arrive.
pub type WireBody = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// Why bytes did not pass.
#[derive(Debug, thiserror::Error)]
#[error("{phase}: {message}")]
pub struct TransportError {
    /// How far the exchange had come: decides whether a retry can be a duplicate.
    pub phase: TransportPhase,
    /// What happened, without any secret.
    pub message: String,
}

/// How far an exchange had come when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportPhase {
    /// No connection came about: nothing was sent.
    Connect,
    /// The request was being sent, or had been; no head came back.
    Exchange,
    /// The head had arrived; the body broke off.
    Body,
}

impl fmt::Display for TransportPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection",
            Self::Exchange => "the exchange failed",
            Self::Body => "the body broke off",
        })
    }
}
