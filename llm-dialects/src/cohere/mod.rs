//! Cohere v2, with its vectors, rankings, models and tokens. Version 1 of its chat is read, and
//! only read, by [`v1`]: recorded answers and old proxies still speak it.

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
use llm_core::extra::Losses;
use llm_core::fault::Fault;
use llm_core::prompt::{ModelsRequest, Prompt};

use crate::json::peek::{Layout, Member};
use crate::json::splice::{Edit, splice};
use crate::json::{peek, write};

mod citations;
mod content;
mod embed;
mod error;
mod message;
mod models;
mod reply;
mod request;
mod rerank;
mod stream;
mod tap;
mod tokens;
mod usage;
pub mod v1;
mod wire;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Cohere);
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Cohere);

/// The format.
#[derive(Debug)]
struct Cohere;

const ASK: Layout = Layout::new(&[
    ("model", Member::Model),
    ("stream", Member::Stream),
    ("max_tokens", Member::Cap),
    ("tools", Member::Has(Has::TOOLS)),
    ("logprobs", Member::Has(Has::LOGPROBS)),
    ("thinking", Member::Mentions(&[("\"enabled\"", Has::REASONING)])),
    ("messages", Member::Mentions(&[("\"image_url\"", Has::IMAGES)])),
    (
        "response_format",
        Member::Mentions(&[
            ("\"json_object\"", Has::JSON),
            ("\"json_schema\"", Has::JSON | Has::JSON_SCHEMA),
            ("\"schema\"", Has::JSON | Has::JSON_SCHEMA),
        ]),
    ),
]);

/// Calls that have no stream.
const LOOK_UP: Layout = Layout::new(&[
    ("model", Member::Model),
    ("images", Member::Has(Has::IMAGES)),
    ("inputs", Member::Mentions(&[("\"image_url\"", Has::IMAGES)])),
    ("texts", Member::Once),
    ("documents", Member::Once),
    ("query", Member::Once),
]);

impl Dialect for Cohere {
    fn id(&self) -> DialectId {
        DialectId::Cohere
    }
}

impl CallerDialect for Cohere {
    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if method == Method::GET {
            let mut route = Route::new(Operation::ListModels);
            let rest = path.strip_prefix("/v1/models")?;
            if !rest.is_empty() {
                let model = rest.strip_prefix('/').filter(|m| !m.is_empty() && !m.contains('/'))?;
                route.model = Some(model.into());
            }
            return Some(route);
        }
        // Version 1 of these is the same but for what it leaves out.
        let operation = match path {
            "/v2/chat" => Operation::Chat,
            "/v2/embed" | "/v1/embed" => Operation::Embed,
            "/v2/rerank" | "/v1/rerank" => Operation::Rerank,
            "/v1/tokenize" => Operation::CountTokens,
            _ => return None,
        };
        (method == Method::POST).then(|| Route::new(operation))
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        match route.operation {
            Operation::Chat => peek::peek(body, &ASK),
            Operation::ListModels => {
                let mut peek = Peek::default();
                peek.model.value = route.model.clone().unwrap_or_default();
                Ok(peek)
            }
            _ => peek::peek(body, &LOOK_UP),
        }
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        match route.operation {
            Operation::Chat => request::decode(body.bytes).map(Prompt::Chat),
            Operation::Embed => embed::decode(body.bytes).map(Prompt::Embed),
            Operation::Rerank => rerank::decode(body.bytes).map(Prompt::Rerank),
            Operation::CountTokens => tokens::decode(body.bytes).map(Prompt::CountTokens),
            Operation::ListModels => {
                Ok(Prompt::ListModels(ModelsRequest { model: route.model.clone() }))
            }
            other => Err(unsupported(other)),
        }
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        match answer {
            Answer::Chat(completion) => reply::encode(completion, cx),
            Answer::Embed(embeddings) => embed::encode_answer(embeddings, cx),
            Answer::Rerank(ranking) => rerank::encode_answer(ranking, cx),
            Answer::CountTokens(count) => tokens::encode_answer(count),
            Answer::ListModels(models) => models::encode_answer(models),
            // Nobody can have asked for it here: there is no route to it.
            Answer::Moderate(_) | Answer::Transcribe(_) | Answer::Image(_) => {
                let mut losses = Losses::default();
                losses.dropped("answer");
                Rendered::json(write::object(|_| {}).freeze(), losses)
            }
        }
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, cx: &RenderCx) -> http::Response<Bytes> {
        error::encode(error, cx)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "text/event-stream"
    }
}

impl UpstreamDialect for Cohere {
    fn endpoint(&self, operation: Operation, model: &str, _stream: bool) -> Option<Endpoint> {
        Some(match operation {
            Operation::Chat => Endpoint::post("/v2/chat"),
            Operation::Embed => Endpoint::post("/v2/embed"),
            Operation::Rerank => Endpoint::post("/v2/rerank"),
            Operation::CountTokens => Endpoint::post("/v1/tokenize"),
            Operation::ListModels if model.is_empty() => Endpoint::get("/v1/models?page_size=1000"),
            Operation::ListModels => Endpoint::get(format!("/v1/models/{model}")),
            _ => return None,
        })
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        match prompt {
            Prompt::Chat(request) => Ok(request::encode(request, cx)),
            Prompt::Embed(request) => embed::encode(request, cx),
            Prompt::Rerank(request) => Ok(rerank::encode(request, cx)),
            Prompt::CountTokens(request) => Ok(tokens::encode(request, cx)),
            Prompt::ListModels(_) => Ok(Encoded::json(Bytes::new(), Losses::default())),
            Prompt::Moderate(_) | Prompt::Transcribe(_) | Prompt::Image(_) => {
                Err(unsupported(prompt.operation()))
            }
        }
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        Ok(splice(body, &mut Edit::relayed(peek, cx))?)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        match operation {
            Operation::Chat => reply::decode(body.bytes).map(Answer::Chat),
            Operation::Embed => embed::decode_answer(body.bytes).map(Answer::Embed),
            Operation::Rerank => rerank::decode_answer(body.bytes).map(Answer::Rerank),
            Operation::CountTokens => tokens::decode_answer(body.bytes).map(Answer::CountTokens),
            Operation::ListModels => models::decode_answer(body.bytes).map(Answer::ListModels),
            other => Err(Corrupt::new(format!("Cohere has no {}", other.name()))),
        }
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/event-stream").then_some(Framing::Sse)
    }

    fn stream_decoder(&self, _operation: Operation) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, _cx: TapCx) -> Box<dyn Tap> {
        // Usage comes unasked, in the last event: there is nothing to hide.
        Box::new(tap::Watch::default())
    }
}

fn unsupported(operation: Operation) -> BadRequest {
    BadRequest::unsupported(None, format!("Cohere has no {}", operation.name()))
}

#[cfg(test)]
mod tests;
