//! Reads a request.

use bytes::Bytes;
use llm_core::Str;
use llm_core::dialect::{BadRequest, Route};
use llm_core::prompt::{Message, Prompt, Request, Role};

use super::message::{FUNCTION_ROLE, LONE_PART, NO_PARTS, NO_ROLE, STRING, SYSTEM};
use super::{CONFIG, LONE_CONTENT, MODEL_IN_BODY, MODEL_PREFIXED, NO_CONTENTS, WRAPPED};
use super::{config, tools};
use crate::gemini::names;
use crate::gemini::notation::{keep_remainder, rest};
use crate::gemini::part::{self, function::Calls};
use crate::json::{Bad, Field, JsonKind, Object, object};

/// Reads the words of a `generateContent`.
pub(in crate::gemini) fn chat(route: &Route, body: &Bytes) -> Result<Prompt, BadRequest> {
    let text = object::text(body)?;
    Ok(Prompt::Chat(request(route, Object::root(&text)?, 0)?))
}

/// Reads the words of a `countTokens`, which holds contents alone or a whole request.
pub(in crate::gemini) fn count(route: &Route, body: &Bytes) -> Result<Prompt, BadRequest> {
    let text = object::text(body)?;
    let mut outer = Object::root(&text)?;
    let Some(inner) = outer.object("generateContentRequest")? else {
        return Ok(Prompt::CountTokens(request(route, outer, 0)?));
    };
    let mut request = request(route, inner, WRAPPED)?;
    keep_remainder(&mut request.extra, OUTER, outer);
    Ok(Prompt::CountTokens(request))
}

/// What stood beside a wrapped request.
pub(in crate::gemini) const OUTER: &str = "countTokens";

fn request(route: &Route, mut o: Object<'_>, mut bits: u32) -> Result<Request, Bad> {
    let mut r = Request { stream: route.stream.unwrap_or(false), ..Request::default() };
    let in_body = o.str("model")?;
    if let Some(model) = &in_body {
        bits |= MODEL_IN_BODY;
        if model.starts_with("models/") {
            bits |= MODEL_PREFIXED;
        }
    }
    r.model = match (&route.model, &in_body) {
        (Some(model), _) => model.clone(),
        (None, Some(model)) => names::bare(model).to_owned().into(),
        (None, None) => return Err(o.missing("model")),
    };
    let mut calls = Calls::new(Str::from_static("request"));
    r.system = system(&mut o, &mut calls)?.into_iter().collect();
    r.messages = contents(&mut o, &mut calls, &mut bits)?;
    r.tools = tools::read(&mut o, &mut bits)?;
    let tool_config = tools::read_choice(&mut o, &mut r, &mut bits)?;
    let config = config::read(&mut o, &mut r, &mut bits)?;
    let asides = std::mem::take(&mut r.extra);
    r.extra = rest(o, bits);
    for (name, value) in asides.fields() {
        r.extra.push(name.clone(), value.clone());
    }
    tool_config.into_iter().for_each(|o| keep_remainder(&mut r.extra, super::TOOL_CONFIG.camel, o));
    config.into_iter().for_each(|o| keep_remainder(&mut r.extra, CONFIG.camel, o));
    Ok(r)
}

fn system(o: &mut Object<'_>, calls: &mut Calls) -> Result<Option<Message>, Bad> {
    let mut bits = 0;
    let Some(field) = SYSTEM.take(o, &mut bits)? else { return Ok(None) };
    if field.kind() == JsonKind::String {
        let mut message = Message::text(Role::System, field.str()?);
        message.extra =
            llm_core::extra::Extra::new(super::super::notation::ME).noted(bits | STRING);
        return Ok(Some(message));
    }
    let mut content = field.object()?;
    let parts = parts(&mut content, calls, usize::MAX, &mut bits)?;
    // Clients write any role here, and none means anything.
    Ok(Some(Message { role: Role::System, parts, extra: rest(content, bits) }))
}

fn contents(o: &mut Object<'_>, calls: &mut Calls, bits: &mut u32) -> Result<Vec<Message>, Bad> {
    let Some(field) = o.take("contents")? else {
        if o.see("contents").is_none() {
            *bits |= NO_CONTENTS;
        }
        return Ok(Vec::new());
    };
    let list = if field.kind() == JsonKind::Object {
        *bits |= LONE_CONTENT;
        vec![field]
    } else {
        field.array()?
    };
    list.into_iter().enumerate().map(|(at, content)| message(content, calls, at)).collect()
}

/// Reads one content.
pub(in crate::gemini) fn message(
    field: Field<'_>,
    calls: &mut Calls,
    at: usize,
) -> Result<Message, Bad> {
    let mut content = field.object()?;
    let mut bits = 0;
    let role = match content.see("role").filter(|f| !f.is_null()) {
        None => {
            bits |= NO_ROLE;
            Role::User
        }
        Some(role) => match &*role.cow()? {
            "user" => taken(&mut content, Role::User)?,
            "model" => taken(&mut content, Role::Assistant)?,
            "function" => {
                bits |= FUNCTION_ROLE;
                taken(&mut content, Role::Tool)?
            }
            // Any other word stays as it stood, and Google says what it thinks of it.
            _ => Role::User,
        },
    };
    let parts = parts(&mut content, calls, at, &mut bits)?;
    Ok(Message { role, parts, extra: rest(content, bits) })
}

fn taken(content: &mut Object<'_>, role: Role) -> Result<Role, Bad> {
    content.take("role")?;
    Ok(role)
}

fn parts(
    content: &mut Object<'_>,
    calls: &mut Calls,
    at: usize,
    bits: &mut u32,
) -> Result<Vec<llm_core::prompt::Part>, Bad> {
    let Some(field) = content.take("parts")? else {
        *bits |= NO_PARTS;
        return Ok(Vec::new());
    };
    let list = if field.kind() == JsonKind::Object {
        *bits |= LONE_PART;
        vec![field]
    } else {
        field.array()?
    };
    let read = |(i, field)| {
        calls.at(at, i);
        part::read(field, calls)
    };
    list.into_iter().enumerate().map(read).collect()
}
