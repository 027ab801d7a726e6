//! Reads items into parts.

use llm_core::Str;
use llm_core::prompt::{
    Media, MediaSource, Opaque, Part, PartKind, Role, Text, ToolCall, ToolResult,
};

use super::super::carry;
use super::super::content;
use super::super::notation::{ITEM, ME, noted, part as bit, put_below};
use super::{ENCRYPTED, MESSAGE};
use crate::json::{Bad, Field, JsonKind, Object};

/// Whose turn an item belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A message of a person or an operator.
    Said(Role),
    /// Something of the model's.
    Model,
    /// What a tool returned to the model.
    Tool,
}

/// Whose turn an item belongs to. What is unknown is the model's, but for outputs.
pub(crate) fn turn(item: Field<'_>) -> Result<Turn, Bad> {
    let o = item.object()?;
    let string = |name| o.see(name).filter(|f| f.kind() == JsonKind::String);
    let role = match string("role") {
        Some(role) => Some(role.cow()?),
        None => None,
    };
    let kind = match string("type") {
        Some(kind) => Some(kind.cow()?),
        None => None,
    };
    Ok(match (kind.as_deref(), role.as_deref()) {
        (None | Some(MESSAGE), Some("user")) => Turn::Said(Role::User),
        (None | Some(MESSAGE), Some("system")) => Turn::Said(Role::System),
        (None | Some(MESSAGE), Some("developer")) => Turn::Said(Role::Developer),
        (Some(kind), _) if kind.ends_with("_output") || kind.ends_with("_response") => Turn::Tool,
        _ => Turn::Model,
    })
}

/// Reads an item of the model's. `carried` says that state of other dialects may hide in it.
pub(crate) fn model_item(item: Field<'_>, carried: bool, out: &mut Vec<Part>) -> Result<(), Bad> {
    let mut o = item.object()?;
    let kind = o.str("type")?;
    match kind.as_deref() {
        None if o.see("role").is_some() => message(item, o, bit::NO_TYPE, out),
        Some(MESSAGE) => message(item, o, 0, out),
        Some("reasoning") => reasoning(item, o, carried, out),
        Some("function_call") => call(o, false, out),
        Some("custom_tool_call") => call(o, true, out),
        Some("image_generation_call") => {
            out.push(picture(o).unwrap_or_else(|| opaque(item, kind)));
            Ok(())
        }
        _ => {
            out.push(opaque(item, kind));
            Ok(())
        }
    }
}

fn opaque(item: Field<'_>, kind: Option<Str>) -> Part {
    // The type of a reference may be left out.
    let kind = kind.unwrap_or_else(|| Str::from_static("item_reference"));
    let kind = PartKind::Opaque(Opaque { origin: ME, kind, value: item.raw() });
    Part { extra: noted(0), ..Part::new(kind) }
}

fn message(item: Field<'_>, mut o: Object<'_>, bits: u32, out: &mut Vec<Part>) -> Result<(), Bad> {
    let role = o.need("role")?;
    let from = out.len();
    let mut bits = bits;
    let known = role.cow()? == "assistant";
    match o.take("content")? {
        _ if !known => {}
        Some(content) if content.kind() == JsonKind::String => {
            bits |= bit::STRING;
            let text = PartKind::Text(Text::new(content.str()?));
            out.push(Part { extra: noted(bit::INSIDE), ..Part::new(text) });
        }
        Some(content) => out.extend(content::list(content)?),
        None => {}
    }
    let Some(last) = out.get_mut(from..).and_then(<[Part]>::last_mut) else {
        // A message without content has no part to stand for it.
        out.push(opaque(item, Some(Str::from_static(MESSAGE))));
        return Ok(());
    };
    note(last, bits);
    put_below(ITEM, &o.rest(ME), &mut last.extra);
    Ok(())
}

fn note(part: &mut Part, bits: u32) {
    part.extra = std::mem::take(&mut part.extra).noted(bits);
}

fn reasoning(
    item: Field<'_>,
    mut o: Object<'_>,
    carried: bool,
    out: &mut Vec<Part>,
) -> Result<(), Bad> {
    let id = o.see("id").filter(|f| f.kind() == JsonKind::String).map(|f| f.str()).transpose()?;
    let encrypted = o.take_if(ENCRYPTED, JsonKind::String).map(|f| f.str()).transpose()?;
    let mut bits = 0;
    let mut parts = Vec::new();
    for (list, kind, present, spelling) in [
        ("summary", "summary_text", bit::SUMMARY, 0),
        ("content", "reasoning_text", bit::CONTENT, bit::THOUGHT),
    ] {
        let Some(texts) = o.take_if(list, JsonKind::Array) else { continue };
        bits |= present;
        for text in texts.array()? {
            let Some(part) = thought(text, kind, spelling)? else {
                out.push(opaque(item, Some(Str::from_static("reasoning"))));
                return Ok(());
            };
            parts.push(part);
        }
    }
    let state = match encrypted {
        Some(text) => match carry::read(id.as_ref(), &text, carried) {
            carry::Carried::State(state) => Some(state),
            carry::Carried::Of(of) => {
                carry::return_to(of, out);
                return Ok(());
            }
        },
        None => None,
    };
    if parts.is_empty() {
        bits |= bit::NO_TEXT;
        parts.push(Part::new(PartKind::Reasoning(Str::new())));
    }
    for part in parts.iter_mut().skip(1) {
        note(part, bit::GOES_ON);
    }
    if let Some(last) = parts.last_mut() {
        last.state = state;
        if bits & bit::NO_TEXT != 0 {
            last.extra = noted(0);
        }
        note(last, bits);
        put_below(ITEM, &o.rest(ME), &mut last.extra);
    }
    out.append(&mut parts);
    Ok(())
}

/// One text of a reasoning item; `None` when it is of another kind.
fn thought(field: Field<'_>, kind: &str, bits: u32) -> Result<Option<Part>, Bad> {
    let mut o = field.object()?;
    if o.need("type")?.cow()? != kind {
        return Ok(None);
    }
    let text = o.need_str("text")?;
    let extra = o.rest(ME).noted(bits);
    Ok(Some(Part { extra, ..Part::new(PartKind::Reasoning(text)) }))
}

fn call(mut o: Object<'_>, custom: bool, out: &mut Vec<Part>) -> Result<(), Bad> {
    let call = ToolCall {
        id: o.need_str("call_id")?,
        name: o.need_str("name")?,
        arguments: o.need_str(if custom { "input" } else { "arguments" })?,
        custom,
    };
    out.push(Part { extra: o.rest(ME), ..Part::new(PartKind::ToolCall(call)) });
    Ok(())
}

/// A picture that the provider's own tool made; `None` while there is none.
fn picture(mut o: Object<'_>) -> Option<Part> {
    let data = o.take_if("result", JsonKind::String)?.str().ok()?;
    let format = o.see("output_format").and_then(|f| f.str().ok());
    let mime = format!("image/{}", format.as_deref().unwrap_or("png"));
    let media = Media { mime: Some(mime.into()), ..Media::new(MediaSource::Base64(data)) };
    Some(Part { extra: o.rest(ME), ..Part::new(PartKind::Image(media)) })
}

/// Reads an item that holds what a tool returned.
pub(crate) fn tool_item(item: Field<'_>) -> Result<Part, Bad> {
    let mut o = item.object()?;
    let kind = o.str("type")?;
    let mut bits = match kind.as_deref() {
        Some("function_call_output") => 0,
        Some("custom_tool_call_output") => bit::CUSTOM,
        _ => return Ok(opaque(item, kind)),
    };
    let call_id = o.need_str("call_id")?;
    let name = o.take_if("name", JsonKind::String).map(|f| f.str()).transpose()?;
    let output = o.need("output")?;
    let content = if output.kind() == JsonKind::String {
        bits |= bit::STRING;
        vec![Part { extra: noted(bit::INSIDE), ..Part::text(output.str()?) }]
    } else {
        content::list(output)?
    };
    let result = ToolResult { call_id, name, content, is_error: None };
    Ok(Part { extra: o.rest(ME).noted(bits), ..Part::new(PartKind::ToolResult(result)) })
}
