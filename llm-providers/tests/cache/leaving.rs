//! Callers who leave, the first one above all.

use std::time::Duration;

use llm_core::money::Money;
use llm_providers::reply::CacheState;
use llm_sim::upstream::Vendor::OpenAi;
use tokio::time::sleep;

use crate::lab::{Lab, Told, global, grant, lab, question, words};

const SLOW: &str = r#"{"times":"always","do":{"first_byte_ms":300,"chunk_ms":50}}"#;

fn ask(lab: &Lab, stream: bool) -> tokio::task::JoinHandle<Told> {
    let lab = lab.clone();
    tokio::spawn(async move { lab.say(&question(stream)).await })
}

/// What the leader pays, whose key is of its own.
fn led(lab: &Lab) -> Money {
    let accounts = lab.ledger.accounts();
    Money(accounts.iter().filter(|(id, _)| &*id.name == "leader").map(|(_, a)| a.settled.0).sum())
}

/// The real cost of the usual answer.
async fn cost(stream: bool) -> Money {
    let lab = lab(global());
    lab.say(&question(stream)).await;
    lab.paid()
}

#[tokio::test(start_paused = true)]
async fn the_first_caller_may_leave_before_the_head_or_in_the_middle() {
    for (stream, after) in [(false, 100), (true, 100), (true, 600)] {
        let lab = lab(global());
        lab.script(OpenAi, SLOW);
        let mut call = lab.call(&question(stream));
        call.grant = grant("t", "leader");
        let leader = tokio::spawn({
            let lab = lab.clone();
            async move { lab.ask(call).await }
        });
        sleep(Duration::from_millis(50)).await;
        let followers: Vec<_> = (0..100).map(|_| ask(&lab, stream)).collect();
        sleep(Duration::from_millis(after)).await;
        leader.abort();
        let mut said = Vec::new();
        for follower in followers {
            let told = follower.await.unwrap();
            assert_eq!(told.cache, CacheState::Coalesced);
            said.push(words(&told.text));
        }
        assert_eq!(said[0].split_whitespace().count(), 20);
        assert!(said.iter().all(|s| *s == said[0]));
        assert_eq!(lab.asked(OpenAi), 1);
        assert!(!lab.upstream(OpenAi).requests()[0].left_early);
        lab.assert_settled().await;
        // It began, and so it pays, once and whole; those who followed pay nothing.
        assert_eq!(led(&lab), cost(stream).await);
        assert_eq!(lab.paid(), led(&lab));
        assert!(matches!(ask(&lab, stream).await.unwrap().cache, CacheState::Hit { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_have_left_the_upstream_is_left() {
    for after in [100, 600] {
        let lab = lab(global());
        lab.script(OpenAi, SLOW);
        let all: Vec<_> = (0..20).map(|_| ask(&lab, true)).collect();
        sleep(Duration::from_millis(after)).await;
        for (n, one) in all.iter().enumerate() {
            assert!(!lab.upstream(OpenAi).requests()[0].done, "{n}");
            one.abort();
        }
        for one in all {
            assert!(one.await.unwrap_err().is_cancelled());
        }
        let record = lab.upstream(OpenAi).requests().pop().unwrap();
        assert!(record.done && record.left_early, "{record:?}");
        lab.assert_settled().await;
        assert!(lab.paid() > Money(0), "what was asked for is owed");
        assert_eq!(ask(&lab, true).await.unwrap().cache, CacheState::Miss);
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_leaves_is_settled_in_the_same_breath() {
    let lab = lab(global());
    lab.script(OpenAi, SLOW);
    let reply = lab.send(lab.call(&question(true))).await.unwrap();
    let receipt = reply.receipt.clone();
    drop(reply);
    assert!(receipt.get().unwrap().posted > Money(0));
    lab.assert_settled().await;
}
