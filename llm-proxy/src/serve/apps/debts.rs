//! What jobs that have ended owe, carried to the wallets that pay for them.
//!
//! A job's hold is made before the job, in the wallet of whoever asks, and is the job's from then on.
//! That it has ended is written with what it owes; here it is settled, as often as that is tried:
//! wallets know a hold by its id and end it once.

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::principal::Grant;
use llm_core::store::{StoreError, Stored};
use llm_core::wallet::Refused;
use llm_store::jobs::runner::Trouble;
use llm_store::jobs::{Job, JobId, Jobs, NotDone, Owed, Payment, Settle, Whose};
use llm_store::wallets::{self, Ask, Keep, WalletId, Wallets};

use super::super::admin::refusal::Refusal;
use super::super::admin::wallets::purse;
use super::super::app::Refused as Reason;
use super::super::call::now;
use super::super::house::House;

/// What these holds are in.
const UNIT: &str = "credits";
/// A hold whose job was not made goes back after this; a request takes a few milliseconds.
const ABANDONED: SignedDuration = SignedDuration::from_mins(10);

/// Carries debts to wallets.
#[derive(Debug)]
pub(crate) struct Debts {
    wallets: Wallets,
    jobs: Jobs,
}

impl Debts {
    pub(crate) fn new(wallets: Wallets, jobs: Jobs) -> Self {
        Self { wallets, jobs }
    }

    async fn carry(&self, owed: &Owed) -> Result<(), StoreError> {
        let job = match self.jobs.get(owed.job, &Whose::all()).await {
            Ok((job, _)) => job,
            Err(NotDone::Store(why)) => return Err(why),
            // It is gone, and its debt with it.
            Err(_) => return Ok(()),
        };
        let Some(wallet) = wallet(&job) else { return Ok(()) };
        match self.wallets.settle(&wallet, owed.hold, Credits(owed.charge)).await {
            Ok(_) => Ok(()),
            Err(wallets::NotDone::Store(why)) => Err(why),
            Err(wallets::NotDone::Refused(Refused::Ended)) => Ok(()),
            Err(why) => {
                // Another try would say the same, and the job would never be over.
                tracing::error!(job = %owed.job, %why, "a job's hold is not to be settled");
                Ok(())
            }
        }
    }
}

impl Settle for Debts {
    fn settle<'a>(&'a self, owed: &'a Owed) -> Stored<'a, ()> {
        Box::pin(self.carry(owed))
    }
}

/// Whose credits pay for a job.
pub(crate) fn wallet(job: &Job) -> Option<WalletId> {
    let user = job.user.as_ref()?;
    Some(WalletId::user(job.tenant.0.clone(), user.0.clone()))
}

/// A hold is the job's from here on. Whoever made it may have died before saying so, and then it was
/// given back where nobody has begun with the job for long.
pub(crate) async fn take_over(house: &House, job: &Job) -> Result<(), Trouble> {
    let Some(payment) = &job.payment else { return Ok(()) };
    let (Some(purse), Some(wallet)) = (&house.purse, wallet(job)) else {
        return Err(Trouble::lasting("there is no wallet that pays"));
    };
    let keep = Keep::Job(Str::from(job.id.to_string()));
    match purse.wallets.keep(&wallet, payment.hold, keep).await {
        Ok(()) => Ok(()),
        Err(wallets::NotDone::Store(why)) => Err(NotDone::Store(why).into()),
        Err(_) => Err(Trouble::lasting("its credits were given back before it was begun")),
    }
}

/// Credits that are set aside for a job that is to be made.
#[derive(Debug)]
pub(crate) struct Held {
    wallet: WalletId,
    hold: HoldId,
}

/// Sets credits aside, under a hold that the same request makes again; nothing costs nothing, and
/// wants no wallet.
pub(crate) async fn hold(
    house: &House,
    grant: &Grant,
    (amount, hold): (Credits, HoldId),
) -> Result<Option<Held>, Refusal> {
    if amount <= Credits(0) {
        return Ok(None);
    }
    let user = grant.principal.user.as_ref().ok_or_else(|| {
        Reason::NoWallet.because("this key belongs to nobody in particular, and has no wallet")
    })?;
    let purse = purse(house)?;
    let wallet = WalletId::user(grant.principal.tenant.0.clone(), user.0.clone());
    purse.enrol(&wallet).await?;
    let until = now(house).checked_add(ABANDONED).unwrap_or(Timestamp::MAX);
    let ask = Ask { hold, amount, price: None, keep: Keep::Until(until) };
    match purse.wallets.reserve(&wallet, ask).await {
        // A request that is sent again finds its job, which has ended.
        Ok(_) | Err(wallets::NotDone::Refused(Refused::Ended)) => {}
        Err(why) => return Err(why.into()),
    }
    Ok(Some(Held { wallet, hold }))
}

impl Held {
    /// What the job says that pays for it.
    pub(crate) fn payment(&self) -> Payment {
        Payment { hold: self.hold, unit: Str::from_static(UNIT) }
    }

    /// The job is made, and has the hold from now on. Where that is not written, the job does it
    /// once it is begun.
    pub(crate) async fn given(self, house: &House, job: JobId) {
        let Ok(purse) = purse(house) else { return };
        let keep = Keep::Job(Str::from(job.to_string()));
        if let Err(why) = purse.wallets.keep(&self.wallet, self.hold, keep).await {
            tracing::debug!(%job, %why, "a job takes its hold over once it is begun");
        }
    }

    /// There will be no job.
    pub(crate) async fn back(self, house: &House) {
        let Ok(purse) = purse(house) else { return };
        if let Err(why) = purse.wallets.release(&self.wallet, self.hold).await {
            tracing::warn!(%why, "a hold without a job goes back once its time is over");
        }
    }
}
