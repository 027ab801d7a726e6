//! One request, from bytes to the body that plays its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use llm_core::call::Peek;
use llm_core::dialect::{CallerDialect, DialectId, Route};
use tokio::time::sleep;

use super::answer::{Routed, model_of};
use super::faults::{self, Reply};
use super::play::{Interrupted, Line, Play, Step, Tally};
use super::refusal::{Problem, Refusal, put};
use super::{Request, Upstream, Vendor, control};
use crate::record::{self, Record};
use crate::script::{Act, Asked, CutHow, ErrorKind, Hang};

/// Answers a request. `Err` means that no head is ever sent.
pub(crate) async fn exchange(
    upstream: &Arc<Upstream>,
    request: Request,
    line: Line,
) -> Result<Response<Play>, Interrupted> {
    if let Some(response) = control::answer(upstream, &request) {
        return Ok(response.map(|body| Play::new(vec![Step::Send(body)], line, None)));
    }
    if let Some(text) = upstream.vendor().small_talk(&request.method, &request.path) {
        return Ok(Response::new(Play::new(vec![Step::Send(text.into())], line, None)));
    }
    let routed = upstream.route(&request.method, &request.path);
    let facts = Facts::of(&request, routed.as_ref());
    let act = upstream.act(&request, &facts);
    let scripted = act.is_some();
    let act = act.unwrap_or_default();
    let seq = upstream.open_record(facts.record(&request, scripted));
    let mut tally = Tally::new(Arc::clone(upstream), seq);

    wait_for_head(&act, &line, &mut tally).await?;
    let dialect = routed.as_ref().map_or_else(|| usual(upstream.vendor()), |(d, _)| d.id());
    let reply = match faults::instead(&act, dialect) {
        Some(reply) => reply,
        None => {
            let answered = match &routed {
                Some((dialect, route)) => {
                    let (peek, model) = (facts.peek.clone(), facts.model.as_str());
                    let routed =
                        Routed { request: &request, dialect: *dialect, route, peek, model };
                    upstream.answer(&routed, &act)
                }
                None => Err(no_route(&request)),
            };
            tally.edit(|r| {
                r.accepted = Some(answered.is_ok());
                r.problem = answered.as_ref().err().map(|refusal| refusal.message.clone());
            });
            match answered {
                Ok(mut reply) => {
                    faults::spoil(&mut reply, &act, dialect);
                    reply
                }
                Err(refusal) => Reply::refusal(&refusal, dialect),
            }
        }
    };
    Ok(played(reply, &act, line, tally))
}

/// What the script says must happen before any head.
async fn wait_for_head(act: &Act, line: &Line, tally: &mut Tally) -> Result<(), Interrupted> {
    if act.first_byte_ms > 0 {
        sleep(Duration::from_millis(act.first_byte_ms)).await;
    }
    if act.hang == Some(Hang::BeforeHead) {
        std::future::pending::<()>().await;
    }
    let Some(cut) = act.cut.filter(|c| c.before_head) else { return Ok(()) };
    if cut.how == CutHow::Reset {
        line.reset();
    }
    tally.finish();
    Err(Interrupted)
}

fn played(reply: Reply, act: &Act, line: Line, tally: Tally) -> Response<Play> {
    let Reply { status, mut headers, frames, framing, output_tokens } = reply;
    // A reply of a status below 400 that the script names is the good answer under that status.
    let status =
        if status == 200 { act.status.filter(|_| act.error_in_200.is_none()) } else { None }
            .unwrap_or(status);
    let total: usize = frames.iter().map(Bytes::len).sum();
    let clean = act.cut.is_some_and(|c| c.how == CutHow::Clean);
    if framing.is_none() && !clean {
        put(&mut headers, "content-length", &total.to_string());
    }
    for (name, value) in &act.headers {
        if value.is_empty() {
            headers.remove(name.as_str());
        } else {
            put(&mut headers, name, value);
        }
    }
    let steps = faults::steps(frames, act);
    tally.edit(|r| {
        r.status = Some(status);
        r.output_tokens = output_tokens;
        r.pieces = steps.iter().filter(|step| matches!(step, Step::Send(_))).count() as u64;
    });
    let mut response = Response::new(Play::new(steps, line, Some(tally)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    response
}

/// What is known of a request before it is read.
struct Facts {
    operation: &'static str,
    model: String,
    stream: bool,
    peek: Peek,
}

impl Facts {
    fn of(request: &Request, routed: Option<&(&'static dyn CallerDialect, Route)>) -> Self {
        let Some((dialect, route)) = routed else {
            let (model, peek) = (String::new(), Peek::default());
            return Self { operation: "", model, stream: false, peek };
        };
        // What cannot be peeked at is refused later, by whoever reads it.
        let peek = dialect.peek(route, &request.body).unwrap_or_default();
        Self {
            operation: route.operation.name(),
            model: model_of(route, &peek, &request.body),
            stream: route.stream.unwrap_or(peek.stream),
            peek,
        }
    }

    fn record(&self, request: &Request, scripted: bool) -> Record {
        Record {
            method: request.method.to_string(),
            path: record::path(&request.path),
            headers: record::headers(&request.headers),
            body: record::body(&request.body),
            body_bytes: request.body.len(),
            operation: self.operation.to_owned(),
            model: self.model.clone(),
            stream: self.stream,
            scripted,
            ..Record::default()
        }
    }
}

impl Upstream {
    /// What the script does to this request; or what the prompt itself asks for, where that is
    /// allowed.
    fn act(&self, request: &Request, facts: &Facts) -> Option<Act> {
        let asked = Asked {
            path: &request.path,
            operation: facts.operation,
            model: &facts.model,
            stream: facts.stream,
            headers: &request.headers,
            body: &request.body,
        };
        let in_prompt = if self.prompt_faults { in_prompt(&request.body) } else { None };
        in_prompt.or_else(|| self.next_act(&asked))
    }
}

/// The last `[[sim: {…}]]` of a body. It stands inside a JSON string, so that its own quotes are
/// escaped whatever the dialect. One that cannot be read is refused: whoever wrote it waits for a
/// fault, and would take a good answer for a bug of the gateway.
fn in_prompt(body: &[u8]) -> Option<Act> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, tail) = text.rsplit_once("[[sim:")?;
    let (inner, _) = tail.split_once("]]")?;
    let plain = serde_json::from_str::<String>(&format!("\"{inner}\""));
    let act = plain.and_then(|plain| serde_json::from_str(&plain));
    Some(act.unwrap_or_else(|wrong| Act {
        error: Some(ErrorKind::BadRequest),
        message: Some(format!("[[sim: …]] in the prompt: {wrong}")),
        ..Act::default()
    }))
}

fn no_route(request: &Request) -> Refusal {
    let message = format!("Invalid URL ({} {})", request.method, request.path);
    Refusal::new(Problem::NoRoute, message)
}

/// The shape of errors for a path that no dialect knows.
pub(super) fn usual(vendor: Vendor) -> DialectId {
    vendor.dialects().first().copied().unwrap_or(DialectId::OpenaiChat)
}
