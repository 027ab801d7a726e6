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
        // What opens within the time of a job's attempts is a pace, and has another name.
        | Kind::QuotaExceeded
        | Kind::CreditExhausted
        | Kind::ContextOverflow
        | Kind::ContentFiltered => false,
        Kind::RateLimited
        | Kind::Busy
        | Kind::LedgerUnavailable
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_waited_for_and_a_month_that_is_used_up_is_not() {
        let passes = |kind| may_pass(&Error::new(kind, "no"));
        assert!(passes(Kind::RateLimited) && passes(Kind::Busy));
        assert!(!passes(Kind::QuotaExceeded) && !passes(Kind::CreditExhausted));
    }
}
