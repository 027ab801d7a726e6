//! What is counted, under which names, and that no caller can add to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::principal::{Grant, Principal, Scope};
use llm_core::quota::{Plan, Zone};
use llm_providers::Gateway;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use prometheus::{Registry, TextEncoder};

use crate::world::{ask, settings};

pub(crate) fn text(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}

/// Lines of the page by their series.
pub(crate) fn page(registry: &Registry) -> BTreeMap<String, f64> {
    let text = text(registry);
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines
        .filter_map(|l| l.rsplit_once(' '))
        .map(|(series, value)| (series.to_owned(), value.parse().unwrap()))
        .collect()
}

fn counted(registry: &Registry) -> (Gateway, SimTransport) {
    let sim = SimTransport::new(&Options::default());
    let mut builder = Gateway::builder().registry(registry.clone());
    for vendor in [Vendor::OpenAi, Vendor::Anthropic] {
        builder = builder.vendor(settings(vendor, &sim));
    }
    let tiers = [[Described::target(Vendor::OpenAi)], [Described::target(Vendor::Anthropic)]];
    (builder.model("smart", tiers).build().unwrap(), sim)
}

#[tokio::test(start_paused = true)]
async fn calls_tokens_fallbacks_and_refusals() {
    let registry = Registry::new();
    let (gateway, sim) = counted(&registry);
    gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    let rules = llm_sim::script::Script::parse(br#"[{"do": {"error": "insufficient_quota"}}]"#);
    sim.upstream(Vendor::OpenAi).unwrap().script(rules.unwrap());
    gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    let principal = Principal {
        key: "slow".into(),
        tenant: "tenant".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let limits = vec!["1/hour".parse().unwrap()];
    let grant = Arc::new(Grant::new(principal, plan, limits, &Zone::UTC));
    let asking = gateway.asking().on_behalf(grant);
    asking.chat(ask("smart", "Say hello.")).await.unwrap();
    asking.chat(ask("smart", "Say hello.")).await.unwrap_err();
    let page = page(&registry);
    let value = |series: &str| page.get(series).copied();
    assert_eq!(value(r#"gw_calls_total{gen_ai_request_model="smart",outcome="done"}"#), Some(3.0));
    let refused = r#"gw_calls_total{gen_ai_request_model="smart",outcome="rate_limited"}"#;
    assert_eq!(value(refused), Some(1.0));
    let denied = r#"gw_quota_denied_total{reason="rate_limited",rule="key/hour"}"#;
    assert_eq!(value(denied), Some(1.0), "{}", text(&registry));
    let fell = r#"gw_fallback_total{from="openai/gpt-4o-mini",reason="upstream_quota",to="anthropic/claude-haiku-4-5"}"#;
    assert_eq!(value(fell), Some(1.0));
    let key = r#"gw_provider_key_up{gen_ai_provider_name="openai",key="one"}"#;
    assert_eq!(value(key), Some(0.0));
    let state = |state: &str| {
        value(&format!(
            r#"gw_provider_key_state{{gen_ai_provider_name="openai",key="one",state="{state}"}}"#
        ))
    };
    assert_eq!((state("insufficient_quota"), state("up")), (Some(1.0), Some(0.0)));
    let written = r#"gen_ai_client_token_usage{gen_ai_provider_name="anthropic",gen_ai_request_model="claude-haiku-4-5",gen_ai_token_type="output"}"#;
    assert!(value(written).is_some_and(|n| n > 0.0));
    assert_eq!(value("gw_ledger_reservations_open"), Some(0.0));
    assert_eq!(value("gw_overhead_seconds_count"), Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn names_that_callers_make_up_are_one_series() {
    let registry = Registry::new();
    let (gateway, _sim) = counted(&registry);
    let series = || page(&registry).len();
    gateway.chat(ask("openai/gpt-4o-mini-9", "hi")).await.unwrap_err();
    gateway.chat(ask("nobody-7", "hi")).await.unwrap_err();
    let before = series();
    for n in 0..1_000 {
        gateway.chat(ask(&format!("openai/made-up-{n}"), "hi")).await.unwrap_err();
        gateway.chat(ask(&format!("made-up-{n}"), "hi")).await.unwrap_err();
    }
    assert_eq!(series(), before);
    assert!(!text(&registry).contains("made-up"));
}
