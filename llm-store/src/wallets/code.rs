//! Codes that are worth something: what they offer, and who has had them.

use llm_core::money::{Credits, Unit};
use llm_core::principal::TenantId;
use llm_core::store::StoreError;
use llm_core::wallet::Granted;
use llm_core::wallet::code::{CodeHash, Offer, Redemption};

use super::line::{kept, maybe_instant};
use super::name::may_be_name;
use super::open::{Access, Open};
use super::steps::{Act, Taken};
use super::{Done, NotDone, Terms, WalletId, Wallets};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

const CODE: &str = "SELECT amount, uses, used, expires_at, credits_until FROM wallet_code \
     WHERE tenant = $1 AND hash = $2";
const OFFER: &str = "INSERT INTO wallet_code (tenant, hash, amount, uses, expires_at, \
     credits_until) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, hash) DO NOTHING";
const USED: &str = "UPDATE wallet_code SET used = $3 WHERE tenant = $1 AND hash = $2";
/// It keeps what it was, for whoever asks what became of it.
const WITHDRAW: &str = "UPDATE wallet_code SET uses = used WHERE tenant = $1 AND hash = $2";

impl Wallets {
    /// Makes an offer under a code. The same offer again changes nothing; another one under the
    /// same code is a conflict.
    pub async fn offer(
        &self,
        tenant: &TenantId,
        code: CodeHash,
        offer: Offer,
    ) -> Result<(), NotDone> {
        if !may_be_name(&tenant.0) {
            return Err(NotDone::Name);
        }
        let ends = (offer.expires_at.map(kept), offer.credits_until.map(kept));
        let offer = Offer { expires_at: ends.0, credits_until: ends.1, ..offer };
        Ok(self.database.write(Offering { tenant: tenant.clone(), code, offer }).await?)
    }

    /// Nobody can redeem it any more.
    pub async fn withdraw(&self, tenant: &TenantId, code: CodeHash) -> Result<(), NotDone> {
        Ok(self.database.write(Withdrawing { tenant: tenant.clone(), code }).await?)
    }

    /// What a code is worth, and how often it was redeemed.
    pub async fn code(
        &self,
        tenant: &TenantId,
        code: CodeHash,
    ) -> Result<Option<Redemption>, NotDone> {
        Ok(self.database.read(Looking { tenant: tenant.clone(), code }).await?)
    }

    /// Redeems a code, once for each wallet. Who had it gets the first receipt again.
    pub async fn redeem(&self, to: &WalletId, code: CodeHash) -> Result<Done<Granted>, NotDone> {
        self.change(to, Redeem { code }).await
    }
}

async fn find(
    session: &mut Session<'_>,
    tenant: &TenantId,
    code: CodeHash,
    locking: &'static str,
) -> Result<Option<Redemption>, Failure> {
    let args = [(&*tenant.0).into(), (&code.0[..]).into()];
    let Some(row) = session.one(format!("{CODE}{locking}"), &args).await? else { return Ok(None) };
    let count = |at| u32::try_from(row.int(at)?).map_err(|_| Failure::from(odd("uses")));
    let offer = Offer {
        amount: Credits::from_pieces(row.int(0)?),
        uses: count(1)?,
        expires_at: maybe_instant(row.maybe_int(3)?)?,
        credits_until: maybe_instant(row.maybe_int(4)?)?,
    };
    Ok(Some(Redemption { code, offer, used: count(2)? }))
}

struct Offering {
    tenant: TenantId,
    code: CodeHash,
    offer: Offer,
}

impl Task for Offering {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let Offer { amount, uses, expires_at, credits_until } = &self.offer;
        let args = [
            (&*self.tenant.0).into(),
            (&self.code.0[..]).into(),
            amount.pieces().into(),
            i64::from(*uses).into(),
            expires_at.map(jiff::Timestamp::as_microsecond).into(),
            credits_until.map(jiff::Timestamp::as_microsecond).into(),
        ];
        session.run(OFFER, &args).await?;
        let stored = find(session, &self.tenant, self.code, "").await?;
        if stored.is_some_and(|stored| stored.offer == self.offer) {
            return Ok(());
        }
        Err(StoreError::Conflict("the code offers something else".into()).into())
    }
}

struct Withdrawing {
    tenant: TenantId,
    code: CodeHash,
}

impl Task for Withdrawing {
    type Out = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.run(WITHDRAW, &[(&*self.tenant.0).into(), (&self.code.0[..]).into()]).await?;
        Ok(())
    }
}

struct Looking {
    tenant: TenantId,
    code: CodeHash,
}

impl Task for Looking {
    type Out = Option<Redemption>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Out, Failure> {
        find(session, &self.tenant, self.code, "").await
    }
}

struct Redeem {
    code: CodeHash,
}

impl Act for Redeem {
    type Receipt = Granted;
    const ACCESS: Access = Access::Make;

    /// The wallet is locked already; the code comes after it, for everyone.
    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<Granted>, Failure> {
        let (tenant, locking) = (open.name.tenant.clone(), session.locking());
        let Some(mut code) = find(session, &tenant, self.code, locking).await? else {
            return Ok(Err(NotDone::NoCode));
        };
        let event = code.event();
        open.recall_grant(session, &event).await?;
        if let Some(first) = open.wallet.granted(&event) {
            return Ok(Ok((first.clone(), true)));
        }
        let grant = match code.redeem(false, open.now) {
            Ok(grant) => grant,
            Err(why) => return Ok(Err(why.into())),
        };
        let step = match open.wallet.grant(grant, open.now) {
            Ok(step) => step,
            Err(why) => return Ok(Err(why.into())),
        };
        let args = [(&*tenant.0).into(), (&self.code.0[..]).into(), i64::from(code.used).into()];
        session.run(USED, &args).await?;
        Ok(Ok(open.took(step)))
    }
}
