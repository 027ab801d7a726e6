//! What operators are shown of a key or of its owner: money as integers in nano-dollars, and beside
//! them as the decimal numbers that LiteLLM has, which are written from the integers' digits.

use jiff::Timestamp;
use llm_core::Str;
use llm_core::ledger::{AccountId, Owner};
use llm_core::money::{Money, Unit as _};
use llm_core::principal::{Grant, Level, Payer, account_name};
use llm_core::quota::{Limit, Zone};
use llm_store::directory::{KeyEntry, Party};
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::credits::people::{Limited, limited};
use super::super::house::House;
use super::super::office::Office;
use super::super::routes::shape::{Field, Of, flag, free, list, number, text, whole};
use super::refusal::Refusal;
use super::terms::{self, FOR_GOOD};
use crate::config::TENANT;

/// The words of [`Spent`].
pub(super) const SPENT: &[Field] = &[
    number("spend", "USD: of the budget's time so far, or all there ever was"),
    number("max_budget", "USD"),
    number("remaining", "USD"),
    text("budget_duration", ""),
    text("budget_reset_at", ""),
    whole("spend_nanos", "billionths of a USD").need(),
    whole("reserved_nanos", "set aside by calls that run").need(),
    whole("limit_nanos", ""),
    whole("remaining_nanos", ""),
];
/// The words of [`Shown`].
pub(super) const SHOWN: &[Field] = &[
    text("token_id", "the public id").need(),
    text("key_name", "what lists show of its text"),
    text("key_alias", ""),
    text("user_id", ""),
    text("team_id", ""),
    text("organization_id", ""),
    text("plan", ""),
    list("models", &Of::Text, "names and `prefix*` patterns").need(),
    list("limits", &Of::Text, "all limits of its own").need(),
    whole("rpm_limit", ""),
    whole("tpm_limit", ""),
    whole("max_parallel_requests", ""),
    text("created_at", "").need(),
    text("expires", ""),
    flag("blocked", "whether it rests").need(),
    text("revoked_at", ""),
    text("replaced_by", ""),
    flag("fixed", "whether it stands in the configuration, and is changed there").need(),
    free("metadata", ""),
];

/// How much of a budget is gone.
#[derive(Debug, Default, Serialize)]
pub(super) struct Spent {
    /// What the budget's time has cost so far; of whoever has none, all there ever was.
    spend: Option<Box<RawValue>>,
    max_budget: Option<Box<RawValue>>,
    remaining: Option<Box<RawValue>>,
    budget_duration: Option<String>,
    budget_reset_at: Option<String>,
    spend_nanos: i64,
    reserved_nanos: i64,
    limit_nanos: Option<i64>,
    remaining_nanos: Option<i64>,
}

/// A key without what it has spent.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    token_id: Str,
    key_name: Str,
    key_alias: Option<Str>,
    user_id: Option<Str>,
    team_id: Option<Str>,
    organization_id: Option<Str>,
    plan: Option<Str>,
    models: Vec<Str>,
    limits: Vec<String>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
    max_parallel_requests: Option<u32>,
    created_at: String,
    expires: Option<String>,
    /// Whether it rests.
    blocked: bool,
    revoked_at: Option<String>,
    replaced_by: Option<Str>,
    /// Whether it stands in the configuration.
    fixed: bool,
    metadata: Option<Box<RawValue>>,
}

impl Shown {
    pub(super) fn of(entry: &KeyEntry, office: &Office) -> Self {
        let KeyEntry { record, about } = entry;
        let show = |at: Option<Timestamp>| at.map(|at| office.zone.show(at));
        let limits = &record.rights.limits;
        Self {
            token_id: record.id.0.clone(),
            key_name: record.label.clone(),
            key_alias: about.alias.clone(),
            user_id: record.owner.user.as_ref().map(|id| id.0.clone()),
            team_id: record.owner.team.as_ref().map(|id| id.0.clone()),
            organization_id: record.owner.org.as_ref().map(|id| id.0.clone()),
            plan: about.plan.clone(),
            models: record.rights.models.models.clone(),
            limits: limits.iter().map(ToString::to_string).collect(),
            rpm_limit: terms::a_minute(limits, terms::requests),
            tpm_limit: terms::a_minute(limits, terms::tokens),
            max_parallel_requests: about.parallel_max,
            created_at: office.zone.show(record.created_at),
            expires: show(record.expires_at),
            blocked: record.suspended_at.is_some(),
            revoked_at: show(record.revoked_at),
            replaced_by: record.replaced.as_ref().map(|replaced| replaced.by.0.clone()),
            fixed: false,
            metadata: RawValue::from_string(about.metadata.to_string()).ok(),
        }
    }

    /// A key of the configuration, since this process began.
    pub(super) fn fixed(house: &House, grant: &Grant) -> Self {
        let principal = &grant.principal;
        let level = own_level(grant);
        let limits = level.map_or(&[][..], |level| &level.limits);
        let since = i64::try_from(house.started).unwrap_or_default();
        let since = Timestamp::from_second(since).unwrap_or_default();
        let zone = house.office.as_ref().map_or(Zone::UTC, |office| office.zone.clone());
        let named = !grant.plan.name.is_empty();
        Self {
            token_id: principal.key.0.clone(),
            key_name: principal.key.0.clone(),
            key_alias: Some(principal.key.0.clone()),
            user_id: principal.user.as_ref().map(|id| id.0.clone()),
            team_id: principal.team.as_ref().map(|id| id.0.clone()),
            organization_id: principal.org.as_ref().map(|id| id.0.clone()),
            plan: named.then(|| grant.plan.name.clone()),
            models: principal.scope.meet(&grant.plan.models).models,
            limits: limits.iter().map(ToString::to_string).collect(),
            rpm_limit: terms::a_minute(limits, terms::requests),
            tpm_limit: terms::a_minute(limits, terms::tokens),
            max_parallel_requests: level.and_then(|level| level.in_flight_max),
            created_at: zone.show(since),
            expires: None,
            blocked: false,
            revoked_at: None,
            replaced_by: None,
            fixed: true,
            metadata: None,
        }
    }
}

impl Spent {
    /// Of a key: its own limits and those of its own plan.
    pub(super) async fn of_key(
        house: &House,
        office: &Office,
        entry: &KeyEntry,
    ) -> Result<Self, Refusal> {
        let level = level(office, entry).await?;
        match Self::of_limits(house, office, &level).await? {
            Some(spent) => Ok(spent),
            None => Ok(Self::unlimited(total(house, &entry.record.line.0).await?)),
        }
    }

    /// Of a key of the configuration.
    pub(super) async fn of_fixed(
        house: &House,
        office: &Office,
        grant: &Grant,
    ) -> Result<Self, Refusal> {
        let spent = match own_level(grant) {
            Some(level) => Self::of_limits(house, office, level).await?,
            None => None,
        };
        match spent {
            Some(spent) => Ok(spent),
            None => Ok(Self::unlimited(total(house, &grant.principal.key.0).await?)),
        }
    }

    /// Of a user or team with a budget; `None` of one without, which has no account.
    pub(super) async fn of_party(
        house: &House,
        office: &Office,
        owner: Owner,
        party: &Party,
    ) -> Result<Option<Self>, Refusal> {
        let id = account_name(owner, &TENANT, &party.draft.id.id);
        let mut level = Level::new(owner, id).limits(party.limits.iter().copied());
        if let Some(plan) = &party.plan {
            let plan = office.directory.plan(plan.clone()).await?;
            level = level.limits(plan.limits.iter().copied());
        }
        Self::of_limits(house, office, &level).await
    }

    /// Of somebody without a budget.
    pub(super) fn unlimited((spent, held): (Money, Money)) -> Self {
        Self {
            spend: exact(spent),
            spend_nanos: spent.0,
            reserved_nanos: held.0,
            ..Self::default()
        }
    }

    async fn of_limits(
        house: &House,
        office: &Office,
        level: &Level,
    ) -> Result<Option<Self>, Refusal> {
        let now = now(house);
        let mut least: Option<Self> = None;
        for limit in &level.limits {
            let (owner, name) = (level.owner, level.name.clone());
            let Some(payer) = Payer::limited(owner, name, limit, &office.zone) else { continue };
            let account = payer.account(now);
            let balance = house.gateway.ledger().balance(&account).await?.unwrap_or_default();
            let (spent, held) = (balance.settled, balance.held);
            let one = Self::within(office, limit, &payer, &account, (spent, held));
            // Of several budgets the one that ends first.
            if least.as_ref().is_none_or(|least| one.remaining_nanos < least.remaining_nanos) {
                least = Some(one);
            }
        }
        Ok(least)
    }

    fn within(
        office: &Office,
        limit: &Limit,
        payer: &Payer,
        account: &AccountId,
        (spent, held): (Money, Money),
    ) -> Self {
        // The limit as it is now: an account learns of it with the next call.
        let most = payer.limit;
        let left = most.map(|most| most.saturating_sub(spent).saturating_sub(held));
        let left = left.map(|left| left.max(Money::ZERO));
        let ends = limit.period != FOR_GOOD;
        let window = account.window.filter(|_| ends);
        Self {
            spend: exact(spent),
            max_budget: most.and_then(exact),
            remaining: left.and_then(exact),
            budget_duration: ends.then(|| limit.period.to_string()),
            budget_reset_at: window.map(|window| office.zone.show(window.end)),
            spend_nanos: spent.0,
            reserved_nanos: held.0,
            limit_nanos: most.map(|most| most.0),
            remaining_nanos: left.map(|left| left.0),
        }
    }
}

/// What of a key's own limits in credits, and of those of its own plan, is gone.
pub(super) async fn credits_of(
    house: &House,
    office: &Office,
    entry: &KeyEntry,
) -> Result<Vec<Limited>, Refusal> {
    credits_within(house, office, &level(office, entry).await?).await
}

/// The same of a key of the configuration.
pub(super) async fn credits_of_fixed(
    house: &House,
    office: &Office,
    grant: &Grant,
) -> Result<Vec<Limited>, Refusal> {
    match own_level(grant) {
        Some(level) => credits_within(house, office, level).await,
        None => Ok(Vec::new()),
    }
}

async fn credits_within(
    house: &House,
    office: &Office,
    level: &Level,
) -> Result<Vec<Limited>, Refusal> {
    let of = |limit| Payer::credited(level.owner, level.name.clone(), limit, &office.zone);
    let payers: Vec<_> = level.limits.iter().filter_map(of).collect();
    limited(house, &payers).await
}

/// What holds for a key itself.
fn own_level(grant: &Grant) -> Option<&Level> {
    grant.levels().iter().find(|level| level.owner == Owner::Key)
}

/// A key's own limits, and those of its own plan.
async fn level(office: &Office, entry: &KeyEntry) -> Result<Level, Refusal> {
    let KeyEntry { record, about } = entry;
    let level = Level::new(Owner::Key, record.line.0.clone());
    let level = level.limits(record.rights.limits.iter().copied());
    let Some(plan) = &about.plan else { return Ok(level) };
    let plan = office.directory.plan(plan.clone()).await?;
    Ok(level.limits(plan.limits.iter().copied()))
}

/// Tells the ledger of a key's budgets as they are now. The next call would do so as well; but a
/// ledger that has just refused one remembers that for a moment, and would refuse the next.
pub(super) async fn tell_ledger(
    house: &House,
    office: &Office,
    entry: &KeyEntry,
) -> Result<(), Refusal> {
    let (level, now) = (level(office, entry).await?, now(house));
    for limit in &level.limits {
        let payer = Payer::limited(level.owner, level.name.clone(), limit, &office.zone);
        let Some(payer) = payer else { continue };
        house.gateway.ledger().set_limit(&payer.account(now), payer.limit).await?;
    }
    Ok(())
}

/// All that a key has ever spent, and what it has set aside.
pub(super) async fn total(house: &House, line: &Str) -> Result<(Money, Money), Refusal> {
    let account = AccountId::new(Owner::Key, line.clone());
    let balance = house.gateway.ledger().balance(&account).await?.unwrap_or_default();
    Ok((balance.settled, balance.held))
}

/// An amount as a JSON number: its exact decimal, which never was a float.
pub(super) fn exact(amount: Money) -> Option<Box<RawValue>> {
    RawValue::from_string(amount.to_string()).ok()
}

/// Now, as the calendar has it.
pub(super) fn now(house: &House) -> Timestamp {
    Timestamp::try_from(house.clock.wall()).unwrap_or(Timestamp::MAX)
}
