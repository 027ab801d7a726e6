//! What a call pays in credits, beside its money: by the same attempts, whichever way it ends.

use std::sync::Arc;

use futures_util::StreamExt;
use llm_core::error::Kind;
use llm_core::ledger::{AccountId, HoldId};
use llm_core::money::{Credits, Money};
use llm_core::principal::{Grant, Principal, Scope};
use llm_core::prompt::Request;
use llm_core::quota::{Plan, Zone};
use llm_core::store::Line;
use llm_providers::ledger::MemoryLedger;
use llm_sim::upstream::Vendor::OpenAi;

use crate::lab::{Lab, Odd};

type Purse = Arc<MemoryLedger<Credits>>;

fn lab(limit: &str) -> (Lab, Purse, Arc<Grant>) {
    let purse = Purse::default();
    let kept = Arc::clone(&purse);
    let tariff = "1 credit/call + 1 credit per exact 1000 output tokens".parse().unwrap();
    let lab = Lab::built(&Odd::default(), |builder| builder.credits(kept).tariff("open*", tariff));
    let principal = Principal {
        key: "k".into(),
        tenant: "t".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let limits = vec![limit.parse().unwrap()];
    (lab, purse, Arc::new(Grant::new(principal, plan, limits, &Zone::UTC)))
}

fn asked(model: &'static str) -> Request {
    let mut request = Request::new(model).user("Go on.");
    request.output.tokens_max = Some(40_u64.into());
    request
}

fn paid(purse: &Purse) -> i64 {
    assert_eq!(purse.holds_open(), 0, "credits are still held");
    purse.accounts().iter().map(|(_, account)| account.settled.0).sum()
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_pays_by_its_usage() {
    let (lab, purse, grant) = lab("100 credits/month");
    let asking = lab.gateway.asking().on_behalf(grant);
    let answered = asking.answered(asked("openai")).await.unwrap();
    let written =
        i64::try_from(answered.completion.usage.as_ref().unwrap().usage.written_total()).unwrap();
    assert!(written > 0);
    assert_eq!(paid(&purse), 1_000_000 + written * 1_000);
    assert!(lab.paid().tenant > 0);
}

#[tokio::test(start_paused = true)]
async fn who_was_refused_pays_nothing_and_who_leaves_for_what_came() {
    let (lab, purse, grant) = lab("100 credits/month");
    lab.script(OpenAi, r#"[{"do": {"status": 500}}]"#);
    let asking = lab.gateway.asking().on_behalf(Arc::clone(&grant));
    assert!(asking.answered(asked("openai")).await.is_err());
    assert_eq!((paid(&purse), lab.paid().tenant), (0, 0));
    lab.script(OpenAi, r#"[{"do": {"output_tokens": 40, "chunk_ms": 1}}]"#);
    let mut stream = asking.stream(asked("openai")).await.unwrap();
    for _ in 0..8 {
        stream.next().await.unwrap();
    }
    drop(stream);
    let left = paid(&purse);
    assert!(left > 1_000_000 && left < 1_040_000, "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_is_not_free() {
    let (lab, purse, grant) = lab("100 credits/month");
    let asking = lab.gateway.asking().on_behalf(grant);
    let error = asking.answered(asked("anthropic")).await.unwrap_err();
    assert_eq!((error.kind(), error.param()), (Kind::Unsupported, Some("model")));
    // Nobody else is asked for credits.
    lab.gateway.chat(asked("anthropic")).await.unwrap();
    assert!(purse.accounts().is_empty());
}

/// All or nothing: where credits do not reach, money comes back.
#[tokio::test(start_paused = true)]
async fn a_refusal_in_credits_leaves_nothing_behind() {
    let (lab, purse, grant) = lab("1 credits/month");
    let asking = lab.gateway.asking().on_behalf(grant);
    let error = asking.answered(asked("openai")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::CreditExhausted);
    assert!(error.message().contains("1 credits"), "{error}");
    assert_eq!((paid(&purse), lab.paid().tenant, lab.ledger.holds_open()), (0, 0, 0));
    assert_eq!(lab.upstream(OpenAi).requests().len(), 0);
}

/// Whatever many do at once, no more is paid than there is.
#[tokio::test(start_paused = true)]
async fn many_at_once_pay_no_more_than_there_is() {
    let (lab, purse, grant) = lab("10 credits/month");
    let calls = (0..40).map(|_| {
        let (gateway, grant) = (lab.gateway.clone(), Arc::clone(&grant));
        async move { gateway.asking().on_behalf(grant).answered(asked("openai")).await.is_ok() }
    });
    let done = futures_util::future::join_all(calls).await.into_iter().filter(|ok| *ok).count();
    let spent = paid(&purse);
    assert!(done > 0 && spent <= 10_000_000, "{done}: {spent}");
    assert!(spent >= i64::try_from(done).unwrap() * 1_000_000);
}

/// The ledger in memory keeps the laws of the other one in this unit, too.
#[tokio::test]
async fn credits_are_a_unit_of_their_own() {
    use llm_core::store::Ledger as _;
    let (purse, money) = (MemoryLedger::<Credits>::default(), MemoryLedger::<Money>::default());
    let account = AccountId::new(llm_core::ledger::Owner::Key, "k");
    let line = [Line { account: account.clone(), limit: Some(Credits(5)) }];
    purse.reserve(HoldId(1), &line, Credits(5)).await.unwrap();
    assert!(purse.reserve(HoldId(2), &line, Credits(1)).await.is_err());
    assert_eq!(money.balance(&account).await.unwrap(), None);
}
