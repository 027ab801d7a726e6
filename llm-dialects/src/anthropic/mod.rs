//! Anthropic messages.
//!
//! Both halves: `/v1/messages` whole and streamed, `/v1/messages/count_tokens`, and the list of
//! models. A base URL ends before `/v1`. The version and beta headers are a provider's business
//! and not seen here; what differs between versions and models comes as `Capability`.
//!
//! `block` spells content blocks both ways, `nested` keeps what inner objects said besides.

use bytes::Bytes;
use http::Method;
use llm_core::Str;
use llm_core::answer::Answer;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint,
    Framing, RenderCx, Rendered, Route, SendCx, StreamDecoder, StreamEncoder, Tap, TapCx,
    UpstreamDialect,
};
use llm_core::error::Error;
use llm_core::fault::Fault;
use llm_core::prompt::Prompt;

mod block;
mod error;
mod models;
mod nested;
mod reply;
mod request;
mod stream;
mod tap;
mod usage;
mod wire;

const ID: DialectId = DialectId::Anthropic;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Anthropic);
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Anthropic);

/// Bits of [`llm_core::extra::Notation`]: spellings with one meaning.
mod note {
    /// Content was a string and no list of blocks.
    pub(super) const STRING: u32 = 1;
    /// A tool result had no content at all.
    pub(super) const NO_CONTENT: u32 = 1 << 1;
    /// A thinking block had a signature of no characters.
    pub(super) const EMPTY_SIGNATURE: u32 = 1 << 2;
    /// A tool of the caller's said `"type": "custom"`.
    pub(super) const TYPE_CUSTOM: u32 = 1 << 3;
    /// Thinking was `adaptive` and not `enabled`.
    pub(super) const ADAPTIVE: u32 = 1 << 4;
    /// The answer's form stood in `output_format`, as it did in the beta.
    pub(super) const FORMAT_ON_TOP: u32 = 1 << 5;
    /// `stream` was said though it was false.
    pub(super) const STREAM_SAID: u32 = 1 << 6;
    /// A document's text stood in a source of type `content`.
    pub(super) const CONTENT_SOURCE: u32 = 1 << 7;
    /// A block carries the state of the part before it.
    pub(super) const OF_PREVIOUS: u32 = 1 << 8;
}

/// The dialect; both halves.
#[derive(Debug)]
struct Anthropic;

impl Dialect for Anthropic {
    fn id(&self) -> DialectId {
        ID
    }
}

impl CallerDialect for Anthropic {
    fn route(&self, method: &Method, path: &str) -> Option<Route> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let path = path.strip_prefix("/v1").unwrap_or(path);
        match (method, path) {
            (&Method::POST, "/messages") => Some(Route::new(Operation::Chat)),
            (&Method::POST, "/messages/count_tokens") => Some(Route::new(Operation::CountTokens)),
            (&Method::GET, "/models") => Some(Route::new(Operation::ListModels)),
            (&Method::GET, path) => {
                let model = path.strip_prefix("/models/").filter(|m| !m.is_empty())?;
                let model = Some(Str::from(model));
                Some(Route { model, ..Route::new(Operation::ListModels) })
            }
            _ => None,
        }
    }

    fn peek(&self, route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        request::peek(route, body)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        request::decode(route, body.bytes)
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        reply::encode(answer, cx)
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, cx: &RenderCx) -> http::Response<Bytes> {
        error::encode(error, cx)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "text/event-stream; charset=utf-8"
    }
}

impl UpstreamDialect for Anthropic {
    fn endpoint(&self, operation: Operation, model: &str, _stream: bool) -> Option<Endpoint> {
        match operation {
            Operation::Chat => Some(Endpoint::post("/v1/messages")),
            Operation::CountTokens => Some(Endpoint::post("/v1/messages/count_tokens")),
            // A page holds 20 models unless more are asked for; 1000 is the most.
            Operation::ListModels if model.is_empty() => {
                Some(Endpoint::get("/v1/models?limit=1000"))
            }
            Operation::ListModels => Some(Endpoint::get(format!("/v1/models/{model}"))),
            _ => None,
        }
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        request::encode(prompt, cx)
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        request::relay(body, peek, cx)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        reply::decode(operation, body.bytes)
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream").then_some(Framing::Sse)
    }

    fn stream_decoder(&self, _operation: Operation) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, _cx: TapCx) -> Box<dyn Tap> {
        Box::new(tap::Passing::default())
    }
}

#[cfg(test)]
mod tests;
