//! Who is answered with whose recording, for how long, and how it is forgotten.

use std::sync::Arc;
use std::time::Duration;

use llm_core::principal::{Grant, KeyId, Scope, TeamId, TenantId, UserId};
use llm_core::store::Purge;
use llm_providers::model::{CachePolicy, CacheScope};
use llm_providers::reply::CacheState;
use llm_sim::upstream::Vendor::OpenAi;
use tokio::time::sleep;

use crate::lab::{Lab, global, grant, lab, question};

/// A key with a user and a team.
fn of(
    tenant: &'static str,
    key: &'static str,
    user: &'static str,
    team: &'static str,
) -> Arc<Grant> {
    let mut grant = (*grant(tenant, key)).clone();
    let mut principal = (*grant.principal).clone();
    principal.user = (!user.is_empty()).then(|| UserId::from(user));
    principal.team = (!team.is_empty()).then(|| TeamId::from(team));
    grant.principal = Arc::new(principal);
    Arc::new(grant)
}

async fn ask(lab: &Lab, grant: &Arc<Grant>) -> CacheState {
    let mut call = lab.call(&question(false));
    call.grant = Arc::clone(grant);
    lab.ask(call).await.unwrap().cache
}

fn is_hit(cache: CacheState) -> bool {
    matches!(cache, CacheState::Hit { .. })
}

#[tokio::test(start_paused = true)]
async fn a_scope_decides_who_shares_and_no_scope_leaves_the_tenant() {
    let first = of("t", "k", "u", "g");
    for (scope, shares) in [
        (CacheScope::Key, [true, false, false, false]),
        (CacheScope::User, [true, true, false, false]),
        (CacheScope::Team, [true, false, true, false]),
        (CacheScope::Global, [true, true, true, true]),
    ] {
        let lab = lab(CachePolicy { scope, ..CachePolicy::default() });
        assert_eq!(ask(&lab, &first).await, CacheState::Miss);
        let others = [
            of("t", "k", "u", "g"),
            of("t", "l", "u", "h"),
            of("t", "l", "v", "g"),
            of("t", "l", "v", "h"),
        ];
        for (other, shares) in others.iter().zip(shares) {
            let mut call = lab.call(&question(false));
            call.grant = Arc::clone(other);
            call.controls.cache = llm_core::call::CacheUse::NoStore;
            let cache = lab.ask(call).await.unwrap().cache;
            assert_eq!(is_hit(cache), shares, "{scope:?} {:?}", other.principal);
        }
        assert_eq!(ask(&lab, &of("t2", "k", "u", "g")).await, CacheState::Miss);
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_do_not_share_a_call_under_way_either() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":300}}"#);
    let (a, b) = (of("t", "k", "", ""), of("t2", "k", "", ""));
    let (a, b) = tokio::join!(ask(&lab, &a), ask(&lab, &b));
    assert_eq!((a, b), (CacheState::Miss, CacheState::Miss));
    assert_eq!(lab.asked(OpenAi), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_user_nothing_is_kept_for_users() {
    let lab = lab(CachePolicy { scope: CacheScope::User, ..CachePolicy::default() });
    let nobody = of("t", "k", "", "");
    for _ in 0..2 {
        assert_eq!(ask(&lab, &nobody).await, CacheState::Bypass);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_may_use_less_is_not_answered_by_more() {
    let lab = lab(global());
    let all = of("t", "k", "", "");
    ask(&lab, &all).await;
    let mut narrow = (*all).clone();
    let mut principal = (*narrow.principal).clone();
    principal.key = KeyId::from("narrow");
    principal.scope = Scope { models: vec!["openai".into()] };
    narrow.principal = Arc::new(principal);
    assert_eq!(ask(&lab, &Arc::new(narrow)).await, CacheState::Miss);
}

#[tokio::test(start_paused = true)]
async fn a_recording_ends_with_its_time() {
    let lab = lab(CachePolicy { ttl: Duration::from_secs(60), ..global() });
    lab.say(&question(false)).await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(lab.say(&question(false)).await.cache, CacheState::Hit { age_s: 59 });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(lab.say(&question(false)).await.cache, CacheState::Miss);
    // A caller may want less, and gets no more.
    for (asked, held) in [(10, 10), (1_000, 60)] {
        lab.gateway.purge(&Purge::Tenant(TenantId::from("t"))).await;
        let mut call = lab.call(&question(false));
        call.controls.cache_ttl = Some(Duration::from_secs(asked));
        lab.ask(call).await.unwrap();
        sleep(Duration::from_secs(held - 1)).await;
        assert!(is_hit(lab.say(&question(false)).await.cache));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(lab.say(&question(false)).await.cache, CacheState::Miss);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_is_forgotten_by_key_user_model_tag_scope_and_tenant() {
    let tenant = || TenantId::from("t");
    let meant = [
        Purge::key(tenant(), &KeyId::from("k")),
        Purge::user(tenant(), &UserId::from("u")),
        Purge::model(tenant(), "openai"),
        Purge::Tag(tenant(), "nightly".into()),
        Purge::Scope(tenant(), "k".into()),
        Purge::Tenant(tenant()),
    ];
    let others = [
        Purge::key(TenantId::from("t2"), &KeyId::from("k")),
        Purge::user(tenant(), &UserId::from("v")),
        Purge::model(tenant(), "anthropic"),
        Purge::Tag(tenant(), "daily".into()),
        Purge::Scope(tenant(), "l".into()),
        Purge::Tenant(TenantId::from("t2")),
    ];
    let lab = lab(CachePolicy::default());
    let who = of("t", "k", "u", "g");
    let keep = async || {
        let mut call = lab.call(&question(false));
        call.grant = Arc::clone(&who);
        call.controls.tags = vec!["nightly".into()];
        lab.ask(call).await.unwrap().cache
    };
    for (meant, other) in meant.iter().zip(&others) {
        assert_eq!(keep().await, CacheState::Miss);
        assert_eq!(lab.gateway.purge(other).await, 0, "{other:?}");
        assert!(is_hit(keep().await), "{other:?}");
        assert_eq!(lab.gateway.purge(meant).await, 1, "{meant:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_when_something_is_forgotten_is_not_kept() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":300}}"#);
    let under_way = tokio::spawn({
        let lab = lab.clone();
        async move { lab.say(&question(false)).await }
    });
    sleep(Duration::from_millis(100)).await;
    lab.gateway.purge(&Purge::Tenant(TenantId::from("t"))).await;
    under_way.await.unwrap();
    assert_eq!(lab.say(&question(false)).await.cache, CacheState::Miss);
}

#[tokio::test(start_paused = true)]
async fn what_went_wrong_is_not_kept() {
    let lab = lab(global());
    lab.script(OpenAi, r#"{"times":1,"do":{"error":"content_filter"}}"#);
    let _ = lab.ask(lab.call(&question(false))).await;
    assert_eq!(lab.say(&question(false)).await.cache, CacheState::Miss);
}

/// An answer belongs to the configuration that made it: another target behind the same name is
/// another question.
#[tokio::test(start_paused = true)]
async fn another_configuration_asks_anew() {
    use llm_providers::model::Policy;
    use llm_providers::provider::ProviderSettings;
    use llm_providers::settings::{ModelSettings, Settings};
    let sim = Arc::new(llm_sim::SimTransport::new(&llm_sim::Options::default()));
    let settings = |target: &'static str| {
        let vendor = |kind: &'static str| {
            let settings = ProviderSettings::new(kind, kind).key("sk-simulated-0123456789");
            settings.build_over(Arc::clone(&sim) as _).unwrap()
        };
        let policy = Policy { cache: Some(CachePolicy::default()), ..Policy::default() };
        let tiers = vec![vec![(target.into(), 1)]];
        Settings {
            vendors: vec![vendor("openai"), vendor("anthropic")],
            models: vec![ModelSettings { name: "smart".into(), tiers, policy }],
            ..Settings::default()
        }
    };
    let first = settings("openai/gpt-4o-mini");
    let gateway = llm_providers::Gateway::builder().settings(first).build().unwrap();
    let asking = gateway.asking();
    let ask = async || {
        let request = llm_core::prompt::Request::new("smart").user("How long is the Han?");
        let head = asking.answered(request).await.unwrap().head;
        (head.cache.name(), head.target.to_string())
    };
    assert_eq!(ask().await.0, "miss");
    assert_eq!(ask().await.0, "hit");
    gateway.reload(settings("anthropic/claude-haiku-4-5")).unwrap();
    assert_eq!(ask().await, ("miss", "anthropic/claude-haiku-4-5".to_owned()));
    gateway.reload(settings("openai/gpt-4o-mini")).unwrap();
    assert_eq!(ask().await, ("hit", "openai/gpt-4o-mini".to_owned()));
}
