//! One line of the request log.

use std::time::{Duration, SystemTime};

use smallvec::SmallVec;

use crate::Str;
use crate::call::{CallId, Operation};
use crate::dialect::DialectId;
use crate::error::Kind;
use crate::money::{Credits, Money};
use crate::principal::{FeatureId, Principal};
use crate::provider::TargetId;
use crate::trace::Trace;
use crate::usage::Usage;

/// What is kept of a call: numbers and names, no content.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// When it was accepted, by the wall clock.
    pub at: SystemTime,
    /// Who asked.
    pub principal: std::sync::Arc<Principal>,
    /// What was sold to them, by its name; empty where it has none.
    pub plan: Str,
    /// For which purpose.
    pub feature: FeatureId,
    /// What was asked for.
    pub operation: Operation,
    /// What the caller speaks; `None` when the request was not understood, only carried.
    pub dialect: Option<DialectId>,
    /// The model, as the caller named it.
    pub model: Str,
    /// Who answered; `None` when nobody was asked.
    pub target: Option<TargetId>,
    /// How many targets were tried.
    pub attempts: u8,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// Whether a cache answered.
    pub cached: bool,
    /// What was used.
    pub usage: Usage,
    /// What the caller was charged.
    pub charged: Money,
    /// What the operator paid beside it.
    pub loss: Money,
    /// What the caller was charged in credits; `None` where the caller pays none.
    pub credits: Option<Credits>,
    /// How it ended.
    pub outcome: Outcome,
    /// Until the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Until its end.
    pub total: Duration,
    /// Labels that the caller gave.
    pub tags: Vec<Str>,
    /// Those who were asked, in their order.
    pub tried: SmallVec<[Tried; 2]>,
    /// The trace that the caller had begun.
    pub trace: Option<Box<Trace>>,
}

/// One attempt of a call, as its record has it. Times run from the call's acceptance.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Who was asked.
    pub target: TargetId,
    /// When.
    pub began: Duration,
    /// When it had ended; `None` where it ended with the call.
    pub ended: Option<Duration>,
    /// What went wrong; `None` where nothing did.
    pub failed: Option<Kind>,
}

/// How a call ended, seen from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer came whole.
    Done,
    /// The caller left.
    Left,
    /// An error, before the answer or inside it.
    Failed(Kind),
}
