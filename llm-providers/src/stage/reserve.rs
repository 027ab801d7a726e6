//! Sets money aside before anything is sent, and settles when the answer has ended.
//!
//! The only maker of a [`Funded`], and so the only door to an upstream. The hold covers the dearest
//! way that the call can go; what the attempts cost is added up in a [`Bill`], and the one
//! settlement of the call carries out the sum. Deliberately absent: waiting at the end. A hold is
//! settled in the same breath in which the last byte is given away or the body is dropped.

mod bill;
mod bound;
mod count;
mod credits;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use jiff::Timestamp;
use llm_core::call::{Call, Operation};
use llm_core::dialect::{DialectId, Observed};
use llm_core::error::Refusal;
use llm_core::error::{Error, Kind};
use llm_core::ledger::charge::Alarm;
use llm_core::ledger::rules::{Refused, Violation};
use llm_core::ledger::{AccountId, HoldId, HoldProof, Receipt, Settlement};
use llm_core::money::{Bound, Credits, Money, Price, Unit, cost_max};
use llm_core::principal::Grant;
use llm_core::prompt::Prompt;
use llm_core::quota::{Verdict, WindowId};
use llm_core::seam::Clock;
use llm_core::store::{Ledger, Line, NotReserved, StoreError};
use smallvec::SmallVec;

use super::admit::Admitted;
use super::record::Opened;
use super::{Next, Stage};
use crate::metrics::Metrics;
use crate::reply::{Ending, Guard, Reply};
use crate::target::Target;

use credits::Purse;

pub(crate) use bill::sum;
pub use bill::{Bill, Metered};
pub use count::prompt as count_prompt;
pub(crate) use count::written_in;

/// A call whose money is set aside. Cheap to clone: every attempt shares it.
#[derive(Clone, Debug)]
pub struct Funded {
    shared: Arc<Inner>,
    /// The call as content rules left it, where they changed it.
    said: Option<Arc<Opened>>,
}

struct Inner {
    opened: Opened,
    proof: HoldProof,
    bound: Bound,
    bill: Bill,
    ledger: Arc<dyn Ledger>,
    /// What is set aside in credits, where the caller pays in credits as well.
    purse: Option<Purse>,
    spending: Option<Arc<dyn Spending>>,
    metrics: Arc<Metrics>,
    /// Who shares the obligation to settle: the call itself, and what goes on without its caller.
    obliged: AtomicU32,
    /// Whether a usage frame is left in the stream, whatever the caller asked for.
    usage_shown: AtomicBool,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Funded").field("proof", &self.proof).finish_non_exhaustive()
    }
}

impl Funded {
    /// The call and what it lives under.
    pub fn opened(&self) -> &Opened {
        self.said.as_deref().unwrap_or(&self.shared.opened)
    }

    /// The same in other words, under the same hold: what is said now is no longer than before.
    pub(super) fn saying(self, prompt: Prompt) -> Self {
        let said = Some(Arc::new(self.opened().saying(prompt)));
        Self { said, ..self }
    }

    /// What is set aside.
    pub fn proof(&self) -> &HoldProof {
        &self.shared.proof
    }

    /// What the attempts cost so far.
    pub fn bill(&self) -> &Bill {
        &self.shared.bill
    }

    /// The most that the call may use at a target.
    pub fn bound_at(&self, target: &Target) -> Bound {
        bound::at(&self.shared.bound, &target.capability)
    }

    /// Whether no provider bills for it.
    pub fn is_free(&self) -> bool {
        is_free(self.opened().call.operation)
    }

    /// Whether what is set aside covers the call at a target. One whose price nobody knows is
    /// covered by nothing.
    pub fn covers(&self, target: &Target) -> bool {
        if self.is_free() {
            return true;
        }
        let price = self.price(target);
        price.is_some_and(|p| cost_max(&self.bound_at(target), p) <= self.shared.proof.amount())
    }

    /// What the call pays for a target.
    pub fn price<'t>(&self, target: &'t Target) -> Option<&'t Price> {
        price(&self.opened().call, target)
    }

    /// Says that a target is about to be asked: from here on somebody owes for it. Whoever sends
    /// must show what this gives.
    pub fn dispatch(self, target: Arc<Target>, number: u8) -> Result<Metered, Error> {
        debug_assert!(self.covers(&target), "a target dearer than the hold is not eligible");
        let (metered, owed) = Metered::open(self, target, number);
        let shared = &metered.funded().shared;
        let dispatched = shared.ledger.dispatch(shared.proof.id(), owed);
        let dispatched = dispatched.and_then(|()| match &shared.purse {
            Some(purse) => purse.dispatch(&shared.bill),
            None => Ok(()),
        });
        match dispatched {
            Ok(()) => Ok(metered),
            Err(error) => {
                metered.unsent();
                Err(unavailable(&error))
            }
        }
    }

    /// Another share in the obligation to settle, for work that may outlast its caller: the hold
    /// stays until the last share is gone, and so the sum of all attempts is what is settled.
    pub(crate) fn oblige(&self) -> HoldGuard {
        self.shared.obliged.fetch_add(1, Ordering::Relaxed);
        HoldGuard { funded: Some(self.clone()) }
    }

    /// Leaves a usage frame in the stream: whoever shares it out takes it out again.
    pub(crate) fn show_usage(&self) {
        self.shared.usage_shown.store(true, Ordering::Relaxed);
    }

    /// Whether the caller is not to be shown the usage frame that we ask for of an upstream of that
    /// dialect. Where it is another one than the caller's, the edge decides what is written of it.
    pub(crate) fn hides_usage(&self, upstream: DialectId) -> bool {
        let call = &self.opened().call;
        let relayed = call.dialect == upstream;
        relayed && !call.peek.wants_usage_frame && !self.shared.usage_shown.load(Ordering::Relaxed)
    }

    fn watermark(&self, owed: Money) {
        // A watermark that cannot be written costs the operator a worse estimate after a crash,
        // and the caller nothing.
        if let Err(error) = self.shared.ledger.watermark(self.shared.proof.id(), owed) {
            tracing::warn!(%error, hold = %self.shared.proof.id(), "no watermark");
        }
        if let Some(purse) = &self.shared.purse {
            purse.watermark(&self.shared.bill);
        }
    }

    fn settle(&self, settlement: &Settlement) -> Result<Receipt, StoreError> {
        self.shared.ledger.settle(settlement)
    }
}

/// Who wants to know whose calls have spent something: told where nobody can wait, after the call.
pub trait Spending: Send + Sync + fmt::Debug + 'static {
    /// A call of this grant was charged. Returns at once; what it does not hear of now, it hears of
    /// with the next call.
    fn spent(&self, grant: &Arc<Grant>);
}

/// The stage.
pub struct ReserveStage {
    /// Who keeps the accounts.
    pub ledger: Arc<dyn Ledger>,
    /// Who keeps those in credits.
    pub credits: Arc<dyn Ledger<Credits>>,
    /// Who hears of what is spent.
    pub spending: Option<Arc<dyn Spending>>,
    /// Time: windows are of the calendar.
    pub clock: Arc<dyn Clock>,
    /// Totals.
    pub metrics: Arc<Metrics>,
}

impl fmt::Debug for ReserveStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReserveStage").finish_non_exhaustive()
    }
}

impl Stage for ReserveStage {
    type In = Admitted;
    type Out = Funded;

    async fn run<N: Next<Funded>>(&self, admitted: Admitted, next: &N) -> Result<Reply, Error> {
        let opened = admitted.into_opened();
        let Held { proof, bound, purse } = self.hold(&opened).await?;
        self.metrics.holds_open.inc();
        let unseen = opened.model.policy.unseen;
        let ledger = Arc::clone(&self.ledger);
        let shared = Arc::new(Inner {
            opened,
            proof,
            bound,
            bill: Bill::new(unseen),
            ledger,
            purse,
            spending: self.spending.clone(),
            metrics: Arc::clone(&self.metrics),
            obliged: AtomicU32::new(0),
            usage_shown: AtomicBool::new(false),
        });
        let funded = Funded { shared, said: None };
        let hold = funded.oblige();
        let mut reply = next.run(funded).await?;
        reply.body.lend(Box::new(hold));
        Ok(reply)
    }
}

/// What is set aside for a call.
struct Held {
    proof: HoldProof,
    bound: Bound,
    purse: Option<Purse>,
}

impl ReserveStage {
    /// Sets aside what the call may cost. Apart from what comes then, which need not carry it.
    async fn hold(&self, opened: &Opened) -> Result<Held, Error> {
        let bound = bound::of(&opened.call)?;
        let amount = dearest(opened, &bound)?;
        let priced = credits::priced(opened, &bound)?;
        let id = HoldId::from(opened.call.id);
        let now = Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        let payers = &opened.call.grant.payers;
        let mut lines: SmallVec<[Line; 4]> = SmallVec::new();
        lines.extend(payers.iter().map(|p| Line { account: p.account(now), limit: p.limit }));
        // Until it is known what became of it: who leaves meanwhile, and a store that does not
        // answer, must not leave a hold behind.
        let unsure = Unsure { ledger: &*self.ledger, hold: Some(id) };
        let reserved = self.ledger.reserve(id, &lines, amount).await;
        unsure.known(&reserved);
        let proof = reserved.map_err(|why| refused(why, now))?;
        let purse = match priced {
            None => None,
            Some(priced) => {
                // Both or neither: money goes back when there are not enough credits.
                let back = Unsure { ledger: &*self.ledger, hold: Some(id) };
                let purse = Purse::fill(&self.credits, opened, priced, id, now).await?;
                back.keep();
                Some(purse)
            }
        };
        Ok(Held { proof, bound, purse })
    }
}

/// What the dearest way costs that the call can go. Targets without a price are not on the way.
fn dearest(opened: &Opened, bound: &Bound) -> Result<Money, Error> {
    if is_free(opened.call.operation) {
        return Ok(Money::ZERO);
    }
    let call = &opened.call;
    let keyed = |t: &&Arc<Target>| !call.controls.lacks_key(&t.vendor.name);
    if targets(opened).next().is_some() && !targets(opened).any(|t| keyed(&t)) {
        return Err(super::route::keyless(call));
    }
    let costs = targets(opened)
        .filter(keyed)
        .filter_map(|t| Some(cost_max(&bound::at(bound, &t.capability), price(call, t)?)));
    let most = costs.max().ok_or_else(|| {
        let text = "no price is known for this model; whoever runs the gateway must set one";
        Error::new(Kind::Unsupported, text).in_field("model")
    })?;
    Ok(most.saturating_mul(times(opened)))
}

/// Every target on the way.
fn targets(opened: &Opened) -> impl Iterator<Item = &Arc<Target>> {
    let (call, model) = (&opened.call, &opened.model);
    let tiers = if call.controls.no_fallback { 1 } else { model.tiers.len() };
    model.tiers.iter().take(tiers).flatten().map(|c| &c.target)
}

/// How often an answer may be bought: a resumed one is bought twice over in the worst case, all of
/// it here, and again there.
fn times(opened: &Opened) -> i64 {
    let (call, model) = (&opened.call, &opened.model);
    let may_resume = call.operation == Operation::Chat
        && call.peek.stream
        && call.controls.resume.unwrap_or(model.policy.resume);
    if model.policy.resume && may_resume { 2 } else { 1 }
}

/// What is bought with a key that came along is nothing here.
static FREE: Price = Price::FREE;

/// What a call pays for a target; `None` where nobody knows.
fn price<'t>(call: &Call, target: &'t Target) -> Option<&'t Price> {
    match call.controls.is_paid_elsewhere(&target.vendor.name) {
        true => Some(&FREE),
        false => target.price.as_ref(),
    }
}

/// What providers do not bill for.
fn is_free(operation: Operation) -> bool {
    matches!(operation, Operation::CountTokens | Operation::ListModels)
}

/// A reservation of which nobody knows yet whether it was made.
struct Unsure<'l, U: Unit = Money> {
    ledger: &'l dyn Ledger<U>,
    hold: Option<HoldId>,
}

impl<U: Unit> Unsure<'_, U> {
    /// It was made, and is wanted.
    fn keep(mut self) {
        self.hold = None;
    }

    fn known(mut self, reserved: &Result<HoldProof<U>, NotReserved<U>>) {
        match reserved {
            Ok(_) | Err(NotReserved::Refused { .. }) => self.hold = None,
            Err(NotReserved::Store(error)) if !error.retryable() => self.hold = None,
            // Asked, and no answer: whatever was made is given back.
            Err(NotReserved::Store(_)) => {}
        }
    }
}

impl<U: Unit> Drop for Unsure<'_, U> {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        match self.ledger.release(hold) {
            Ok(_) | Err(StoreError::Violation(Violation::UnknownHold)) => {}
            Err(error) => tracing::warn!(%error, %hold, "a reservation was not taken back"),
        }
    }
}

fn refused<U: Unit>(why: NotReserved<U>, now: Timestamp) -> Error {
    match why {
        NotReserved::Refused { account, why } => exhausted(account, why, now),
        NotReserved::Store(error) => unavailable(&error),
    }
}

fn exhausted<U: Unit>(account: Option<AccountId>, why: Refused<U>, now: Timestamp) -> Error {
    match why {
        Refused::Exhausted { limit, settled, held, asked, .. } => {
            let window = account.as_ref().and_then(|a| a.window);
            let rule = account.map(|a| a.rule).filter(|r| !r.is_empty());
            let rule = rule.unwrap_or_else(|| "balance".into());
            let count = |amount: U| u64::try_from(amount.pieces()).unwrap_or(0);
            let verdict = Verdict {
                allowed: false,
                rule: rule.clone(),
                limit: count(limit),
                used: count(settled),
                reserved: count(held),
                remaining: count(limit.saturating_sub(settled.saturating_add(held))),
                resets_at: window.map(|w| w.end),
                slice: window.unwrap_or(WindowId { start: now, end: now }),
            };
            let error = Error::new(
                Kind::CreditExhausted,
                format!(
                    "not enough credit: this call may cost {}, and of {rule} ({}) {} is used and \
                     {} reserved",
                    Shown(asked),
                    Shown(limit),
                    Shown(settled),
                    Shown(held)
                ),
            );
            error.refused(Refusal::of(verdict, now))
        }
        Refused::NoAccount => Error::new(Kind::CreditExhausted, "no account pays for this call"),
        Refused::Negative => Error::new(Kind::Internal, "a hold came out negative"),
    }
}

/// An amount as people write it: `$5`, `5 credits`.
struct Shown<U>(U);

impl<U: Unit> fmt::Display for Shown<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if U::NAME == Money::NAME { write!(f, "${}", self.0) } else { write!(f, "{:?}", self.0) }
    }
}

fn unavailable(error: &StoreError) -> Error {
    let (kind, text) = match error {
        // Damage, too: whoever mends it is not the caller, who may come again.
        StoreError::Unavailable(_)
        | StoreError::Conflict(_)
        | StoreError::Full(_)
        | StoreError::Corrupt(_) => (Kind::LedgerUnavailable, "the ledger is not available"),
        StoreError::Violation(_) => (Kind::Internal, "the ledger refuses what must not happen"),
    };
    Error::new(kind, text).because(error.clone())
}

/// A share in the obligation to settle. Whichever way the call ends, the last share settles, once.
#[derive(Debug)]
pub(crate) struct HoldGuard {
    funded: Option<Funded>,
}

impl HoldGuard {
    fn settle(&mut self) {
        let Some(funded) = self.funded.take() else { return };
        // What the other shares wrote on the bill must be read by the last.
        if funded.shared.obliged.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let metrics = &funded.shared.metrics;
        metrics.holds_open.dec();
        let record = &funded.opened().record;
        let total = funded.bill().total(funded.proof());
        record.used(total.usage);
        for alarm in total.alarms {
            let word = match alarm {
                Alarm::Overrun => "overrun",
                Alarm::NoUsage => "no_usage",
            };
            metrics.alarms.with_label_values(&[word]).inc();
        }
        // First: whoever sees the receipt of the money sees this one, too.
        if let Some(purse) = &funded.shared.purse {
            purse.settle(&funded.shared.bill, record, metrics);
        }
        match funded.settle(&total.settlement) {
            Ok(receipt) => {
                debug_assert!(receipt.posted <= funded.proof().amount());
                record.charged(receipt);
                if let Some(spending) = &funded.shared.spending {
                    spending.spent(&funded.opened().call.grant);
                }
            }
            Err(error) => {
                metrics.settle_failed.inc();
                tracing::error!(%error, hold = %funded.proof().id(), "a hold was not settled");
            }
        }
    }
}

impl Guard for HoldGuard {
    fn close(mut self: Box<Self>, _: &Ending, _: &Observed) {
        self.settle();
    }
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        self.settle();
    }
}
