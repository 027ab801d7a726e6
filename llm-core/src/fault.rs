//! An upstream's error answer, understood.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::Str;
use crate::secret::redact;

/// What an upstream said went wrong. Made by a dialect's `error.rs`, the only place where its
/// words are interpreted.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    /// Status of the exchange; 200 when the error came inside an answer.
    pub status: u16,
    /// What it means.
    pub class: FaultClass,
    /// Whether the same request with the same key may succeed later.
    pub retryable: bool,
    /// When, if the upstream said so, as it said it; [`Fault::hint`] is what may be followed.
    pub retry_after: Option<Duration>,
    /// The upstream's message, as it wrote it. May quote a key: redact before showing.
    pub message: Str,
    /// The upstream's own words for it.
    pub code: Option<Str>,
    /// The upstream's own kind of it.
    pub kind: Option<Str>,
    /// The field of the request it blames.
    pub param: Option<Str>,
    /// The body, for a caller of the same dialect.
    pub body: Bytes,
}

impl Fault {
    /// A fault of a class, with nothing known beside a message.
    pub fn new(status: u16, class: FaultClass, message: impl Into<Str>) -> Self {
        Self {
            status,
            class,
            retryable: class.retryable(),
            retry_after: None,
            message: message.into(),
            code: None,
            kind: None,
            param: None,
            body: Bytes::new(),
        }
    }

    /// How long to wait, as far as we follow the upstream: a header must not close a target for a
    /// year, nor send a caller away for one.
    pub fn hint(&self) -> Option<Duration> {
        self.retry_after.map(|after| after.min(HINT_MAX))
    }
}

/// The longest wait that a provider may ask us for.
pub(crate) const HINT_MAX: Duration = Duration::from_secs(60);

impl fmt::Debug for Fault {
    /// Says what a log may hold: providers quote keys in messages, and prompts in bodies.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &Option<Str>| text.as_deref().map(|t| redact(t).into_owned());
        f.debug_struct("Fault")
            .field("status", &self.status)
            .field("class", &self.class)
            .field("retryable", &self.retryable)
            .field("retry_after", &self.retry_after)
            .field("message", &redact(&self.message))
            .field("code", &shown(&self.code))
            .field("kind", &shown(&self.kind))
            .field("param", &shown(&self.param))
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What an upstream's error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// The request is wrong.
    InvalidRequest,
    /// The key is wrong.
    Authentication,
    /// The key may not do this.
    Permission,
    /// No such model, or no such thing.
    NotFound,
    /// Too many bytes.
    TooLarge,
    /// Too fast; wait.
    RateLimited,
    /// The account behind the key is empty; waiting does not help.
    QuotaExhausted,
    /// The prompt does not fit the model.
    ContextOverflow,
    /// A filter stepped in.
    ContentFiltered,
    /// The provider is too busy.
    Overloaded,
    /// The provider broke.
    Server,
    /// The provider took too long.
    Timeout,
    /// The answer is not what the dialect says.
    Corrupt,
    /// The answer broke off.
    Truncated,
    /// Anything else.
    Unknown,
}

impl FaultClass {
    /// The word for it in metrics, logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Authentication => "authentication",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFiltered => "content_filtered",
            Self::Overloaded => "overloaded",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Unknown => "unknown",
        }
    }

    /// Whether waiting usually helps.
    pub fn retryable(self) -> bool {
        match self {
            Self::RateLimited
            | Self::Overloaded
            | Self::Server
            | Self::Timeout
            | Self::Corrupt
            | Self::Truncated => true,
            Self::InvalidRequest
            | Self::Authentication
            | Self::Permission
            | Self::NotFound
            | Self::TooLarge
            | Self::QuotaExhausted
            | Self::ContextOverflow
            | Self::ContentFiltered
            | Self::Unknown => false,
        }
    }
}
