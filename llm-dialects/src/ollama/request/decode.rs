//! Bytes to words.

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::BadRequest;
use llm_core::prompt::{Message, Part, PartKind, Request, Role, ToolResult};

use super::super::ids::Conversation;
use super::super::message;
use super::super::wire::{GENERATE, ID, REQUEST_PLACES, Shape, note};
use super::{options, tools};
use crate::json::{Bad, Field, Object, nested, object};
use crate::state::call_id;

/// Reads a question.
pub(in crate::ollama) fn decode(shape: Shape, body: &Bytes) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    let mut o = Object::root(&text)?;
    let mut request = Request { model: o.need_str("model")?, ..Request::default() };
    let mut bits = 0;
    request.stream = o.bool("stream")?.unwrap_or_else(|| {
        bits |= note::STREAM_UNSAID;
        true
    });
    let inner = options::read(&mut o, &mut request, &mut bits)?;
    match shape {
        Shape::Chat => conversation(&mut o, &mut request, &mut bits)?,
        Shape::Generate => prompt(&mut o, &mut request, &mut bits)?,
    }
    let own = match shape {
        Shape::Chat => Vec::new(),
        Shape::Generate => only_generate(&mut o)?,
    };
    request.extra = nested::rest(o, ID, &REQUEST_PLACES).noted(bits);
    for (name, field) in own {
        request.extra.push(format!("{GENERATE}.{name}"), field.raw());
    }
    if let Some(inner) = inner {
        nested::keep(&mut request.extra, super::super::wire::OPTIONS, inner, ID);
    }
    Ok(request)
}

fn conversation(o: &mut Object<'_>, request: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    if let Some(list) = o.take("tools")? {
        let list = list.array()?;
        *bits |= if list.is_empty() { note::NO_TOOLS } else { 0 };
        request.tools = list.into_iter().map(tools::read).collect::<Result<_, _>>()?;
    }
    let Some(list) = o.take("messages")? else {
        *bits |= note::CONVERSATION_UNSAID;
        return Ok(());
    };
    let mut so_far = Conversation::default();
    for field in list.array()? {
        let message = message(field, &mut so_far)?;
        if message.role == Role::System && request.messages.is_empty() {
            request.system.push(message);
        } else {
            request.messages.push(message);
        }
    }
    Ok(())
}

fn message(field: Field<'_>, so_far: &mut Conversation) -> Result<Message, Bad> {
    let mut o = field.object()?;
    let role_field = o.need("role")?;
    let role = match &*role_field.cow()? {
        "system" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => return result(o, so_far),
        _ => return Err(role_field.bad("must be system, user, assistant or tool")),
    };
    let mut bits = 0;
    let mut made = 0;
    let parts = message::read(&mut o, "content", &mut bits, &mut || {
        made += 1;
        so_far.make(made - 1)
    })?;
    for part in &parts {
        if let PartKind::ToolCall(call) = &part.kind {
            so_far.called(call.id.clone(), call.name.clone());
        }
    }
    Ok(Message { role, parts, extra: o.rest(ID).noted(bits) })
}

/// What a tool returned. The message is the result, so that its fields are the message's.
fn result(mut o: Object<'_>, so_far: &mut Conversation) -> Result<Message, Bad> {
    let mut bits = 0;
    let mut content = Vec::new();
    match o.str("content")? {
        None => bits |= note::CONTENT_UNSAID,
        Some(text) if text.is_empty() => {}
        Some(text) => content.push(Part::text(text)),
    }
    content.extend(message::images(&mut o, &mut bits)?);
    let name = o.str("tool_name")?;
    let call_id: Str = match o.str("tool_call_id")? {
        Some(shown) => {
            let (id, _) = call_id::split(&shown);
            so_far.answered(&id);
            id
        }
        None => {
            bits |= note::CALL_UNSAID;
            so_far.pair(name.as_deref())
        }
    };
    let result = ToolResult { call_id, name, content, is_error: None };
    let parts = vec![Part::new(PartKind::ToolResult(result))];
    Ok(Message { role: Role::Tool, parts, extra: o.rest(ID).noted(bits) })
}

/// A prompt is a conversation of one message.
fn prompt(o: &mut Object<'_>, request: &mut Request, bits: &mut u32) -> Result<(), Bad> {
    match o.str("system")? {
        None => {}
        Some(text) if text.is_empty() => *bits |= note::NO_SYSTEM,
        Some(text) => request.system.push(Message::text(Role::System, text)),
    }
    let mut parts = Vec::new();
    match o.str("prompt")? {
        None => *bits |= note::CONVERSATION_UNSAID,
        Some(text) if text.is_empty() => {}
        Some(text) => parts.push(Part::text(text)),
    }
    parts.extend(message::images(o, bits)?);
    if !parts.is_empty() {
        let extra = llm_core::extra::Extra::new(ID);
        request.messages.push(Message { role: Role::User, parts, extra });
    }
    Ok(())
}

/// Fields that mean something to `/api/generate` alone.
fn only_generate<'a>(o: &mut Object<'a>) -> Result<Vec<(&'static str, Field<'a>)>, Bad> {
    let mut out = Vec::new();
    for name in ["suffix", "template", "context", "raw"] {
        if let Some(field) = o.take(name)? {
            out.push((name, field));
        }
    }
    Ok(out)
}
