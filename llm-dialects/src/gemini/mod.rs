//! Gemini generateContent.
//!
//! What sets it apart: the model and the method stand in the path; a stream is a row of whole
//! answers that end by ending, as events or as one array; calls may have no ids; every part may be
//! signed; fields come in two spellings and enums in two forms.
//!
//! Deliberately absent: pictures through `predict`, files, caches, live sessions and batches.

use bytes::Bytes;
use http::Method;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint,
    Framing, Glance, Observed, RenderCx, Rendered, Route, SendCx, StreamDecoder, StreamEncoder,
    Tap, TapCx, UpstreamDialect,
};
use llm_core::error::{Error, Kind};
use llm_core::extra::Losses;
use llm_core::fault::Fault;
use llm_core::prompt::{ModelsRequest, Prompt};

mod embed;
mod error;
mod evidence;
mod finish;
mod models;
mod names;
mod notation;
mod part;
mod reply;
mod request;
mod route;
mod schema;
mod stream;
mod tap;
mod tokens;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Gemini);
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Gemini);

/// Both halves.
#[derive(Debug)]
struct Gemini;

impl Dialect for Gemini {
    fn id(&self) -> DialectId {
        notation::ME
    }
}

impl CallerDialect for Gemini {
    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        route::route(method, path)
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        request::facts::facts(route, body)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        if route.operation == Operation::ListModels {
            return Ok(Prompt::ListModels(ModelsRequest { model: route.model.clone() }));
        }
        match route.operation {
            Operation::Chat => request::decode::chat(route, body.bytes),
            Operation::CountTokens => request::decode::count(route, body.bytes),
            Operation::Embed => embed::decode(route, body.bytes),
            other => Err(unsupported(other)),
        }
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        match answer {
            Answer::Chat(done) => reply::encode::chat(done, cx),
            Answer::Embed(vectors) => embed::encode_answer(vectors, cx),
            Answer::CountTokens(count) => tokens::encode_answer(count),
            Answer::ListModels(list) => models::encode_answer(list),
            // Nobody can ask for these here, since no path of ours names them.
            Answer::Rerank(_) | Answer::Moderate(_) | Answer::Transcribe(_) | Answer::Image(_) => {
                let error = Error::new(Kind::Unsupported, "Gemini has no such answer");
                Rendered::json(error::body(&error), Losses::default())
            }
        }
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::encode::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, _: &RenderCx) -> http::Response<Bytes> {
        error::encode(error)
    }

    fn stream_content_type(&self, framing: Option<Framing>) -> &'static str {
        match framing {
            Some(Framing::JsonArray) => "application/json; charset=UTF-8",
            Some(Framing::Sse | Framing::Ndjson) | None => "text/event-stream",
        }
    }
}

impl UpstreamDialect for Gemini {
    fn endpoint(&self, operation: Operation, model: &str, stream: bool) -> Option<Endpoint> {
        route::endpoint(operation, model, stream)
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        match prompt {
            Prompt::Chat(request) => Ok(request::encode::chat(request, cx)),
            Prompt::CountTokens(request) => Ok(request::encode::count(request, cx)),
            Prompt::Embed(request) => embed::encode(request, cx),
            Prompt::ListModels(_) => Ok(Encoded::json(Bytes::new(), Losses::default())),
            Prompt::Rerank(_) | Prompt::Moderate(_) | Prompt::Transcribe(_) | Prompt::Image(_) => {
                Err(unsupported(prompt.operation()))
            }
        }
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        request::facts::relay(body, peek, cx)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        match operation {
            Operation::Chat => reply::decode::chat(body.bytes).map(Answer::Chat),
            Operation::Embed => embed::decode_answer(body.bytes).map(Answer::Embed),
            Operation::CountTokens => tokens::decode_answer(body.bytes).map(Answer::CountTokens),
            Operation::ListModels => models::decode_answer(body.bytes).map(Answer::ListModels),
            _ => Err(Corrupt::new("Gemini has no such answer")),
        }
    }

    fn glance(&self, operation: Operation, body: Body<'_>) -> Result<Glance, Corrupt> {
        let searches = tap::searches(body.bytes);
        let answer = self.decode_answer(operation, body)?;
        let seen = Observed { searches, ..Observed::of(&answer) };
        Ok(Glance { seen, answer: Some(Box::new(answer)) })
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "text/event-stream" => Some(Framing::Sse),
            "application/json" => Some(Framing::JsonArray),
            _ => None,
        }
    }

    fn stream_decoder(&self, _: Operation) -> Box<dyn StreamDecoder> {
        Box::new(stream::decode::Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, cx: TapCx) -> Box<dyn Tap> {
        Box::new(tap::Watch::new(cx.candidates > 1))
    }
}

fn unsupported(operation: Operation) -> BadRequest {
    BadRequest::unsupported(None, format!("Gemini has no {} call", operation.name()))
}
