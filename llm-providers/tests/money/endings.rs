//! Every row of the table of endings: what is posted, to whom, how it is known, and what rings.

use std::time::Duration;

use llm_core::ledger::charge::Payer;
use llm_core::money::Money;
use llm_core::prompt::Request;
use llm_core::store::Outcome;
use llm_core::usage::UsageSource::{self, Counted, Reported};
use llm_providers::model::{CachePolicy, Policy};
use llm_providers::stage::inspect::{ContentRule, ContentRules, Find, Then};
use llm_sim::upstream::Vendor::{self, Anthropic, OpenAi};

use crate::lab::{Lab, Odd, Paid, Step, price};

/// What the provider says it has read of the question: three tokens, and three of its template.
const READ: i64 = 6;
/// The same by our own count.
const OWN: i64 = 6;

/// How the caller behaves.
#[derive(Clone, Copy, Debug)]
enum Caller {
    /// Asks for a whole answer.
    Whole,
    /// Reads so many events of a stream, and leaves.
    Reads(usize),
    /// Leaves so many milliseconds after asking.
    Leaves(u64),
}

struct Row {
    name: &'static str,
    odd: Odd,
    model: &'static str,
    scripts: &'static [(Vendor, &'static str)],
    caller: Caller,
    tenant: i64,
    operator: i64,
    source: UsageSource,
    rings: (u64, u64),
}

impl Default for Row {
    fn default() -> Self {
        Self {
            name: "",
            odd: Odd::default(),
            model: "openai",
            scripts: &[],
            caller: Caller::Whole,
            tenant: 0,
            operator: 0,
            source: Reported,
            rings: (0, 0),
        }
    }
}

fn policy(change: impl FnOnce(&mut Policy)) -> Odd {
    let mut odd = Odd::default();
    change(&mut odd.policy);
    odd
}

const ALL: Caller = Caller::Reads(usize::MAX);

fn rows() -> Vec<Row> {
    [complete(), refused(), unseen(), left(), broken()].into_iter().flatten().collect()
}

/// The answer came whole.
fn complete() -> Vec<Row> {
    let usual = Row::default;
    vec![
        Row {
            name: "complete with usage",
            scripts: &[(OpenAi, r#"{"output_tokens": 40}"#)],
            tenant: price(READ, 40),
            ..usual()
        },
        Row {
            name: "complete with usage, streamed",
            scripts: &[(OpenAi, r#"{"output_tokens": 40}"#)],
            caller: ALL,
            tenant: price(READ, 40),
            ..usual()
        },
        Row {
            name: "complete, no usage",
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "usage": "absent"}"#)],
            tenant: price(OWN, 40),
            source: Counted,
            rings: (0, 1),
            ..usual()
        },
        Row {
            name: "complete, no usage, streamed",
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "usage": "absent"}"#)],
            caller: ALL,
            tenant: price(OWN, 40),
            source: Counted,
            rings: (0, 1),
            ..usual()
        },
        Row {
            name: "complete, and a usage that nobody believes",
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "usage": "huge"}"#)],
            tenant: price(OWN, 40),
            source: Counted,
            rings: (0, 1),
            ..usual()
        },
    ]
}

/// The provider said no.
fn refused() -> Vec<Row> {
    let usual = Row::default;
    vec![
        Row {
            name: "refused: 400",
            scripts: &[(OpenAi, r#"{"error": "bad_request"}"#)],
            ..usual()
        },
        Row { name: "refused: 429", scripts: &[(OpenAi, r#"{"error": "rate_limit"}"#)], ..usual() },
        Row {
            name: "refused: 500",
            scripts: &[(OpenAi, r#"{"error": "server_error"}"#)],
            ..usual()
        },
        Row {
            name: "refused inside a 200",
            scripts: &[(OpenAi, r#"{"error": "overloaded", "error_in_200": {"frame": 0}}"#)],
            caller: ALL,
            ..usual()
        },
        Row {
            name: "refused inside a 200, after the prompt was counted",
            model: "anthropic",
            scripts: &[(Anthropic, r#"{"error": "overloaded", "error_in_200": {"frame": 1}}"#)],
            caller: ALL,
            ..usual()
        },
        Row {
            name: "refused, and answered elsewhere",
            model: "two",
            scripts: &[
                (OpenAi, r#"{"error": "insufficient_quota"}"#),
                (Anthropic, r#"{"output_tokens": 40}"#),
            ],
            tenant: price(READ, 40),
            ..usual()
        },
    ]
}

/// It was sent, and the caller never saw an answer to it.
fn unseen() -> Vec<Row> {
    let usual = Row::default;
    vec![
        Row {
            name: "sent, and no head ever came",
            scripts: &[(OpenAi, r#"{"cut": {"before_head": true}}"#)],
            operator: price(OWN, 0),
            source: Counted,
            ..usual()
        },
        Row {
            name: "sent, no head, and answered elsewhere",
            model: "two",
            scripts: &[
                (OpenAi, r#"{"cut": {"before_head": true}}"#),
                (Anthropic, r#"{"output_tokens": 40}"#),
            ],
            tenant: price(READ, 40),
            operator: price(OWN, 0),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the same where callers pay for what they never saw",
            odd: policy(|p| p.unseen = Payer::Tenant),
            model: "two",
            scripts: &[
                (OpenAi, r#"{"cut": {"before_head": true}}"#),
                (Anthropic, r#"{"output_tokens": 40}"#),
            ],
            tenant: price(READ, 40) + price(OWN, 0),
            source: Counted,
            ..usual()
        },
    ]
}

/// The caller left.
fn left() -> Vec<Row> {
    let usual = Row::default;
    vec![
        Row {
            name: "the caller left in the middle",
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "chunk_ms": 1}"#)],
            caller: Caller::Reads(12),
            tenant: price(OWN, 10),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the caller left in the middle, and the prompt was told at the beginning",
            model: "anthropic",
            scripts: &[(Anthropic, r#"{"output_tokens": 40, "chunk_ms": 1}"#)],
            caller: Caller::Reads(12),
            tenant: price(READ, 9),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the caller left in the middle, and the provider bills all the same",
            odd: Odd { bills_unread: true, ..Odd::default() },
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "chunk_ms": 100}"#)],
            caller: Caller::Reads(12),
            tenant: price(READ, 40),
            ..usual()
        },
        Row {
            name: "the same, and the provider breaks off",
            odd: Odd { bills_unread: true, ..Odd::default() },
            scripts: &[(
                OpenAi,
                r#"{"output_tokens": 40, "chunk_ms": 100, "cut": {"after_frames": 21}}"#,
            )],
            caller: Caller::Reads(12),
            tenant: price(OWN, 21),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the same, and the provider goes on and on",
            odd: Odd {
                bills_unread: true,
                policy: Policy { total: Duration::from_secs(3), ..Policy::default() },
                ..Odd::default()
            },
            scripts: &[(OpenAi, r#"{"output_tokens": 400, "chunk_ms": 100}"#)],
            caller: Caller::Reads(12),
            tenant: price(OWN, 31),
            source: Counted,
            ..usual()
        },
    ]
}

/// It broke, or it is free.
fn broken() -> Vec<Row> {
    let usual = Row::default;
    vec![
        Row {
            name: "the caller left before the first byte",
            scripts: &[(OpenAi, r#"{"first_byte_ms": 5000}"#)],
            caller: Caller::Leaves(300),
            tenant: price(OWN, 0),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the provider died in the middle",
            scripts: &[(OpenAi, r#"{"output_tokens": 40, "cut": {"after_frames": 21}}"#)],
            caller: ALL,
            tenant: price(OWN, 21),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the provider failed in the middle, in words that nobody pays for",
            scripts: &[(
                OpenAi,
                r#"{"output_tokens": 40, "error": "overloaded", "error_in_200": {"frame": 21}}"#,
            )],
            caller: ALL,
            tenant: price(OWN, 21),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the provider died in the middle, and another went on",
            odd: policy(|p| p.resume = true),
            model: "two",
            scripts: &[
                (OpenAi, r#"{"output_tokens": 40, "cut": {"after_frames": 21}}"#),
                (Anthropic, r#"{"text": "said", "output_tokens": 1}"#),
            ],
            caller: ALL,
            tenant: price(OWN, 21) + price(30, 1),
            source: Counted,
            ..usual()
        },
        Row {
            name: "the provider's filter refused, and another is asked",
            odd: policy(|p| p.refiltered = true),
            model: "two",
            scripts: &[
                (OpenAi, r#"{"error": "content_filter"}"#),
                (Anthropic, r#"{"output_tokens": 40}"#),
            ],
            tenant: price(READ, 40),
            ..usual()
        },
        Row {
            name: "the price is none, and declared so",
            odd: Odd { free: &["openai"], ..Odd::default() },
            scripts: &[(OpenAi, r#"{"output_tokens": 40}"#)],
            ..usual()
        },
    ]
}

async fn ask(lab: &Lab, row: &Row) {
    let request = Request::new(row.model).user("Go on.");
    match row.caller {
        Caller::Whole => drop(lab.gateway.chat(request).await),
        Caller::Reads(events) => {
            let Ok(mut stream) = lab.gateway.stream(request).await else { return };
            for _ in 0..events {
                if futures_util::StreamExt::next(&mut stream).await.is_none() {
                    break;
                }
            }
        }
        Caller::Leaves(ms) => {
            let asked = lab.gateway.stream(request);
            tokio::time::timeout(Duration::from_millis(ms), asked).await.unwrap_err();
        }
    }
}

/// The settlements so far, once nothing is held.
async fn settled(lab: &Lab) -> Vec<(i64, i64, UsageSource)> {
    while lab.ledger.holds_open() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let steps = lab.steps.lock();
    let ends = steps.iter().filter_map(|step| match step {
        Step::Settled(s) => Some((s.tenant.0, s.operator.0, s.source)),
        Step::Reserved(_) | Step::Sent(_) | Step::Marked(_) => None,
    });
    ends.collect()
}

#[tokio::test(start_paused = true)]
async fn every_row() {
    let mut wrong = Vec::new();
    for row in rows() {
        let lab = Lab::new(&row.odd);
        for (vendor, act) in row.scripts {
            lab.script(*vendor, &format!(r#"[{{"times": "always", "do": {act}}}]"#));
        }
        ask(&lab, &row).await;
        let ended = settled(&lab).await;
        let (overruns, no_usage) = row.rings;
        let paid = Paid { tenant: row.tenant, operator: row.operator, overruns, no_usage };
        let expected = vec![(row.tenant, row.operator, row.source)];
        if (lab.paid(), &ended) != (paid, &expected) {
            wrong.push(format!(
                "{}: {:?} {ended:?}, not {paid:?} {expected:?}",
                row.name,
                lab.paid()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The hold is there until what is read for nobody has ended, and its cost is in the log's line.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_for_nobody_holds_its_money() {
    let lab = Lab::new(&Odd { bills_unread: true, ..Odd::default() });
    lab.script(OpenAi, r#"[{"do": {"output_tokens": 40, "chunk_ms": 100}}]"#);
    lab.read(Request::new("openai").user("Go on."), 12).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(lab.ledger.holds_open(), 1);
    settled(&lab).await;
    let record = lab.record(1).await;
    assert_eq!((record.outcome, record.charged.0), (Outcome::Left, price(READ, 40)));
    assert_eq!(record.usage.written_total(), 40);
    let request = lab.upstream(OpenAi).requests().pop().unwrap();
    assert!(request.done && !request.left_early);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_lost_is_the_operators() {
    let lab = Lab::new(&policy(|p| p.hedge = true));
    lab.script(
        OpenAi,
        r#"[{"times": "always", "do": {"first_byte_ms": 50, "output_tokens": 40}}]"#,
    );
    for _ in 0..60 {
        lab.gateway.chat(Request::new("two").user("Go on.")).await.unwrap();
    }
    let before = lab.paid();
    lab.script(OpenAi, r#"[{"do": {"first_byte_ms": 20000}}]"#);
    lab.script(Anthropic, r#"[{"do": {"output_tokens": 40}}]"#);
    lab.gateway.chat(Request::new("two").user("Go on.")).await.unwrap();
    let after = lab.paid();
    assert_eq!(after.tenant - before.tenant, price(READ, 40));
    assert_eq!(after.operator - before.operator, price(OWN, 0));
    // And the other way round: the second asking is the one that is left.
    lab.script(OpenAi, r#"[{"do": {"first_byte_ms": 400, "output_tokens": 40}}]"#);
    lab.script(Anthropic, r#"[{"do": {"first_byte_ms": 20000}}]"#);
    for _ in 0..20 {
        lab.gateway.chat(Request::new("openai").user("Go on.")).await.unwrap();
    }
    let before = lab.paid();
    lab.script(OpenAi, r#"[{"do": {"first_byte_ms": 400, "output_tokens": 40}}]"#);
    lab.gateway.chat(Request::new("two").user("Go on.")).await.unwrap();
    let after = lab.paid();
    assert_eq!(after.tenant - before.tenant, price(READ, 40));
    assert_eq!(after.operator - before.operator, price(OWN, 0));
}

#[tokio::test(start_paused = true)]
async fn a_question_that_rules_refuse_costs_nothing() {
    let rule = ContentRule { name: "ours".into(), find: Find::Secrets, then: Then::Refuse };
    let rules = ContentRules { chars_max: None, rules: vec![rule] };
    let lab = Lab::built(&Odd::default(), |builder| builder.content(rules));
    let asked = Request::new("openai").user("my key is sk-0123456789abcdefghij");
    lab.gateway.chat(asked).await.unwrap_err();
    assert_eq!(settled(&lab).await, [(0, 0, Reported)]);
    assert_eq!(lab.upstream(OpenAi).requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_hit_costs_its_price() {
    for hit in [0, 777] {
        let cache = CachePolicy { price: Money(hit), ..CachePolicy::default() };
        let lab = Lab::new(&policy(|p| p.cache = Some(cache)));
        lab.script(OpenAi, r#"[{"times": "always", "do": {"output_tokens": 40}}]"#);
        for _ in 0..3 {
            lab.gateway.chat(Request::new("openai").user("Go on.")).await.unwrap();
        }
        let bought = (price(READ, 40), 0, Reported);
        assert_eq!(settled(&lab).await, [bought, (hit, 0, Reported), (hit, 0, Reported)]);
        assert_eq!(lab.upstream(OpenAi).requests().len(), 1);
    }
}
