//! OpenAI responses: `POST /responses`, whole and streamed, and `POST /responses/input_tokens`.
//!
//! The conversation of this dialect is a flat list of items (`items`); a canonical turn of the
//! model's is a run of them. What the server remembers (`previous_response_id`, `conversation`,
//! `background`) is carried to the same dialect and reported as lost by any other. Absent are the
//! calls that ask after a stored response.

use bytes::Bytes;
use llm_core::answer::Answer;
use llm_core::call::{Has, Operation, Peek};
use llm_core::dialect::{
    BadRequest, Body, CallerDialect, Chunks, Corrupt, Dialect, DialectId, Encoded, Endpoint,
    Framing, Glance, Observed, RenderCx, Rendered, Route, SendCx, StreamDecoder, StreamEncoder,
    Tap, TapCx, UpstreamDialect,
};
use llm_core::error::Error;
use llm_core::fault::Fault;
use llm_core::prompt::Prompt;

use crate::json::peek::{self, Layout, Member};
use crate::openai_error;

mod carry;
mod content;
mod error;
mod items;
mod notation;
mod place;
mod relay;
mod reply;
mod request;
mod stream;
mod tap;
mod tokens;
mod usage;
mod wire;

/// The half that faces our callers.
pub(crate) const CALLER: Option<&'static dyn CallerDialect> = Some(&Responses);
/// The half that faces upstreams.
pub(crate) const UPSTREAM: Option<&'static dyn UpstreamDialect> = Some(&Responses);

/// Both halves.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

impl Dialect for Responses {
    fn id(&self) -> DialectId {
        notation::ME
    }
}

impl CallerDialect for Responses {
    fn route(&self, method: &http::Method, path: &str) -> Option<Route> {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let path = path.strip_prefix("/v1").unwrap_or(path);
        match path {
            "/responses" if method == http::Method::POST => Some(Route::new(Operation::Chat)),
            "/responses/input_tokens" if method == http::Method::POST => {
                Some(Route::new(Operation::CountTokens))
            }
            _ => None,
        }
    }

    fn peek(&self, _route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
        peek::peek(body, &LAYOUT)
    }

    fn decode(&self, route: &Route, body: Body<'_>) -> Result<Prompt, BadRequest> {
        let request = request::decode(body)?;
        Ok(match route.operation {
            Operation::CountTokens => Prompt::CountTokens(request),
            _ => Prompt::Chat(request),
        })
    }

    fn encode_answer(&self, answer: &Answer, cx: &RenderCx) -> Rendered {
        reply::encode_answer(answer, cx)
    }

    fn stream_encoder(&self, cx: &RenderCx) -> Box<dyn StreamEncoder> {
        Box::new(stream::Encoder::new(cx))
    }

    fn encode_error(&self, error: &Error, _cx: &RenderCx) -> http::Response<Bytes> {
        openai_error::response(error)
    }

    fn stream_content_type(&self, _framing: Option<Framing>) -> &'static str {
        "text/event-stream"
    }
}

impl UpstreamDialect for Responses {
    fn endpoint(&self, operation: Operation, _model: &str, _stream: bool) -> Option<Endpoint> {
        match operation {
            Operation::Chat => Some(Endpoint::post("/responses")),
            Operation::CountTokens => Some(Endpoint::post("/responses/input_tokens")),
            _ => None,
        }
    }

    fn encode(&self, prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
        match prompt {
            Prompt::Chat(request) => Ok(request::encode(request, cx, false)),
            Prompt::CountTokens(request) => Ok(request::encode(request, cx, true)),
            Prompt::Embed(_)
            | Prompt::Rerank(_)
            | Prompt::Moderate(_)
            | Prompt::Transcribe(_)
            | Prompt::Image(_)
            | Prompt::ListModels(_) => {
                let what = prompt.operation().name();
                let message = format!("the Responses API has no operation {what}");
                Err(BadRequest::unsupported(None, message))
            }
        }
    }

    fn relay(&self, body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
        relay::relay(body, peek, cx)
    }

    fn decode_answer(&self, operation: Operation, body: Body<'_>) -> Result<Answer, Corrupt> {
        reply::decode_answer(operation, body)
    }

    fn glance(&self, operation: Operation, body: Body<'_>) -> Result<Glance, Corrupt> {
        let searches = tap::searches(body.bytes);
        let answer = self.decode_answer(operation, body)?;
        let seen = Observed { searches, ..Observed::of(&answer) };
        Ok(Glance { seen, answer: Some(Box::new(answer)) })
    }

    fn framing(&self, content_type: &str) -> Option<Framing> {
        content_type.trim_start().starts_with("text/event-stream").then_some(Framing::Sse)
    }

    fn stream_decoder(&self, _operation: Operation) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::default())
    }

    fn decode_error(&self, head: &http::response::Parts, body: &Bytes) -> Fault {
        error::decode(head, body)
    }

    fn tap(&self, _cx: TapCx) -> Box<dyn Tap> {
        Box::new(tap::Watch::default())
    }
}

/// What a request looks like from far away.
static LAYOUT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("stream", Member::Stream),
    ("max_output_tokens", Member::Cap),
    ("user", Member::User),
    ("safety_identifier", Member::User),
    ("input", Member::Mentions(INPUTS)),
    ("instructions", Member::Once),
    ("tools", Member::Has(Has::TOOLS)),
    ("text", Member::Mentions(FORMATS)),
    ("reasoning", Member::Has(Has::REASONING)),
    ("include", Member::Mentions(&[("\"message.output_text.logprobs\"", Has::LOGPROBS)])),
    ("top_logprobs", Member::Has(Has::LOGPROBS)),
    ("previous_response_id", Member::Has(Has::SERVER_STATE)),
    ("conversation", Member::Has(Has::SERVER_STATE)),
    ("background", Member::Has(Has::SERVER_STATE)),
    ("prompt", Member::Has(Has::SERVER_STATE)),
]);

/// What the conversation may hold.
const INPUTS: &[(&str, u16)] = &[
    ("\"input_image\"", Has::IMAGES),
    ("\"input_file\"", Has::FILES),
    ("\"input_audio\"", Has::AUDIO),
    ("\"item_reference\"", Has::SERVER_STATE),
];

/// What forms of an answer there are.
const FORMATS: &[(&str, u16)] =
    &[("\"json_object\"", Has::JSON), ("\"json_schema\"", Has::JSON_SCHEMA)];

#[cfg(test)]
mod tests;
