//! What comes back: a head, and a body that gives back what the call was lent.
//!
//! Nothing is released when a head arrives. Whatever was taken on the way down (slots, pace, money,
//! a breaker's pass) rides as a [`Guard`] in the body, and each guard closes exactly once: when the
//! body has ended, or when it is dropped. Closing is synchronous and does no I/O that waits.

mod body;

use std::fmt;

use llm_core::Str;
use llm_core::call::Operation;
use llm_core::dialect::{DialectId, Framing, Observed};
use llm_core::error::Error;
use llm_core::extra::Losses;
use llm_core::provider::{LimitHint, TargetId};
use llm_core::quota::Verdict;
use smallvec::SmallVec;

use crate::stage::record::ReceiptCell;

pub use body::{ReplyBody, Source, Step};

/// An answer on its way back. It is committed: the first thing worth reading has been seen.
#[derive(Debug)]
pub struct Reply {
    /// What is known before the body. Boxed, since it is handed from stage to stage.
    pub head: Box<ReplyHead>,
    /// The answer in the upstream's bytes.
    pub body: ReplyBody,
    /// Where what the call cost will stand, once its body has ended.
    pub receipt: ReceiptCell,
}

/// What is known of an answer before its body.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    /// What was asked for.
    pub operation: Operation,
    /// What the body speaks.
    pub dialect: DialectId,
    /// How a stream is cut; `None` for a whole answer.
    pub framing: Option<Framing>,
    /// The body's type, as the upstream said it.
    pub content_type: Str,
    /// Who answered.
    pub target: TargetId,
    /// How many attempts it took.
    pub attempts: u8,
    /// How many of them were made because another target had failed.
    pub fallbacks: u8,
    /// What the cache had to do with it.
    pub cache: CacheState,
    /// What is left of the tightest limits.
    pub paced: Paced,
    /// What the vendor says is left of its own limits.
    pub limits: Option<LimitHint>,
    /// What the question lost in translation.
    pub losses: Losses,
    /// Headers of the upstream that may be passed on.
    pub headers: http::HeaderMap,
}

/// What is left of the limits that held for a call: the tightest on requests and on tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paced {
    /// On requests.
    pub requests: Option<Box<Verdict>>,
    /// On tokens.
    pub tokens: Option<Box<Verdict>>,
    /// Whether they are shared with other replicas, and only our part of them could be counted.
    pub degraded: bool,
}

/// What the cache had to do with an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheState {
    /// It was not asked.
    #[default]
    Bypass,
    /// It had nothing.
    Miss,
    /// It answered, from a recording of that age.
    Hit {
        /// Seconds since it was recorded.
        age_s: u64,
    },
    /// It answered from the recording of a similar question.
    Alike {
        /// Seconds since it was recorded.
        age_s: u64,
    },
    /// Another call with the same question was under way, and this one follows it.
    Coalesced,
}

impl CacheState {
    /// The word for it in headers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Miss => "miss",
            Self::Hit { .. } => "hit",
            Self::Alike { .. } => "alike",
            Self::Coalesced => "coalesced",
        }
    }
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// Whole.
    Complete,
    /// The caller left.
    CallerLeft,
    /// It broke, for the reason the caller was told.
    Broke(Error),
}

/// Something that was lent to a call and comes back when the call ends.
pub trait Guard: Send {
    /// The call has ended. Called exactly once.
    fn close(self: Box<Self>, ending: &Ending, seen: &Observed);
}

/// All guards of a body, innermost first.
#[derive(Default)]
pub(crate) struct Guards(SmallVec<[Box<dyn Guard>; 5]>);

impl Guards {
    /// Adds one outside all others.
    pub(crate) fn push(&mut self, guard: Box<dyn Guard>) {
        debug_assert!(self.0.len() < GUARDS_MAX, "a guard a stage, and no more");
        self.0.push(guard);
    }

    /// Closes all, innermost first: what an attempt cost must be known when the call is settled.
    pub(crate) fn close(&mut self, ending: &Ending, seen: &Observed) {
        for guard in self.0.drain(..) {
            guard.close(ending, seen);
        }
    }
}

/// One for each stage, and one for each wrapper that a stage may put around a body.
const GUARDS_MAX: usize = 16;

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guards({})", self.0.len())
    }
}
