//! The caller leaves: at every frame of every dialect's stream, and before there is any.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use llm_core::call::{Call, CallId, Controls, Deadline, Payload};
use llm_core::dialect::{DialectId, RenderCx};
use llm_core::principal::{FeatureId, Grant, Principal, Priority, Scope};
use llm_core::prompt::Prompt;
use llm_core::quota::{Plan, Zone};
use llm_providers::edge::{Render, RenderedBody, render};
use llm_sim::testkit::client::Client;
use llm_sim::upstream::Vendor;

use crate::world::{Small, ask};

const QUESTION: &str = "please reply with exactly: 바다 is calm, and \"so\" am I. 🦀";

fn grant() -> Arc<Grant> {
    let principal = Principal {
        key: "leaver".into(),
        tenant: "tenant".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let limits = ["1000000/minute", "1000000000 tokens/day", "$1000/day"];
    let limits = limits.iter().map(|l| l.parse().unwrap()).collect();
    let plan = Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    Arc::new(Grant::new(principal, plan, limits, &Zone::UTC))
}

/// A streamed call of a dialect, rendered for its caller.
async fn stream(small: &Small, dialect: DialectId, grant: &Arc<Grant>, n: u128) -> RenderedBody {
    let client = Client::of(dialect).unwrap();
    let prompt = Prompt::Chat(ask("faulty", QUESTION));
    let asked = client.ask(&prompt, "faulty", true).unwrap();
    let caller = client.served_by();
    let peek = caller.peek(&asked.route, &asked.body).unwrap();
    let clock = Arc::clone(small.gateway.clock());
    let cx = RenderCx { framing: asked.route.framing, ..RenderCx::default() };
    let call = Call {
        id: CallId::new(1, n),
        operation: asked.route.operation,
        dialect,
        payload: Payload::raw(asked.body, Some(asked.content_type), asked.route),
        peek,
        grant: Arc::clone(grant),
        feature: FeatureId::default(),
        priority: Priority::default(),
        deadline: Deadline(clock.now() + Duration::from_mins(1)),
        controls: Controls::default(),
        headers: http::HeaderMap::new(),
    };
    let reply = small.gateway.send(call).await.unwrap();
    render(reply, Render { caller, cx, stream: true, clock }).await.unwrap().body
}

/// Everything is back: money, slots, pace, and the upstream's connection.
fn nothing_is_left(small: &Small, vendor: Vendor, what: &str) {
    let (_, held) = small.spent();
    assert_eq!((held, small.ledger.holds_open()), (0, 0), "{what}: money is held");
    let open = small.upstream(vendor).requests().iter().filter(|r| !r.done).count();
    assert_eq!(open, 0, "{what}: the upstream is still open");
    let model = small.gateway.snapshot().resolve("faulty").unwrap();
    let target = &model.tiers[0][0].target;
    assert_eq!(target.health().in_flight(), 0, "{what}: a call is still counted at the target");
}

#[tokio::test(start_paused = true)]
async fn at_every_frame_of_every_dialect() {
    let grant = grant();
    let mut left = 0;
    for vendor in Vendor::ALL {
        let small = Small::with_one(vendor);
        small.script(vendor, r#"[{"times": "always", "do": {"chunk_ms": 1}}]"#);
        for (d, dialect) in (0..).zip(Client::DIALECTS) {
            let whole = stream(&small, dialect, &grant, 1_000_000 + d)
                .await
                .collect::<Vec<_>>()
                .await
                .len();
            nothing_is_left(&small, vendor, "read to the end");
            let (mut spent, _) = small.spent();
            for pieces in 0..whole {
                let mut body = stream(&small, dialect, &grant, 1 + left).await;
                for _ in 0..pieces {
                    body.next().await.unwrap().unwrap();
                }
                drop(body);
                left += 1;
                let what = format!("{vendor} {dialect} after {pieces} of {whole}");
                nothing_is_left(&small, vendor, &what);
                let (now, _) = small.spent();
                let free = vendor == Vendor::Ollama;
                assert!(free || now > spent, "{what}: what came was not charged");
                spent = now;
            }
        }
    }
    println!("{left} callers left");
    assert!(left > 400, "{left}");
}

#[tokio::test(start_paused = true)]
async fn before_the_first_byte() {
    let grant = grant();
    for vendor in Vendor::ALL {
        let small = Small::with_one(vendor);
        small.script(vendor, r#"[{"times": "always", "do": {"first_byte_ms": 5000}}]"#);
        for (n, dialect) in (0..).zip(Client::DIALECTS) {
            let asking = Box::pin(stream(&small, dialect, &grant, n));
            let wait = Box::pin(tokio::time::sleep(Duration::from_millis(300)));
            let Either::Right(((), asking)) = select(asking, wait).await else {
                panic!("answered before its time");
            };
            assert_eq!(small.ledger.holds_open(), 1);
            drop(asking);
            nothing_is_left(&small, vendor, &format!("{vendor} {dialect} before the head"));
        }
    }
}

/// Who hangs up has used what was sent: a limit on tokens is not gone around that way. The window rolls: with a calendar
/// day the answer would depend on how late it is.
#[tokio::test(start_paused = true)]
async fn hanging_up_does_not_give_tokens_back() {
    use llm_core::principal::{Grant, Principal, Scope};
    use llm_core::quota::{Plan, Zone};
    let small = crate::world::Small::new();
    small.script(
        llm_sim::upstream::Vendor::OpenAi,
        r#"[{"times": "always", "do": {"first_byte_ms": 500, "chunk_ms": 50}}]"#,
    );
    let principal = Principal {
        key: "k".into(),
        tenant: "t".into(),
        user: None,
        team: None,
        org: None,
        scope: Scope::all(),
    };
    let plan = std::sync::Arc::new(Plan { models: Scope::all(), ..Plan::default() });
    let limits = vec!["20000 tokens/day rolling".parse().unwrap()];
    let grant = std::sync::Arc::new(Grant::new(principal, plan, limits, &Zone::UTC));
    let asking = small.gateway.asking().on_behalf(grant);
    let mut refused = None;
    for n in 0..20 {
        let asked = crate::world::ask("smart", &"river ".repeat(3_000));
        // Before the first word, and after it.
        let within = std::time::Duration::from_millis(if n % 2 == 0 { 300 } else { 700 });
        let call = async {
            let mut stream = asking.stream(asked).await?;
            while futures_util::StreamExt::next(&mut stream).await.is_some() {}
            Ok::<(), llm_core::error::Error>(())
        };
        if let Ok(Err(error)) = tokio::time::timeout(within, call).await {
            refused = Some((n, error));
            break;
        }
    }
    let (n, error) = refused.expect("the limit is reached");
    assert_eq!(error.kind(), llm_core::error::Kind::QuotaExceeded, "{error:?}");
    assert!((5..9).contains(&n), "refused after {n} calls of 3,000 tokens");
}
