//! Credits in wallets: whose they are, what a plan grants, what strangers get, codes and payments.
//!
//! The actors are the *purse* (wallets in SQL under the rules of the configuration), the people whose
//! wallets they are, with their own keys ([`people`]), and a payment provider's signed webhook. What
//! operators and applications ask is in `admin/wallets.rs`.
//!
//! A plan's monthly grant is computed when a wallet is touched here: first its owner's plan is looked
//! up, so that whoever was moved to another plan has what it grants at once. Deliberately absent: any
//! way from a wallet to money, and calls of models, whose limits in credits are accounts.

pub(super) mod people;

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU8;
use std::sync::Arc;

use arc_swap::ArcSwap;
use llm_core::Str;
use llm_core::principal::UserId;
use llm_core::quota::{Mode, Window};
use llm_core::secret::Secret;
use llm_core::wallet::code::{Code, CodeHash, Pepper};
use llm_core::wallet::guest::GuestPolicy;
use llm_core::wallet::monthly::{Monthly, Turn};
use llm_providers::settings::Problem;
use llm_store::directory::{By, KeyFilter, Level, PAGE_MAX, PartyId, SqlDirectory};
use llm_store::keys::KeyOwner;
use llm_store::sql::Database;
use llm_store::wallets::{Balance, Device, Enrolment, Holder, Settings, WalletId, Wallets};
use llm_store::webhooks::{Incoming, Outbox, Secrets};
use llm_store::{directory, wallets};

use super::store::{NotOpened, at};
use crate::config::credits::{CreditRules, Sold};
use crate::config::{Config, TENANT};
use crate::secrets;

/// What codes and devices are hashed with, in the folder of this process.
const PEPPER: &str = "credit-pepper";
/// How the wallet of a stranger is named, before the hexadecimal digits of its device.
pub(super) const GUEST: &str = "guest:";
/// In how many months a month's grant may be spent: its own.
const MONTHS: NonZeroU8 = NonZeroU8::MIN;

/// Wallets, and what holds for them.
pub(crate) struct Purse {
    pub(crate) wallets: Wallets,
    terms: ArcSwap<Terms>,
    directory: SqlDirectory,
    pepper: Pepper,
    device: [u8; 32],
}

/// What of a configuration holds for wallets, and changes with it. Who hears of a low balance does
/// not: that is known to the store from the start on.
pub(crate) struct Terms {
    pub(crate) rules: CreditRules,
    /// Who tells of payments; `None` is nobody.
    pub(crate) incoming: Option<Incoming>,
    /// What strangers get; `None` is nothing.
    pub(crate) guests: Option<GuestPolicy>,
    /// The plans of users whose keys stand in the configuration.
    fixed: HashMap<Str, Vec<Str>>,
}

impl Terms {
    /// Those of a configuration.
    pub(super) fn of(config: &Config) -> Result<Self, Problem> {
        let rules = config.credits.clone();
        let secrets = rules.top_ups.iter().map(|hidden| hidden.secret.expose().as_str());
        let incoming = match rules.top_ups.is_empty() {
            true => None,
            false => {
                let secrets = Secrets::new(secrets);
                let odd = |why| Problem::new("credits.top_ups", format!("{why}"));
                Some(Incoming { tenant: TENANT, secrets: secrets.map_err(odd)? })
            }
        };
        let zone = &config.server.time_zone.1;
        let guests = rules.guests.and_then(|guests| {
            let window = Window::new(guests.every, Mode::Calendar, zone)?;
            let (per_prefix, per_device) = (guests.per_network, guests.per_device);
            Some(GuestPolicy { grant: guests.grant, per_prefix, per_device, window })
        });
        let mut fixed: HashMap<Str, Vec<Str>> = HashMap::new();
        for key in &config.keys {
            if let (Some(user), Some(plan)) = (&key.user, &key.plan) {
                fixed.entry(user.clone()).or_default().push(plan.name.clone());
            }
        }
        Ok(Self { rules, incoming, guests, fixed })
    }
}

impl Purse {
    /// Opens it.
    pub(super) fn open(
        config: &Config,
        database: &Database,
        directory: &SqlDirectory,
        outbox: Outbox,
    ) -> Result<Self, NotOpened> {
        let odd = |why: &dyn fmt::Display| NotOpened::Credits(why.to_string());
        let terms = Terms::of(config).map_err(|why| NotOpened::Problems(vec![why].into()))?;
        let (zone, low) = (config.server.time_zone.0.clone(), config.credits.low.clone());
        let settings = Settings { zone, low, outbox, ..Settings::default() };
        let wallets = Wallets::new(database.clone(), settings).map_err(|why| odd(&why))?;
        let secret = pepper(config)?;
        let device = blake3::derive_key("llm-proxy 2026-11 devices of guests", secret.expose());
        let pepper = Pepper::new(*secret.expose()).map_err(|why| odd(&why))?;
        let directory = directory.clone();
        let terms = ArcSwap::from_pointee(terms);
        Ok(Self { wallets, terms, directory, pepper, device })
    }

    /// What holds now.
    pub(super) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// What holds from now on.
    pub(super) fn configure(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// A wallet by the name that applications have for it.
    pub(super) fn named(&self, name: &str) -> Option<WalletId> {
        let Some(hex) = name.strip_prefix(GUEST) else {
            return Some(WalletId::user(TENANT.0, Str::from(name)));
        };
        let mut device = [0; 32];
        if hex.len() != 2 * device.len() || !hex.is_ascii() {
            return None;
        }
        for (n, byte) in device.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok()?;
        }
        Some(WalletId { tenant: TENANT, holder: Holder::Guest(Device(device)) })
    }

    /// What an application knows of a device, as nobody else can make it.
    pub(super) fn device(&self, text: &str) -> Device {
        Device(*blake3::keyed_hash(&self.device, text.as_bytes()).as_bytes())
    }

    /// What is kept of a code.
    pub(super) fn hash(&self, code: &Code) -> CodeHash {
        code.hash(&self.pepper)
    }

    /// Moves a wallet to the plan that its owner has now, and grants what is due.
    pub(super) async fn enrol(&self, of: &WalletId) -> Result<Option<(Str, Sold)>, NotEnrolled> {
        let Holder::User(user) = &of.holder else { return Ok(None) };
        let plan = self.plan_of(user).await?.map(|plan| {
            let sold = self.terms().rules.sold(&plan);
            (plan, sold)
        });
        let granting = plan.as_ref().and_then(|(plan, sold)| Some((plan, sold.monthly?)));
        let enrolment = granting.map(|(plan, amount)| Enrolment {
            monthly: Monthly { plan: plan.clone(), amount, periods: Some(MONTHS) },
            turn: Turn::Calendar,
        });
        match enrolment {
            Some(enrolment) => self.wallets.set_plan(of, Some(enrolment)).await?,
            // Who has no wallet needs none for that.
            None if self.wallets.balance(of).await?.plan.is_some() => {
                self.wallets.set_plan(of, None).await?;
            }
            None => {}
        }
        Ok(plan)
    }

    /// What somebody has, with what is due.
    pub(super) async fn balance(&self, of: &WalletId) -> Result<Held, NotEnrolled> {
        let plan = self.enrol(of).await?;
        Ok(Held { balance: self.wallets.balance(of).await?, plan })
    }

    /// The plan that a user was sold; else, of those of the user's keys, the one that grants most.
    async fn plan_of(&self, user: &UserId) -> Result<Option<Str>, directory::NotDone> {
        let id = PartyId { tenant: TENANT, level: Level::User, id: user.0.clone() };
        let terms = self.terms();
        let mut plans = terms.fixed.get(&user.0).cloned().unwrap_or_default();
        match self.directory.party(id).await {
            Ok(party) if party.plan.is_some() => return Ok(party.plan),
            Ok(_) => {
                let whole = KeyOwner::tenant(TENANT);
                let owner = KeyOwner { user: Some(user.clone()), ..whole };
                let filter = KeyFilter { owner, replaced: false };
                // One page: who has more keys than that has a plan of their own.
                let keys = self.directory.keys(&By::Operator, filter, None, PAGE_MAX).await?;
                let open = keys.items.into_iter().filter(|key| key.record.revoked_at.is_none());
                plans.extend(open.filter_map(|key| key.about.plan));
            }
            Err(directory::NotDone::Unknown { .. }) => {}
            Err(why) => return Err(why),
        }
        Ok(plans.into_iter().max_by_key(|plan| terms.rules.sold(plan).monthly))
    }
}

/// What somebody has, and the plan it comes with.
pub(super) struct Held {
    pub(super) balance: Balance,
    pub(super) plan: Option<(Str, Sold)>,
}

/// Why a wallet was not brought up to now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotEnrolled {
    /// Nobody could say which plan its owner has.
    #[error(transparent)]
    Directory(#[from] directory::NotDone),
    /// The wallet itself.
    #[error(transparent)]
    Wallet(#[from] wallets::NotDone),
}

fn pepper(config: &Config) -> Result<Secret<[u8; 32]>, NotOpened> {
    let path = config.store.data.join(PEPPER);
    let text = secrets::kept(&path, secrets::hex::<32>).map_err(|error| at(&path, error))?;
    let odd = || at(&path, std::io::Error::other("is not what was written there"));
    let (text, mut bytes) = (text.trim(), [0; 32]);
    if text.len() != 64 || !text.is_ascii() {
        return Err(odd());
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * n..2 * n + 2).ok_or_else(odd)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| odd())?;
    }
    Ok(Secret::new(bytes))
}

impl fmt::Debug for Purse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Purse").field("wallets", &self.wallets).finish_non_exhaustive()
    }
}
