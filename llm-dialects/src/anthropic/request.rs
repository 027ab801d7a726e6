//! Requests: messages, counts of tokens, the list of models.

use bytes::Bytes;
use llm_core::call::{Has, Operation, Peek, Spanned};
use llm_core::dialect::{BadRequest, Chunks, Encoded, Route, SendCx};
use llm_core::extra::Losses;
use llm_core::prompt::{ModelsRequest, Prompt};

use crate::json;
use crate::json::peek::{Layout, Member};
use crate::json::splice::{Edit, splice};

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

/// What a request looks like from far away.
const LAYOUT: Layout = Layout::new(&[
    ("model", Member::Model),
    ("stream", Member::Stream),
    ("max_tokens", Member::Cap),
    ("metadata", Member::Within(&[("user_id", Member::User)])),
    ("system", Member::Once),
    ("messages", Member::Mentions(&[("\"image\"", Has::IMAGES), ("\"document\"", Has::FILES)])),
    ("tools", Member::Has(Has::TOOLS)),
    ("tool_choice", Member::Once),
    ("thinking", Member::Mentions(THINKS)),
    ("output_config", Member::Mentions(SCHEMA)),
    ("output_format", Member::Mentions(SCHEMA)),
    // Files of an earlier answer lie in a container at the provider.
    ("container", Member::Has(Has::SERVER_STATE)),
]);
const THINKS: &[(&str, u16)] = &[("\"enabled\"", Has::REASONING), ("\"adaptive\"", Has::REASONING)];
const SCHEMA: &[(&str, u16)] = &[("\"json_schema\"", Has::JSON_SCHEMA)];

/// Reads the few facts a gateway must know.
pub(super) fn peek(route: &Route, body: &Bytes) -> Result<Peek, BadRequest> {
    if route.operation == Operation::ListModels {
        // A GET has no body.
        let value = route.model.clone().unwrap_or_default();
        return Ok(Peek { model: Spanned { value, span: None }, ..Peek::default() });
    }
    json::peek::peek(body, &LAYOUT)
}

/// The caller's bytes, under the upstream's name of the model.
pub(super) fn relay(body: &Bytes, peek: &Peek, cx: &SendCx<'_>) -> Result<Chunks, BadRequest> {
    Ok(splice(body, &mut Edit::relayed(peek, cx))?)
}
