//! The conversation, read.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::{
    Audio, Media, MediaSource, Message, Opaque, Part, PartKind, Role, Text, ToolCall, ToolResult,
};
use llm_core::raw::Raw;

use super::super::notation::{ME, keep, of_message, of_part};
use super::super::{content, reasoning};
use crate::json::{Bad, Field, JsonKind, Object};
use crate::state::{self, call_id};

/// Reads `messages`.
pub(super) fn read(o: &mut Object<'_>) -> Result<Vec<Message>, Bad> {
    let items = o.need("messages")?.array()?;
    let mut legacy = Legacy::default();
    items.into_iter().map(|item| message(item.object()?, &mut legacy)).collect()
}

/// The old `function_call` has no ids: a result belongs to the last call of its name.
#[derive(Default)]
struct Legacy {
    calls: Vec<(Str, Str)>,
}

impl Legacy {
    fn call(&mut self, name: &Str) -> Str {
        let id = call_id::make(&[b"function_call", &self.calls.len().to_le_bytes()]);
        self.calls.push((name.clone(), id.clone()));
        id
    }

    fn result(&mut self, name: &Str) -> Str {
        let call = self.calls.iter().rev().find(|(n, _)| n == name).map(|(_, id)| id.clone());
        call.unwrap_or_else(|| self.call(name))
    }
}

fn message(mut o: Object<'_>, legacy: &mut Legacy) -> Result<Message, Bad> {
    let role = o.need("role")?;
    let (role, old) = match &*role.cow()? {
        "system" => (Role::System, false),
        "developer" => (Role::Developer, false),
        "user" => (Role::User, false),
        "assistant" => (Role::Assistant, false),
        "tool" => (Role::Tool, false),
        "function" => (Role::Tool, true),
        _ => return Err(role.bad("is not a role of this API")),
    };
    let mut parts = Vec::new();
    let mut bits = if old { of_message::FUNCTION_ROLE } else { 0 };
    match role {
        Role::Tool => bits |= tool_result(&mut o, old, legacy, &mut parts)?,
        Role::Assistant => {
            reasoning::read(&mut o, &mut parts)?;
            if let Some(field) = o.take("content")? {
                bits |= content::read(field, false, &mut parts)?;
            }
            assistant(&mut o, legacy, &mut parts)?;
        }
        Role::System | Role::Developer | Role::User => {
            if let Some(field) = o.take("content")? {
                bits |= content::read(field, true, &mut parts)?;
            }
        }
    }
    Ok(Message { role, parts, extra: o.rest(ME).noted(bits) })
}

fn tool_result(
    o: &mut Object<'_>,
    old: bool,
    legacy: &mut Legacy,
    parts: &mut Vec<Part>,
) -> Result<u32, Bad> {
    let name = o.str("name")?;
    let call_id = if old {
        let name = name.as_ref().ok_or_else(|| o.missing("name"))?;
        legacy.result(name)
    } else {
        // The state of a call stands in its id, and is read where the call stands.
        call_id::split(&o.need_str("tool_call_id")?).0
    };
    let mut result = ToolResult { call_id, name, content: Vec::new(), is_error: None };
    let bits = match o.take("content")? {
        Some(field) => content::read(field, true, &mut result.content)?,
        None => 0,
    };
    parts.push(Part { extra: Extra::new(ME), ..Part::new(PartKind::ToolResult(result)) });
    Ok(bits)
}

/// What an assistant says beside its content.
fn assistant(o: &mut Object<'_>, legacy: &mut Legacy, parts: &mut Vec<Part>) -> Result<(), Bad> {
    if let Some(refusal) = o.str("refusal")? {
        let extra = Extra::new(ME);
        parts.push(Part { extra, ..Part::new(PartKind::Refusal(Text::new(refusal))) });
    }
    if let Some(field) = o.take("audio")? {
        let mut audio = field.object()?;
        let media = Media::new(MediaSource::Id(audio.need_str("id")?));
        let part = Part::new(PartKind::Audio(Audio { media, transcript: None }));
        parts.push(Part { extra: audio.rest(ME), ..part });
    }
    // An empty list is no call, and stays as written.
    if !o.see("tool_calls").is_some_and(is_empty_list)
        && let Some(field) = o.take("tool_calls")?
    {
        read_calls(field, None, parts)?;
    }
    if let Some(field) = o.take("function_call")? {
        let mut call = field.object()?;
        let name = call.need_str("name")?;
        let arguments = call.need_str("arguments")?;
        let id = legacy.call(&name);
        let kind = PartKind::ToolCall(ToolCall { id, name, arguments, custom: false });
        let extra = call.rest(ME).noted(of_part::LEGACY_CALL);
        parts.push(Part { extra, ..Part::new(kind) });
    }
    Ok(())
}

fn is_empty_list(field: Field<'_>) -> bool {
    let inner = field.text().strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    inner.is_some_and(|t| t.trim_ascii().is_empty())
}

/// Reads `tool_calls`. `made` makes an id where an answer has none; in a request ids are required.
pub(crate) fn read_calls(
    field: Field<'_>,
    made: Option<&dyn Fn(usize) -> Str>,
    parts: &mut Vec<Part>,
) -> Result<(), Bad> {
    for (at, item) in field.array()?.into_iter().enumerate() {
        parts.push(call(item, made.map(|made| made(at)))?);
    }
    Ok(())
}

fn call(item: Field<'_>, made: Option<Str>) -> Result<Part, Bad> {
    let mut o = item.object()?;
    let custom = o.see("custom").is_some_and(|f| f.kind() == JsonKind::Object);
    let member = if custom { "custom" } else { "function" };
    let Some(field) = o.take_if(member, JsonKind::Object) else {
        let Some(kind) = o.str("type")? else { return Err(o.missing("function")) };
        // A kind of call that we do not know: only its own dialect can say it again.
        let kind = PartKind::Opaque(Opaque { origin: ME, kind, value: item.raw() });
        return Ok(Part { extra: Extra::new(ME), ..Part::new(kind) });
    };
    let mut bits = if o.see("type").is_some_and(|f| !f.is_null()) {
        o.take("type")?;
        0
    } else {
        of_part::NO_TYPE
    };
    let id = o.str("id")?.filter(|id| made.is_none() || !id.is_empty());
    let Some(id) = id.or(made) else { return Err(o.missing("id")) };
    let (id, carried) = call_id::split(&id);
    let state = thought_signature(&mut o)?.or(carried);
    let mut inner = field.object()?;
    let name = inner.str("name")?.unwrap_or_default();
    let said = inner.take(if custom { "input" } else { "arguments" })?;
    let arguments = match said {
        None => Str::new(),
        Some(f) if f.kind() == JsonKind::String => f.str()?,
        // Some hosts write an object where the API has JSON text.
        Some(f) => {
            bits |= of_part::RAW_ARGUMENTS;
            f.raw().text().clone()
        }
    };
    let rest = inner.rest(ME);
    let mut extra = o.rest(ME).noted(bits);
    keep(&mut extra, member, &rest);
    let kind = PartKind::ToolCall(ToolCall { id, name, arguments, custom });
    Ok(Part { state, extra, ..Part::new(kind) })
}

/// What Gemini wants back with a call, where its own OpenAI endpoint puts it.
pub(super) fn thought_signature(o: &mut Object<'_>) -> Result<Option<Opaque>, Bad> {
    let Some(field) = o.see("extra_content").filter(|f| f.kind() == JsonKind::Object) else {
        return Ok(None);
    };
    let Some(signature) = signature_in(field) else { return Ok(None) };
    o.take("extra_content")?;
    Ok(Some(signature))
}

/// Reads `{"google":{"thought_signature":…}}`, and nothing else.
pub(crate) fn signature_in(field: Field<'_>) -> Option<Opaque> {
    let mut outer = field.object().ok()?;
    let mut google = outer.take_if("google", JsonKind::Object)?.object().ok()?;
    let signature = google.take_if("thought_signature", JsonKind::String)?;
    if outer.names().next().is_some() || google.names().next().is_some() {
        return None;
    }
    state::read(&signature.str().ok()?).or_else(|| {
        Some(Opaque {
            origin: DialectId::Gemini,
            kind: Str::from_static(state::THOUGHT_SIGNATURE),
            value: Raw::from_parsed(signature.raw().text().clone()),
        })
    })
}
