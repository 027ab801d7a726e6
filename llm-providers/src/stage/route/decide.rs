//! What to do after an attempt has failed: one pure decision over the advice of who knew.

use std::time::Duration;

use llm_core::error::{Advice, Error, Kind, Need};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Asking again cannot help anyone.
    GiveUp,
    /// The same target may answer, not before this.
    Again(Option<Duration>),
    /// The same target may answer with another key.
    OtherKey,
    /// Another target may answer; this one only when nobody else is left, if at all.
    Elsewhere {
        /// Whether the same target is worth another try when it is the only one.
        same: bool,
    },
    /// Only a target that offers more may answer.
    Bigger(Need),
}

/// Reads an error's advice.
pub(super) fn decide(error: &Error, refiltered: bool) -> Step {
    match error.advice() {
        Advice::Stop if refiltered && error.kind() == Kind::ContentFiltered => {
            Step::Elsewhere { same: false }
        }
        Advice::Stop | Advice::Spent => Step::GiveUp,
        Advice::Again { after } => Step::Again(after),
        Advice::OtherKey { .. } => Step::OtherKey,
        Advice::Elsewhere { .. } => Step::Elsewhere { same: may_pass(error.kind()) },
        Advice::Bigger(need) => Step::Bigger(need),
    }
}

/// Whether what went wrong at a target may have passed by the next moment.
fn may_pass(kind: Kind) -> bool {
    match kind {
        Kind::UpstreamOverloaded
        | Kind::UpstreamFailed
        | Kind::ConnectFailed
        | Kind::BrokenStream
        | Kind::CorruptReply => true,
        // It has had its time, and the caller has no more of it.
        Kind::Timeout => false,
        // It has said for how long; what is short is advised as `Again`.
        Kind::UpstreamRateLimited => false,
        Kind::BadRequest
        | Kind::Unsupported
        | Kind::TooLarge
        | Kind::Unauthenticated
        | Kind::Forbidden
        | Kind::UnknownModel
        | Kind::CreditExhausted
        | Kind::QuotaExceeded
        | Kind::RateLimited
        | Kind::Busy
        | Kind::LedgerUnavailable
        | Kind::ContextOverflow
        | Kind::ContentFiltered
        | Kind::UpstreamKeyRejected
        | Kind::UpstreamQuota
        | Kind::Cancelled
        | Kind::DeadlinePassed
        | Kind::Internal => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_at_the_same_target() {
        let rest = Duration::from_secs(5);
        let cases = [
            (Error::new(Kind::BadRequest, ""), Step::GiveUp),
            (Error::new(Kind::UnknownModel, ""), Step::GiveUp),
            (Error::new(Kind::ContentFiltered, ""), Step::GiveUp),
            (Error::new(Kind::UpstreamFailed, ""), Step::Elsewhere { same: true }),
            (Error::new(Kind::Timeout, ""), Step::Elsewhere { same: false }),
            (Error::new(Kind::ContextOverflow, ""), Step::Bigger(Need::Context)),
            (Error::new(Kind::UpstreamQuota, ""), Step::OtherKey),
            (
                Error::new(Kind::UpstreamRateLimited, "")
                    .advise(Advice::Again { after: Some(rest) }),
                Step::Again(Some(rest)),
            ),
            (Error::new(Kind::UpstreamFailed, "").advise(Advice::Spent), Step::GiveUp),
        ];
        for (error, step) in cases {
            assert_eq!(decide(&error, false), step, "{error:?}");
        }
        let filtered = Error::new(Kind::ContentFiltered, "");
        assert_eq!(decide(&filtered, true), Step::Elsewhere { same: false });
    }
}
