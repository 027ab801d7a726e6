//! What is left: limits as they stand, credits, and when either will be gone.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use llm_app::usage::{exhausted, reached};
use llm_core::Str;
use llm_core::money::{Credits, Unit as _};
use llm_core::principal::{Grant, Principal};
use llm_providers::metrics::quota::{Quota, Taken};
use llm_store::wallets::{self, Filter, Kind, WalletId};
use serde::Serialize;

use super::sums::Day;
use crate::config::TENANT;
use crate::serve::admin::refusal::Refusal;
use crate::serve::admin::wallets::view;
use crate::serve::call::now;
use crate::serve::house::House;

/// What limits are counted in.
pub(super) const UNITS: [&str; 4] = ["requests", "tokens", "usd_nanos", "credit_micros"];
/// Lines of a wallet that foresight looks at: beyond it the pace is that of the newest.
const LINES_MAX: u32 = 500;

/// A limit as it stands.
#[derive(Serialize)]
pub(super) struct Limited {
    scope: Str,
    rule: Str,
    unit: &'static str,
    limit: Option<i64>,
    used: i64,
    reserved: i64,
    remaining: Option<i64>,
    resets_at: Option<String>,
    exhausted_on: Option<String>,
}

/// A limit of which much is used.
#[derive(Serialize)]
pub(super) struct Alert {
    scope: Str,
    rule: Str,
    threshold: u8,
    resets_at: Option<String>,
}

impl Limited {
    /// Whether its owner is to be told.
    pub(super) fn alert(&self) -> Option<Alert> {
        let used = self.used.saturating_add(self.reserved);
        let threshold = reached(used, self.limit?)?;
        let (scope, rule) = (self.scope.clone(), self.rule.clone());
        Some(Alert { scope, rule, threshold, resets_at: self.resets_at.clone() })
    }

    fn of(house: &House, quota: Quota, days: &[Day], today: Date) -> Self {
        let unit = match quota.rule.split_once('/').map(|(what, _)| what) {
            Some("requests") => UNITS[0],
            Some("tokens") => UNITS[1],
            Some("credits") => UNITS[3],
            Some(_) | None => UNITS[2],
        };
        let spent: Vec<_> = match unit {
            "tokens" => days.iter().map(Day::tokens).collect(),
            "usd_nanos" => days.iter().map(Day::spent).collect(),
            _ => Vec::new(),
        };
        let remaining = quota.remaining();
        let zone = house.zone();
        let before = |day: &Date| {
            quota.resets_at.is_none_or(|at| zone.show(at).get(..10) > Some(&*day.to_string()))
        };
        let gone = remaining.and_then(|left| exhausted(&spent, today, left)).filter(before);
        let Taken { used, reserved } = quota.taken.unwrap_or_default();
        Self {
            unit,
            limit: quota.limit,
            used,
            reserved,
            remaining,
            resets_at: quota.resets_at.map(|at| zone.show(at)),
            exhausted_on: gone.map(|day| day.to_string()),
            scope: quota.scope,
            rule: quota.rule,
        }
    }
}

/// All limits that hold for calls of a grant.
pub(super) async fn limits(
    house: &House,
    grant: &Grant,
    days: &[Day],
    today: Date,
) -> Result<Vec<Limited>, Refusal> {
    let mut quotas = house.gateway.quotas().of(grant).await?;
    let (ledger, at) = (house.store.credits(), now(house));
    for payer in &grant.credits {
        let account = payer.account(at);
        let found = ledger.balance(&account).await?.unwrap_or_default();
        quotas.push(Quota {
            scope: Str::from(format!("{}:{}", payer.owner.name(), payer.name)),
            rule: payer.rule.clone(),
            window: Str::default(),
            limit: payer.limit.map(|limit| limit.pieces()),
            taken: Some(Taken { used: found.settled.pieces(), reserved: found.held.pieces() }),
            resets_at: account.window.map(|window| window.end),
        });
    }
    Ok(quotas.into_iter().map(|quota| Limited::of(house, quota, days, today)).collect())
}

/// What is in the wallet of whoever it is, and the day on which it will be empty.
pub(super) async fn wallet(
    house: &House,
    principal: &Principal,
    today: Date,
) -> Result<Option<(view::Held, Option<Date>)>, Refusal> {
    let (Some(purse), Some(user)) = (&house.purse, &principal.user) else { return Ok(None) };
    let of = WalletId::user(TENANT.0, user.0.clone());
    let held = purse.balance(&of).await?;
    let left = held.balance.available;
    let shown = view::Held::of(purse, &of, &held);
    let days = spent(house, &purse.wallets, &of, now(house)).await?;
    let gone = if left > Credits::ZERO { exhausted(&days, today, left.pieces()) } else { None };
    Ok(Some((shown, gone)))
}

/// Credits that were spent in the last days.
async fn spent(
    house: &House,
    wallets: &wallets::Wallets,
    of: &WalletId,
    now: Timestamp,
) -> Result<Vec<(Date, i64)>, Refusal> {
    let from = now.checked_sub(Span::new().hours(7 * 24)).ok();
    let filter = Filter { kinds: vec![Kind::Settle], from, to: None };
    let page = wallets.history(of, filter, None, LINES_MAX).await?;
    let (zone, mut days) = (house.zone(), BTreeMap::new());
    for line in page.lines {
        let shown = zone.show(line.entry.at);
        let Some(day) = shown.get(..10).and_then(|day| day.parse::<Date>().ok()) else { continue };
        let sum: &mut i64 = days.entry(day).or_insert(0);
        *sum = sum.saturating_add(line.entry.spent.pieces());
    }
    Ok(days.into_iter().collect())
}
