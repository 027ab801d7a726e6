//! Blocks to parts.

use std::borrow::Cow;

use llm_core::Str;
use llm_core::extra::Extra;
use llm_core::prompt::{CacheMark, Citation, Opaque, Part, PartKind, Text, ToolCall, ToolResult};

use super::source::{document, image};
use super::{give_to_previous, redacted_state, signature_state};
use crate::anthropic::nested::{Left, take_kind};
use crate::anthropic::{ID, note};
use crate::json::{Bad, Field, JsonKind, Object};
use crate::state;

/// The blocks of a message, or the string that stands for one.
pub(in crate::anthropic) fn parts(content: Field<'_>) -> Result<Vec<Part>, Bad> {
    if content.kind() == JsonKind::String {
        let text = Text::new(content.str()?);
        return Ok(vec![Part { extra: Extra::new(ID), ..Part::new(PartKind::Text(text)) }]);
    }
    let mut parts = Vec::new();
    for block in content.array()? {
        let read = part(block, false)?;
        let behind = read.extra.notation(ID).has(note::OF_PREVIOUS);
        if behind && read.state.as_ref().is_some_and(|s| give_to_previous(&mut parts, s)) {
            continue;
        }
        parts.push(read);
    }
    Ok(parts)
}

/// One block. `inside` a tool result no further result is read: nesting has an end.
fn part(block: Field<'_>, inside: bool) -> Result<Part, Bad> {
    let mut o = block.object()?;
    let kind = o.need("type")?.cow()?;
    let read = match &*kind {
        "text" => Some(text(o)?),
        "image" => image(o)?,
        "document" => document(o)?,
        "tool_use" => Some(tool_use(o)?),
        "tool_result" if !inside => Some(tool_result(o)?),
        "thinking" => Some(thinking(o)?),
        "redacted_thinking" => Some(redacted(o)?),
        _ => None,
    };
    let opaque = || {
        let kind = match kind {
            Cow::Borrowed(_) => block.object()?.need_str("type")?,
            Cow::Owned(kind) => kind.into(),
        };
        let opaque = Opaque { origin: ID, kind, value: block.raw() };
        Ok(Part { extra: Extra::new(ID), ..Part::new(PartKind::Opaque(opaque)) })
    };
    read.map_or_else(opaque, Ok)
}

/// A part, with the mark and the rest that every block may have.
pub(super) fn done(kind: PartKind, mut o: Object<'_>, mut left: Left) -> Result<Part, Bad> {
    let cache = cache(&mut o, &mut left)?;
    Ok(Part { kind, cache, state: None, extra: left.rest(o) })
}

/// `cache_control`.
pub(in crate::anthropic) fn cache(
    o: &mut Object<'_>,
    left: &mut Left,
) -> Result<Option<CacheMark>, Bad> {
    let Some((_, mut mark)) = take_kind(o, "cache_control", &["ephemeral"])? else {
        return Ok(None);
    };
    let ttl = mark.str("ttl")?;
    left.keep("cache_control", mark);
    Ok(Some(CacheMark { ttl }))
}

fn text(mut o: Object<'_>) -> Result<Part, Bad> {
    let text = o.need_str("text")?;
    let mut citations = Vec::new();
    // An empty list says something else than no list, and so it stays among the rest.
    let list = o.see("citations").filter(|f| f.kind() == JsonKind::Array);
    let list = list.map(|f| f.array()).transpose()?.unwrap_or_default();
    if !list.is_empty() {
        citations = list.into_iter().map(citation).collect::<Result<_, _>>()?;
        o.take("citations")?;
    }
    done(PartKind::Text(Text { text, citations, logprobs: Vec::new() }), o, Left::default())
}

/// A citation. Its places are places in the source, not in the answer, so that they stay in
/// `wire`.
pub(in crate::anthropic) fn citation(field: Field<'_>) -> Result<Citation, Bad> {
    let o = field.object()?;
    let text = |name: &str| {
        let member = o.see(name).filter(|f| f.kind() == JsonKind::String);
        member.map(|f| f.str()).transpose()
    };
    // What another provider cited comes back in the place of Anthropic's own pointer.
    let foreign = text("encrypted_index")?.and_then(|index| state::read(&index));
    let kind = text("type")?.unwrap_or_default();
    let wire = foreign.unwrap_or_else(|| Opaque { origin: ID, kind, value: field.raw() });
    Ok(Citation {
        start: None,
        end: None,
        url: text("url")?.or(text("source")?),
        title: text("title")?.or(text("document_title")?),
        quote: text("cited_text")?,
        wire: Some(wire),
    })
}

fn tool_use(mut o: Object<'_>) -> Result<Part, Bad> {
    let (id, name) = (o.need_str("id")?, o.need_str("name")?);
    let arguments = o.need("input")?.raw().text().clone();
    let call = ToolCall { id, name, arguments, custom: false };
    done(PartKind::ToolCall(call), o, Left::default())
}

fn tool_result(mut o: Object<'_>) -> Result<Part, Bad> {
    let call_id = o.need_str("tool_use_id")?;
    let is_error = o.bool("is_error")?;
    let (content, bits) = match o.take("content")? {
        None => (Vec::new(), note::NO_CONTENT),
        Some(field) if field.kind() == JsonKind::String => (parts(field)?, note::STRING),
        Some(field) => {
            let blocks = field.array()?.into_iter().map(|block| part(block, true));
            (blocks.collect::<Result<_, _>>()?, 0)
        }
    };
    let result = ToolResult { call_id, name: None, content, is_error };
    let mut part = done(PartKind::ToolResult(result), o, Left::default())?;
    part.extra = part.extra.noted(bits);
    Ok(part)
}

fn thinking(mut o: Object<'_>) -> Result<Part, Bad> {
    let text = o.need_str("thinking")?;
    let (mut state, mut bits) = (None, 0);
    if let Some(field) = o.take("signature")? {
        match &*field.cow()? {
            "" => bits = note::EMPTY_SIGNATURE,
            signature => state = signature_state(signature, || Some(field.raw())),
        }
    }
    let mut part = done(PartKind::Reasoning(text), o, Left::default())?;
    part.extra = part.extra.noted(bits);
    Ok(Part { state, ..part })
}

fn redacted(mut o: Object<'_>) -> Result<Part, Bad> {
    let field = o.need("data")?;
    let (state, previous) = redacted_state(&field.cow()?, || Some(field.raw())).unzip();
    let mut part = done(PartKind::Reasoning(Str::new()), o, Left::default())?;
    if previous == Some(true) {
        part.extra = part.extra.noted(note::OF_PREVIOUS);
    }
    Ok(Part { state, ..part })
}
