//! What is kept of a call while it runs.

use std::mem::take;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use llm_core::Str;
use llm_core::call::{Call, CallId, Operation};
use llm_core::dialect::{DialectId, Observed};
use llm_core::error::{Advice, Error, Kind};
use llm_core::ledger::Receipt;
use llm_core::money::{Credits, Money};
use llm_core::principal::{FeatureId, Principal};
use llm_core::provider::TargetId;
use llm_core::store::{CallRecord, Outcome, Tried};
use llm_core::trace::Trace;
use llm_core::usage::Usage;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::Desk;
use crate::model::Model;
use crate::reply::{CacheState, Ending, ReplyHead};

/// The record of a call. Every stage may note what it knows; only the first ending counts.
#[derive(Debug)]
pub struct Record {
    id: CallId,
    started: Instant,
    at: SystemTime,
    /// Until the line for the log is made.
    principal: Option<Arc<Principal>>,
    plan: Str,
    feature: FeatureId,
    operation: Operation,
    dialect: DialectId,
    model: Str,
    stream: bool,
    tags: Vec<Str>,
    trace: Option<Box<Trace>>,
    notes: Mutex<Notes>,
    receipt: ReceiptCell,
    /// What is charged for, once that is known. Apart from the notes: it is read more often than written.
    charged_for: OnceLock<Usage>,
    desk: Arc<Desk>,
    /// What the call asks for, resolved; `None` where there is no such thing.
    asked: Option<Arc<Model>>,
}

/// Where what a call cost will stand.
pub type ReceiptCell = Arc<Receipts>;

/// What a call cost, once that is settled.
#[derive(Debug, Default)]
pub struct Receipts {
    money: OnceLock<Receipt>,
    credits: OnceLock<Receipt<Credits>>,
}

impl Receipts {
    /// In money: there once all is settled.
    pub fn get(&self) -> Option<&Receipt> {
        self.money.get()
    }

    /// In credits, where the caller pays in credits.
    pub fn credits(&self) -> Option<&Receipt<Credits>> {
        self.credits.get()
    }
}

#[derive(Debug, Default)]
struct Notes {
    attempts: SmallVec<[AttemptNote; 2]>,
    came: Option<Came>,
    /// What the provider said, where nothing was charged.
    seen: Option<Usage>,
    ended: Option<(Outcome, Instant)>,
}

/// An answer that has begun.
#[derive(Debug)]
pub(super) struct Came {
    target: TargetId,
    cache: CacheState,
    first_byte: Duration,
}

/// One attempt, as the record has it.
#[derive(Clone, Debug)]
pub struct AttemptNote {
    /// Who was asked.
    pub target: TargetId,
    /// When, from the call's beginning on.
    pub began: Duration,
    /// What went wrong and when; `None` while nothing has.
    pub failed: Option<(Kind, Advice, Duration)>,
}

impl AttemptNote {
    fn tried(self) -> Tried {
        let (failed, ended) = match self.failed {
            Some((kind, _, at)) => (Some(kind), Some(at)),
            None => (None, None),
        };
        Tried { target: self.target, began: self.began, ended, failed }
    }
}

impl Record {
    /// Begins one.
    pub(crate) fn open(call: &Call, desk: &Arc<Desk>, asked: Option<&Arc<Model>>) -> Self {
        Self {
            id: call.id,
            started: desk.clock.now(),
            at: desk.clock.wall(),
            principal: Some(Arc::clone(&call.grant.principal)),
            plan: call.grant.plan.name.clone(),
            feature: call.feature.clone(),
            operation: call.operation,
            dialect: call.dialect,
            // Not a slice of the body, which it would keep alive for as long as the line waits.
            model: Str::from(&*call.peek.model.value),
            stream: call.peek.stream,
            tags: call.controls.tags.clone(),
            trace: call.controls.trace.clone(),
            notes: Mutex::default(),
            receipt: ReceiptCell::default(),
            charged_for: OnceLock::new(),
            desk: Arc::clone(desk),
            asked: asked.cloned(),
        }
    }

    /// The call is among those in flight of its model.
    pub(crate) fn entered(&self) {
        if let Some(model) = &self.asked {
            model.metrics.in_flight.inc();
        }
    }

    /// It is not any more, whoever still has a share in what is kept of it.
    pub(crate) fn left(&self) {
        if let Some(model) = &self.asked {
            model.metrics.in_flight.dec();
        }
    }

    /// The call.
    pub fn id(&self) -> CallId {
        self.id
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Somebody is asked. Says the place of that among all who were, from 1 on.
    pub(crate) fn attempt(&self, target: &TargetId) -> usize {
        let mut notes = self.notes.lock();
        // Anew: what comes before it is what is measured.
        let began = self.desk.clock.anew().saturating_duration_since(self.started);
        if notes.attempts.is_empty() {
            self.desk.metrics.overhead.observe(began.as_secs_f64());
        }
        if notes.attempts.len() < ATTEMPTS_MAX {
            notes.attempts.push(AttemptNote { target: target.clone(), began, failed: None });
        }
        notes.attempts.len()
    }

    /// The last attempt failed.
    pub(crate) fn failed(&self, target: &TargetId, kind: Kind, advice: Advice) {
        let mut notes = self.notes.lock();
        let open = |a: &&mut AttemptNote| a.target == *target && a.failed.is_none();
        if let Some(attempt) = notes.attempts.iter_mut().rev().find(open) {
            let at = self.desk.clock.now().saturating_duration_since(self.started);
            attempt.failed = Some((kind, advice, at));
        }
    }

    /// Attempts so far.
    pub fn attempts(&self) -> SmallVec<[AttemptNote; 2]> {
        self.notes.lock().attempts.clone()
    }

    /// An answer is on its way.
    pub(super) fn came(&self, head: &ReplyHead, now: Instant) -> Came {
        let first_byte = now.saturating_duration_since(self.started);
        Came { target: head.target.clone(), cache: head.cache, first_byte }
    }

    /// One of our own rules may have said no.
    pub(crate) fn denied(&self, error: &Error) {
        self.desk.metrics.denied(error);
    }

    /// What was used, as it is charged.
    pub(crate) fn used(&self, usage: Usage) {
        // Said by whoever settles, which is done once.
        let _ = self.charged_for.set(usage);
    }

    /// What was used, once that is known.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.charged_for.get().copied()
    }

    /// What it cost.
    pub(crate) fn charged(&self, receipt: Receipt) {
        // A hold is settled once; a second word would be the ledger's first one again.
        let _ = self.receipt.money.set(receipt);
    }

    /// What it cost in credits.
    pub(crate) fn credited(&self, receipt: Receipt<Credits>) {
        let _ = self.receipt.credits.set(receipt);
    }

    /// Where what it cost will stand.
    pub fn receipt(&self) -> &ReceiptCell {
        &self.receipt
    }

    /// How it ended. The first word counts.
    pub(super) fn close(&self, ending: &Ending, seen: Option<&Observed>, came: Option<Came>) {
        let mut notes = self.notes.lock();
        if notes.came.is_none() {
            notes.came = came;
        }
        if notes.seen.is_none() {
            notes.seen = seen.and_then(|s| s.usage);
        }
        if notes.ended.is_none() {
            let outcome = match ending {
                Ending::Complete => Outcome::Done,
                Ending::CallerLeft => Outcome::Left,
                Ending::Broke(error) => Outcome::Failed(error.kind()),
            };
            notes.ended = Some((outcome, self.desk.clock.now()));
        }
    }

    /// The line for the request log, which is made once: what nobody asks for after this is taken, and
    /// not copied.
    fn entry(&mut self) -> Option<CallRecord> {
        let principal = self.principal.take()?;
        let notes = self.notes.get_mut();
        let tried = take(&mut notes.attempts);
        let came = notes.came.take();
        let (outcome, ended) = notes.ended.unwrap_or((Outcome::Left, self.started));
        let receipt = self.receipt.get();
        Some(CallRecord {
            id: self.id,
            at: self.at,
            principal,
            plan: take(&mut self.plan),
            feature: take(&mut self.feature),
            operation: self.operation,
            dialect: Some(self.dialect),
            model: take(&mut self.model),
            attempts: u8::try_from(tried.len()).unwrap_or(u8::MAX),
            stream: self.stream,
            cached: matches!(
                came.as_ref().map(|came| came.cache),
                Some(CacheState::Hit { .. } | CacheState::Alike { .. } | CacheState::Coalesced)
            ),
            usage: self.charged_for.get().copied().or(notes.seen).unwrap_or_default(),
            charged: receipt.map_or(Money(0), |r| r.posted),
            loss: receipt.map_or(Money(0), |r| r.loss),
            credits: self.receipt.credits().map(|r| r.posted),
            outcome,
            first_byte: came.as_ref().map(|came| came.first_byte),
            target: came.map(|came| came.target),
            total: ended.saturating_duration_since(self.started),
            tags: take(&mut self.tags),
            tried: tried.into_iter().map(AttemptNote::tried).collect(),
            trace: self.trace.take(),
        })
    }
}

/// The last share is gone: nothing more will be known.
impl Drop for Record {
    fn drop(&mut self) {
        let Some(entry) = self.entry() else { return };
        self.desk.metrics.call(self.asked.as_deref(), &entry);
        if let Some(log) = &self.desk.log {
            log.push(entry);
        }
    }
}

/// More attempts than any policy allows: what lies beyond is a mistake of ours, not a record.
const ATTEMPTS_MAX: usize = 16;
