//! Cohere v1 chat, read only: nobody is called in it, and nobody calls us in it.
//!
//! An answer is flat; a stream is one JSON object a line, whose `event_type` says what it is. Text
//! comes in pieces, tool calls whole in the last event, which repeats the whole answer.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{
    BadRequest, Body, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint, Frame, Framing,
    SendCx, StreamDecoder, Tap, TapCx, UpstreamDialect,
};
use llm_core::error::Error;
use llm_core::event::{Delta, Event, PartHead, PartId, Start};
use llm_core::extra::Extra;
use llm_core::fault::Fault;
use llm_core::prompt::{Part, PartKind, Prompt, ToolCall};
use llm_core::raw::Raw;

use super::{error, reply, usage};
use crate::json::{Field, JsonKind, Object, object};

/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&CohereV1);

/// The origin of everything that is kept.
const ID: DialectId = DialectId::CohereV1;

/// The format.
#[derive(Debug)]
struct CohereV1;

impl Dialect for CohereV1 {
    fn id(&self) -> DialectId {
        ID
    }
}

impl UpstreamDialect for CohereV1 {
    fn endpoint(&self, _operation: Operation, _model: &str, _stream: bool) -> Option<Endpoint> {
        None
    }

    fn encode(&self, prompt: &Prompt, _cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        Err(unsupported(prompt.operation()))
    }

    fn relay(&self, _body: &Bytes, _peek: &Peek, _cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        Err(unsupported(Operation::Chat))
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        if operation != Operation::Chat {
            return Err(Corrupt::new(format!("Cohere v1 has no {}", operation.name())));
        }
        let text = object::text(body.bytes)?;
        answer(Object::root(&text)?).map(Answer::Chat)
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let lines = ["application/stream+json", "application/x-ndjson"];
        lines.iter().any(|l| kind.eq_ignore_ascii_case(l)).then_some(Framing::Ndjson)
    }

    fn stream_decoder(&self, _operation: Operation) -> Box<dyn StreamDecoder> {
        Box::new(Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, _cx: TapCx) -> Box<dyn Tap> {
        // Nothing is relayed in this dialect, so that nothing passes.
        Box::new(super::tap::Watch::default())
    }
}

fn unsupported(operation: Operation) -> BadRequest {
    let message = format!("Cohere v1 is only read, and has no {}", operation.name());
    BadRequest::unsupported(None, message)
}

/// Reads an answer, whole or as the last event of a stream repeats it.
fn answer(mut o: Object<'_>) -> Result<Completion, Corrupt> {
    let id = o.str("response_id")?;
    let mut parts = Vec::new();
    if let Some(text) = o.str("text")?.filter(|t| !t.is_empty()) {
        parts.push(Part::text(text));
    }
    if let Some(list) = o.take("tool_calls")? {
        for (at, field) in list.array()?.into_iter().enumerate() {
            let id = format!("call_gw{}_{at}", id.as_deref().unwrap_or_default());
            parts.push(Part::new(PartKind::ToolCall(call(field, id.into())?)));
        }
    }
    let called = parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    let finish = o.str("finish_reason")?.map(|word| finish(word, called));
    let usage = usage::of_meta(&mut o);
    Ok(Completion {
        id,
        ended: finish.is_some(),
        candidates: vec![Candidate { parts, finish }],
        usage,
        extra: o.rest(ID),
        ..Completion::default()
    })
}

/// A call has no id here; the one we make is that of the answer with the call's number.
fn call(field: Field<'_>, id: Str) -> Result<ToolCall, Corrupt> {
    let mut o = field.object()?;
    let name = o.need_str("name")?;
    let arguments = o.take("parameters")?.map(|f| f.raw().text().clone()).unwrap_or_default();
    Ok(ToolCall { id, name, arguments, custom: false })
}

fn finish(word: Str, called: bool) -> Finish {
    Finish { reason: reply::reason(&word, called), word: Some(word), extra: Extra::new(ID) }
}

/// Reads the events of one answer.
#[derive(Debug, Default)]
struct Decoder {
    started: bool,
    over: bool,
    text: Option<PartId>,
    parts: u16,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, frame: &Frame, out: &mut Vec<Event>) -> Result<(), Corrupt> {
        if self.over {
            return Ok(());
        }
        let text = object::text(&frame.data)?;
        let mut o = Object::root(&text)?;
        let kind = o.take_if("event_type", JsonKind::String).map(|f| f.str()).transpose()?;
        let Some(kind) = kind else {
            if o.see("message").is_none() {
                return Err(Corrupt::new("an event of the stream has no type"));
            }
            out.push(Event::Failure(Error::upstream(error::inside(&frame.data))));
            self.over = true;
            return Ok(());
        };
        if !std::mem::replace(&mut self.started, true) {
            let id = o.str("generation_id")?;
            let extra = Extra::new(ID);
            out.push(Event::Start(Box::new(Start { id, model: None, created: None, extra })));
        }
        match &*kind {
            "stream-start" => Ok(()),
            "text-generation" => {
                let piece = o.str("text")?.unwrap_or_default();
                if !piece.is_empty() {
                    let part = self.say(out)?;
                    out.push(Event::PartDelta { part, delta: Delta::Text(piece) });
                }
                Ok(())
            }
            "stream-end" => self.end(o, frame, out),
            // Citations, searches and previews of calls: the last event has what counts.
            _ => {
                out.push(Event::Unmodelled(Raw::from_parsed(text.clone())));
                Ok(())
            }
        }
    }

    fn finish(&mut self, _out: &mut Vec<Event>) {
        // The answer ends with its last event, and was cut without it.
    }
}

impl Decoder {
    fn say(&mut self, out: &mut Vec<Event>) -> Result<PartId, Corrupt> {
        if let Some(part) = self.text {
            return Ok(part);
        }
        let part = self.next()?;
        out.push(Event::PartStart { part, head: PartHead::Text });
        self.text = Some(part);
        Ok(part)
    }

    fn next(&mut self) -> Result<PartId, Corrupt> {
        let part = PartId { candidate: 0, index: self.parts };
        self.parts = self.parts.checked_add(1).ok_or_else(|| Corrupt::new("too many parts"))?;
        Ok(part)
    }

    fn end(
        &mut self,
        mut o: Object<'_>,
        frame: &Frame,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        let word = o.str("finish_reason")?;
        let whole = o.object("response")?.map(answer).transpose()?.unwrap_or_default();
        if let Some(part) = self.text.take() {
            out.push(Event::PartEnd { part, extra: Extra::default() });
        }
        let Some(candidate) = whole.candidates.into_iter().next() else {
            return self.finished(word.map(|w| finish(w, false)), frame, o, out);
        };
        let mut called = false;
        for part in candidate.parts {
            let PartKind::ToolCall(ToolCall { id, name, arguments, custom }) = part.kind else {
                continue;
            };
            called = true;
            let part = self.next()?;
            out.push(Event::PartStart { part, head: PartHead::ToolCall { id, name, custom } });
            if !arguments.is_empty() {
                out.push(Event::PartDelta { part, delta: Delta::Arguments(arguments) });
            }
            out.push(Event::PartEnd { part, extra: Extra::default() });
        }
        if let Some(usage) = whole.usage {
            out.push(Event::Usage(Box::new(usage)));
        }
        let finish = word.map(|w| finish(w, called)).or(candidate.finish);
        self.finished(finish, frame, o, out)
    }

    fn finished(
        &mut self,
        finish: Option<Finish>,
        frame: &Frame,
        o: Object<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), Corrupt> {
        self.over = true;
        let finish = finish.ok_or_else(|| Corrupt::new("the last event says no reason"))?;
        if finish.reason == FinishReason::Failed {
            let word = finish.word.unwrap_or_default();
            out.push(Event::Failure(Error::upstream(error::at_end(&word, o, &frame.data))));
            return Ok(());
        }
        out.push(Event::Finish { candidate: 0, finish });
        out.push(Event::End);
        Ok(())
    }
}
