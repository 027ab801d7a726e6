//! Who is asked, and who is asked next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use llm_core::catalog::Override;
use llm_core::error::Kind;
use llm_core::principal::{Grant, Principal, Scope};
use llm_core::prompt::{Media, MediaSource, Part, PartKind, Request};
use llm_core::provider::Credential;
use llm_core::quota::{Plan, Zone};
use llm_core::secret::Secret;
use llm_providers::Gateway;
use llm_providers::builder::GatewayBuilder;
use llm_providers::ledger::MemoryLedger;
use llm_providers::model::{Balance, LossPolicy, Policy};
use llm_providers::provider::ProviderSettings;
use llm_providers::settings::{ModelSettings, Settings};
use llm_providers::stage::gate::Keys;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};

use crate::world::{Small, ask, settings};

use Vendor::{Anthropic, Gemini, OpenAi};

/// Tiers of vendors under the name `smart`, served under a policy.
fn tiers(all: &[&[(Vendor, u32)]], policy: Policy) -> Small {
    let sim = SimTransport::new(&Options::default());
    let ledger = Arc::new(MemoryLedger::default());
    let mut builder = Gateway::builder().ledger(Arc::clone(&ledger) as _);
    for vendor in Vendor::ALL {
        builder = builder.vendor(settings(vendor, &sim));
    }
    let tier = |t: &&[(Vendor, u32)]| {
        t.iter().map(|(v, weight)| (Described::target(*v).into(), *weight)).collect()
    };
    let model =
        ModelSettings { name: "smart".into(), tiers: all.iter().map(tier).collect(), policy };
    let settings = Settings { models: vec![model], ..Settings::default() };
    Small { gateway: builder.settings(settings).build().unwrap(), sim, ledger }
}

fn asked(small: &Small) -> BTreeMap<Vendor, usize> {
    Vendor::ALL.into_iter().map(|v| (v, small.upstream(v).requests().len())).collect()
}

async fn calls(small: &Small, count: usize) {
    for _ in 0..count {
        small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn weights_are_shares() {
    let policy = Policy { balance: Balance::Weighted, ..Policy::default() };
    let small = tiers(&[&[(OpenAi, 3), (Anthropic, 1)]], policy);
    calls(&small, 400).await;
    let asked = asked(&small);
    assert!((240..=360).contains(&asked[&OpenAi]), "{asked:?}");
    assert_eq!(asked[&OpenAi] + asked[&Anthropic], 400);
}

#[tokio::test(start_paused = true)]
async fn the_faster_one_is_asked_more() {
    let small = tiers(&[&[(OpenAi, 1), (Anthropic, 1)]], Policy::default());
    small.script(OpenAi, r#"[{"times": "always", "do": {"first_byte_ms": 900}}]"#);
    small.script(Anthropic, r#"[{"times": "always", "do": {"first_byte_ms": 60}}]"#);
    calls(&small, 400).await;
    let asked = asked(&small);
    // Now and then the slow one is looked at, too.
    assert!(asked[&Anthropic] > 320 && asked[&OpenAi] > 0, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_cheapest_is_asked_first() {
    let policy = Policy { balance: Balance::Cheapest, ..Policy::default() };
    let small = tiers(&[&[(Anthropic, 1), (OpenAi, 1)]], policy);
    calls(&small, 20).await;
    assert_eq!(asked(&small)[&OpenAi], 20);
}

#[tokio::test(start_paused = true)]
async fn a_session_stays_where_its_prompt_is_cached() {
    let small = tiers(&[&[(OpenAi, 1), (Anthropic, 1), (Gemini, 1)]], Policy::default());
    let mut homes = Vec::new();
    for session in 0..12 {
        let before = asked(&small);
        for _ in 0..10 {
            let asking = small.gateway.asking().session(format!("session {session}"));
            asking.chat(ask("smart", "Say hello.")).await.unwrap();
        }
        let after = asked(&small);
        let home: Vec<_> = Vendor::ALL.into_iter().filter(|v| after[v] > before[v]).collect();
        assert_eq!(home.len(), 1, "session {session} was at {home:?}");
        homes.push(home[0]);
    }
    homes.sort();
    homes.dedup();
    assert!(homes.len() > 1, "all sessions live at {homes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_to_a_larger_window_only() {
    let small = tiers(&[&[(OpenAi, 1)], &[(Anthropic, 1)]], Policy::default());
    small.script(OpenAi, r#"[{"times": "always", "do": {"error": "context_length"}}]"#);
    // Both windows are of one size here: nobody is asked in vain.
    let error = small.gateway.chat(ask("smart", "Say hello.")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ContextOverflow);
    assert_eq!(asked(&small)[&Anthropic], 0);
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_final_unless_the_policy_says_otherwise() {
    let filter = r#"[{"times": "always", "do": {"error": "content_filter"}}]"#;
    let strict = tiers(&[&[(OpenAi, 1)], &[(Anthropic, 1)]], Policy::default());
    strict.script(OpenAi, filter);
    let error = strict.gateway.chat(ask("smart", "Say hello.")).await.unwrap_err();
    assert_eq!((error.kind(), asked(&strict)[&Anthropic]), (Kind::ContentFiltered, 0));
    let policy = Policy { refiltered: true, ..Policy::default() };
    let lenient = tiers(&[&[(OpenAi, 1)], &[(Anthropic, 1)]], policy);
    lenient.script(OpenAi, filter);
    lenient.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    assert_eq!(asked(&lenient)[&Anthropic], 1);
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_fallback_gets_none() {
    let small = tiers(&[&[(OpenAi, 1)], &[(Anthropic, 1)]], Policy::default());
    small.script(OpenAi, r#"[{"times": "always", "do": {"error": "server_error"}}]"#);
    let asking = small.gateway.asking().no_fallback();
    asking.chat(ask("smart", "Say hello.")).await.unwrap_err();
    assert_eq!(asked(&small)[&Anthropic], 0);
    small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_empty_is_left_for_the_next_one() {
    let sim = SimTransport::new(&Options::default());
    let key = |id: &'static str, text: &str| {
        Arc::new(Credential { id: id.into(), key: Some(Secret::new(text.to_owned())) })
    };
    let mut vendor = settings(OpenAi, &sim);
    vendor.keys = Keys::new([key("bad", "sk-invalid-0123456789"), key("good", "sk-0123456789")]);
    let tiers = [[Described::target(OpenAi)]];
    let gateway = Gateway::builder().vendor(vendor).model("smart", tiers).build().unwrap();
    for _ in 0..10 {
        gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    }
    let requests = sim.upstream(OpenAi).unwrap().requests();
    let refused = requests.iter().filter(|r| r.status == Some(401)).count();
    assert_eq!((requests.len(), refused), (11, 1), "the bad key was asked with more than once");
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_answer_is_hedged_and_its_cost_is_the_operators() {
    let policy = Policy { hedge: true, ..Policy::default() };
    let small = tiers(&[&[(OpenAi, 1)], &[(Anthropic, 1)]], policy);
    small.script(OpenAi, r#"[{"times": "always", "do": {"first_byte_ms": 50}}]"#);
    calls(&small, 60).await;
    assert_eq!(asked(&small)[&Anthropic], 0, "nothing was slower than usual");
    let (before, _) = small.spent();
    small.script(OpenAi, r#"[{"do": {"first_byte_ms": 20000}}]"#);
    let clock = Arc::clone(small.gateway.clock());
    let began = clock.now();
    small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    assert!(clock.now() - began < Duration::from_secs(1), "{:?}", clock.now() - began);
    assert_eq!(asked(&small)[&Anthropic], 1);
    let (after, held) = small.spent();
    assert!(after > before && held == 0);
    assert!(small.ledger.loss().0 > 0, "the attempt that lost cost somebody something");
}

#[tokio::test(start_paused = true)]
async fn a_key_may_use_what_it_was_sold_under_any_name() {
    let small = tiers(&[&[(OpenAi, 1)]], Policy::default());
    let principal = Principal {
        key: "narrow".into(),
        tenant: "tenant".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope { models: vec!["smart".into()] },
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let grant = Arc::new(Grant::new(principal, plan, Vec::new(), &Zone::UTC));
    let asking = small.gateway.asking().on_behalf(grant);
    asking.chat(ask("smart", "Say hello.")).await.unwrap();
    for other in ["openai/gpt-4o-mini", "SMART", "smart/", "smart "] {
        let error = asking.chat(ask(other, "Say hello.")).await.unwrap_err();
        let kinds = [Kind::Forbidden, Kind::UnknownModel];
        assert!(kinds.contains(&error.kind()), "{other}: {error:?}");
    }
    assert_eq!(asked(&small)[&OpenAi], 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_model_cannot_take_is_named() {
    let sim = SimTransport::new(&Options::default());
    let transport = Arc::new(sim.clone());
    let blind = ProviderSettings::new("blind", "openai").key("sk-0123456789");
    let blind = blind.at(SimTransport::base_url(OpenAi)).build_over(transport).unwrap();
    let gateway = Gateway::builder()
        .vendor(blind)
        .model("blind", [["blind/ft:gpt-4.1-2025-04-14"]])
        .build()
        .unwrap();
    let mut request = ask("blind", "What is this?");
    let image = Media::new(MediaSource::Url("https://example.com/a.png".into()));
    request.messages[0].parts.push(Part::new(PartKind::Image(image)));
    let error = gateway.chat(request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.message().contains("images"), "{error}");
    assert_eq!(error.param(), Some("messages"));
    assert!(sim.upstream(OpenAi).unwrap().requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_said_is_refused_where_the_policy_says_so() {
    let request = || Request { user: None, ..ask("smart", "Say hello.") };
    let odd = || {
        let mut request = request();
        request.sampling.seed = llm_core::raw::RawNumber::parse("7");
        request
    };
    let lenient = tiers(&[&[(Anthropic, 1)]], Policy::default());
    lenient.gateway.chat(odd()).await.unwrap();
    let policy = Policy { losses: LossPolicy::Refuse, ..Policy::default() };
    let strict = tiers(&[&[(Anthropic, 1)]], policy);
    strict.gateway.chat(request()).await.unwrap();
    let error = strict.gateway.chat(odd()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.param().is_some_and(|p| p.contains("seed")), "{error:?}");
}

#[test]
fn settings_that_cannot_work_are_all_named() {
    let sim = SimTransport::new(&Options::default());
    let builder: GatewayBuilder = Gateway::builder()
        .vendor(settings(OpenAi, &sim))
        .vendor(settings(OpenAi, &sim))
        .model("a", [["openai/gpt-4o-mini", "nobody/x", "no-slash"]])
        .model("b", [["openai/a-model-without-a-price"]])
        .model("c", Vec::<[&str; 1]>::new())
        .price(Override { provider: "openai".into(), model: "free".into(), ..Override::default() });
    let problems = builder.build().unwrap_err();
    let places: Vec<&str> = problems.iter().map(|p| &*p.place).collect();
    let expected = [
        "providers.openai",
        "models.a.tiers.0.1",
        "models.a.tiers.0.2",
        "models.b.tiers.0.0",
        "models.c.tiers",
    ];
    assert_eq!(places, expected, "{problems:?}");
}
