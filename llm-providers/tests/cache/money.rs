//! What a hit costs, and who pays.

use futures_util::future::join_all;
use llm_core::error::Kind;
use llm_core::ledger::{AccountId, Owner};
use llm_core::money::Money;
use llm_core::store::Ledger;
use llm_providers::model::CachePolicy;
use llm_providers::reply::CacheState;
use llm_sim::upstream::Vendor::OpenAi;

use crate::lab::{global, grant, lab, question};

#[tokio::test(start_paused = true)]
async fn a_hit_costs_the_policys_price_and_a_miss_what_it_costs() {
    for price in [Money(0), Money(777)] {
        let lab = lab(CachePolicy { price, ..global() });
        lab.say(&question(false)).await;
        let miss = lab.paid();
        assert!(miss > Money(777), "{miss}");
        for n in 1..=3 {
            let told = lab.say(&question(true)).await;
            assert!(matches!(told.cache, CacheState::Hit { .. }));
            assert_eq!(lab.paid(), Money(miss.0 + n * price.0));
        }
        lab.assert_settled().await;
        // Whoever leaves has had it all the same.
        drop(lab.send(lab.call(&question(false))).await.unwrap());
        assert_eq!(lab.paid(), Money(miss.0 + 4 * price.0));
    }
}

#[tokio::test(start_paused = true)]
async fn followers_pay_the_price_of_a_hit() {
    let lab = lab(CachePolicy { price: Money(5), ..global() });
    lab.script(OpenAi, r#"{"times":"always","do":{"first_byte_ms":300,"chunk_ms":50}}"#);
    let calls = (0..11).map(|n| {
        let mut call = lab.call(&question(true));
        call.grant = grant("t", if n == 0 { "leader" } else { "follower" });
        lab.ask(call)
    });
    join_all(calls).await;
    lab.assert_settled().await;
    let balance = async |name: &'static str| {
        let account = AccountId::new(Owner::Key, name);
        lab.ledger.balance(&account).await.unwrap().unwrap().settled
    };
    assert_eq!(balance("follower").await, Money(50));
    assert!(balance("leader").await > Money(50));
}

#[tokio::test(start_paused = true)]
async fn followers_of_a_broken_stream_pay_nothing() {
    let lab = lab(CachePolicy { price: Money(5), ..global() });
    lab.script(
        OpenAi,
        r#"{"times":1,"do":{"first_byte_ms":300,"chunk_ms":9,"cut":{"after_frames":5}}}"#,
    );
    let calls = (0..4).map(|n| {
        let mut call = lab.call(&question(true));
        call.grant = grant("t", if n == 0 { "leader" } else { "follower" });
        lab.ask(call)
    });
    join_all(calls).await;
    lab.assert_settled().await;
    let account = AccountId::new(Owner::Key, "follower");
    assert_eq!(lab.ledger.balance(&account).await.unwrap().unwrap().settled, Money(0));
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_fund_a_miss_gets_no_hit() {
    let lab = lab(global());
    lab.say(&question(false)).await;
    let account = AccountId::new(Owner::Key, "k");
    lab.ledger.set_limit(&account, Some(Money(lab.paid().0 + 10))).await.unwrap();
    let refused = lab.ask(lab.call(&question(false))).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::CreditExhausted);
}
