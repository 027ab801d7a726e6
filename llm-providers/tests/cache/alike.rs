//! Answers to similar questions: for those who want them, within one key, and of one conversation.

use std::sync::Arc;
use std::time::Duration;

use llm_core::call::CacheUse;
use llm_core::error::{Error, Kind};
use llm_core::principal::{Grant, Principal, Scope};
use llm_core::prompt::Request;
use llm_core::quota::{Plan, Zone};
use llm_core::seam::BoxFuture;
use llm_providers::Gateway;
use llm_providers::model::{CachePolicy, CacheScope, Policy};
use llm_providers::provider::ProviderSettings;
use llm_providers::stage::cache::alike::{Embedder, Ngrams};
use llm_sim::{Options, SimTransport};

fn gateway(embedder: Arc<dyn Embedder>) -> Gateway {
    let sim = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let cache =
        CachePolicy { alike: Some(800), scope: CacheScope::Global, ..CachePolicy::default() };
    Gateway::builder()
        .vendor(openai.build_over(sim).unwrap())
        .model_with(
            "smart",
            [["openai/gpt-4o-mini"]],
            Policy { cache: Some(cache), ..Policy::default() },
        )
        .embedder(embedder)
        .build()
        .unwrap()
}

fn of(key: &'static str) -> Arc<Grant> {
    let principal = Principal {
        key: key.into(),
        tenant: "tenant".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    Arc::new(Grant::new(principal, plan, Vec::new(), &Zone::UTC))
}

async fn told(gateway: &Gateway, key: &'static str, request: Request) -> &'static str {
    let asking = gateway.asking().on_behalf(of(key));
    asking.answered(request).await.unwrap().head.cache.name()
}

fn ask(text: &'static str) -> Request {
    Request::new("smart").system("You know rivers.").user(text)
}

#[tokio::test(start_paused = true)]
async fn a_similar_question_of_the_same_key_is_answered_from_it() {
    let gateway = gateway(Arc::new(Ngrams));
    let first = ask("How long is the Nakdong river in Korea?");
    assert_eq!(told(&gateway, "a", first.clone()).await, "miss");
    let again = ask("how long is the  Nakdong river in Korea");
    assert_eq!(told(&gateway, "a", again.clone()).await, "alike");
    assert_eq!(told(&gateway, "a", first.clone()).await, "hit");
    assert_eq!(told(&gateway, "a", ask("How deep is the sea around Jeju?")).await, "miss");
    // The policy shares answers among all keys; similar ones it does not.
    assert_eq!(told(&gateway, "b", again.clone()).await, "miss");
    assert_eq!(told(&gateway, "b", first).await, "hit");
    // Another conversation before the same words, or another temperature, is another question.
    let other =
        Request::new("smart").system("You know lakes.").user("how long is the nakdong river");
    assert_eq!(told(&gateway, "a", other).await, "miss");
    let mut warm = again;
    warm.sampling.temperature = Some(1u64.into());
    assert_eq!(told(&gateway, "a", warm).await, "miss");
}

#[tokio::test(start_paused = true)]
async fn who_wants_it_fresh_gets_it_fresh_and_what_is_old_is_gone() {
    let gateway = gateway(Arc::new(Ngrams));
    let (first, again) = (ask("How long is the Nakdong?"), ask("How long is the Nakdong ?"));
    assert_eq!(told(&gateway, "a", first).await, "miss");
    for cache in [CacheUse::Refresh, CacheUse::NoStore, CacheUse::Off] {
        let asking = gateway.asking().on_behalf(of("a")).cache(cache);
        let answered = asking.answered(ask("How long is the Nakdong??")).await.unwrap();
        assert_ne!(answered.head.cache.name(), "alike", "{cache:?}");
    }
    assert_eq!(told(&gateway, "a", again.clone()).await, "alike");
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(told(&gateway, "a", again.clone()).await, "miss");
}

#[derive(Debug)]
enum Broken {
    Fails,
    Hangs,
    Odd,
}

impl Embedder for Broken {
    fn embed<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<f32>, Error>> {
        Box::pin(async move {
            match self {
                Self::Fails => Err(Error::new(Kind::Internal, "no")),
                Self::Hangs => std::future::pending().await,
                Self::Odd => Ok(vec![f32::NAN; text.len()]),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_embedder_costs_a_miss_and_a_moment() {
    for broken in [Broken::Fails, Broken::Hangs, Broken::Odd] {
        let gateway = gateway(Arc::new(broken));
        let since = tokio::time::Instant::now();
        for _ in 0..2 {
            assert_eq!(told(&gateway, "a", ask("How long is the Han?")).await, "miss");
            tokio::time::sleep(Duration::from_mins(31)).await;
        }
        assert!(since.elapsed() < Duration::from_mins(62) + Duration::from_secs(1));
    }
}

#[test]
fn a_policy_without_an_embedder_is_a_problem() {
    let sim = Arc::new(SimTransport::new(&Options::default()));
    let openai = ProviderSettings::new("openai", "openai").key("sk-simulated-0123456789");
    let cache = CachePolicy { alike: Some(1_001), ..CachePolicy::default() };
    let policy = Policy { cache: Some(cache), ..Policy::default() };
    let problems = Gateway::builder()
        .vendor(openai.build_over(sim).unwrap())
        .model_with("smart", [["openai/gpt-4o-mini"]], policy)
        .build()
        .unwrap_err();
    assert_eq!(problems.len(), 2, "{problems}");
    assert!(problems.iter().all(|p| &*p.place == "models.smart.cache.alike"), "{problems}");
}
