//! A caller's bytes into words.

use llm_core::Str;
use llm_core::dialect::{BadRequest, DialectId};
use llm_core::prompt::{Message, PartKind, Request, Role, ToolKind};

use super::super::notation::{ME, of_part, of_request};
use super::{messages, options, tools};
use crate::json::{Bad, Object, object};

/// Reads a request. `model` is the one that the path names, where it does.
pub(crate) fn decode(body: &bytes::Bytes, model: Option<&Str>) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut request = Request::default();
    let all = messages::read(&mut o)?;
    split_system(all, &mut request);
    let mut request = finish(o, request, model, ME)?;
    mark_custom(&mut request);
    Ok(request)
}

/// Calls of custom tools that another dialect made were shown as calls of functions.
fn mark_custom(request: &mut Request) {
    let custom: Vec<&Str> = request
        .tools
        .iter()
        .filter(|t| matches!(t.kind, ToolKind::Custom))
        .map(|t| &t.name)
        .collect();
    if custom.is_empty() {
        return;
    }
    for part in request.messages.iter_mut().flat_map(|m| &mut m.parts) {
        if let PartKind::ToolCall(call) = &mut part.kind
            && !call.custom
            && custom.contains(&&call.name)
        {
            call.custom = true;
            let extra = std::mem::take(&mut part.extra);
            part.extra = extra.noted(of_part::SHOWN_AS_FUNCTION);
        }
    }
}

/// Reads everything beside the conversation. What is not understood is kept for `origin`.
pub(crate) fn finish(
    mut o: Object<'_>,
    mut request: Request,
    model: Option<&Str>,
    origin: DialectId,
) -> Result<Request, Bad> {
    let mut bits = 0;
    request.model = match (o.str("model")?, model) {
        (Some(model), _) => model,
        // Azure names the deployment in the path.
        (None, Some(model)) => model.clone(),
        (None, None) => return Err(o.missing("model")),
    };
    (request.tools, request.tool_choice) = tools::read(&mut o, &mut bits)?;
    request.parallel_tools = o.bool("parallel_tool_calls")?;
    request.sampling = options::sampling(&mut o)?;
    let mut nested = options::Nested::default();
    request.output = options::output(&mut o, &mut bits, &mut nested)?;
    request.reasoning = options::reasoning(&mut o, &mut bits, &mut nested)?;
    request.user = match o.str("user")? {
        Some(user) => Some(user),
        None => {
            let user = o.str("safety_identifier")?;
            bits |= if user.is_some() { of_request::USER_SAFETY } else { 0 };
            user
        }
    };
    if let Some(stream) = o.bool("stream")? {
        bits |= of_request::STREAM_SAID;
        request.stream = stream;
    }
    request.extra = o.rest(origin).noted(bits);
    nested.keep(&mut request.extra);
    Ok(request)
}

/// Instructions at the head stand apart; those in the middle are part of the conversation.
fn split_system(all: Vec<Message>, request: &mut Request) {
    let mut all = all.into_iter().peekable();
    while let Some(message) = all.next_if(|m| matches!(m.role, Role::System | Role::Developer)) {
        request.system.push(message);
    }
    request.messages.extend(all);
}
