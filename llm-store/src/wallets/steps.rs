//! The steps: each in one transaction, on a wallet that is locked and brought up to now.

use std::future::Future;
use std::sync::Arc;

use llm_core::Str;
use llm_core::ledger::{HoldId, HoldProof};
use llm_core::money::Credits;
use llm_core::wallet::{Charge, EVENT_MAX, Grant, Granted, Refund, Refunded, Refused, Source};

use super::line::{hold_bytes, kept};
use super::name::may_be_name;
use super::open::{Access, Open};
use super::{Ask, Done, Keep, NotDone, Purchase, Terms, WalletId, Wallets, save};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::webhooks::TopUp;

/// What became of a step, and whether it had been done before; or why nothing did.
pub(super) type Taken<R> = Result<(R, bool), NotDone>;

/// A step of one wallet.
pub(super) trait Act: Send + Sync + 'static {
    /// What it answers with.
    type Receipt: Send;
    /// Whether a wallet is made for it.
    const ACCESS: Access;

    /// Does it. An inner error leaves the wallet as it was.
    fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        terms: &Terms,
    ) -> impl Future<Output = Result<Taken<Self::Receipt>, Failure>> + Send;

    /// What it answers where there is no wallet.
    fn missing(&self) -> NotDone {
        NotDone::Refused(Refused::UnknownHold)
    }
}

/// A step as a transaction.
struct Change<A> {
    name: WalletId,
    terms: Arc<Terms>,
    act: A,
}

impl<A: Act> Task for Change<A> {
    type Out = Result<Done<A::Receipt>, NotDone>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        let Some(mut open) = Open::load(session, &self.name, A::ACCESS).await? else {
            return Ok(Err(self.act.missing()));
        };
        open.touch(session).await?;
        let taken = self.act.act(&mut open, session, &self.terms).await?;
        // What was due is kept, whatever became of the step.
        open.save(session, &self.terms).await?;
        let available = open.wallet.available(open.now);
        Ok(taken.map(|(receipt, again)| Done { receipt, again, available }))
    }
}

impl Wallets {
    pub(super) async fn change<A: Act>(
        &self,
        name: &WalletId,
        act: A,
    ) -> Result<Done<A::Receipt>, NotDone> {
        name.checked()?;
        let change = Change { name: name.clone(), terms: Arc::clone(&self.terms), act };
        self.database.write(change).await?
    }

    /// Puts something in. The event is an id from outside; the same one again changes nothing and
    /// gets the first receipt.
    pub async fn grant(&self, to: &WalletId, grant: Grant) -> Result<Done<Granted>, NotDone> {
        let act = Give { grants: vec![outside("event", grant)?] };
        self.change(to, act).await.map(first)
    }

    /// Puts in what was bought and what came on top, or neither.
    pub async fn buy(&self, to: &WalletId, bought: Purchase) -> Result<Done<Granted>, NotDone> {
        let Purchase { event, credits: amount, expires_at, bonus } = bought;
        let paid = Grant { event: event.clone(), amount, source: Source::Bought, expires_at };
        let mut grants = vec![outside("event", paid)?];
        if let Some((amount, expires_at)) = bonus {
            let more = Grant { event, amount, source: Source::Granted, expires_at };
            grants.push(outside("bonus", more)?);
        }
        self.change(to, Give { grants }).await.map(first)
    }

    /// Puts in what a payment provider says was paid for.
    pub async fn top_up(&self, top_up: &TopUp) -> Result<Done<Granted>, NotDone> {
        let TopUp { tenant, user, event, credits: amount, bonus, expires_at } = top_up;
        let bought = Purchase {
            event: event.clone(),
            credits: *amount,
            expires_at: *expires_at,
            bonus: bonus.map(|bonus| (bonus, *expires_at)),
        };
        self.buy(&WalletId::user(tenant.0.clone(), user.0.clone()), bought).await
    }

    /// Sets aside. The proof is what a call or job is let in with.
    pub async fn reserve(
        &self,
        from: &WalletId,
        ask: Ask,
    ) -> Result<Done<HoldProof<Credits>>, NotDone> {
        may_keep(&ask.keep)?;
        if ask.price.as_deref().is_some_and(|price| price.contains('\0')) {
            return Err(NotDone::Name);
        }
        self.change(from, Reserve { ask }).await
    }

    /// Ends a hold: so much of it is spent, the rest is given back. A hold that has ended keeps its
    /// end, also one that was abandoned: the receipt says what was charged.
    pub async fn settle(
        &self,
        from: &WalletId,
        hold: HoldId,
        actual: Credits,
    ) -> Result<Done<Charge>, NotDone> {
        self.change(from, Settle { hold, actual }).await
    }

    /// Gives a hold back whole.
    pub async fn release(&self, from: &WalletId, hold: HoldId) -> Result<Done<Charge>, NotDone> {
        self.settle(from, hold, Credits(0)).await
    }

    /// Says anew who ends an open hold: a job that takes it over, or an instant further on.
    pub async fn keep(&self, of: &WalletId, hold: HoldId, keep: Keep) -> Result<(), NotDone> {
        may_keep(&keep)?;
        self.change(of, Rekeep { hold, keep }).await.map(|_| ())
    }

    /// Gives back what was charged, in part or whole. The event is an id from outside.
    pub async fn refund(&self, to: &WalletId, refund: Refund) -> Result<Done<Refunded>, NotDone> {
        let event = named("event", &refund.event)?;
        let usable_until = refund.usable_until.map(kept);
        self.change(to, GiveBack { refund: Refund { event, usable_until, ..refund } }).await
    }
}

fn first(done: Done<Vec<Granted>>) -> Done<Granted> {
    let Done { mut receipt, again, available } = done;
    Done { receipt: receipt.swap_remove(0), again, available }
}

/// An id from outside, in a room of its own.
fn named(room: &str, event: &str) -> Result<Str, NotDone> {
    let named = format!("{room}/{event}");
    if !may_be_name(event) || named.len() > EVENT_MAX {
        return Err(Refused::Event.into());
    }
    Ok(Str::from(named))
}

fn outside(room: &str, grant: Grant) -> Result<Grant, NotDone> {
    let event = named(room, &grant.event)?;
    Ok(Grant { event, expires_at: grant.expires_at.map(kept), ..grant })
}

fn may_keep(keep: &Keep) -> Result<(), NotDone> {
    match keep {
        Keep::Job(job) if !may_be_name(job) => Err(NotDone::Name),
        Keep::Job(_) | Keep::Until(_) => Ok(()),
    }
}

/// Grants, all or none. Never empty.
struct Give {
    grants: Vec<Grant>,
}

impl Act for Give {
    type Receipt = Vec<Granted>;
    const ACCESS: Access = Access::Make;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<Vec<Granted>>, Failure> {
        for grant in &self.grants {
            open.recall_grant(session, &grant.event).await?;
        }
        let before = open.wallet.clone();
        let (mut receipts, mut steps) = (Vec::new(), Vec::new());
        for grant in &self.grants {
            match open.wallet.grant(grant.clone(), open.now) {
                Ok(step) => {
                    receipts.push(step.receipt);
                    steps.extend(step.entries);
                }
                Err(why) => {
                    open.wallet = before;
                    return Ok(Err(why.into()));
                }
            }
        }
        let again = steps.is_empty();
        open.entries.extend(steps);
        Ok(Ok((receipts, again)))
    }
}

struct Reserve {
    ask: Ask,
}

impl Act for Reserve {
    type Receipt = HoldProof<Credits>;
    const ACCESS: Access = Access::Make;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<HoldProof<Credits>>, Failure> {
        let Ask { hold, amount, .. } = self.ask;
        open.recall_charge(session, hold).await?;
        Ok(match open.wallet.reserve(hold, amount, open.now) {
            Ok(step) => {
                open.asked = Some(self.ask.clone());
                Ok(open.took(step))
            }
            Err(why) => Err(why.into()),
        })
    }
}

struct Settle {
    hold: HoldId,
    actual: Credits,
}

impl Act for Settle {
    type Receipt = Charge;
    const ACCESS: Access = Access::Change;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<Charge>, Failure> {
        open.recall_charge(session, self.hold).await?;
        let step = open.wallet.settle(self.hold, self.actual, open.now);
        Ok(step.map(|step| open.took(step)).map_err(NotDone::from))
    }
}

struct GiveBack {
    refund: Refund,
}

impl Act for GiveBack {
    type Receipt = Refunded;
    const ACCESS: Access = Access::Change;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<Refunded>, Failure> {
        open.recall_refund(session, &self.refund.event).await?;
        open.recall_charge(session, self.refund.charge).await?;
        let step = open.wallet.refund(self.refund.clone(), open.now);
        Ok(step.map(|step| open.took(step)).map_err(NotDone::from))
    }

    fn missing(&self) -> NotDone {
        NotDone::Refused(Refused::UnknownCharge)
    }
}

const REKEEP: &str = "UPDATE wallet_hold SET expires_at = $3, job = $4 \
     WHERE wallet = $1 AND id = $2 AND ended_at IS NULL";

struct Rekeep {
    hold: HoldId,
    keep: Keep,
}

impl Act for Rekeep {
    type Receipt = ();
    const ACCESS: Access = Access::Change;

    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<()>, Failure> {
        if open.wallet.hold(self.hold).is_none() {
            open.recall_charge(session, self.hold).await?;
            let ended = open.wallet.charge(self.hold).is_some();
            let why = if ended { Refused::Ended } else { Refused::UnknownHold };
            return Ok(Err(why.into()));
        }
        let (ends, job) = save::terms(&self.keep);
        let bytes = hold_bytes(self.hold);
        session.run(REKEEP, &[open.id.into(), (&bytes[..]).into(), ends, job]).await?;
        Ok(Ok(((), false)))
    }
}
