//! However a call ends: it is answered or refused once, settled once, and holds nothing after.

use futures_util::StreamExt;
use llm_core::event::Event;
use llm_sim::upstream::Vendor;

use crate::world::{Small, ask};

#[tokio::test(start_paused = true)]
async fn a_whole_answer_is_paid_for() {
    let small = Small::new();
    let answer = small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    assert!(!answer.text(0).is_empty());
    let (spent, held) = small.spent();
    assert!(spent > 0 && held == 0, "{spent} {held}");
    assert_eq!(small.ledger.holds_open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_answer_is_the_whole_one_and_costs_the_same() {
    let small = Small::new();
    let whole = small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    let (first, _) = small.spent();
    let mut stream = small.gateway.stream(ask("smart", "Say hello.")).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    assert_eq!(events.last(), Some(&Event::End));
    let streamed = llm_core::completion::collect(&events);
    assert_eq!(streamed.text(0), whole.text(0));
    assert!(stream.receipt().is_some_and(|r| r.posted.0 > 0));
    let (both, held) = small.spent();
    assert_eq!((both, held), (2 * first, 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_account_upstream_is_left_for_the_next_tier() {
    let small = Small::new();
    small.script(Vendor::OpenAi, r#"[{"do": {"error": "insufficient_quota"}}]"#);
    let answer = small.gateway.chat(ask("smart", "Say hello.")).await.unwrap();
    assert!(!answer.text(0).is_empty());
    assert_eq!(small.upstream(Vendor::Anthropic).requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_pays_for_what_came() {
    let small = Small::new();
    let mut stream = small.gateway.stream(ask("smart", "Say hello.")).await.unwrap();
    for _ in 0..4 {
        stream.next().await.unwrap();
    }
    assert_eq!(small.ledger.holds_open(), 1);
    drop(stream);
    let (spent, held) = small.spent();
    assert!(spent > 0 && held == 0, "{spent} {held}");
    assert_eq!(small.ledger.holds_open(), 0);
}
