//! What a caller would be sent for a recorded answer (the corpus's `TRANSLATE.md` is the
//! contract).

use bytes::BytesMut;
use llm_core::answer::Answer;
use llm_core::completion::collect;
use llm_core::dialect::{CallerDialect, RenderCx};
use llm_core::error::Error;
use llm_core::event::Event;
use serde_json::{Value, json};

use super::corpus::Case;
use super::reading::{Cut, Reading, events, read};

/// The line of a case: what `caller` is sent.
pub fn line(case: &Case, caller: &dyn CallerDialect, cut: Cut, include_usage: bool) -> Value {
    let cx = RenderCx {
        id: "gw-1".into(),
        created: 1_700_000_000,
        include_usage,
        ..RenderCx::default()
    };
    let mut line = rendered(case, caller, cut, &cx);
    line["case"] = case.name.as_str().into();
    line["include_usage"] = include_usage.into();
    line
}

fn rendered(case: &Case, caller: &dyn CallerDialect, cut: Cut, cx: &RenderCx) -> Value {
    if case.response.status < 400
        && case.response.framing.is_some()
        && let Some(upstream) = llm_dialects::upstream(case.dialect)
    {
        let events = events(case, upstream, cut);
        return match failed_before_anything(&events) {
            Some(error) => error_line(caller, error, cx),
            None => json!({"status": 200, "sse": stream_text(caller, &events, cx)}),
        };
    }
    match read(case, cut) {
        Reading::Answer(Answer::Chat(completion)) => match &completion.failure {
            Some(error) => error_line(caller, error, cx),
            None => {
                let body = caller.encode_answer(&Answer::Chat(completion), cx).body;
                json!({"status": 200, "body": parsed(&body)})
            }
        },
        Reading::Answer(other) => {
            json!({"status": 200, "body": parsed(&caller.encode_answer(&other, cx).body)})
        }
        Reading::Fault(fault) => error_line(caller, &Error::upstream(fault), cx),
        Reading::Corrupt(message) => {
            use llm_core::error::Kind;
            error_line(caller, &Error::new(Kind::CorruptReply, message), cx)
        }
    }
}

/// An error that comes before anything to show is answered with a status, as the pipeline does:
/// it looks at the first event before it commits.
fn failed_before_anything(events: &[Event]) -> Option<&Error> {
    let error = events.iter().find_map(|e| match e {
        Event::Failure(error) => Some(error),
        _ => None,
    })?;
    collect(events).candidates.iter().all(|c| c.parts.is_empty()).then_some(error)
}

/// The events as a stream of the caller's dialect.
pub fn stream_text(caller: &dyn CallerDialect, events: &[Event], cx: &RenderCx) -> String {
    let mut encoder = caller.stream_encoder(cx);
    let mut out = BytesMut::new();
    events.iter().for_each(|e| encoder.feed(e, &mut out));
    String::from_utf8_lossy(&out).into_owned()
}

fn error_line(caller: &dyn CallerDialect, error: &Error, cx: &RenderCx) -> Value {
    let response = caller.encode_error(error, cx);
    json!({"status": response.status().as_u16(), "body": parsed(response.body())})
}

fn parsed(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}
