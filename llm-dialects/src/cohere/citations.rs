//! Where text comes from. Cohere keeps citations beside the content and points into it; here each
//! belongs to its text.

use llm_core::prompt::{Citation, Opaque, Part, PartKind};

use super::wire::{ID, note};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};

/// What marks a citation of the wire.
const KIND: &str = "citation";

/// Moves a message's citations to the texts they point into. `content_start` is the place of the
/// first part of the content. Where that would change their order or lose one (a citation of the
/// plan), all stay as they are.
pub(super) fn attach(
    o: &mut Object<'_>,
    parts: &mut [Part],
    content_start: usize,
    bits: &mut u32,
) -> Result<(), Bad> {
    let Some(field) = o.see("citations").filter(|f| f.kind() == JsonKind::Array) else {
        return Ok(());
    };
    let list = field.array()?;
    if list.is_empty() {
        *bits |= note::NO_CITATIONS;
        o.take("citations")?;
        return Ok(());
    }
    let mut placed = Vec::with_capacity(list.len());
    let mut last = 0;
    for field in list {
        let Some((at, citation)) = place(field, parts, content_start) else { return Ok(()) };
        if at < last {
            return Ok(());
        }
        last = at;
        placed.push((at, citation));
    }
    o.take("citations")?;
    for (at, citation) in placed {
        if let Some(Part { kind: PartKind::Text(text), .. }) = parts.get_mut(at) {
            text.citations.push(citation);
        }
    }
    Ok(())
}

fn place(field: Field<'_>, parts: &[Part], content_start: usize) -> Option<(usize, Citation)> {
    let o = field.object().ok()?;
    let at = match o.see("content_index").map(|f| f.u32()) {
        Some(index) => content_start.checked_add(usize::try_from(index.ok()?).ok()?)?,
        None if o.see("type").is_some_and(|f| f.text() == "\"PLAN\"") => return None,
        None => parts.iter().position(|p| matches!(p.kind, PartKind::Text(_)))?,
    };
    matches!(parts.get(at)?.kind, PartKind::Text(_)).then_some(())?;
    Some((at, read(field)?))
}

/// Reads one citation; `None` when it is none.
pub(super) fn read(field: Field<'_>) -> Option<Citation> {
    let o = field.object().ok()?;
    let number = |name: &str| o.see(name).and_then(|f| f.u32().ok());
    let source = o.see("sources").and_then(|f| f.array().ok()).and_then(|l| l.first().copied());
    let source = source.and_then(|f| f.object().ok());
    // A document's own fields; those of a tool's output have the same names where it has any.
    let inner = source.as_ref().and_then(|s| s.see("document").or(s.see("tool_output")));
    let inner = inner.and_then(|f| f.object().ok());
    let word = |name: &str| inner.as_ref()?.see(name)?.str().ok();
    Some(Citation {
        start: number("start"),
        end: number("end"),
        url: word("url"),
        title: word("title"),
        quote: o.see("text").and_then(|f| f.str().ok()),
        wire: Some(Opaque { origin: ID, kind: KIND.into(), value: field.raw() }),
    })
}

/// Writes the citations of all texts, when there are any.
pub(super) fn write(o: &mut ObjectWriter<'_>, parts: &[Part], empty: bool) {
    let of = |p: &Part| match &p.kind {
        PartKind::Text(text) => !text.citations.is_empty(),
        _ => false,
    };
    if !parts.iter().any(of) {
        if empty {
            o.array("citations");
        }
        return;
    }
    let mut list = o.array("citations");
    let mut content_index = 0;
    for part in parts {
        match &part.kind {
            PartKind::Text(text) => {
                text.citations.iter().for_each(|c| write_in(&mut list, c, content_index));
            }
            // These stand beside the content.
            PartKind::ToolCall(_) => continue,
            PartKind::Reasoning(_) if part.extra.notation(ID).has(note::PLAN) => continue,
            _ => {}
        }
        content_index += 1;
    }
}

fn write_in(list: &mut ArrayWriter<'_>, citation: &Citation, content_index: u64) {
    match &citation.wire {
        Some(wire) if wire.origin == ID => list.raw(&wire.value),
        _ => write_one(&mut list.object(), citation, content_index),
    }
}

/// Writes a foreign citation in Cohere's form.
pub(super) fn write_one(o: &mut ObjectWriter<'_>, citation: &Citation, content_index: u64) {
    o.opt_u64("start", citation.start.map(u64::from));
    o.opt_u64("end", citation.end.map(u64::from));
    o.str("text", citation.quote.as_deref().unwrap_or_default());
    let mut sources = o.array("sources");
    let mut source = sources.object();
    let id = citation.url.as_ref().or(citation.title.as_ref());
    source.str("type", "document").str("id", id.map_or("", |s| s));
    source
        .object("document")
        .opt_str("title", citation.title.as_ref())
        .opt_str("url", citation.url.as_ref());
    drop(source);
    drop(sources);
    o.u64("content_index", content_index).str("type", "TEXT_CONTENT");
}
