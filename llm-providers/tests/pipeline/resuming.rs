//! A stream breaks at every frame, and goes on elsewhere: the text comes once and whole.

use std::sync::Arc;

use futures_util::StreamExt;
use llm_core::completion::collect;
use llm_core::event::{Event, Notice};
use llm_core::prompt::{Request, Tool, ToolKind};
use llm_core::raw::Raw;
use llm_providers::Gateway;
use llm_providers::ledger::MemoryLedger;
use llm_providers::model::Policy;
use llm_sim::testkit::vendor::Described;
use llm_sim::upstream::Vendor;
use llm_sim::{Options, SimTransport};

use crate::world::{Small, ask, settings};

const TEXT: &str = "바다 is calm, and the moon is calm, and \"so\" am I: tide, tide, tide. 🦀 끝";

/// Two tiers, and a policy that allows to go on.
fn pair(first: Vendor, second: Vendor) -> Small {
    let sim = SimTransport::new(&Options::default());
    let ledger = Arc::new(MemoryLedger::default());
    let policy = Policy { resume: true, ..Policy::default() };
    let tiers = [[Described::target(first)], [Described::target(second)]];
    let gateway = Gateway::builder()
        .ledger(Arc::clone(&ledger) as _)
        .vendor(settings(first, &sim))
        .vendor(settings(second, &sim))
        .model_with("faulty", tiers, policy)
        .build()
        .unwrap();
    Small { gateway, sim, ledger }
}

async fn events(small: &Small, request: Request) -> Vec<Event> {
    small.gateway.stream(request).await.unwrap().collect().await
}

#[tokio::test(start_paused = true)]
async fn at_every_frame_between_every_two_vendors() {
    let mut resumed = 0;
    for first in Vendor::ALL {
        for second in Vendor::ALL.into_iter().filter(|v| *v != first) {
            for frames in 1..40 {
                let small = pair(first, second);
                let cut = format!(
                    r#"[{{"do": {{"cut": {{"after_frames": {frames}, "how": "reset"}}}}}}]"#
                );
                small.script(first, &cut);
                let question = format!("please reply with exactly: {TEXT}");
                let events = events(&small, ask("faulty", &question)).await;
                let what = format!("{first} cut after {frames}, then {second}");
                llm_core::event::laws::check(&events).unwrap_or_else(|e| panic!("{what}: {e:?}"));
                assert_eq!(events.last(), Some(&Event::End), "{what}");
                assert_eq!(collect(&events).text(0), TEXT, "{what}");
                let (spent, held) = small.spent();
                assert_eq!(held, 0, "{what}");
                let asked = small.upstream(second).requests().len();
                resumed += asked;
                let free = [first, second].contains(&Vendor::Ollama);
                assert!(free || asked == 0 || spent > 0, "{what}");
            }
        }
    }
    println!("{resumed} streams went on elsewhere");
    assert!(resumed > 300);
}

#[tokio::test(start_paused = true)]
async fn never_inside_a_tool_call_and_never_unasked() {
    let small = pair(Vendor::OpenAi, Vendor::Anthropic);
    let cut = r#"[{"do": {"cut": {"after_frames": 6, "how": "reset"}}}]"#;
    small.script(Vendor::OpenAi, cut);
    let schema =
        Raw::parse(r#"{"type":"object","properties":{"city":{"type":"string"}}}"#).unwrap();
    let tool = Tool {
        name: "get_weather".into(),
        description: None,
        kind: ToolKind::Function { schema: Some(schema), strict: None },
        cache: None,
        extra: llm_core::extra::Extra::default(),
    };
    let request = Request {
        tools: vec![tool],
        tool_choice: Some(llm_core::prompt::ToolChoice::Required),
        ..ask("faulty", "What is the weather in Paris?")
    };
    let all = events(&small, request).await;
    assert!(matches!(all.last(), Some(Event::Failure(_))), "{all:?}");
    assert_eq!(small.upstream(Vendor::Anthropic).requests().len(), 0);
    // Text may go on, but not for a caller who does not want that.
    small.script(Vendor::OpenAi, cut);
    let question = format!("please reply with exactly: {TEXT}");
    let mut request = ask("faulty", &question);
    request.stream = true;
    let stream = small.gateway.asking().resume(false).stream(request).await.unwrap();
    let all: Vec<Event> = stream.collect().await;
    assert!(matches!(all.last(), Some(Event::Failure(_))));
    assert!(!all.iter().any(|e| matches!(e, Event::Notice(Notice::Resumed))));
    assert_eq!(small.upstream(Vendor::Anthropic).requests().len(), 0);
}
