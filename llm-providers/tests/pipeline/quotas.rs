//! What is left of every quota that the configuration names, as a scrape shows it.

use std::sync::Arc;
use std::time::Duration;

use llm_core::ledger::Owner;
use llm_core::principal::{Grant, KeyId, Level, Principal, Scope};
use llm_core::quota::{Plan, Zone};
use llm_providers::Gateway;
use llm_providers::metrics::quota::Watched;
use llm_providers::settings::Settings;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use prometheus::Registry;

use crate::counting::{page, text};
use crate::world::{ask, settings};

fn grant(key: &'static str) -> Arc<Grant> {
    let principal = Principal {
        key: KeyId::from(key),
        tenant: "acme".into(),
        user: None,
        team: Some("a".into()),
        org: None,
        scope: Scope::all(),
    };
    let limits = vec!["30/day".parse().unwrap()];
    let plan = Plan { name: "free".into(), limits, models: Scope::all(), ..Plan::default() };
    let limits = ["$20/month", "50/day", "1M tokens/day"].map(|limit| limit.parse().unwrap());
    let team = Level::new(Owner::Team, "a").limits(limits);
    Arc::new(Grant::compose(principal, Arc::new(plan), Owner::Key, [team], &Zone::UTC))
}

fn gateway(registry: &Registry, watched: Watched) -> Gateway {
    let sim = SimTransport::new(&Options::default());
    Gateway::builder()
        .registry(registry.clone())
        .vendor(settings(Vendor::OpenAi, &sim))
        .model("smart", [[Described::target(Vendor::OpenAi)]])
        .watched(watched)
        .build()
        .unwrap()
}

/// Long enough for balances to be read.
async fn later() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

#[tokio::test(start_paused = true)]
async fn a_scrape_shows_what_is_left_of_what_is_watched() {
    let registry = Registry::new();
    let (seen, unseen) = (grant("prod"), grant("secret-key"));
    let watched = Watched { grants: vec![Arc::clone(&seen)], plans: Vec::new() };
    let gateway = gateway(&registry, watched.clone());
    for by in [&seen, &seen, &unseen] {
        let asking = gateway.asking().on_behalf(Arc::clone(by));
        asking.chat(ask("smart", "Say hello.")).await.unwrap();
    }
    later().await;
    let page = |registry: &Registry| page(registry);
    let read = page(&registry);
    let value = |name: &str, scope: &str, rule: &str, window: &str| {
        let labels = format!(r#"{{rule="{rule}",scope="{scope}",window="{window}"}}"#);
        read.get(&format!("gw_quota_{name}{labels}")).copied()
    };
    let day = |name: &str, scope: &str| value(name, scope, "requests/day", "day");
    assert_eq!(day("limit", "key:prod"), Some(30.0), "{}", text(&registry));
    assert_eq!((day("used", "key:prod"), day("remaining", "key:prod")), (Some(2.0), Some(28.0)));
    assert_eq!((day("used", "team:acme/a"), day("limit", "plan:free")), (Some(3.0), Some(30.0)));
    assert!(value("used", "team:acme/a", "tokens/day", "day").is_some_and(|n| n > 3.0));
    assert!(day("resets_at_seconds", "key:prod").is_some_and(|at| at % 86_400.0 == 0.0));
    let money = |name: &str| value(name, "team:acme/a", "$/month", "month");
    assert_eq!(money("limit"), Some(20e9));
    let spent = gateway.ledger().verify().await.unwrap();
    assert!(spent.problems.is_empty());
    assert!(
        money("used").is_some_and(|used| used > 0.0 && used + money("remaining").unwrap() == 20e9)
    );
    assert_eq!(money("reserved"), Some(0.0));
    assert!(value("used", "key:prod", "balance", "").is_some_and(|used| used > 0.0));
    assert!(!text(&registry).contains("secret-key"), "only what is told is shown");
    assert_eq!(read.get(r#"gw_store_degraded{store="ledger"}"#), Some(&0.0));
    assert_eq!(read.get("gw_ledger_loss_nanos_total"), Some(&0.0));
    assert_eq!(read.get("gw_quota_others"), Some(&0.0));
    // What no configuration names any more is gone, and so is everything with the gateway.
    gateway.reload(Settings { watched: Watched::default(), ..Settings::default() }).unwrap();
    assert!(!text(&registry).contains("key:prod"));
    drop(gateway);
    assert!(!text(&registry).contains("gw_store_degraded"));
}

/// A configuration with too many scopes costs no more series than one with many.
#[tokio::test(start_paused = true)]
async fn scopes_beyond_a_bound_are_added_up() {
    let registry = Registry::new();
    let one = |n: usize| {
        let limits = vec!["5/day".parse().unwrap(), "7 tokens/hour".parse().unwrap()];
        let plan = Plan { name: format!("plan-{n}").into(), limits, ..Plan::default() };
        Arc::new(plan)
    };
    let plans: Vec<_> = (0..1_100).map(one).collect();
    let level = |n: usize| {
        let principal = Principal {
            key: KeyId(format!("key-{n}").into()),
            tenant: "acme".into(),
            user: None,
            team: None,
            org: None,
            scope: Scope::all(),
        };
        let limits = vec!["5/day".parse().unwrap(), "9/hour".parse().unwrap()];
        Arc::new(Grant::new(principal, Arc::default(), limits, &Zone::UTC))
    };
    let grants = (0..600).map(level).collect();
    let _gateway = gateway(&registry, Watched { grants, plans });
    let page = page(&registry);
    let series = page.keys().filter(|name| name.starts_with("gw_quota_limit")).count();
    // Two limits of each key, as many plans as there is room for, and two sums.
    assert_eq!(series, 1_200 + (2_048 - 600 * 3) + 2);
    let other = |rule: &str, window: &str| {
        let name = format!(r#"gw_quota_limit{{rule="{rule}",scope="other",window="{window}"}}"#);
        page.get(&name).copied().unwrap_or_default()
    };
    let (days, hours) = (other("requests/day", "day"), other("tokens/hour", "hour"));
    assert!(days > 0.0 && days % 5.0 == 0.0 && hours > 0.0 && hours % 7.0 == 0.0);
    assert!(page["gw_quota_others"] > 1_000.0);
}
