//! Whether a call that was not answered is worth another attempt of the job that made it.

use std::time::Duration;

use llm_core::error::{Error, Kind};

/// All attempts of a job lie nearer together than this: a limit that opens later is not waited for,
/// so that whoever asked learns today that their month is used up.
const WAITED_MAX: Duration = Duration::from_hours(2);

/// Whether it may be answered another time, as it was asked.
pub fn may_pass(error: &Error) -> bool {
    let opens = error.refusal().and_then(|refusal| refusal.retry_after);
    if opens.is_some_and(|wait| wait > WAITED_MAX) {
        return false;
    }
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

#[cfg(test)]
mod tests {
    use llm_core::error::Refusal;

    use super::*;

    #[test]
    fn what_opens_soon_is_waited_for_and_what_opens_next_month_is_not() {
        let after = |retry_after: Option<u64>| {
            let retry_after = retry_after.map(Duration::from_secs);
            let (rule, limit, used, reserved) = ("tokens/month".into(), 9, 9, 0);
            let refusal = Refusal { rule, limit, used, reserved, resets_at: None, retry_after };
            may_pass(&Error::new(Kind::RateLimited, "too much").refused(refusal))
        };
        assert!(after(None) && after(Some(60)) && after(Some(7_200)));
        assert!(!after(Some(7_201)) && !after(Some(9 * 86_400)));
        assert!(may_pass(&Error::new(Kind::Busy, "later")));
        assert!(!may_pass(&Error::new(Kind::Forbidden, "never")));
    }
}
