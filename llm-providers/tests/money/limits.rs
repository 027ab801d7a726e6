//! Where nothing is set aside nothing is sent, and what goes beyond what was set aside is stopped,
//! rings, and is not the tenant's.

use std::time::Duration;

use futures_util::StreamExt;
use llm_core::error::Kind;
use llm_core::event::Event;
use llm_core::ledger::HoldId;
use llm_core::ledger::charge::{Ending, Evidence, Unknown, charge};
use llm_core::ledger::rules::{Account, reserve};
use llm_core::money::Money;
use llm_core::prompt::Request;
use llm_core::usage::UsageSource;
use llm_providers::model::Policy;
use llm_sim::upstream::Vendor::{self, Anthropic, OpenAi};

use crate::lab::{Lab, Odd, Step, price};

fn asked() -> Request {
    let mut request = Request::new("openai").user("Go on.");
    request.output.tokens_max = Some(40_u64.into());
    request
}

fn sent(lab: &Lab) -> usize {
    Vendor::ALL.into_iter().map(|v| lab.upstream(v).requests().len()).sum()
}

/// By its own name: nobody has said what it costs, and nobody is asked.
#[tokio::test(start_paused = true)]
async fn an_unknown_price_is_refused_before_anything_is_sent() {
    let lab = Lab::new(&Odd { unpriced: &["openai"], ..Odd::default() });
    for model in ["openai/gpt-4o-mini", "openai/gpt-4o"] {
        let request = Request { model: model.into(), ..asked() };
        let error = lab.gateway.chat(request.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.param()), (Kind::Unsupported, Some("model")), "{error:?}");
        let error = lab.gateway.stream(request).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
    }
    assert_eq!((sent(&lab), lab.steps.lock().len()), (0, 0));
}

/// Under a name of ours, it is no configuration: not in the first tier, nor where a call falls,
/// goes on or is asked beside.
#[tokio::test]
async fn no_model_is_built_of_an_unknown_price() {
    for policy in [
        Policy::default(),
        Policy { resume: true, ..Policy::default() },
        Policy { hedge: true, ..Policy::default() },
    ] {
        for tiers in [
            vec![["openai/gpt-4o-mini"], ["anthropic/claude-haiku-4-5"]],
            vec![["anthropic/claude-haiku-4-5"]],
        ] {
            let odd = Odd { unpriced: &["anthropic"], ..Odd::default() };
            let built = Lab::tried(&odd, |b| b.model_with("smart", tiers.clone(), policy.clone()));
            let problems = built.err().expect("a gateway was built");
            assert!(problems[0].text.contains("no price is known"), "{problems}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_runs_past_its_hold_is_stopped() {
    let lab = Lab::new(&Odd::default());
    lab.script(
        OpenAi,
        r#"[{"do": {"output_tokens": 4000, "ignore_max_tokens": true, "chunk_ms": 1}}]"#,
    );
    let mut stream = lab.gateway.stream(asked()).await.unwrap();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    let Some(Event::Failure(error)) = last else { panic!("{last:?}") };
    assert_eq!(error.kind(), Kind::UpstreamFailed);
    // 40 that were allowed, 16 to spare, and the one that was too many.
    let paid = lab.paid();
    assert_eq!((paid.tenant, paid.operator), (price(6, 57), 0));
    let request = lab.upstream(OpenAi).requests().pop().unwrap();
    assert!(request.left_early, "it writes on");
}

/// What was set aside is the tenant's end; the rest is the operator's, and rings.
#[tokio::test(start_paused = true)]
async fn what_costs_more_than_was_held_is_the_operators_and_rings() {
    let lab = Lab::new(&Odd::default());
    lab.script(OpenAi, r#"[{"do": {"output_tokens": 2000, "ignore_max_tokens": true}}]"#);
    lab.gateway.chat(asked()).await.unwrap();
    let steps = lab.steps.lock().clone();
    let Step::Reserved(held) = steps[0] else { panic!("{steps:?}") };
    let paid = lab.paid();
    assert!(held < price(6, 2000));
    assert_eq!((paid.tenant, paid.operator), (held, price(6, 2000) - held));
    assert_eq!((paid.overruns, paid.no_usage), (1, 0));
}

/// What a crash leaves: the prompt from when it is sent, then what has come, and never less.
#[tokio::test(start_paused = true)]
async fn a_crash_finds_the_prompt_in_the_ledger() {
    let lab = Lab::new(&Odd::default());
    lab.script(OpenAi, r#"[{"do": {"output_tokens": 1500, "chunk_ms": 1}}]"#);
    let request = Request::new("openai").user("Go on.");
    let mut stream = lab.gateway.stream(request).await.unwrap();
    let steps = lab.steps.lock().clone();
    let [Step::Reserved(held), Step::Sent(prompt)] = steps[..] else { panic!("{steps:?}") };
    assert!((price(2, 0)..price(60, 0)).contains(&prompt), "{prompt}");
    while stream.next().await.is_some() {}
    let steps = lab.steps.lock().clone();
    let marks = steps.iter().filter_map(|step| match step {
        Step::Marked(cost) => Some(*cost),
        _ => None,
    });
    assert_eq!(marks.collect::<Vec<_>>(), [price(6, 512), price(6, 1024)]);
    let crashed = |unknown, watermark| {
        let mut account = Account::unlimited();
        let proof = reserve(&mut [&mut account], HoldId(1), Money(held)).unwrap();
        let prompt = Money(prompt);
        let evidence = Evidence { sent: true, prompt, watermark, ..Evidence::default() };
        let charged = charge(Ending::Crashed(unknown), &evidence, &proof);
        assert_eq!(charged.source, UsageSource::Estimated);
        charged.tenant.0
    };
    assert_eq!(crashed(Unknown::Prompt, None), prompt);
    assert_eq!(crashed(Unknown::Zero, None), 0);
    assert_eq!(crashed(Unknown::Full, None), held);
    assert_eq!(crashed(Unknown::Zero, Some(Money(price(6, 512)))), price(6, 512));
}

/// What earlier attempts cost the tenant is in what the next one says.
#[tokio::test(start_paused = true)]
async fn a_later_attempt_adds_to_what_is_owed() {
    let policy = Policy { resume: true, ..Policy::default() };
    let lab = Lab::new(&Odd { policy, ..Odd::default() });
    lab.script(OpenAi, r#"[{"do": {"output_tokens": 600, "cut": {"after_frames": 301}}}]"#);
    lab.script(Anthropic, r#"[{"do": {"output_tokens": 3}}]"#);
    let mut stream = lab.gateway.stream(Request::new("two").user("Go on.")).await.unwrap();
    while stream.next().await.is_some() {}
    let steps = lab.steps.lock().clone();
    let sent: Vec<i64> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Sent(cost) => Some(*cost),
            _ => None,
        })
        .collect();
    let [first, second] = sent[..] else { panic!("{steps:?}") };
    assert_eq!(second, price(6, 301) + first);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lab.ledger.holds_open(), 0);
}
