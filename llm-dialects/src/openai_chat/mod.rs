//! OpenAI chat completions, and the calls that stand beside them in the same API: embeddings,
//! models, moderation, transcripts, images, and the reranking of compatible hosts.
//!
//! OpenAI invented the format and half the industry speaks it, each host with its own slips. So
//! the half that faces upstreams is lenient, while the half that faces callers writes nothing but
//! the official form. `usage` holds the one conversion of counts, `notation` what was spelled in
//! which of several ways. Responses and legacy completions are dialects of their own.

use bytes::Bytes;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint,
    Framing, Glance, Observed, RenderCx, Rendered, Route, SendCx, StreamDecoder, StreamEncoder,
    Tap, TapCx, UpstreamDialect,
};
use llm_core::error::Error;
use llm_core::extra::Losses;
use llm_core::fault::Fault;
use llm_core::prompt::{ModelsRequest, Prompt};

use crate::json::{Bad, Object, write};
use crate::openai_error;

mod citations;
mod content;
mod embed;
mod error;
mod glance;
mod image;
mod logprobs;
mod models;
mod moderate;
mod notation;
mod reasoning;
mod reply;
mod request;
mod rerank;
mod route;
mod stream;
mod tap;
mod transcribe;
mod usage;
mod wire;

pub(crate) use notation::ME;
pub(crate) use reply::finish_word;
pub(crate) use request::finish as finish_request;
pub(crate) use usage::write as write_usage;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&OpenaiChat);
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&OpenaiChat);

/// More answers at once than OpenAI gives; a hostile index must not become a million candidates.
const CANDIDATES_MAX: usize = 128;

/// OpenAI chat completions.
#[derive(Clone, Copy, Debug)]
struct OpenaiChat;

impl Dialect for OpenaiChat {
    fn id(&self) -> DialectId {
        ME
    }
}

impl CallerDialect for OpenaiChat {
    fn route(&self, method: &http::Method, path: &str) -> Option<Route> {
        route::read(method, path)
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        route::peek(route, body)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        let model = route.model.as_ref();
        match route.operation {
            Operation::Chat => Ok(Prompt::Chat(request::decode(body.bytes, model)?)),
            Operation::Embed => Ok(Prompt::Embed(embed::decode(body.bytes, model)?)),
            Operation::Rerank => Ok(Prompt::Rerank(rerank::decode(body.bytes, model)?)),
            Operation::Moderate => Ok(Prompt::Moderate(moderate::decode(body.bytes, model)?)),
            Operation::Transcribe | Operation::Translate => {
                Ok(Prompt::Transcribe(transcribe::decode(body, model)?))
            }
            Operation::Image => Ok(Prompt::Image(image::decode(body.bytes, model)?)),
            Operation::ListModels => {
                Ok(Prompt::ListModels(ModelsRequest { model: route.model.clone() }))
            }
            _ => Err(unsupported(route.operation)),
        }
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        match answer {
            Answer::Chat(done) => reply::chat(done, cx),
            Answer::Embed(embeddings) => embed::render(embeddings, cx),
            Answer::Rerank(ranking) => rerank::render(ranking, cx),
            Answer::Moderate(moderation) => moderate::render(moderation, cx),
            Answer::Transcribe(transcript) => transcribe::render(transcript, cx),
            Answer::Image(images) => image::render(images, cx),
            Answer::ListModels(models) => models::render(models, cx),
            // No such call here; the shape is that of the Responses API.
            Answer::CountTokens(count) => {
                let body = write::object(|o| {
                    o.str("object", "response.input_tokens").u64("input_tokens", count.tokens);
                });
                Rendered::json(body.freeze(), Losses::default())
            }
        }
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, _cx: &RenderCx) -> http::Response<Bytes> {
        openai_error::response(error)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
}

impl UpstreamDialect for OpenaiChat {
    fn endpoint(&self, operation: Operation, model: &str, _stream: bool) -> Option<Endpoint> {
        route::endpoint(operation, model)
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        match prompt {
            Prompt::Chat(r) => request::encode(r, cx),
            Prompt::Embed(r) => embed::encode(r, cx),
            Prompt::Rerank(r) => Ok(rerank::encode(r, cx)),
            Prompt::Moderate(r) => moderate::encode(r, cx),
            Prompt::Transcribe(r) => Ok(transcribe::encode(r, cx)),
            Prompt::Image(r) => Ok(image::encode(r, cx)),
            Prompt::ListModels(_) => Ok(Encoded::json(Bytes::new(), Losses::default())),
            Prompt::CountTokens(_) => Err(unsupported(Operation::CountTokens)),
        }
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        route::relay(body, peek, cx)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        match operation {
            Operation::Chat => reply::completion(body.bytes).map(Answer::Chat),
            Operation::Embed => embed::read(body.bytes).map(Answer::Embed),
            Operation::Rerank => rerank::read(body.bytes).map(Answer::Rerank),
            Operation::Moderate => moderate::read(body.bytes).map(Answer::Moderate),
            Operation::Transcribe | Operation::Translate => {
                transcribe::read(body).map(Answer::Transcribe)
            }
            Operation::Image => image::read(body.bytes).map(Answer::Image),
            Operation::ListModels => models::read(body.bytes).map(Answer::ListModels),
            _ => Err(Corrupt::new(format!("no answers to {} here", operation.name()))),
        }
    }

    fn glance(&self, operation: Operation, body: Body<'_>) -> Result<Glance, Corrupt> {
        match operation {
            Operation::Chat => glance::completion(body.bytes).map(Glance::from),
            // Sound, which nobody here listens to.
            Operation::Speech if !body.bytes.is_empty() => {
                Ok(Observed { ended: true, closed: true, ..Observed::default() }.into())
            }
            _ => {
                let answer = self.decode_answer(operation, body)?;
                Ok(Glance { seen: Observed::of(&answer), answer: Some(Box::new(answer)) })
            }
        }
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream").then_some(Framing::Sse)
    }

    fn stream_decoder(&self, operation: Operation) -> Box<dyn StreamDecoder> {
        match operation {
            Operation::Transcribe | Operation::Translate => {
                Box::new(stream::TranscriptDecoder::default())
            }
            _ => Box::new(stream::Decoder::default()),
        }
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::answer(head, body)
    }

    fn tap(&self, cx: TapCx) -> Box<dyn Tap> {
        match cx.operation {
            Operation::Chat => Box::new(tap::ChunkTap::new(cx)),
            _ => Box::new(tap::EventTap::default()),
        }
    }
}

fn unsupported(operation: Operation) -> BadRequest {
    BadRequest::unsupported(None, format!("this API has no way to {}", operation.name()))
}

/// The model, from the body or from the path.
fn model_of(o: &mut Object<'_>, path: Option<&Str>) -> Result<Str, Bad> {
    match (o.str("model")?, path) {
        (Some(model), _) => Ok(model),
        (None, Some(model)) => Ok(model.clone()),
        (None, None) => Err(o.missing("model")),
    }
}

#[cfg(test)]
mod tests;
