//! What went wrong, who is to blame, and what may be done about it: as data.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Str;
use crate::call::CallId;
use crate::dialect::{BadReason, BadRequest};
use crate::fault::{Fault, FaultClass};
use crate::provider::TargetId;
use crate::secret::redact;

mod kind;
mod refusal;
mod sentence;

pub use kind::Kind;
pub use refusal::Refusal;
pub use sentence::Language;

/// An error of the gateway. One word wide, so that `Result<Reply, Error>` stays small; cheap to
/// clone, because it also travels inside answers.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    blame: Blame,
    advice: Advice,
    message: Cow<'static, str>,
    param: Option<Str>,
    target: Option<TargetId>,
    upstream: Option<Box<Fault>>,
    refusal: Option<Box<Refusal>>,
    call: Option<CallId>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// Who is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Who called.
    Caller,
    /// Who runs the gateway.
    Operator,
    /// The provider.
    Upstream,
    /// What lies between.
    Network,
    /// Who wrote the gateway.
    Bug,
}

/// What may be done about it. Set by the one who knows, spent in `route` and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Asking again cannot help.
    Stop,
    /// The same target may answer; not before `after`.
    Again {
        /// What the provider asked for.
        after: Option<Duration>,
    },
    /// This credential is done for `rest`; another key of the same target may answer.
    OtherKey {
        /// How long to leave the key alone.
        rest: Duration,
    },
    /// This target is done for `rest`; another may answer.
    Elsewhere {
        /// How long to leave the target alone.
        rest: Duration,
    },
    /// Another target may answer only if it offers more.
    Bigger(Need),
    /// Was retryable; the retry stage has spent its budget. Never retried again by anyone.
    Spent,
}

/// What another target must offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// A larger context window.
    Context,
    /// Images, audio or files.
    Modality,
    /// Tools.
    Tools,
}

/// A rejected or empty key does not mend itself; an operator must act.
const KEY_REST: Duration = Duration::from_secs(3600);
/// An overloaded or broken target is worth another look soon.
const TARGET_REST: Duration = Duration::from_secs(5);
/// A limit without a hint: providers count in minutes.
const RATE_REST: Duration = Duration::from_secs(20);
/// What a request had to do with is no sign that the next one fails: a file that is not there, or
/// that another key owns. Were the target to rest, any caller could send it to rest for all.
const NO_REST: Duration = Duration::ZERO;
/// Waiting at the same target beats going elsewhere up to here; a caller waits, too.
const AGAIN_MAX: Duration = Duration::from_secs(2);

impl Error {
    /// An error with the usual blame and advice of its kind.
    pub fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            blame: kind.blame(),
            advice: kind.advice(),
            message: message.into(),
            param: None,
            target: None,
            upstream: None,
            refusal: None,
            call: None,
            source: None,
        }))
    }

    /// What an upstream's fault means for us. Its text is redacted here, once.
    pub fn upstream(fault: Fault) -> Self {
        let kind = Kind::of_fault(fault.class);
        let advice = advice_for(&fault);
        let message = match redact(&fault.message) {
            // Proxies in between answer with a status and nothing else; no caller can use that.
            said if said.trim().is_empty() => {
                format!("the provider answered with status {} and no words", fault.status)
            }
            said => said.into_owned(),
        };
        let param = fault.param.as_ref().map(|param| match redact(param) {
            Cow::Borrowed(_) => param.clone(),
            Cow::Owned(param) => param.into(),
        });
        let error = Self::new(kind, message);
        error.edit(|e| {
            e.advice = advice;
            e.param = param;
            e.upstream = Some(Box::new(fault));
        })
    }

    /// What kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Who is to blame.
    pub fn blame(&self) -> Blame {
        self.0.blame
    }

    /// What may be done.
    pub fn advice(&self) -> Advice {
        self.0.advice
    }

    /// A sentence that is safe to show: it never contains a key or a prompt.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field of the request that is wrong.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// Where it happened.
    pub fn target(&self) -> Option<&TargetId> {
        self.0.target.as_ref()
    }

    /// What the upstream said.
    pub fn fault(&self) -> Option<&Fault> {
        self.0.upstream.as_deref()
    }

    /// The rule of ours that said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.0.refusal.as_deref()
    }

    /// Which call.
    pub fn call(&self) -> Option<CallId> {
        self.0.call
    }

    /// With another advice.
    #[must_use]
    pub fn advise(self, advice: Advice) -> Self {
        self.edit(|e| e.advice = advice)
    }

    /// With the target at which it happened.
    #[must_use]
    pub fn at(self, target: TargetId) -> Self {
        self.edit(|e| e.target = Some(target))
    }

    /// With the rule that said no, and the advice that follows: again after its wait, or never.
    #[must_use]
    pub fn refused(self, refusal: Refusal) -> Self {
        self.edit(|e| {
            e.advice = match refusal.retry_after {
                Some(after) => Advice::Again { after: Some(after) },
                None => Advice::Stop,
            };
            e.refusal = Some(Box::new(refusal));
        })
    }

    /// With the call it belongs to.
    #[must_use]
    pub fn of(self, call: CallId) -> Self {
        self.edit(|e| e.call = Some(call))
    }

    /// With the field that is wrong.
    #[must_use]
    pub fn in_field(self, param: impl Into<Str>) -> Self {
        self.edit(|e| e.param = Some(param.into()))
    }

    /// With what caused it.
    #[must_use]
    pub fn because(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.edit(|e| e.source = Some(Arc::new(source)))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

fn advice_for(fault: &Fault) -> Advice {
    let hint = fault.hint();
    let rest = |usual| hint.unwrap_or(usual);
    match fault.class {
        FaultClass::InvalidRequest | FaultClass::TooLarge | FaultClass::ContentFiltered => {
            Advice::Stop
        }
        // Nobody knows what it means. Where it is called a success or the server's fault, it is not
        // the caller's.
        FaultClass::Unknown if fault.status < 300 || fault.status >= 500 => {
            Advice::Elsewhere { rest: NO_REST }
        }
        FaultClass::Unknown => Advice::Stop,
        FaultClass::ContextOverflow => Advice::Bigger(Need::Context),
        FaultClass::Authentication | FaultClass::QuotaExhausted => {
            Advice::OtherKey { rest: KEY_REST }
        }
        FaultClass::Permission => Advice::OtherKey { rest: NO_REST },
        // The caller asked for a model we offer; that this target lacks it is ours to mend.
        FaultClass::NotFound => Advice::Elsewhere { rest: NO_REST },
        // "Request too large" comes as a 429 as well, and no wait makes it smaller.
        FaultClass::RateLimited if !fault.retryable => Advice::Bigger(Need::Context),
        FaultClass::RateLimited => match hint {
            Some(after) if after <= AGAIN_MAX => Advice::Again { after: Some(after) },
            Some(_) | None => Advice::Elsewhere { rest: rest(RATE_REST) },
        },
        FaultClass::Overloaded
        | FaultClass::Server
        | FaultClass::Timeout
        | FaultClass::Corrupt
        | FaultClass::Truncated => Advice::Elsewhere { rest: rest(TARGET_REST) },
    }
}

impl From<BadRequest> for Error {
    fn from(bad: BadRequest) -> Self {
        let kind = match bad.reason {
            BadReason::Syntax | BadReason::Invalid => Kind::BadRequest,
            BadReason::TooLarge => Kind::TooLarge,
            BadReason::Unsupported => Kind::Unsupported,
        };
        let error = Self::new(kind, bad.message.to_string());
        match bad.param {
            Some(param) => error.in_field(param),
            None => error,
        }
    }
}

impl PartialEq for Error {
    /// Sources are left out: two errors that say the same are the same.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        (a.kind, a.blame, a.advice, &a.message, &a.param, &a.target, &a.upstream, a.call)
            == (b.kind, b.blame, b.advice, &b.message, &b.param, &b.target, &b.upstream, b.call)
            && a.refusal == b.refusal
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &*self.0;
        f.debug_struct("Error")
            .field("kind", &e.kind)
            .field("blame", &e.blame)
            .field("advice", &e.advice)
            .field("message", &e.message)
            .field("param", &e.param)
            .field("target", &e.target)
            .field("status", &e.upstream.as_ref().map(|f| f.status))
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests;
