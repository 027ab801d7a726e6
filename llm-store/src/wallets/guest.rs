//! Wallets of strangers: one for each device, with what the rules for guests grant it.

use core::net::IpAddr;

use jiff::Timestamp;
use llm_core::principal::TenantId;
use llm_core::wallet::Granted;
use llm_core::wallet::guest::{GuestPolicy, NoGuest, Prefix, Seen};

use super::open::{Access, Open};
use super::steps::{Act, Taken};
use super::{Device, Done, Holder, NotDone, Terms, WalletId, Wallets};
use crate::sql::database::{Session, Task};
use crate::sql::fault::Failure;
use crate::sql::row::odd;

const ARRIVE: &str = "INSERT INTO guest_network (tenant, prefix, seen_at) VALUES ($1, $2, $3) \
     ON CONFLICT (tenant, prefix) DO UPDATE SET seen_at = excluded.seen_at";
const OF_NETWORK: &str =
    "SELECT count(*) FROM guest_grant WHERE tenant = $1 AND prefix = $2 AND at >= $3";
const OF_DEVICE: &str =
    "SELECT count(*) FROM guest_grant WHERE tenant = $1 AND device = $2 AND at >= $3";
const GRANTED: &str = "INSERT INTO guest_grant (tenant, prefix, device, event, at) \
     VALUES ($1, $2, $3, $4, $5)";
const FORGET_GRANTS: &str = "DELETE FROM guest_grant WHERE at < $1";
const FORGET_NETWORKS: &str = "DELETE FROM guest_network WHERE seen_at < $1";

/// A guest's wallet, and what it was granted on arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The wallet. It is there also for those who are granted nothing more.
    pub wallet: WalletId,
    /// What was granted, or why nothing was.
    pub granted: Result<Granted, NoGuest>,
}

impl Wallets {
    /// Opens the wallet of somebody who is not known, and grants what the rules allow.
    pub async fn welcome(
        &self,
        tenant: &TenantId,
        address: IpAddr,
        device: Device,
        policy: &GuestPolicy,
    ) -> Result<Done<Welcome>, NotDone> {
        let wallet = WalletId { tenant: tenant.clone(), holder: Holder::Guest(device) };
        let act = Arrive { prefix: Prefix::from(address).to_string(), policy: policy.clone() };
        let Done { receipt, again, available } = self.change(&wallet, act).await?;
        Ok(Done { receipt: Welcome { wallet, granted: receipt }, again, available })
    }

    /// Forgets from which networks guests came before an instant. What is older than the rules'
    /// window counts for nothing.
    pub async fn forget_guests(&self, before: Timestamp) -> Result<u64, NotDone> {
        Ok(self.database.write(Forget { before: before.as_microsecond() }).await?)
    }
}

struct Arrive {
    prefix: String,
    policy: GuestPolicy,
}

impl Act for Arrive {
    type Receipt = Result<Granted, NoGuest>;
    const ACCESS: Access = Access::Make;

    /// Two of one device wait for each other at their wallet, two of one network at its row.
    async fn act(
        &self,
        open: &mut Open,
        session: &mut Session<'_>,
        _: &Terms,
    ) -> Result<Taken<Self::Receipt>, Failure> {
        let now = open.now.as_microsecond();
        let (tenant, device) = (open.name.tenant.clone(), open.name.name().into_owned());
        let network = [(&*tenant.0).into(), self.prefix.as_str().into(), now.into()];
        session.run(ARRIVE, &network).await?;
        let from = self.policy.counted_from(open.now).as_microsecond();
        let seen = Seen {
            prefix: count(session, OF_NETWORK, &tenant, &self.prefix, from).await?,
            device: count(session, OF_DEVICE, &tenant, &device, from).await?,
        };
        let grant = match self.policy.decide(seen, open.now) {
            Ok(grant) => grant,
            Err(why) => return Ok(Ok((Err(why), true))),
        };
        open.recall_grant(session, &grant.event).await?;
        let event = grant.event.clone();
        let step = match open.wallet.grant(grant, open.now) {
            Ok(step) => step,
            Err(why) => return Ok(Err(why.into())),
        };
        let (granted, again) = open.took(step);
        if !again {
            let args = [
                (&*tenant.0).into(),
                self.prefix.as_str().into(),
                device.as_str().into(),
                (&*event).into(),
                now.into(),
            ];
            session.run(GRANTED, &args).await?;
        }
        Ok(Ok((Ok(granted), again)))
    }
}

async fn count(
    session: &mut Session<'_>,
    text: &'static str,
    tenant: &TenantId,
    of: &str,
    from: i64,
) -> Result<u32, Failure> {
    let row = session.one(text, &[(&*tenant.0).into(), of.into(), from.into()]).await?;
    let found = row.ok_or_else(|| odd("count"))?.int(0)?;
    Ok(u32::try_from(found).unwrap_or(u32::MAX))
}

struct Forget {
    before: i64,
}

impl Task for Forget {
    type Out = u64;

    async fn run(&self, session: &mut Session<'_>) -> Result<u64, Failure> {
        let grants = session.run(FORGET_GRANTS, &[self.before.into()]).await?;
        Ok(grants + session.run(FORGET_NETWORKS, &[self.before.into()]).await?)
    }
}
