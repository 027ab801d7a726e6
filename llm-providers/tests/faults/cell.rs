//! One cell of the matrix: a call in a caller's dialect, a provider that goes wrong, and a judge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Call, CallId, Controls, Deadline, Payload};
use llm_core::completion::collect;
use llm_core::dialect::{DialectId, RenderCx};
use llm_core::error::Error;
use llm_core::event::Event;
use llm_core::fault::FaultClass;
use llm_core::principal::{FeatureId, Grant, Priority};
use llm_core::prompt::{Message, OutputSpec, Prompt, Request, Role};
use llm_core::raw::RawNumber;
use llm_providers::edge::{Render, render};
use llm_sim::testkit::client::Client;
use llm_sim::upstream::Vendor;

use super::catalogue::Fault;
use super::world::Small;

/// How a call may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// With an answer.
    Answer,
    /// With an error, before anything was said.
    Error,
    /// With an error, after something was said.
    Partial,
    /// With an answer or with an error; never with half an answer that looks whole.
    Either,
}

/// How a call ended, in the caller's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A whole answer.
    Answer,
    /// An error instead of one.
    Refused,
    /// An error inside one.
    Broken,
}

/// One cell.
#[derive(Debug)]
pub(crate) struct Cell<'f> {
    /// What goes wrong.
    pub(crate) fault: &'f Fault,
    /// At whom.
    pub(crate) vendor: Vendor,
    /// What the caller speaks.
    pub(crate) dialect: DialectId,
    /// Whether the caller wants a stream.
    pub(crate) stream: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) ended: Ended,
    /// What was said.
    pub(crate) text: String,
    /// Everything the caller received.
    pub(crate) bytes: Vec<u8>,
    /// How long it took.
    pub(crate) took: Duration,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = String::from_utf8_lossy(&self.bytes);
        let tail = bytes.chars().rev().take(160).collect::<Vec<_>>();
        let tail = tail.into_iter().rev().collect::<String>();
        write!(f, "{:?} after {:?}: {:?} … {tail:?}", self.ended, self.took, self.text)
    }
}

const WITHIN: Duration = Duration::from_secs(45);
/// The key that the gateway uses upstream: it must show up nowhere.
const KEY: &[u8] = b"sk-test-0123456789abcdef";

fn question() -> Prompt {
    Prompt::Chat(Request {
        model: Str::from("faulty"),
        messages: vec![Message::text(Role::User, "Tell me of the sea, in a few sentences.")],
        output: OutputSpec { tokens_max: RawNumber::parse("200"), ..OutputSpec::default() },
        ..Request::default()
    })
}

impl Cell<'_> {
    /// Whether it ended as it should.
    pub(crate) async fn check(&self, expected: Expected) -> Result<(), String> {
        let outcome = self.run().await?;
        let fits = match expected {
            Expected::Answer => outcome.ended == Ended::Answer,
            Expected::Error => outcome.ended != Ended::Answer,
            Expected::Partial => outcome.ended == Ended::Broken,
            Expected::Either => true,
        };
        if !fits {
            return Err(format!("{expected:?} expected, {outcome:?}"));
        }
        if outcome.took > WITHIN + Duration::from_millis(250) {
            return Err(format!("took {:?}", outcome.took));
        }
        if memchr::memmem::find(&outcome.bytes, KEY).is_some() {
            return Err("the key got out".to_owned());
        }
        Ok(())
    }

    /// Makes the call.
    pub(crate) async fn run(&self) -> Result<Outcome, String> {
        let small = Small::with_one(self.vendor);
        let rule = format!(r#"[{{"times": "always", "do": {}}}]"#, self.fault.rule);
        small.script(self.vendor, &rule);
        let client = Client::of(self.dialect).ok_or("no client")?;
        let asked = client.ask(&question(), "faulty", self.stream).ok_or("cannot be asked")?;
        let caller = client.served_by();
        let peek = caller.peek(&asked.route, &asked.body).map_err(|e| e.to_string())?;
        let clock = small.gateway.clock();
        let began = clock.now();
        let cx = RenderCx {
            id: "call".into(),
            include_usage: peek.wants_usage_frame,
            framing: asked.route.framing,
            ..RenderCx::default()
        };
        let call = Call {
            id: CallId::new(1, 1),
            operation: asked.route.operation,
            dialect: self.dialect,
            payload: Payload::raw(asked.body, Some(asked.content_type), asked.route),
            peek,
            grant: Arc::new(Grant::embedded()),
            feature: FeatureId::default(),
            priority: Priority::default(),
            deadline: Deadline(began + WITHIN),
            controls: Controls::default(),
            headers: http::HeaderMap::new(),
        };
        let how = Render { caller, cx: cx.clone(), stream: self.stream, clock: Arc::clone(clock) };
        let outcome = match small.gateway.send(call).await {
            Ok(reply) => match render(reply, how).await {
                Ok(rendered) if self.stream => {
                    let content_type = rendered.content_type.clone();
                    let chunks: Vec<Bytes> = rendered.body.map(|Ok(bytes)| bytes).collect().await;
                    self.read_stream(client, &content_type, &chunks, began, clock.now())?
                }
                Ok(rendered) => {
                    let content_type = rendered.content_type.clone();
                    let chunks: Vec<Bytes> = rendered.body.map(|Ok(bytes)| bytes).collect().await;
                    let bytes = Bytes::from(chunks.concat());
                    let answer = client.read_whole(
                        llm_core::call::Operation::Chat,
                        &bytes,
                        &content_type,
                    )?;
                    let Answer::Chat(completion) = answer else { return Err("no chat".into()) };
                    if !completion.ended {
                        return Err("half an answer".into());
                    }
                    let (text, took) = (completion.text(0), clock.now() - began);
                    Outcome { ended: Ended::Answer, text, bytes: bytes.to_vec(), took }
                }
                Err(error) => self.refused(client, &error, &cx, clock.now() - began)?,
            },
            Err(error) => self.refused(client, &error, &cx, clock.now() - began)?,
        };
        let (_, held) = small.spent();
        if held != 0 || small.ledger.holds_open() != 0 {
            return Err(format!("{held} is still held"));
        }
        Ok(outcome)
    }

    fn read_stream(
        &self,
        client: Client,
        content_type: &str,
        chunks: &[Bytes],
        began: Instant,
        now: Instant,
    ) -> Result<Outcome, String> {
        let framing = client.framing(content_type).ok_or(format!("no stream: {content_type}"))?;
        let (events, lawful) = client.read_stream(framing, chunks);
        lawful.map_err(|e| format!("{e:?}"))?;
        let completion = collect(&events);
        let (bytes, text) = (chunks.concat(), completion.text(0));
        let ended = match events.last() {
            Some(Event::End) => Ended::Answer,
            Some(Event::Failure(error)) => {
                if error.fault().is_some_and(|f| f.class == FaultClass::Truncated) {
                    return Err(format!("cut short: {}", String::from_utf8_lossy(&bytes)));
                }
                Ended::Broken
            }
            other => return Err(format!("ends in {other:?}")),
        };
        Ok(Outcome { ended, text, bytes, took: now - began })
    }

    fn refused(
        &self,
        client: Client,
        error: &Error,
        cx: &RenderCx,
        took: Duration,
    ) -> Result<Outcome, String> {
        let response = client.served_by().encode_error(error, cx);
        if response.status().is_success() {
            return Err(format!("an error with status {}", response.status()));
        }
        let bytes = response.body().to_vec();
        let fault = client.read_error(response);
        if fault.message.is_empty() {
            return Err(format!("an error without words: {}", String::from_utf8_lossy(&bytes)));
        }
        Ok(Outcome { ended: Ended::Refused, text: fault.message.to_string(), bytes, took })
    }
}
