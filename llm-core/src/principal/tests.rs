use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::money::Money;
use crate::quota::{Plan, Zone};

fn somebody() -> Principal {
    Principal {
        key: "k".into(),
        tenant: "acme".into(),
        user: Some("u".into()),
        team: Some("a".into()),
        org: Some("o".into()),
        scope: Scope::all(),
    }
}

fn level(owner: Owner, name: &'static str, limits: &[&str]) -> Level {
    Level::new(owner, name).limits(limits.iter().map(|limit| limit.parse().unwrap()))
}

fn plan(limits: &[&str]) -> Arc<Plan> {
    let limits = limits.iter().map(|limit| limit.parse().unwrap()).collect();
    Arc::new(Plan { limits, models: Scope::all(), ..Plan::default() })
}

fn payers(grant: &Grant) -> Vec<(Owner, &str, &str, Option<Money>)> {
    grant.payers.iter().map(|p| (p.owner, &*p.name, &*p.rule, p.limit)).collect()
}

#[test]
fn every_level_with_money_has_an_account_and_others_have_none() {
    let levels = [
        level(Owner::Tenant, "acme", &["$100/month"]),
        level(Owner::Team, "a", &["30/hour", "1M tokens/day"]).in_flight(3),
        level(Owner::Org, "o", &["100/hour"]).counted(),
        level(Owner::User, "u", &["$2/day", "$1/day"]),
    ];
    let grant = Grant::compose(somebody(), plan(&["$20/month"]), Owner::User, levels, &Zone::UTC);
    let dollars = |n: i64| Some(Money(n * 1_000_000_000));
    let expected = [
        (Owner::Key, "k", "", None),
        (Owner::User, "acme/u", "$/day", dollars(1)),
        (Owner::User, "acme/u", "$/month", dollars(20)),
        (Owner::Org, "acme/o", "", None),
        (Owner::Tenant, "acme", "$/month", dollars(100)),
    ];
    assert_eq!(payers(&grant), expected);
    let path: Vec<_> = grant.levels().iter().map(|l| (l.owner, l.in_flight_max)).collect();
    let expected = [
        (Owner::Key, None),
        (Owner::User, None),
        (Owner::Team, Some(3)),
        (Owner::Org, None),
        (Owner::Tenant, None),
    ];
    assert_eq!(path, expected);
}

/// Who has no team has not thereby got rid of what a plan limits.
#[test]
fn a_plan_without_its_buyer_is_the_keys() {
    let alone = Principal { user: None, team: None, org: None, ..somebody() };
    let grant = Grant::compose(alone, plan(&["5/hour", "$1/day"]), Owner::Team, [], &Zone::UTC);
    let owners: Vec<_> = grant.levels().iter().map(|l| (l.owner, l.limits.len())).collect();
    assert_eq!(owners, [(Owner::Key, 2), (Owner::Tenant, 0)]);
    assert_eq!(payers(&grant)[1].0, Owner::Key);
}

#[test]
fn a_model_is_allowed_where_every_level_allows_it() {
    let some = |models: &[&'static str]| Scope {
        models: models.iter().map(|m| Str::from_static(m)).collect(),
    };
    let levels = [
        Level::new(Owner::Team, "a").models(some(&["gpt-*", "claude-3"])),
        Level::new(Owner::Org, "o").models(some(&["gpt-4*", "claude-*"])),
        Level::new(Owner::Org, "o").models(some(&["*"])),
    ];
    let grant = Grant::compose(somebody(), plan(&[]), Owner::Key, levels, &Zone::UTC);
    let allowed = |model| grant.allows(model);
    assert!(allowed("gpt-4o") && allowed("claude-3"));
    assert!(!allowed("gpt-3") && !allowed("claude-4") && !allowed("gemini"));
    let none = Level::new(Owner::Team, "a").models(Scope::default());
    let grant = Grant::compose(somebody(), plan(&[]), Owner::Key, [none], &Zone::UTC);
    assert!(!grant.allows("gpt-4o"));
}

proptest! {
    /// No two owners share an account, whatever they are called.
    #[test]
    fn accounts_are_of_one_owner(
        a in ("[/%2Fa]{0,5}", "[/%2Fa]{0,5}"), b in ("[/%2Fa]{0,5}", "[/%2Fa]{0,5}"),
    ) {
        let name = |(tenant, id): &(String, String)| {
            let tenant = TenantId(Str::from(tenant.clone()));
            account_name(Owner::Team, &tenant, &Str::from(id.clone()))
        };
        prop_assert_eq!(name(&a) == name(&b), a == b);
    }
}
