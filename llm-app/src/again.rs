//! Whether a call that was not answered is worth another attempt of the job that made it.

use llm_core::error::{Error, Kind};

/// Whether it may be answered another time, as it was asked.
pub fn may_pass(error: &Error) -> bool {
    match error.kind() {
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::UnknownModel
        | Kind::CreditExhausted
        | Kind::ContextOverflow
        | Kind::ContentFiltered => false,
        Kind::QuotaExceeded
        | Kind::RateLimited
        | Kind::Busy
        | Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::UpstreamRateLimited
        | Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::Timeout
        | Kind::BrokenStream
        | Kind::CorruptReply
        | Kind::Cancelled
        | Kind::DeadlinePassed
        | Kind::Internal => true,
    }
}
