//! Ollama.
//!
//! `/api/chat` with its vectors and models here; `/api/generate` is another shape of the same
//! format and lives in [`generate`] by name only. What clients cannot keep for us otherwise rides
//! in fields that Ollama ignores (`signatures`). Deliberately absent: pulling, creating and
//! copying of models, which are no calls of a model.

use bytes::Bytes;
use http::Method;
use llm_core::answer::Answer;
use llm_core::call::{Has, Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint,
    Framing, RenderCx, Rendered, Route, SendCx, StreamDecoder, StreamEncoder, Tap, TapCx,
    UpstreamDialect,
};
use llm_core::error::Error;
use llm_core::fault::Fault;
use llm_core::prompt::Prompt;

use crate::json::peek::{Layout, Member, Members};
use crate::json::splice::{Edit, splice};
use crate::json::{peek, write};
use wire::Shape;

mod embed;
mod error;
pub mod generate;
mod ids;
mod logprobs;
mod message;
mod models;
mod reply;
mod request;
mod signatures;
mod stream;
mod tap;
mod time;
mod wire;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Ollama(Shape::Chat));
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Ollama(Shape::Chat));

/// The format in one of its shapes.
#[derive(Debug)]
struct Ollama(Shape);

const OPTIONS: Members = &[("num_predict", Member::CapUnlessNegative)];
const FORMAT: Member =
    Member::Mentions(&[("\"json\"", Has::JSON), ("{", Has::JSON | Has::JSON_SCHEMA)]);

const ASK: Layout = Layout::new(&[
    ("model", Member::Model),
    ("stream", Member::Stream),
    ("options", Member::Within(OPTIONS)),
    ("tools", Member::Has(Has::TOOLS)),
    ("format", FORMAT),
    ("think", Member::Has(Has::REASONING)),
    ("logprobs", Member::Has(Has::LOGPROBS)),
    ("messages", Member::Mentions(&[("\"images\"", Has::IMAGES)])),
    ("images", Member::Has(Has::IMAGES)),
    ("prompt", Member::Once),
    ("system", Member::Once),
])
.streams_by_default();

/// Calls that have no stream.
const LOOK_UP: Layout = Layout::new(&[("model", Member::Model)]).model_elsewhere();

impl Dialect for Ollama {
    fn id(&self) -> DialectId {
        match self.0 {
            Shape::Chat => DialectId::Ollama,
            Shape::Generate => DialectId::OllamaGenerate,
        }
    }
}

impl CallerDialect for Ollama {
    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let operation = match (self.0, method, path) {
            (Shape::Chat, &Method::POST, "/api/chat") => Operation::Chat,
            (Shape::Chat, &Method::POST, "/api/embed") => Operation::Embed,
            (Shape::Chat, &Method::GET, "/api/tags") => Operation::ListModels,
            (Shape::Chat, &Method::POST, "/api/show") => Operation::ListModels,
            (Shape::Generate, &Method::POST, "/api/generate") => Operation::Chat,
            (Shape::Generate, &Method::POST, "/api/embeddings") => Operation::Embed,
            _ => return None,
        };
        Some(Route::new(operation))
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        match route.operation {
            Operation::Chat => peek::peek(body, &ASK),
            Operation::ListModels if body.is_empty() => Ok(Peek::default()),
            _ => peek::peek(body, &LOOK_UP),
        }
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        match route.operation {
            Operation::Chat => request::decode(self.0, body.bytes).map(Prompt::Chat),
            Operation::Embed => embed::decode(self.0, body.bytes).map(Prompt::Embed),
            Operation::ListModels => models::decode(route, body.bytes).map(Prompt::ListModels),
            other => Err(unsupported(other)),
        }
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        match answer {
            Answer::Chat(completion) => reply::encode(self.0, completion, cx),
            Answer::Embed(embeddings) => embed::encode_answer(self.0, embeddings, cx),
            Answer::ListModels(models) => models::encode_answer(models, cx),
            // Nobody can have asked for it here: there is no route to it.
            Answer::Rerank(_)
            | Answer::Moderate(_)
            | Answer::Transcribe(_)
            | Answer::Image(_)
            | Answer::CountTokens(_) => Rendered::json(write::object(|_| {}).freeze(), unsayable()),
        }
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(self.0, cx))
    }

    fn encode_error(&self, error: &Error, _cx: &RenderCx) -> http::Response<Bytes> {
        error::encode(error)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "application/x-ndjson"
    }
}

impl UpstreamDialect for Ollama {
    fn endpoint(&self, operation: Operation, model: &str, _stream: bool) -> Option<Endpoint> {
        Some(match (self.0, operation) {
            (Shape::Chat, Operation::Chat) => Endpoint::post("/api/chat"),
            (Shape::Generate, Operation::Chat) => Endpoint::post("/api/generate"),
            (Shape::Chat, Operation::Embed) => Endpoint::post("/api/embed"),
            (Shape::Generate, Operation::Embed) => Endpoint::post("/api/embeddings"),
            (_, Operation::ListModels) if model.is_empty() => Endpoint::get("/api/tags"),
            (_, Operation::ListModels) => Endpoint::post("/api/show"),
            _ => return None,
        })
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        match prompt {
            Prompt::Chat(request) => Ok(request::encode(self.0, request, cx)),
            Prompt::Embed(request) => embed::encode(self.0, request, cx),
            Prompt::ListModels(request) => Ok(models::encode(request, cx)),
            Prompt::Rerank(_)
            | Prompt::Moderate(_)
            | Prompt::Transcribe(_)
            | Prompt::Image(_)
            | Prompt::CountTokens(_) => Err(unsupported(prompt.operation())),
        }
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        Ok(splice(body, &mut Edit::relayed(peek, cx))?)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        match operation {
            Operation::Chat => reply::decode(body.bytes).map(Answer::Chat),
            Operation::Embed => embed::decode_answer(body.bytes).map(Answer::Embed),
            Operation::ListModels => models::decode_answer(body.bytes).map(Answer::ListModels),
            other => Err(Corrupt::new(format!("Ollama has no {}", other.name()))),
        }
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        let lines = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
        lines.iter().any(|l| kind.eq_ignore_ascii_case(l)).then_some(Framing::Ndjson)
    }

    fn stream_decoder(&self, _operation: Operation) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, _cx: TapCx) -> Box<dyn Tap> {
        // Usage comes unasked, in the last line: there is nothing to hide.
        Box::new(tap::Watch::default())
    }
}

fn unsupported(operation: Operation) -> BadRequest {
    BadRequest::unsupported(None, format!("Ollama has no {}", operation.name()))
}

fn unsayable() -> llm_core::extra::Losses {
    let mut losses = llm_core::extra::Losses::default();
    losses.dropped("answer");
    losses
}

#[cfg(test)]
mod tests;
