//! Requests: messages, counts of tokens, the list of models.

use bytes::Bytes;
use llm_core::call::{Operation, Peek};
use llm_core::dialect::{BadRequest, Chunks, Encoded, Route, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{ModelsRequest, Prompt};

mod decode;
mod encode;
mod output;
mod parts;
mod sampling;
mod thinking;
mod tools;
mod turns;

/// Reads the words.
pub(super) fn decode(route: &Route, body: &Bytes) -> Result<Prompt, BadRequest> {
    match route.operation {
        Operation::Chat => Ok(Prompt::Chat(decode::request(body)?)),
        Operation::CountTokens => Ok(Prompt::CountTokens(decode::request(body)?)),
        Operation::ListModels => {
            Ok(Prompt::ListModels(ModelsRequest { model: route.model.clone() }))
        }
        other => Err(no_such(other)),
    }
}

/// Writes the words.
pub(super) fn encode(prompt: &Prompt, cx: &SendCx<'_>) -> Result<Encoded, BadRequest> {
    match prompt {
        Prompt::Chat(request) => encode::request(request, cx, false),
        Prompt::CountTokens(request) => encode::request(request, cx, true),
        // A GET has no body.
        Prompt::ListModels(_) => Ok(Encoded::json(Bytes::new(), Losses::default())),
        Prompt::Embed(_)
        | Prompt::Rerank(_)
        | Prompt::Moderate(_)
        | Prompt::Transcribe(_)
        | Prompt::Image(_) => Err(no_such(prompt.operation())),
    }
}

fn no_such(operation: Operation) -> BadRequest {
    BadRequest::unsupported(None, format!("Anthropic models do not offer {}", operation.name()))
}

pub(super) fn peek(_route: &Route, _body: &Bytes) -> Result<Peek, BadRequest> {
    Err(BadRequest::syntax("todo"))
}

pub(super) fn relay(
    _body: &Bytes,
    _peek: &Peek,
    _cx: &SendCx<'_>,
) -> Result<Chunks, BadRequest> {
    Err(BadRequest::syntax("todo"))
}
