//! Who is silent, who is limited, who is left alone: what it costs the calls that go there, and the
//! calls that go elsewhere.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use llm_core::call::CacheUse;
use llm_core::dialect::Chunks;
use llm_core::error::Kind;
use llm_core::prompt::Prompt;
use llm_core::seam::{BoxFuture, Transport, TransportError, WireBody};
use llm_providers::Gateway;
use llm_providers::model::Policy;
use llm_providers::provider::ProviderSettings;
use llm_providers::settings::Settings;
use llm_providers::stage::admit::OwnerRules;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};
use tokio::time::Instant;

use crate::world::{Small, ask};

const SILENT: &str = r#"[{"times": "always", "do": {"hang": "before_head"}}]"#;

/// A whole call that nobody answers leaves time for the next tier, and the one after it does not
/// wait for the silent one again once that is known.
#[tokio::test(start_paused = true)]
async fn a_silent_target_does_not_use_up_the_time_of_all() {
    let small = Small::new();
    small.script(Vendor::OpenAi, SILENT);
    let asking = small.gateway.asking().within(Duration::from_secs(60));
    for _ in 0..8 {
        let answered = asking.answered(ask("smart", "Say hello.")).await.unwrap();
        assert_eq!(answered.head.target.to_string(), "anthropic/claude-haiku-4-5");
    }
    let since = Instant::now();
    asking.answered(ask("smart", "Say hello.")).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
}

fn with_keys(keys: &[&str]) -> (Gateway, SimTransport) {
    let sim = SimTransport::new(&Options::default());
    let openai = keys
        .iter()
        .fold(ProviderSettings::new("openai", "openai"), |settings, key| settings.key(*key));
    let gateway = Gateway::builder()
        .vendor(openai.build_over(Arc::new(sim.clone())).unwrap())
        .model("smart", [["openai/gpt-4o-mini"]])
        .build()
        .unwrap();
    (gateway, sim)
}

const A: &str = "sk-aaaaaaaaaaaaaaaaaaaa";
const B: &str = "sk-bbbbbbbbbbbbbbbbbbbb";

/// A limit is one key's: the other goes on at once, and the limited one is left alone meanwhile.
#[tokio::test(start_paused = true)]
async fn a_limited_key_rests_and_the_other_goes_on() {
    let (gateway, sim) = with_keys(&[A, B]);
    let upstream = sim.upstream(Vendor::OpenAi).unwrap();
    let rules = r#"[{"match": {"header": {"authorization": "aaaa"}}, "times": "always",
        "do": {"error": "rate_limit", "retry_after": "30"}}]"#;
    upstream.script(Script::parse(rules.as_bytes()).unwrap());
    let since = Instant::now();
    for _ in 0..10 {
        gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    }
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let refused = upstream.requests().iter().filter(|r| r.status == Some(429)).count();
    assert!(refused <= 1, "{refused} calls with the limited key");
    // Both limited for a moment: the call waits for the first of them.
    let rules = r#"[{"times": 2, "do": {"error": "rate_limit", "retry_after": "1"}}]"#;
    upstream.script(Script::parse(rules.as_bytes()).unwrap());
    tokio::time::sleep(Duration::from_secs(40)).await;
    gateway.chat(ask("smart", "Say hello.")).await.unwrap();
}

/// Many calls wait for one target that rests: they come back apart from each other, and not all.
#[tokio::test(start_paused = true)]
async fn those_who_waited_do_not_come_back_at_once() {
    let (gateway, sim) = with_keys(&[A]);
    let upstream = sim.upstream(Vendor::OpenAi).unwrap();
    let rules = r#"[{"times": "always", "do": {"error": "rate_limit", "retry_after": "1"}}]"#;
    upstream.script(Script::parse(rules.as_bytes()).unwrap());
    let call = |gateway: Gateway| async move { gateway.chat(ask("smart", "Hello?")).await };
    let all: Vec<_> = (0..200).map(|_| tokio::spawn(call(gateway.clone()))).collect();
    for one in all {
        let error = one.await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), Kind::UpstreamRateLimited | Kind::Busy), "{error:?}");
    }
    let asked = upstream.requests().len();
    assert!(asked < 300, "{asked} requests of 200 calls to one who is limited");
}

/// Gemini's way to refuse a question: an answer without candidates.
#[derive(Debug)]
struct Blocked(SimTransport);

const BLOCKED: &str = r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#;

impl Transport for Blocked {
    fn send(
        &self,
        request: http::Request<Chunks>,
    ) -> BoxFuture<'static, Result<http::Response<WireBody>, TransportError>> {
        let (host, path) = (request.uri().host(), request.uri().path());
        if host != Some("gemini.sim") {
            return self.0.send(request);
        }
        let stream = path.contains("streamGenerateContent");
        let (kind, body) = match stream {
            true => ("text/event-stream", format!("data: {BLOCKED}\n\n")),
            false => ("application/json", BLOCKED.to_owned()),
        };
        let body = futures_util::stream::once(async move { Ok(Bytes::from(body)) });
        let response = http::Response::builder().header("content-type", kind);
        let response = response.body(Box::pin(body) as WireBody).unwrap();
        Box::pin(async { Ok(response) })
    }
}

/// A filter that answers 200 is one as well, where the policy asks elsewhere.
#[tokio::test(start_paused = true)]
async fn a_filter_that_calls_it_an_answer_is_asked_around() {
    let sim = SimTransport::new(&Options::default());
    let mut builder = Gateway::builder();
    for kind in ["gemini", "anthropic"] {
        let settings = ProviderSettings::new(kind, kind).key("k0123456789");
        let settings = settings.at(SimTransport::base_url(Vendor::of_host(kind).unwrap()));
        let transport = Arc::new(Blocked(sim.clone()));
        builder = builder.vendor(settings.build_over(transport).unwrap());
    }
    let policy = Policy { refiltered: true, ..Policy::default() };
    let tiers = [["gemini/gemini-2.5-flash"], ["anthropic/claude-haiku-4-5"]];
    let gateway = builder.model_with("smart", tiers, policy).build().unwrap();
    for stream in [false, true] {
        let mut request = ask("smart", "Say hello.");
        request.stream = stream;
        let reply = gateway.asking().ask(Prompt::Chat(request)).await.unwrap();
        assert_eq!(reply.head.target.to_string(), "anthropic/claude-haiku-4-5", "{stream}");
    }
}

/// By its own name a target is the same one: what rests, rests.
#[tokio::test(start_paused = true)]
async fn a_target_by_its_own_name_is_the_same_target() {
    let (gateway, sim) = with_keys(&[A]);
    let upstream = sim.upstream(Vendor::OpenAi).unwrap();
    let rules = r#"[{"times": "always", "do": {"error": "rate_limit", "retry_after": "50"}}]"#;
    upstream.script(Script::parse(rules.as_bytes()).unwrap());
    gateway.chat(ask("smart", "Say hello.")).await.unwrap_err();
    let before = upstream.requests().len();
    gateway.chat(ask("openai/gpt-4o-mini", "Say hello.")).await.unwrap_err();
    assert_eq!(upstream.requests().len(), before);
}

/// Counting tokens is no call to a model: nobody bills it, and an empty account may count.
#[tokio::test(start_paused = true)]
async fn counting_is_free() {
    let small = Small::with_one(Vendor::Anthropic);
    let asked = ask("faulty", "How long is this?");
    small.gateway.asking().ask(Prompt::CountTokens(asked)).await.unwrap();
    assert_eq!(small.spent(), (0, 0));
}

/// A whole answer that does not say what it used is paid for by what it says.
#[tokio::test(start_paused = true)]
async fn an_answer_without_usage_is_not_free() {
    let small = Small::with_one(Vendor::OpenAi);
    small.gateway.chat(ask("faulty", "Tell me of the sea.")).await.unwrap();
    let (told, _) = small.spent();
    small.script(Vendor::OpenAi, r#"[{"do": {"usage": "absent"}}]"#);
    small.gateway.chat(ask("faulty", "Tell me of the sea.")).await.unwrap();
    let (both, _) = small.spent();
    let counted = both - told;
    assert!(counted * 2 > told && counted < told * 2, "{counted} by our count, {told} as told");
}

/// Rules that would be accepted and not obeyed are problems.
#[tokio::test(start_paused = true)]
async fn rules_that_nobody_would_obey_are_named() {
    use llm_providers::stage::admit::limits::Rules;
    use llm_providers::stage::admit::meter::Rule;
    let (gateway, _sim) = with_keys(&[A]);
    let paid = Rules { rules: vec![Rule::Window("$100/day".parse().unwrap())], ..Rules::default() };
    let mut rules = OwnerRules { team: paid.clone(), ..OwnerRules::default() };
    rules.models.insert("smrat".into(), Rules::default());
    let problems = gateway.reload(Settings { rules, ..Settings::default() }).unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| p.place.to_string()).collect();
    assert_eq!(places, ["rules.team.0", "rules.models.smrat"]);
    // And nothing has changed.
    let again = gateway.asking().cache(CacheUse::Off);
    again.chat(ask("smart", "Still there?")).await.unwrap();
}
