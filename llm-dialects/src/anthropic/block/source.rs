//! Images and documents: where their bytes are.

use llm_core::Str;
use llm_core::prompt::{Media, MediaSource, Part, PartKind};

use super::read::done;
use crate::anthropic::nested::{Left, take_kind};
use crate::anthropic::note;
use crate::json::{Bad, JsonKind, Object};

/// An image; `None` when its source is of a kind we do not know.
pub(super) fn image(mut o: Object<'_>) -> Result<Option<Part>, Bad> {
    let Some((kind, mut source)) = take_kind(&mut o, "source", &["base64", "url", "file"])? else {
        return Ok(None);
    };
    let media = media(&kind, &mut source)?;
    let mut left = Left::default();
    left.keep("source", source);
    done(PartKind::Image(media), o, left).map(Some)
}

/// A document; `None` when its source is of a kind we do not know, or made of blocks.
pub(super) fn document(mut o: Object<'_>) -> Result<Option<Part>, Bad> {
    let blocks = o.see("source").and_then(|f| f.object().ok()?.see("content"));
    if blocks.is_some_and(|f| f.kind() != JsonKind::String) {
        return Ok(None);
    }
    let kinds = ["base64", "url", "file", "text", "content"];
    let Some((kind, mut source)) = take_kind(&mut o, "source", &kinds)? else {
        return Ok(None);
    };
    let mut media = media(&kind, &mut source)?;
    media.name = o.str("title")?;
    let mut left = Left::default();
    left.keep("source", source);
    let mut part = done(PartKind::File(media), o, left)?;
    if kind == "content" {
        part.extra = part.extra.noted(note::CONTENT_SOURCE);
    }
    Ok(Some(part))
}

fn media(kind: &str, source: &mut Object<'_>) -> Result<Media, Bad> {
    let place = match kind {
        "base64" => MediaSource::Base64(source.need_str("data")?),
        "url" => MediaSource::Url(source.need_str("url")?),
        "file" => MediaSource::Id(source.need_str("file_id")?),
        "text" => MediaSource::Text(source.need_str("data")?),
        _ => MediaSource::Text(source.need_str("content")?),
    };
    let mime = source.str("media_type")?;
    Ok(Media { mime, ..Media::new(place) })
}

/// The type of bytes that came without one, from how they begin.
pub(in crate::anthropic) fn sniffed(base64: &str) -> Option<Str> {
    const STARTS: [(&str, &str); 5] = [
        ("/9j/", "image/jpeg"),
        ("iVBORw0KGgo", "image/png"),
        ("R0lGOD", "image/gif"),
        ("UklGR", "image/webp"),
        ("JVBERi0", "application/pdf"),
    ];
    STARTS
        .iter()
        .find(|(start, _)| base64.starts_with(start))
        .map(|(_, mime)| Str::from_static(mime))
}
