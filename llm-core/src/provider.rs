//! A vendor, described.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::Str;
use crate::call::Operation;
use crate::capability::Capability;
use crate::dialect::{Chunks, UpstreamDialect};
use crate::extra::Losses;
use crate::prompt::Prompt;
use crate::secret::Secret;

/// A vendor's name in configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderId(pub Str);

/// One way to get one model: `provider/model`, as configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub Str);

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A provider key, with the name under which it appears everywhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its name in logs and metrics.
    pub id: Str,
    /// The key itself; absent for local providers that want none.
    pub key: Option<Secret<String>>,
}

impl Credential {
    /// The name of every key that came with a call: none of them is known by one of its own.
    pub const OWN: &'static str = "own";

    /// A key that came with a call.
    pub fn own(key: Secret<String>) -> Self {
        Self { id: Str::from_static(Self::OWN), key: Some(key) }
    }

    /// Whether it came with a call, and is to be remembered nowhere.
    pub fn is_own(&self) -> bool {
        &*self.id == Self::OWN
    }
}

/// What a vendor says of its limits in the headers of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitHint {
    /// Requests that the window allows.
    pub requests_limit: Option<u64>,
    /// Tokens that the window allows.
    pub tokens_limit: Option<u64>,
    /// Requests left in the window.
    pub requests_left: Option<u64>,
    /// Tokens left in the window.
    pub tokens_left: Option<u64>,
    /// When the request window starts anew.
    pub requests_reset: Option<Duration>,
    /// When the token window starts anew.
    pub tokens_reset: Option<Duration>,
}

impl LimitHint {
    /// Vendors that do not say when, or say it as a date, refill by the second.
    const RESET_UNSAID: Duration = Duration::from_secs(1);

    /// For how long nothing is left, as far as the vendor says.
    pub fn spent_for(&self) -> Option<Duration> {
        let spent = |left, reset: Option<Duration>| {
            (left == Some(0)).then_some(reset.unwrap_or(Self::RESET_UNSAID))
        };
        let requests = spent(self.requests_left, self.requests_reset);
        requests.max(spent(self.tokens_left, self.tokens_reset))
    }
}

/// A request could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot sign: {0}")]
pub struct SignError(pub Str);

/// A vendor: base URL, authentication, which dialect for which operation, quirks. No I/O, and no
/// JSON: quirks work on words.
pub trait Provider: Send + Sync + fmt::Debug + 'static {
    /// Its name.
    fn id(&self) -> &ProviderId;

    /// Which wire format serves an operation; `None` when the vendor has no such thing.
    fn dialect(&self, operation: Operation, model: &str) -> Option<&'static dyn UpstreamDialect>;

    /// What a model can take.
    fn capability(&self, model: &str) -> Capability;

    /// The full address of an operation.
    fn uri(&self, operation: Operation, model: &str, stream: bool) -> Option<http::Uri>;

    /// Adds the credential and whatever else the vendor wants in the head.
    fn sign(
        &self,
        parts: &mut http::request::Parts,
        body: &Chunks,
        key: &Credential,
        now: SystemTime,
    ) -> Result<(), SignError>;

    /// Changes words that the vendor is known to refuse.
    fn adjust(&self, _prompt: &mut Prompt, _losses: &mut Losses) {}

    /// Whether it bills an answer to its end although nobody reads it. A stream that its caller
    /// leaves is then read on, so that what is posted is what was bought.
    fn bills_unread(&self) -> bool {
        false
    }

    /// Whether it is told which trace a call is part of.
    fn traced(&self) -> bool {
        false
    }

    /// Reads rate-limit headers.
    fn limits(&self, _headers: &http::HeaderMap) -> Option<LimitHint> {
        None
    }
}
