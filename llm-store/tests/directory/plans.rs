//! Plans and limits: whose they are, and who counts them.

use std::sync::Arc;

use llm_core::Str;
use llm_core::ledger::Owner;
use llm_core::money::Money;
use llm_core::principal::{Grant, Priority};
use llm_core::quota::{OwnKeysUse, Plan, Zone};
use llm_core::store::Directory;
use llm_store::directory::{About, By, Holder, Level, NotDone, PartyId, SqlDirectory};
use llm_store::keys::{Draft, KeyOwner};

use crate::place::*;

/// The limits on money of a grant: whose, by which rule, how much.
fn money(grant: &Grant) -> Vec<(String, Str, Option<Money>)> {
    let named = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    let mut all: Vec<_> =
        grant.payers.iter().map(|p| (named(&p.name), p.rule.clone(), p.limit)).collect();
    all.sort();
    all
}

fn dollars(whole: i64) -> Option<Money> {
    Some(Money(whole * 1_000_000_000))
}

fn of(name: &str, rule: &str, limit: Option<Money>) -> (String, Str, Option<Money>) {
    (name.to_owned(), rule.into(), limit)
}

async fn set_plan(directory: &SqlDirectory, holder: Holder, plan: Option<&'static str>) {
    directory.set_plan(&By::Operator, holder, plan.map(Str::from_static)).await.unwrap();
}

fn basic() -> Plan {
    let limits = vec![limit("$5/month")];
    let (models, priority) = (scope(&["haiku"]), Priority::Batch);
    Plan { name: "basic".into(), limits, models, priority, ..Plan::default() }
}

pub(crate) async fn a_plan_is_whose_it_is(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let ann = Holder::Party(party(Level::User, "ann"));
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    issue(&directory, 2, Draft::new(of_user("ann"))).await;
    assert_eq!(money(&*granted(&directory, 1).await), [of("k1", "", None)]);

    set_plan(&directory, ann.clone(), Some("pro")).await;
    let (one, two) = (granted(&directory, 1).await, granted(&directory, 2).await);
    let shared = |grant: &Grant| {
        grant.payers.iter().find(|payer| payer.limit.is_some()).map(|p| (p.owner, p.name.clone()))
    };
    assert_eq!(shared(&one), shared(&two), "one account for both of her keys");
    assert_eq!(money(&one), [of("ann", "$/month", dollars(50)), of("k1", "", None)]);
    assert!(one.allows("haiku") && !one.allows("opus"));

    directory.put_plan(&By::Operator, basic()).await.unwrap();
    set_plan(&directory, Holder::Key(id(2)), Some("basic")).await;
    let two = granted(&directory, 2).await;
    // Her own plan holds for all that she spends, also through this key.
    let own = [of("ann", "$/month", dollars(50)), of("k2", "", None)];
    let all = [own[0].clone(), own[1].clone(), of("k2", "$/month", dollars(5))];
    assert_eq!(money(&two), all);
    assert_eq!((two.plan.priority, two.allows("gpt-4")), (Priority::Batch, false));

    // Another plan from the next look-up on: the same account, another limit.
    let more = Plan { limits: vec![limit("$7/month")], ..basic() };
    directory.put_plan(&By::Operator, more).await.unwrap();
    assert!(money(&*granted(&directory, 2).await).contains(&of("k2", "$/month", dollars(7))));
    let own_keys = Plan { own_keys: Some(OwnKeysUse::Required), own_keys_charged: true, ..basic() };
    directory.put_plan(&By::Operator, own_keys.clone()).await.unwrap();
    assert_eq!(*granted(&directory, 2).await.plan, own_keys);
    assert!(directory.plans().await.unwrap().iter().any(|plan| **plan == own_keys));
    directory.put_plan(&By::Operator, basic()).await.unwrap();
    assert_eq!(*directory.plan("basic".into()).await.unwrap(), basic());
    set_plan(&directory, Holder::Key(id(2)), None).await;
    assert_eq!(money(&*granted(&directory, 2).await), own);
    set_plan(&directory, ann, None).await;
    assert_eq!(money(&*granted(&directory, 2).await), [of("k2", "", None)]);
}

pub(crate) async fn every_level_pays(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let draft = Draft { limits: vec![limit("$1/month")], ..Draft::new(of_user("ann")) };
    issue(&directory, 1, draft).await;
    for (level, name, sum) in [
        (Level::User, "ann", "$2/month"),
        (Level::Team, "red", "$3/month"),
        (Level::Org, "o", "$4/month"),
        (Level::Tenant, "t", "$5/month"),
    ] {
        let holder = Holder::Party(party(level, name));
        directory.set_limits(&By::Operator, holder, vec![limit(sum)]).await.unwrap();
    }
    let paid = money(&*granted(&directory, 1).await);
    assert_eq!(
        paid,
        [
            of("ann", "$/month", dollars(2)),
            of("k1", "", None),
            of("k1", "$/month", dollars(1)),
            of("o", "$/month", dollars(4)),
            of("red", "$/month", dollars(3)),
            of("t", "$/month", dollars(5)),
        ]
    );
    let bad = vec!["5/month rolling"; 1].into_iter().filter_map(|text| text.parse().ok()).collect();
    let holder = Holder::Party(party(Level::User, "ann"));
    directory.set_limits(&By::Operator, holder, bad).await.unwrap();
    let parties = [Holder::Party(PartyId::tenant(tenant())), Holder::Key(id(1))];
    for holder in parties {
        directory.set_parallel(&By::Operator, holder, Some(3)).await.unwrap();
    }
    let kept = directory.party(PartyId::tenant(tenant())).await.unwrap();
    assert_eq!((kept.parallel_max, kept.limits.len()), (Some(3), 1));
    let pace = Holder::Party(party(Level::Team, "red"));
    let limits = vec![limit("$3/month"), limit("9/minute")];
    directory.set_limits(&By::Operator, pace, limits.clone()).await.unwrap();
    let grant = granted(&directory, 1).await;
    let level = |owner| grant.levels().iter().find(|level| level.owner == owner).unwrap();
    assert_eq!(level(Owner::Team).limits, limits, "counted for all of the team together");
    assert_eq!(level(Owner::Org).name, "o");
    for owner in [Owner::Tenant, Owner::Key] {
        assert_eq!(level(owner).in_flight_max, Some(3));
    }
    let about = directory.key(&By::Operator, id(1)).await.unwrap().about;
    assert_eq!(about, About { parallel_max: Some(3), ..About::default() });
}

pub(crate) async fn plans_are_configured_or_stored(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    assert_eq!(directory.plan("pro".into()).await, Ok(Arc::new(pro())));
    let clash = directory.put_plan(&operator, pro()).await;
    assert!(matches!(clash, Err(NotDone::Taken { what: "configured plan", .. })));
    directory.put_plan(&operator, basic()).await.unwrap();
    assert_eq!(directory.plan("basic".into()).await, Ok(Arc::new(basic())));
    let names: Vec<_> = directory.plans().await.unwrap().iter().map(|p| p.name.clone()).collect();
    assert_eq!(names, ["basic", "pro"]);
    issue(&directory, 1, Draft::new(of_user("ann"))).await;
    set_plan(&directory, Holder::Key(id(1)), Some("basic")).await;
    let gone = directory.remove_plan(&operator, "basic".into()).await;
    assert_eq!(gone, Err(NotDone::InUse("basic".into())));
    set_plan(&directory, Holder::Key(id(1)), Some("pro")).await;
    directory.remove_plan(&operator, "basic".into()).await.unwrap();
    directory.remove_plan(&operator, "basic".into()).await.unwrap();
    // A plan that somebody has and nobody knows is not "no limits".
    let elsewhere = SqlDirectory::new(place.database().await, Zone::UTC, Vec::new());
    assert!(elsewhere.grant(&print(1)).await.is_err());
    elsewhere.configure(vec![pro()]);
    assert!(elsewhere.grant(&print(1)).await.is_ok());
}

pub(crate) async fn issuers_plans_bound_what_they_issue(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    issue(&directory, 1, admin(of_team("red"))).await;
    let below = issue_by(&directory, &By::Key(id(1)), 2, Draft::new(of_user("ann"))).await.unwrap();
    assert!(below.record.rights.limits.is_empty());
    granted(&directory, 2).await;
    directory.put_plan(&operator, basic()).await.unwrap();
    set_plan(&directory, Holder::Key(id(1)), Some("basic")).await;
    directory.set_parallel(&operator, Holder::Key(id(1)), Some(2)).await.unwrap();
    let grant = granted(&directory, 2).await;
    assert!(grant.allows("haiku") && !grant.allows("gpt-4"));
    assert_eq!(grant.plan.priority, Priority::Batch, "nor does it wait less");
    assert!(money(&grant).contains(&of("k2", "$/month", dollars(5))));
    let standing = directory.standing(&operator, id(2)).await.unwrap();
    let issuers = directory.standing(&operator, id(1)).await.unwrap();
    assert_eq!(standing.rights.within(&issuers.rights), Ok(()));
    let third = issue_by(&directory, &By::Key(id(1)), 3, Draft::new(of_user("ann"))).await.unwrap();
    assert_eq!(third.record.rights.limits, [limit("$5/month")]);
}

pub(crate) async fn nobody_loosens_their_own(place: &dyn Place) {
    let directory = place.open().await;
    people(&directory).await;
    let operator = By::Operator;
    directory.put_plan(&operator, basic()).await.unwrap();
    issue(&directory, 1, admin(of_team("red"))).await;
    set_plan(&directory, Holder::Key(id(1)), Some("basic")).await;
    directory.set_parallel(&operator, Holder::Key(id(1)), Some(2)).await.unwrap();
    let red = By::Key(id(1));
    for plan in [None, Some(Str::from("pro"))] {
        let done = directory.set_plan(&red, Holder::Key(id(1)), plan).await;
        assert!(matches!(done, Err(NotDone::NotIssued(_))), "{done:?}");
    }
    for most in [None, Some(3)] {
        let done = directory.set_parallel(&red, Holder::Key(id(1)), most).await;
        assert_eq!(done, Err(NotDone::Denied));
    }
    directory.set_parallel(&red, Holder::Key(id(1)), Some(1)).await.unwrap();
    // Nor those of somebody with less, beyond what they have themselves.
    let whole = KeyOwner::tenant(tenant());
    let narrow = Draft { models: Some(scope(&["haiku"])), ..Draft::new(of_user("ann")) };
    issue(&directory, 2, narrow).await;
    set_plan(&directory, Holder::Key(id(2)), Some("basic")).await;
    let done = directory.set_plan(&red, Holder::Key(id(2)), None).await;
    assert!(matches!(done, Err(NotDone::NotIssued(_))), "{done:?}");
    issue(&directory, 3, admin(whole)).await;
    directory.set_plan(&By::Key(id(3)), Holder::Key(id(2)), None).await.unwrap();
}
