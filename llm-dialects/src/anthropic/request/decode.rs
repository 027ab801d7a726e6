//! A request to words. Every field is kept, known or not.

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::BadRequest;
use llm_core::extra::Extra;
use llm_core::prompt::{Message, Request, Role, Sampling};

use super::{output, thinking, tools};
use crate::anthropic::nested::Left;
use crate::anthropic::{ID, block, note};
use crate::json::{Bad, Field, JsonKind, Object, object};

/// A body of `/v1/messages` or `/v1/messages/count_tokens`.
pub(super) fn request(body: &Bytes) -> Result<Request, BadRequest> {
    let text = object::text(body)?;
    Ok(words(Object::root(&text)?)?)
}

fn words(mut o: Object<'_>) -> Result<Request, Bad> {
    let mut left = Left::default();
    let mut bits = 0;
    let model = o.need_str("model")?;
    let system = match o.take("system")? {
        Some(field) => vec![message(Role::System, field, Extra::new(ID))?],
        None => Vec::new(),
    };
    let messages = o.need("messages")?.array()?.into_iter().map(turn).collect::<Result<_, _>>()?;
    let tools = match o.see("tools").filter(|f| f.kind() == JsonKind::Array) {
        // An empty list stays among the rest, to return as it came.
        Some(list) if list.array()?.is_empty() => Vec::new(),
        _ => o.array("tools")?.into_iter().map(tools::tool).collect::<Result<_, _>>()?,
    };
    let (tool_choice, parallel_tools) = tools::choice(&mut o, &mut left)?;
    let sampling = Sampling {
        temperature: o.number("temperature")?,
        top_p: o.number("top_p")?,
        top_k: o.number("top_k")?,
        ..Sampling::default()
    };
    let mut reasoning = thinking::decode(&mut o, &mut left, &mut bits)?;
    let (output, effort) = output::decode(&mut o, &mut left, &mut bits)?;
    if effort.is_some() {
        reasoning.get_or_insert_default().effort = effort;
    }
    let user = user(&mut o, &mut left)?;
    let stream = o.bool("stream")?;
    if stream == Some(false) {
        bits |= note::STREAM_SAID;
    }
    Ok(Request {
        model,
        system,
        messages,
        tools,
        tool_choice,
        parallel_tools,
        sampling,
        output,
        reasoning,
        user,
        stream: stream == Some(true),
        extra: left.rest(o).noted(bits),
    })
}

fn turn(field: Field<'_>) -> Result<Message, Bad> {
    let mut o = field.object()?;
    let role = o.need("role")?;
    let role = match &*role.cow()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        // Instructions in the middle, which newer models take.
        "system" => Role::System,
        _ => return Err(role.bad("must be `user`, `assistant` or `system`")),
    };
    let content = o.need("content")?;
    message(role, content, o.rest(ID))
}

fn message(role: Role, content: Field<'_>, extra: Extra) -> Result<Message, Bad> {
    let bits = if content.kind() == JsonKind::String { note::STRING } else { 0 };
    Ok(Message { role, parts: block::parts(content)?, extra: extra.noted(bits) })
}

/// `metadata.user_id`.
fn user(o: &mut Object<'_>, left: &mut Left) -> Result<Option<Str>, Bad> {
    let said = o.see("metadata").filter(|f| f.kind() == JsonKind::Object);
    let Some(mut inner) = said.map(|f| f.object()).transpose()? else { return Ok(None) };
    let user = inner.str("user_id")?;
    if user.is_some() {
        o.take("metadata")?;
        left.keep("metadata", inner);
    }
    Ok(user)
}
