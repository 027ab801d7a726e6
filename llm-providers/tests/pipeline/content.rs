//! What content rules let through, what they change on the way, and what a refusal costs.

use futures_util::StreamExt as _;
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

/// What goes out under a name stands in the answer again, whole and streamed, also where the name
/// comes in pieces.
#[tokio::test(start_paused = true)]
async fn what_goes_out_under_a_name_comes_back() {
    for split in [None, Some(1)] {
        let (gateway, sim) = ruled(Find::Cards, Then::Pseudonym);
        let mut act =
            serde_json::json!({"text": "Your card ⟦card-1⟧ is fine, ⟦card-2⟧ and ⟦ are not."});
        act["split"] = serde_json::json!(split);
        let script = serde_json::json!({"times": "always", "do": act}).to_string();
        let rules = llm_sim::script::Script::parse(script.as_bytes()).unwrap();
        sim.upstream(Vendor::OpenAi).unwrap().script(rules);
        let asked =
            || Request::new("smart").user("Is 4111 1111 1111 1111 fine? 4111 1111 1111 1111.");
        let expected = "Your card 4111 1111 1111 1111 is fine, ⟦card-2⟧ and ⟦ are not.";
        let turn = gateway.chat(asked()).await.unwrap();
        assert_eq!(turn.text(0), expected);
        let mut events = gateway.stream(asked()).await.unwrap();
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(event);
        }
        assert_eq!(seen.last(), Some(&llm_core::event::Event::End));
        assert_eq!(llm_core::completion::collect(&seen).text(0), expected);
        for body in sent(&sim) {
            assert!(body.contains("Is ⟦card-1⟧ fine? ⟦card-1⟧."), "{body}");
        }
    }
}
