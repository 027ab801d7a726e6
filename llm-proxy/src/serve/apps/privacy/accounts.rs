//! What somebody has spent, for them to have: their wallet's journal, and the sums of their days. It
//! is not erased: amounts stay, a wallet's under the name that the application has for its user, a
//! day's under a pseudonym, which the request log sees to.

use llm_app::privacy::{ITEMS_MAX, Keeps, Who};
use llm_core::seam::BoxFuture;
use llm_core::store::StoreError;
use llm_store::requests::{By, Of, Requests, Usage};
use llm_store::wallets::{Filter, NotDone, PAGE_MAX, WalletId, Wallets};
use serde_json::{Value, json};

use crate::serve::admin::wallets::view::History;
use crate::serve::apps::usage::Sums;

/// Credits.
#[derive(Debug)]
pub(super) struct WalletKeeper(pub(super) Wallets);

impl WalletKeeper {
    async fn all(&self, who: &Who) -> Result<Value, StoreError> {
        let of = WalletId::user(who.tenant.0.clone(), who.user.0.clone());
        let (mut lines, mut before) = (Vec::new(), None);
        loop {
            let page = self.0.history(&of, Filter::default(), before, PAGE_MAX).await;
            let page = page.map_err(|why| match why {
                NotDone::Store(why) => why,
                why => StoreError::Corrupt(why.to_string().into()),
            })?;
            before = page.next;
            lines.push(json!(History::of(&page))["lines"].take());
            if before.is_none() || lines.len() * PAGE_MAX as usize >= ITEMS_MAX {
                let lines = lines.into_iter().filter_map(|some| match some {
                    Value::Array(some) => Some(some),
                    _ => None,
                });
                return Ok(lines.flatten().collect());
            }
        }
    }
}

impl Keeps for WalletKeeper {
    fn name(&self) -> &'static str {
        "wallet"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(self.all(who))
    }

    fn erase<'a>(&'a self, _: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }
}

/// Sums of days, by model and feature.
#[derive(Debug)]
pub(super) struct UsageKeeper(pub(super) Requests);

impl UsageKeeper {
    async fn all(&self, who: &Who) -> Result<Value, StoreError> {
        let of = Of {
            tenant: Some(who.tenant.0.clone()),
            user: Some(who.user.0.clone()),
            ..Of::default()
        };
        let by = vec![By::Day, By::Model, By::Feature];
        let rows = self.0.usage(&Usage { of, by, ..Usage::default() }).await?;
        let rows = rows.into_iter().take(ITEMS_MAX).map(|row| {
            let mut words = row.of.into_iter();
            let mut word = || words.next().unwrap_or_default().to_string();
            json!({"day": word(), "model": word(), "feature": word(), "sums": Sums::of(row.sums)})
        });
        Ok(rows.collect())
    }
}

impl Keeps for UsageKeeper {
    fn name(&self) -> &'static str {
        "usage"
    }

    fn export<'a>(&'a self, who: &'a Who) -> BoxFuture<'a, Result<Value, StoreError>> {
        Box::pin(self.all(who))
    }

    fn erase<'a>(&'a self, _: &'a Who) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async { Ok(0) })
    }
}
