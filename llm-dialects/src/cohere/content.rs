//! Content of a message: text, thinking, pictures, documents.
//!
//! A document of a tool's result is text to every other dialect, and so it is text here too, with
//! a note. Foreign state rides in a `signature` of the block it belongs to: Cohere's clients keep
//! fields they do not know.

use llm_core::Str;
use llm_core::extra::Extra;
use llm_core::prompt::{Media, MediaSource, Opaque, Part, PartKind};

use super::wire::{ID, note};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter, nested};
use crate::state;

/// Where the address of a picture stands.
const IMAGE_URL: &str = "image_url";
/// Where a document stands.
const DOCUMENT: &str = "document";
/// The field in which foreign state rides.
pub(super) const SIGNATURE: &str = "signature";

/// Reads content in either spelling.
pub(super) fn read(o: &mut Object<'_>, bits: &mut u32) -> Result<Vec<Part>, Bad> {
    let Some(field) = o.take("content")? else {
        *bits |= note::CONTENT_UNSAID;
        return Ok(Vec::new());
    };
    if field.kind() == JsonKind::String {
        let text = field.str()?;
        return Ok(if text.is_empty() { Vec::new() } else { vec![Part::text(text)] });
    }
    *bits |= note::CONTENT_LIST;
    field.array()?.into_iter().map(part).collect()
}

/// Reads one block.
pub(super) fn part(field: Field<'_>) -> Result<Part, Bad> {
    let mut o = field.object()?;
    let kind_field = o.need("type")?;
    let kind = kind_field.str()?;
    let (kind, extra, state) = match &*kind {
        "text" => {
            let text = o.need_str("text")?;
            let state = signature(&mut o)?;
            (PartKind::Text(llm_core::prompt::Text::new(text)), o.rest(ID), state)
        }
        "thinking" => {
            let text = o.need_str("thinking")?;
            let state = signature(&mut o)?;
            (PartKind::Reasoning(text), o.rest(ID), state)
        }
        "image_url" => {
            let (media, extra) = image(o)?;
            (PartKind::Image(media), extra, None)
        }
        "document" if o.see(DOCUMENT).is_some_and(|f| f.kind() == JsonKind::Object) => {
            let (text, extra) = document(o)?;
            (PartKind::Text(llm_core::prompt::Text::new(text)), extra, None)
        }
        _ => {
            let opaque = Opaque { origin: ID, kind: kind.clone(), value: field.raw() };
            (PartKind::Opaque(opaque), Extra::new(ID), None)
        }
    };
    Ok(Part { kind, cache: None, state, extra })
}

fn signature(o: &mut Object<'_>) -> Result<Option<Opaque>, Bad> {
    let token = o.see(SIGNATURE).and_then(|f| f.cow().ok());
    let Some(state) = token.and_then(|t| state::read(&t)) else { return Ok(None) };
    o.take(SIGNATURE)?;
    Ok(Some(state))
}

fn image(mut o: Object<'_>) -> Result<(Media, Extra), Bad> {
    let field = o.need(IMAGE_URL)?;
    if field.kind() == JsonKind::String {
        let media = media_of(&field.str()?);
        return Ok((media, o.rest(ID).noted(note::URL_TEXT)));
    }
    let mut inner = field.object()?;
    let mut media = media_of(&inner.need_str("url")?);
    media.detail = inner.str("detail")?;
    let mut extra = nested::rest(o, ID, &[IMAGE_URL]);
    nested::keep(&mut extra, IMAGE_URL, inner, ID);
    Ok((media, extra))
}

fn document(mut o: Object<'_>) -> Result<(Str, Extra), Bad> {
    let mut inner = o.need(DOCUMENT)?.object()?;
    let data = inner.need("data")?;
    let (text, bits) = match data.kind() {
        JsonKind::String => (data.str()?, note::DOCUMENT),
        _ => (data.raw().text().clone(), note::DOCUMENT | note::DOCUMENT_OBJECT),
    };
    let mut extra = nested::rest(o, ID, &[DOCUMENT]).noted(bits);
    nested::keep(&mut extra, DOCUMENT, inner, ID);
    Ok((text, extra))
}

/// A picture by its address, which may hold it.
pub(super) fn media_of(url: &Str) -> Media {
    let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    match data {
        // Anything between (`;charset=…`) would be lost, and is rather kept as an address.
        Some((mime, base64)) if !mime.contains(';') => Media {
            mime: Some(url.slice_ref(mime)),
            ..Media::new(MediaSource::Base64(url.slice_ref(base64)))
        },
        _ => Media::new(MediaSource::Url(url.clone())),
    }
}

/// The address of a picture; `None` when it has none that Cohere could follow.
pub(super) fn url_of(media: &Media) -> Option<Str> {
    match &media.source {
        MediaSource::Url(url) => Some(url.clone()),
        MediaSource::Base64(base64) => {
            let mime = media.mime.as_deref().unwrap_or("image/png");
            Some(format!("data:{mime};base64,{base64}").into())
        }
        MediaSource::Text(_) | MediaSource::Id(_) => None,
    }
}

/// Writes a block of text.
pub(super) fn write_text(list: &mut ArrayWriter<'_>, text: &str, part: &Part, shown: bool) {
    let notation = part.extra.notation(ID);
    let mut o = list.object();
    if !notation.has(note::DOCUMENT) {
        o.str("type", "text").str("text", text);
        write_signature(&mut o, part, shown);
        o.extra(&part.extra, ID);
        return;
    }
    o.str("type", "document");
    nested::write_outer(&mut o, &part.extra, ID, &[DOCUMENT]);
    let mut inner = o.object(DOCUMENT);
    if notation.has(note::DOCUMENT_OBJECT)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    {
        inner.json("data", text);
    } else {
        inner.str("data", text);
    }
    nested::write_inner(&mut inner, &part.extra, ID, DOCUMENT);
}

/// Writes a block of thinking.
pub(super) fn write_thinking(list: &mut ArrayWriter<'_>, text: &str, part: &Part, shown: bool) {
    let mut o = list.object();
    o.str("type", "thinking").str("thinking", text);
    write_signature(&mut o, part, shown);
    o.extra(&part.extra, ID);
}

fn write_signature(o: &mut ObjectWriter<'_>, part: &Part, shown: bool) {
    if let Some(state) = part.state.as_ref().filter(|_| shown) {
        o.str(SIGNATURE, &state::token(state));
    }
}

/// Writes a picture.
pub(super) fn write_image(list: &mut ArrayWriter<'_>, url: &str, media: &Media, extra: &Extra) {
    let mut o = list.object();
    o.str("type", IMAGE_URL);
    if extra.notation(ID).has(note::URL_TEXT) {
        o.str(IMAGE_URL, url).extra(extra, ID);
        return;
    }
    nested::write_outer(&mut o, extra, ID, &[IMAGE_URL]);
    let mut inner = o.object(IMAGE_URL);
    inner.str("url", url).opt_str("detail", media.detail.as_ref());
    nested::write_inner(&mut inner, extra, ID, IMAGE_URL);
}
