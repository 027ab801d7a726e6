//! A stream that is cut at every event is billed for what its provider had written by then.

use llm_core::dialect::DialectId;
use llm_core::prompt::{JsonSchema, ReasoningSpec, Request, Tool};
use llm_core::raw::Raw;
use llm_core::store::Outcome;
use llm_core::usage::UsageSource;
use llm_sim::testkit::client::Client;

use crate::lab::{Lab, Odd, WAYS, generated};

/// What may be asked, and what the provider is told to answer.
type Shape = (&'static str, fn(Request) -> Request, &'static str);

const SHAPES: [Shape; 7] = [
    ("prose", |r| r.user("Go on."), r#"{"output_tokens": 40, "chunk_ms": 1}"#),
    ("korean", |r| r.user("계속해."), r#"{"output_tokens": 40, "chunk_ms": 1}"#),
    (
        "signs",
        |r| r.user("Go on."),
        r#"{"text": "\"\\\"🦀\n\t<&>\u0001 \"quoted\" {\"json\": [1, 2, 3]} 🦀🦀", "chunk_ms": 1}"#,
    ),
    ("thoughts", thoughts, r#"{"output_tokens": 20, "chunk_ms": 1}"#),
    ("tools", tools, r#"{"chunk_ms": 1}"#),
    ("schema", schema, r#"{"chunk_ms": 1}"#),
    (
        "without usage",
        |r| r.user("Go on."),
        r#"{"output_tokens": 40, "chunk_ms": 1, "usage": "absent"}"#,
    ),
];

fn thoughts(mut request: Request) -> Request {
    request.reasoning = Some(ReasoningSpec {
        enabled: Some(true),
        budget: Some(1024_u64.into()),
        visible: Some(true),
        ..ReasoningSpec::default()
    });
    request.output.tokens_max = Some(2_000_u64.into());
    request.user("Why is the sea salt, and why is it blue in the south and grey in the north?")
}

fn tools(request: Request) -> Request {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city","days"]}"#;
    let tool = Tool::function("get_weather", "The weather", Raw::parse(schema).unwrap());
    request.tool(tool).user("What is the weather in Paris, Oslo and Berlin in 3 days?")
}

fn schema(request: Request) -> Request {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"},"people":{"type":"array","items":{"type":"string"}}},"required":["city","people"],"additionalProperties":false}"#;
    let schema = JsonSchema::strict("place", Raw::parse(schema).unwrap());
    request.schema(schema).user("Where is it, and who lives there?")
}

/// How far a bill may lie from what was written.
fn tolerance(written: u64) -> u64 {
    16.max(written / 50)
}

#[tokio::test(start_paused = true)]
async fn at_every_event_of_every_dialect() {
    let (mut cuts, mut worst) = (0, 0);
    for (name, vendor, dialect) in WAYS {
        for (shape, ask, answer) in SHAPES {
            let lab = Lab::new(&Odd::default());
            let rule = format!(r#"[{{"times": "always", "do": {answer}}}]"#);
            lab.script(vendor, &rule);
            for events in 0..500 {
                let ended = lab.read(ask(Request::new(name)), events).await;
                assert_eq!(lab.ledger.holds_open(), 0);
                if ended {
                    break;
                }
                let record = lab.record(events + 1).await;
                let framing = framing(dialect);
                let whole = record.usage.source == UsageSource::Reported;
                // An answer that had ended has said what nobody else could count.
                let made = if whole {
                    lab.upstream(vendor).requests().last().unwrap().output_tokens
                } else {
                    generated(dialect, framing, &lab.wire.last())
                };
                let billed = record.usage.written_total();
                let off = billed.abs_diff(made);
                let what = format!("{name}, {shape}, after {events}: {billed} billed of {made}");
                assert!(off <= tolerance(made), "{what}");
                // What says a token a frame is counted to the token.
                assert!(off == 0 || !matches!(shape, "prose" | "korean"), "{what}");
                assert_eq!(billed == 0, made == 0, "{what}");
                assert!(record.outcome == Outcome::Done || !whole, "{what}");
                (cuts, worst) = (cuts + 1, worst.max(off));
            }
        }
    }
    println!("{cuts} cuts, at the worst {worst} tokens off");
    assert!(cuts > 1_000, "{cuts}");
}

fn framing(dialect: DialectId) -> llm_core::dialect::Framing {
    let kind =
        if dialect == DialectId::Ollama { "application/x-ndjson" } else { "text/event-stream" };
    Client::of(dialect).unwrap().framing(kind).unwrap()
}
