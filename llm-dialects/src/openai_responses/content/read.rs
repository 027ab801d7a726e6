//! Reads pieces of content.

use llm_core::Str;
use llm_core::prompt::{
    Audio, CacheMark, Citation, Media, MediaSource, Opaque, Part, PartKind, Text, TokenLogprob,
};
use llm_core::raw::RawNumber;

use super::super::notation::{ME, noted, part as bit};
use super::{DATA_BASE64, DATA_URL};
use crate::json::{Bad, Field, JsonKind, Object};

/// Reads a content list. Each piece is marked as standing inside something, and all but the first
/// as going on with it.
pub(crate) fn list(field: Field<'_>) -> Result<Vec<Part>, Bad> {
    let mut parts = field.array()?.into_iter().map(part).collect::<Result<Vec<_>, _>>()?;
    for part in parts.iter_mut().skip(1) {
        part.extra = std::mem::take(&mut part.extra).noted(bit::GOES_ON);
    }
    Ok(parts)
}

/// Reads one piece.
fn part(field: Field<'_>) -> Result<Part, Bad> {
    let mut o = field.object()?;
    let kind = o.need_str("type")?;
    match &*kind {
        "input_text" => text(o, bit::INPUT_TEXT),
        "output_text" => text(o, bit::OUTPUT_TEXT),
        "text" => text(o, bit::PLAIN_TEXT),
        "refusal" => {
            let refusal = o.need_str("refusal")?;
            let bits = bit::INSIDE;
            Ok(Part { extra: o.rest(ME).noted(bits), ..refused(refusal) })
        }
        "input_image" => Ok(image(o).unwrap_or_else(|| opaque(field, kind))),
        "input_file" => Ok(file(o).unwrap_or_else(|| opaque(field, kind))),
        "input_audio" => Ok(audio(o).unwrap_or_else(|| opaque(field, kind))),
        _ => Ok(opaque(field, kind)),
    }
}

fn refused(text: Str) -> Part {
    Part::new(PartKind::Refusal(Text::new(text)))
}

fn opaque(field: Field<'_>, kind: Str) -> Part {
    let kind = PartKind::Opaque(Opaque { origin: ME, kind, value: field.raw() });
    Part { extra: noted(bit::INSIDE), ..Part::new(kind) }
}

fn text(mut o: Object<'_>, spelling: u32) -> Result<Part, Bad> {
    let mut text = Text::new(o.need_str("text")?);
    let mut bits = bit::INSIDE | spelling;
    if let Some(annotations) = o.take_if("annotations", JsonKind::Array) {
        text.citations = annotations.array()?.into_iter().map(citation).collect();
        bits |= bit::ANNOTATIONS;
    }
    if let Some(known) = o.see("logprobs").and_then(logprobs) {
        o.take("logprobs")?;
        text.logprobs = known;
        bits |= bit::LOGPROBS;
    }
    let cache = cache(&mut o)?;
    Ok(Part { cache, extra: o.rest(ME).noted(bits), ..Part::new(PartKind::Text(text)) })
}

/// A cache breakpoint, when it says no more than that it is one.
fn cache(o: &mut Object<'_>) -> Result<Option<CacheMark>, Bad> {
    const NAME: &str = "prompt_cache_breakpoint";
    let Some(Ok(mut inner)) = o.see(NAME).map(|f| f.object()) else { return Ok(None) };
    let explicit =
        inner.take_if("mode", JsonKind::String).is_some_and(|f| f.text() == "\"explicit\"");
    if !explicit || inner.names().next().is_some() {
        return Ok(None);
    }
    o.take(NAME)?;
    Ok(Some(CacheMark::default()))
}

/// Where a text comes from. Never fails: what is unknown stays as written.
pub(crate) fn citation(field: Field<'_>) -> Citation {
    let mut out = Citation::default();
    let mut kind = Str::new();
    if let Ok(mut o) = field.object() {
        let mut string = |name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
        kind = string("type").unwrap_or_default();
        out.url = string("url");
        out.title = string("title").or_else(|| string("filename"));
        let mut number = |name| o.take_if(name, JsonKind::Number).and_then(|f| f.u32().ok());
        out.start = number("start_index");
        out.end = number("end_index");
    }
    out.wire = Some(Opaque { origin: ME, kind, value: field.raw() });
    out
}

/// Log probabilities, when they say nothing that we would not say again.
pub(crate) fn logprobs(field: Field<'_>) -> Option<Vec<TokenLogprob>> {
    tokens(field, true)
}

fn tokens(field: Field<'_>, outer: bool) -> Option<Vec<TokenLogprob>> {
    let items = field.array().ok()?;
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let mut o = item.object().ok()?;
        let token = o.take_if("token", JsonKind::String)?.str().ok()?;
        let logprob: RawNumber = o.take_if("logprob", JsonKind::Number)?.number().ok()?;
        let bytes = match o.take_if("bytes", JsonKind::Array) {
            Some(bytes) => Some(bytes.parse::<Vec<u8>>().ok()?),
            None => None,
        };
        let top = match outer {
            true => tokens(o.take_if("top_logprobs", JsonKind::Array)?, false)?,
            false => Vec::new(),
        };
        if o.names().next().is_some() {
            return None;
        }
        out.push(TokenLogprob { token, logprob, bytes, top });
    }
    Some(out)
}

/// A picture; `None` when it names no source.
fn image(mut o: Object<'_>) -> Option<Part> {
    let url = o.take_if("image_url", JsonKind::String);
    let (source, mime) = match url {
        Some(url) => address(url.str().ok()?),
        None => (MediaSource::Id(o.take_if("file_id", JsonKind::String)?.str().ok()?), None),
    };
    let detail = o.take_if("detail", JsonKind::String).and_then(|f| f.str().ok());
    let media = Media { mime, detail, ..Media::new(source) };
    finish(o, PartKind::Image(media))
}

/// A document; `None` when it names no source.
fn file(mut o: Object<'_>) -> Option<Part> {
    let name = o.take_if("filename", JsonKind::String).and_then(|f| f.str().ok());
    let mut string = |name| o.take_if(name, JsonKind::String).and_then(|f| f.str().ok());
    let (source, mime) = if let Some(data) = string("file_data") {
        match address(data) {
            // Bare base64: the type follows from the file's name.
            (MediaSource::Url(bare), _) => (MediaSource::Base64(bare), None),
            marked => marked,
        }
    } else if let Some(id) = string("file_id") {
        (MediaSource::Id(id), None)
    } else {
        (MediaSource::Url(string("file_url")?), None)
    };
    let detail = o.take_if("detail", JsonKind::String).and_then(|f| f.str().ok());
    finish(o, PartKind::File(Media { source, mime, detail, name }))
}

/// Sound; `None` when it is not the two fields the API has.
fn audio(mut o: Object<'_>) -> Option<Part> {
    let mut inner = o.take_if("input_audio", JsonKind::Object)?.object().ok()?;
    let data = inner.take_if("data", JsonKind::String)?.str().ok()?;
    let format = inner.take_if("format", JsonKind::String)?.str().ok()?;
    if inner.names().next().is_some() {
        return None;
    }
    let mime = Some(format!("audio/{format}").into());
    let media = Media { mime, ..Media::new(MediaSource::Base64(data)) };
    finish(o, PartKind::Audio(Audio { media, transcript: None }))
}

fn finish(mut o: Object<'_>, kind: PartKind) -> Option<Part> {
    let cache = cache(&mut o).ok()?;
    Some(Part { cache, extra: o.rest(ME).noted(bit::INSIDE), ..Part::new(kind) })
}

/// An address, or the bytes it holds.
fn address(url: Str) -> (MediaSource, Option<Str>) {
    let data = url.strip_prefix(DATA_URL).and_then(|rest| rest.split_once(DATA_BASE64));
    match data {
        Some((mime, bytes)) => {
            (MediaSource::Base64(url.slice_ref(bytes)), Some(url.slice_ref(mime)))
        }
        None => (MediaSource::Url(url), None),
    }
}
