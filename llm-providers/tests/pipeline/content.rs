//! What content rules let through, what they change on the way, and what a refusal costs.

use llm_core::error::Kind;
use llm_core::prompt::Request;
use llm_providers::Gateway;
use llm_providers::stage::inspect::{ContentRule, ContentRules, Find, Then};
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};

use crate::world::settings;

fn ruled(find: Find, then: Then) -> (Gateway, SimTransport) {
    let sim = SimTransport::new(&Options::default());
    let rule = ContentRule { name: "ours".into(), find, then };
    let gateway = Gateway::builder()
        .vendor(settings(Vendor::OpenAi, &sim))
        .model("smart", [["openai/gpt-4o-mini"]])
        .content(ContentRules { chars_max: Some(1_000), rules: vec![rule] })
        .build()
        .unwrap();
    (gateway, sim)
}

fn sent(sim: &SimTransport) -> Vec<String> {
    let requests = sim.upstream(Vendor::OpenAi).unwrap().requests();
    requests.into_iter().map(|r| r.body).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_masked_never_leaves() {
    let (gateway, sim) = ruled(Find::Residents, Then::Mask);
    let asked = || Request::new("smart").user("내 번호는 900101-1234567 이야.");
    gateway.chat(asked()).await.unwrap();
    // By a name that no configuration has, the same.
    let around = Request { model: "openai/gpt-4o".into(), ..asked() };
    gateway.chat(around).await.unwrap();
    for body in sent(&sim) {
        assert!(body.contains("내 번호는 ******** 이야."), "{body}");
    }
    assert_eq!(sent(&sim).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_asks_nobody_and_costs_nothing() {
    let (gateway, sim) = ruled(Find::Secrets, Then::Refuse);
    let asked = Request::new("smart").user("my key is sk-0123456789abcdefghij");
    let error = gateway.chat(asked).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ContentFiltered);
    assert_eq!(sent(&sim), Vec::<String>::new());
    let long = Request::new("smart").user("x".repeat(1_001));
    assert_eq!(gateway.chat(long).await.unwrap_err().kind(), Kind::TooLarge);
    let audit = gateway.ledger().verify().await.unwrap();
    assert_eq!((audit.holds_open, audit.problems.len()), (0, 0));
}

/// Rules that find nothing cost the bytes nothing: a relayed question stays as it was written.
#[tokio::test(start_paused = true)]
async fn what_is_clean_is_relayed_as_it_came() {
    let (gateway, sim) = ruled(Find::Emails, Then::Mask);
    let odd = r#"{ "model":"smart" ,"messages":[{"role":"user","content":"caf\u00e9"}], "temperature" : 1.0e0}"#;
    let asking = gateway.asking();
    let json = Some("application/json".into());
    let dialect = llm_core::dialect::DialectId::OpenaiChat;
    asking.ask_raw(dialect, "/v1/chat/completions", json, odd.into()).await.unwrap();
    assert_eq!(sent(&sim), [odd.replace("smart", "gpt-4o-mini")]);
}
