//! An answer on its way through: counted, bounded, never paused for too long, kept where that was
//! wanted; and what is written down of it when it is over, whichever way it ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::{HeaderMap, StatusCode};
use llm_core::Str;
use llm_core::call::{CallId, Operation};
use llm_core::error::Kind;
use llm_core::money::Money;
use llm_core::principal::{FeatureId, Grant, Principal};
use llm_core::provider::TargetId;
use llm_core::seam::{BoxFuture, Clock, WireBody};
use llm_core::store::{CallRecord, Outcome};
use llm_core::trace::Trace;
use llm_core::usage::Usage;
use llm_providers::Gateway;
use llm_providers::stage::admit::Slot;
use tokio::sync::OwnedSemaphorePermit;

use super::shelf::{ANSWER_BYTES_MAX, Shelf};
use super::{Counted, Passage, until};
use crate::config::Passthrough;
use crate::serve::body::Piece;
use crate::serve::house::House;

/// Where an answer is kept.
pub(super) struct Keep {
    pub(super) shelf: Arc<Shelf>,
    pub(super) question: String,
    pub(super) ttl: Duration,
    pub(super) headers: HeaderMap,
}

/// An answer on its way through.
pub(super) struct Passing {
    body: WireBody,
    status: StatusCode,
    left: u64,
    /// What its head says is still to come: behind it nobody asks for more.
    awaited: Option<u64>,
    patience: Duration,
    until: Instant,
    sleep: Option<BoxFuture<'static, ()>>,
    clock: Arc<dyn Clock>,
    keep: Option<(Keep, BytesMut)>,
    journal: Option<Journal>,
}

impl Passing {
    pub(super) fn new(
        body: WireBody,
        (status, awaited): (StatusCode, Option<u64>),
        rules: &Passthrough,
        clock: Arc<dyn Clock>,
        keep: Option<Keep>,
        journal: Journal,
    ) -> Self {
        let (left, patience) = (rules.body_max, rules.timeout);
        let until = until(clock.now(), patience);
        let keep = keep.map(|keep| (keep, BytesMut::new()));
        let journal = Some(journal);
        let mut passing = Self {
            body,
            status,
            left,
            awaited,
            patience,
            until,
            sleep: None,
            clock,
            keep,
            journal,
        };
        if awaited == Some(0) {
            passing.ended();
        }
        passing
    }

    fn broke(&mut self, kind: Kind, text: &'static str) -> Poll<Option<Piece>> {
        if let Some(journal) = self.journal.take() {
            journal.failed(kind);
        }
        Poll::Ready(Some(Err(io::Error::other(text))))
    }

    fn came(&mut self, bytes: Bytes) -> Poll<Option<Piece>> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            return self.broke(Kind::TooLarge, "the answer is too large to be passed on");
        };
        self.left = left;
        self.until = until(self.clock.now(), self.patience);
        let small = |whole: &BytesMut| whole.len() + bytes.len() <= ANSWER_BYTES_MAX;
        match &mut self.keep {
            Some((_, whole)) if small(whole) => whole.extend_from_slice(&bytes),
            Some(_) => self.keep = None,
            None => {}
        }
        self.awaited = self.awaited.map(|awaited| awaited.saturating_sub(bytes.len() as u64));
        if self.awaited == Some(0) {
            self.ended();
        }
        Poll::Ready(Some(Ok(bytes)))
    }

    fn ended(&mut self) {
        if let Some((keep, whole)) = self.keep.take() {
            let Keep { shelf, question, ttl, headers } = keep;
            shelf.put(question, (headers, whole.freeze()), self.clock.now(), ttl);
        }
        if let Some(journal) = self.journal.take() {
            journal.over(self.status, false);
        }
    }
}

impl Stream for Passing {
    type Item = Piece;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = self.get_mut();
        if this.journal.is_none() {
            return Poll::Ready(None);
        }
        loop {
            match this.body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => return this.came(bytes),
                Poll::Ready(Some(Err(_))) => {
                    return this.broke(Kind::BrokenStream, "the answer broke off");
                }
                Poll::Ready(None) if this.awaited.is_some() => {
                    return this.broke(Kind::BrokenStream, "the answer broke off");
                }
                Poll::Ready(None) => {
                    this.ended();
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            let left = this.until.saturating_duration_since(this.clock.now());
            if left.is_zero() {
                return this.broke(Kind::Timeout, "the answer paused for too long");
            }
            let sleep = this.sleep.get_or_insert_with(|| this.clock.sleep(left));
            ready!(sleep.as_mut().poll(cx));
            this.sleep = None;
        }
    }
}

/// What is written down of a request, and what is given back at its end.
pub(super) struct Journal(Option<Notes>);

struct Notes {
    gateway: Gateway,
    counted: Counted,
    name: Str,
    id: CallId,
    trace: Option<Box<Trace>>,
    at: SystemTime,
    began: Instant,
    principal: Arc<Principal>,
    plan: Str,
    scope: Str,
    _lent: (Slot, OwnedSemaphorePermit),
}

impl Journal {
    pub(super) fn new(
        house: &House,
        (id, trace): (CallId, Option<Box<Trace>>),
        grant: &Grant,
        scope: Str,
        lent: (Slot, OwnedSemaphorePermit),
        passage: &Passage,
    ) -> Self {
        Self(Some(Notes {
            gateway: house.gateway.clone(),
            counted: passage.counted.clone(),
            name: passage.name.clone(),
            id,
            trace,
            at: house.clock.wall(),
            began: house.clock.now(),
            principal: Arc::clone(&grant.principal),
            plan: grant.plan.name.clone(),
            scope,
            _lent: lent,
        }))
    }

    /// It was answered.
    pub(super) fn over(mut self, status: StatusCode, cached: bool) {
        let word = match status.as_u16() {
            _ if cached => "hit",
            ..400 => "ok",
            400..500 => "refused",
            500.. => "failed",
        };
        let outcome = match word {
            "failed" => Outcome::Failed(Kind::UpstreamFailed),
            _ => Outcome::Done,
        };
        self.write(word, outcome, cached);
    }

    /// It was not.
    pub(super) fn failed(mut self, kind: Kind) {
        self.write("broke", Outcome::Failed(kind), false);
    }

    fn write(&mut self, word: &str, outcome: Outcome, cached: bool) {
        let Some(notes) = self.0.take() else { return };
        let Notes { gateway, counted, name, id, trace, at, began, principal, plan, scope, _lent } =
            notes;
        let total = gateway.clock().now().saturating_duration_since(began);
        counted.requests.with_label_values(&[&*name, word]).inc();
        counted.seconds.with_label_values(&[&*name]).observe(total.as_secs_f64());
        gateway.note(CallRecord {
            id,
            at,
            principal,
            plan,
            feature: FeatureId::default(),
            operation: Operation::Passthrough,
            dialect: None,
            model: scope.clone(),
            target: Some(TargetId(scope)),
            attempts: u8::from(!cached),
            stream: false,
            cached,
            usage: Usage::default(),
            charged: Money(0),
            loss: Money(0),
            credits: None,
            outcome,
            first_byte: None,
            total,
            tags: Vec::new(),
            tried: Default::default(),
            trace,
        });
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Nobody has said how it ended: the caller has left.
        self.write("left", Outcome::Left, false);
    }
}
