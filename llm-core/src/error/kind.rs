//! The kinds of errors, and what usually follows from each.

use super::{Advice, Blame, KEY_REST, Need, RATE_REST, TARGET_REST};
use crate::fault::FaultClass;

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong.
    BadRequest,
    /// The request asks for something nobody here can do.
    Unsupported,
    /// The request is too large.
    TooLarge,
    /// Nobody knows the caller.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden,
    /// There is no such model.
    UnknownModel,
    /// The caller's credit is spent.
    CreditExhausted,
    /// The caller's quota is used up until its window starts anew.
    QuotaExceeded,
    /// The caller is too fast.
    RateLimited,
    /// We are too busy.
    Busy,
    /// Nobody can say whether there is credit: the ledger does not answer.
    LedgerUnavailable,
    /// The prompt does not fit the model.
    ContextOverflow,
    /// A filter stepped in.
    ContentFiltered,
    /// The provider refuses our key.
    UpstreamKeyRejected,
    /// Our account at the provider is empty.
    UpstreamQuota,
    /// The provider says that we are too fast.
    UpstreamRateLimited,
    /// The provider is too busy.
    UpstreamOverloaded,
    /// The provider broke.
    UpstreamFailed,
    /// No connection to the provider.
    ConnectFailed,
    /// The provider took too long.
    Timeout,
    /// The provider's stream broke off.
    BrokenStream,
    /// The provider's answer cannot be read.
    CorruptReply,
    /// The caller left.
    Cancelled,
    /// The caller's deadline passed.
    DeadlinePassed,
    /// Our own mistake.
    Internal,
}

impl Kind {
    /// The word for it in metrics, logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unsupported => "unsupported",
            Self::TooLarge => "too_large",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown_model",
            Self::CreditExhausted => "credit_exhausted",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Busy => "busy",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::ContextOverflow => "context_overflow",
            Self::ContentFiltered => "content_filtered",
            Self::UpstreamKeyRejected => "upstream_key_rejected",
            Self::UpstreamQuota => "upstream_quota",
            Self::UpstreamRateLimited => "upstream_rate_limited",
            Self::UpstreamOverloaded => "upstream_overloaded",
            Self::UpstreamFailed => "upstream_failed",
            Self::ConnectFailed => "connect_failed",
            Self::Timeout => "timeout",
            Self::BrokenStream => "broken_stream",
            Self::CorruptReply => "corrupt_reply",
            Self::Cancelled => "cancelled",
            Self::DeadlinePassed => "deadline_passed",
            Self::Internal => "internal",
        }
    }

    /// The status a caller sees.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRequest
            | Self::Unsupported
            | Self::ContextOverflow
            | Self::ContentFiltered => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::UnknownModel => 404,
            Self::TooLarge => 413,
            // OpenAI's clients know an empty account as a 429 of type `insufficient_quota`.
            Self::CreditExhausted | Self::QuotaExceeded | Self::RateLimited => 429,
            Self::UpstreamRateLimited => 429,
            Self::Cancelled => 499,
            Self::Internal => 500,
            Self::UpstreamKeyRejected
            | Self::UpstreamQuota
            | Self::UpstreamFailed
            | Self::ConnectFailed
            | Self::BrokenStream
            | Self::CorruptReply => 502,
            Self::Busy | Self::LedgerUnavailable | Self::UpstreamOverloaded => 503,
            Self::Timeout | Self::DeadlinePassed => 504,
        }
    }

    /// Who is usually to blame.
    pub fn blame(self) -> Blame {
        match self {
            Self::BadRequest
            | Self::Unsupported
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::UnknownModel
            | Self::CreditExhausted
            | Self::QuotaExceeded
            | Self::RateLimited
            | Self::Busy
            | Self::ContextOverflow
            | Self::ContentFiltered
            | Self::Cancelled
            | Self::DeadlinePassed => Blame::Caller,
            Self::LedgerUnavailable | Self::UpstreamKeyRejected | Self::UpstreamQuota => {
                Blame::Operator
            }
            Self::UpstreamRateLimited
            | Self::UpstreamOverloaded
            | Self::UpstreamFailed
            | Self::BrokenStream
            | Self::CorruptReply => Blame::Upstream,
            Self::ConnectFailed | Self::Timeout => Blame::Network,
            Self::Internal => Blame::Bug,
        }
    }

    pub(super) fn advice(self) -> Advice {
        match self {
            Self::BadRequest
            | Self::Unsupported
            | Self::TooLarge
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::UnknownModel
            | Self::CreditExhausted
            | Self::QuotaExceeded
            | Self::RateLimited
            | Self::Busy
            | Self::LedgerUnavailable
            | Self::ContentFiltered
            | Self::Cancelled
            | Self::DeadlinePassed
            | Self::Internal => Advice::Stop,
            Self::ContextOverflow => Advice::Bigger(Need::Context),
            Self::UpstreamKeyRejected | Self::UpstreamQuota => Advice::OtherKey { rest: KEY_REST },
            Self::UpstreamRateLimited => Advice::Elsewhere { rest: RATE_REST },
            Self::UpstreamOverloaded
            | Self::UpstreamFailed
            | Self::ConnectFailed
            | Self::Timeout
            | Self::BrokenStream
            | Self::CorruptReply => Advice::Elsewhere { rest: TARGET_REST },
        }
    }

    /// What kind an upstream's fault is to us.
    pub fn of_fault(class: FaultClass) -> Self {
        match class {
            FaultClass::InvalidRequest => Self::BadRequest,
            FaultClass::Authentication | FaultClass::Permission => Self::UpstreamKeyRejected,
            FaultClass::NotFound => Self::UnknownModel,
            FaultClass::TooLarge => Self::TooLarge,
            FaultClass::RateLimited => Self::UpstreamRateLimited,
            FaultClass::QuotaExhausted => Self::UpstreamQuota,
            FaultClass::ContextOverflow => Self::ContextOverflow,
            FaultClass::ContentFiltered => Self::ContentFiltered,
            FaultClass::Overloaded => Self::UpstreamOverloaded,
            FaultClass::Server | FaultClass::Unknown => Self::UpstreamFailed,
            FaultClass::Timeout => Self::Timeout,
            FaultClass::Corrupt => Self::CorruptReply,
            FaultClass::Truncated => Self::BrokenStream,
        }
    }
}
