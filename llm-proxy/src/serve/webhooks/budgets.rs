//! Who is told that a budget is nearly spent, and that it is.
//!
//! A call that has been charged puts its grant on a list, where nobody waits; the worker asks the
//! ledger for the accounts of whoever is on it. What was told is known by the outbox, under an id that
//! is the account's, its window's and the part's, so that a budget is told once in its window by all
//! replicas together and over restarts. Deliberately absent: sweeping accounts. One that nobody spends
//! from does not come nearer to its end.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::AccountId;
use llm_core::money::{Credits, Money, Unit};
use llm_core::principal::{Grant, KeyId, Payer};
use llm_core::seam::Clock;
use llm_core::store::{Ledger, StoreError};
use llm_providers::stage::reserve::Spending;
use llm_store::webhooks::{BUDGET_REACHED, Event, Webhooks};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

/// Parts of a budget, in percent, that somebody is told of.
const PARTS: [u8; 2] = [80, 100];
/// Keys on the list. Whoever finds no room is on it with a later call.
const KEYS_MAX: usize = 4_096;
/// How long a list is filled before it is looked at: what an alert may come late.
const GATHER: Duration = Duration::from_secs(1);
/// Events that are remembered as told, so that the outbox is not asked with each call of a key that
/// has spent all. Beyond it all are forgotten, and the outbox says that it knows them.
const TOLD_MAX: usize = 1 << 16;

/// The list.
pub(crate) struct Budgets {
    spent: Mutex<HashMap<KeyId, Arc<Grant>>>,
    bell: Notify,
}

impl Spending for Budgets {
    fn spent(&self, grant: &Arc<Grant>) {
        let limited = grant.payers.iter().any(|payer| payer.limit.is_some());
        if !limited && grant.credits.is_empty() {
            return;
        }
        let mut spent = self.spent.lock();
        if spent.len() < KEYS_MAX || spent.contains_key(&grant.principal.key) {
            // The latest: what was sold may have changed.
            spent.insert(grant.principal.key.clone(), Arc::clone(grant));
        }
        drop(spent);
        self.bell.notify_one();
    }
}

/// What the worker works with.
pub(crate) struct Watch {
    pub(crate) webhooks: Webhooks,
    pub(crate) money: Arc<dyn Ledger>,
    pub(crate) credits: Arc<dyn Ledger<Credits>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Budgets {
    /// An empty list.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { spent: Mutex::default(), bell: Notify::new() })
    }

    /// Tells, until it is dropped.
    pub(crate) async fn watch(self: Arc<Self>, watch: Watch) {
        let mut told = HashSet::new();
        loop {
            self.bell.notified().await;
            watch.clock.sleep(GATHER).await;
            let spent = std::mem::take(&mut *self.spent.lock());
            for (key, grant) in spent {
                if let Err(error) = watch.look(&grant, &mut told).await {
                    tracing::warn!(%error, "budgets are looked at with the next call");
                    // It may be the last one for long, and a store that is away comes back.
                    self.spent.lock().entry(key).or_insert(grant);
                    self.bell.notify_one();
                }
            }
        }
    }
}

/// What is told. Amounts are exact decimals.
#[derive(Serialize)]
struct Reached<'a> {
    owner: &'static str,
    name: &'a str,
    rule: &'a str,
    unit: &'static str,
    percent: u8,
    limit: String,
    spent: String,
    resets_at: Option<String>,
}

impl Watch {
    async fn look(&self, grant: &Grant, told: &mut HashSet<Str>) -> Result<(), StoreError> {
        self.accounts::<Money>(&*self.money, &grant.payers, told).await?;
        self.accounts::<Credits>(&*self.credits, &grant.credits, told).await
    }

    async fn accounts<U: Unit>(
        &self,
        ledger: &dyn Ledger<U>,
        payers: &[Payer<U>],
        told: &mut HashSet<Str>,
    ) -> Result<(), StoreError> {
        let now = Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        for payer in payers {
            let Some(limit) = payer.limit.filter(|limit| *limit > U::ZERO) else { continue };
            let account = payer.account(now);
            let all = account_key::<U>(&account, PARTS[PARTS.len() - 1]);
            if told.contains(&all) {
                continue;
            }
            let Some(found) = ledger.balance(&account).await? else { continue };
            for percent in PARTS {
                // Of the limit as it is sold now: more of it is another threshold.
                let reached = i128::from(found.settled.pieces()) * 100
                    >= i128::from(limit.pieces()) * i128::from(percent);
                let key = account_key::<U>(&account, percent);
                if reached && !told.contains(&key) {
                    self.tell(&account, &key, (limit, found.settled, percent), now).await?;
                    if told.len() >= TOLD_MAX {
                        told.clear();
                    }
                    told.insert(key);
                }
            }
        }
        Ok(())
    }

    async fn tell<U: Unit>(
        &self,
        account: &AccountId,
        key: &str,
        (limit, spent, percent): (U, U, u8),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let reached = Reached {
            owner: account.owner.name(),
            name: &account.name,
            rule: &account.rule,
            unit: U::NAME,
            percent,
            limit: limit.to_string(),
            spent: spent.to_string(),
            resets_at: account.window.map(|window| window.end.to_string()),
        };
        self.webhooks.put(Event::new(BUDGET_REACHED, key, now, &reached)?).await
    }
}

fn account_key<U: Unit>(account: &AccountId, percent: u8) -> Str {
    let AccountId { owner, name, rule, window } = account;
    let window = window.map(|window| window.to_string()).unwrap_or_default();
    Str::from(format!("{}/{}/{name}/{rule}/{window}/{percent}", U::NAME, owner.name()))
}

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budgets").field("keys", &self.spent.lock().len()).finish_non_exhaustive()
    }
}
