//! A prompt into a conversation of one message.

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::BadRequest;
use llm_core::extra::Extra;
use llm_core::prompt::{Message, Request, Role};

use super::ME;
use crate::json::{Field, JsonKind, Object, object};
use crate::openai_chat::finish_request;

/// Reads a request.
pub(super) fn decode(body: &Bytes, model: Option<&Str>) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let prompt = prompt(o.need("prompt")?)?;
    // A chat model says only what comes behind; the caller would have to tell the prompt apart.
    if o.see("echo").is_some_and(|f| f.text() == "true") {
        return Err(unsupported("echo", "no model here repeats its prompt"));
    }
    o.take("echo")?;
    let alternatives = o.take("logprobs")?.map(|f| f.number()).transpose()?;
    let message = Message { extra: Extra::new(ME), ..Message::text(Role::User, prompt) };
    let request = Request { messages: vec![message], ..Request::default() };
    let mut request = finish_request(o, request, model, ME)?;
    if alternatives.is_some() {
        request.sampling.logprobs = Some(true);
        request.sampling.top_logprobs = alternatives;
    }
    Ok(request)
}

/// A string, or a list of one.
fn prompt(field: Field<'_>) -> Result<Str, BadRequest> {
    if field.kind() == JsonKind::String {
        return Ok(field.str()?);
    }
    let items = field.array()?;
    match items.as_slice() {
        [one] if one.kind() == JsonKind::String => Ok(one.str()?),
        [first, ..] if first.kind() == JsonKind::String => {
            Err(unsupported("prompt", "several prompts at once are not served; send one"))
        }
        _ => Err(unsupported("prompt", "tokens are not served; send text")),
    }
}

fn unsupported(param: &'static str, message: &'static str) -> BadRequest {
    BadRequest::unsupported(Some(Str::from_static(param)), message)
}
