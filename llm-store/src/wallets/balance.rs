//! What somebody has now: looked at, with what is due counted in, and nothing written.

use jiff::{SignedDuration, Timestamp};
use llm_core::Str;
use llm_core::ledger::HoldId;
use llm_core::money::Credits;
use llm_core::wallet::{Bucket, Charge};

use super::open::{Access, Open};
use super::{Keep, NotDone, WalletId, Wallets, recall};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;

/// What somebody has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// What may be set aside.
    pub available: Credits,
    /// What open holds have set aside.
    pub held: Credits,
    /// The live buckets, in the order in which they are spent.
    pub buckets: Vec<Bucket>,
    /// What may be set aside now and ends within the time that counts as soon.
    pub ending_soon: Credits,
    /// The open holds, the oldest first.
    pub holds: Vec<OpenHold>,
    /// The plan that grants every month.
    pub plan: Option<Str>,
}

/// Something that is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Under which id.
    pub hold: HoldId,
    /// How much.
    pub amount: Credits,
    /// What the amount was made of.
    pub price: Option<Str>,
    /// Since when.
    pub since: Timestamp,
    /// Who ends it.
    pub keep: Keep,
}

impl Wallets {
    /// What is in a wallet; nothing at all where there is none.
    pub async fn balance(&self, of: &WalletId) -> Result<Balance, NotDone> {
        of.checked()?;
        let soon = SignedDuration::try_from(self.terms.soon).unwrap_or(SignedDuration::MAX);
        Ok(self.database.read(Look { name: of.clone(), soon }).await?)
    }

    /// What became of a hold; `None` while it is open, or where there is none.
    pub async fn charge(&self, of: &WalletId, hold: HoldId) -> Result<Option<Charge>, NotDone> {
        of.checked()?;
        Ok(self.database.read(Ended { name: of.clone(), hold }).await?)
    }
}

struct Look {
    name: WalletId,
    soon: SignedDuration,
}

impl Task for Look {
    type Out = Balance;

    async fn run(&self, session: &mut Session<'_>) -> Result<Balance, Failure> {
        let open = Open::load(session, &self.name, Access::Look).await?;
        let Some(mut open) = open else { return Ok(Balance::default()) };
        open.touch(session).await?;
        let _ = open.wallet.expire(open.now);
        let soon = open.now.saturating_add(self.soon).unwrap_or(Timestamp::MAX);
        let (now_there, later) = (open.wallet.available(open.now), open.wallet.available(soon));
        let amounts: std::collections::BTreeMap<_, _> = open.wallet.open_holds().collect();
        let shown = |kept: super::open::Kept| OpenHold {
            hold: kept.hold,
            amount: amounts.get(&kept.hold).copied().unwrap_or_default(),
            price: kept.price,
            since: kept.since,
            keep: kept.keep,
        };
        Ok(Balance {
            available: now_there,
            held: open.wallet.held(),
            buckets: open.wallet.buckets().to_vec(),
            ending_soon: Credits(now_there.0.saturating_sub(later.0)),
            holds: open.kept.into_iter().map(shown).collect(),
            plan: open.enrolled.plan().cloned(),
        })
    }
}

struct Ended {
    name: WalletId,
    hold: HoldId,
}

impl Task for Ended {
    type Out = Option<Charge>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        match Open::find(session, &self.name).await? {
            Some(id) => recall::charge(session, id, self.hold).await,
            None => Ok(None),
        }
    }
}
