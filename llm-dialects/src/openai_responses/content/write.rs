//! Writes pieces of content.

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Citation, Media, MediaSource, Part, PartKind, Text, TokenLogprob};
use llm_core::raw::Raw;

use super::super::notation::{ITEM, ME, has, own, part as bit, write_plain};
use super::super::place::Place;
use super::{DATA_BASE64, DATA_URL};
use crate::json::{ArrayWriter, ObjectWriter, write};

/// Whose content it is, which decides what it may hold and what text is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// A person's, an operator's, or a tool's: text, pictures, files, sound.
    Input,
    /// The model's: text and refusals.
    Output,
}

/// Writes one piece, or reports why it cannot be.
pub(crate) fn part(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    side: Side,
    place: Place,
    losses: &mut Losses,
) {
    place.lose(&part.extra, losses);
    // Said in this dialect, it may stand wherever it stood.
    let anywhere = has(&part.extra, bit::INSIDE);
    match &part.kind {
        PartKind::Text(text) => write_text(list, part, text, side, place, losses),
        PartKind::Refusal(text) if side == Side::Output || anywhere => {
            let mut o = list.object();
            o.str("type", "refusal").str("refusal", &text.text);
            finish(o, part, place, losses);
        }
        PartKind::Refusal(text) => {
            place.approximated("", losses);
            write_text(list, part, text, side, place, losses);
        }
        PartKind::Image(media) if side == Side::Input || anywhere => {
            image(list, part, media, place, losses);
        }
        PartKind::File(media) if side == Side::Input || anywhere => {
            file(list, part, media, place, losses);
        }
        PartKind::Audio(audio) if side == Side::Input || anywhere => {
            match (&audio.media.source, &audio.transcript) {
                (MediaSource::Base64(data), _) => {
                    let mut o = list.object();
                    o.str("type", "input_audio");
                    let format = audio.media.mime.as_deref().map_or("wav", sound_format);
                    o.object("input_audio").str("data", data).str("format", format);
                    finish(o, part, place, losses);
                }
                (_, Some(words)) => {
                    place.approximated("", losses);
                    write_text(list, part, &Text::new(words.clone()), side, place, losses);
                }
                (_, None) => place.dropped("", losses),
            }
        }
        // What is said in it is better than nothing; the model's own sound cannot go back.
        PartKind::Audio(audio) if audio.transcript.is_some() => {
            place.approximated("", losses);
            let words = audio.transcript.clone().unwrap_or_default();
            write_text(list, part, &Text::new(words), side, place, losses);
        }
        PartKind::Opaque(opaque) if opaque.origin == ME => list.raw(&opaque.value),
        PartKind::Image(_)
        | PartKind::File(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::Opaque(_)
        | PartKind::Reasoning(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_) => place.dropped("", losses),
    }
}

/// What every piece may have.
fn finish(mut o: ObjectWriter<'_>, part: &Part, place: Place, losses: &mut Losses) {
    if let Some(cache) = &part.cache {
        o.object("prompt_cache_breakpoint").str("mode", "explicit");
        if cache.ttl.is_some() {
            // Lifetimes are set for the whole request here.
            place.dropped("cache.ttl", losses);
        }
    }
    write_plain(&part.extra, &[ITEM], &mut o);
}

fn write_text(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    text: &Text,
    side: Side,
    place: Place,
    losses: &mut Losses,
) {
    let kind = match &part.extra {
        e if has(e, bit::INPUT_TEXT) => "input_text",
        e if has(e, bit::OUTPUT_TEXT) => "output_text",
        e if has(e, bit::PLAIN_TEXT) => "text",
        _ if side == Side::Output => "output_text",
        _ => "input_text",
    };
    let said = own(&part.extra);
    let mut o = list.object();
    o.str("type", kind).str("text", &text.text);
    let annotated = has(&part.extra, bit::ANNOTATIONS);
    if annotated
        || (!said && side == Side::Output)
        || (side == Side::Output && !text.citations.is_empty())
    {
        let mut annotations = o.array("annotations");
        for (n, citation) in text.citations.iter().enumerate() {
            match annotation(citation) {
                Some(raw) => annotations.raw(&raw),
                None => place.dropped(&format!("citations.{n}"), losses),
            }
        }
    } else if !text.citations.is_empty() {
        place.dropped("citations", losses);
    }
    if has(&part.extra, bit::LOGPROBS) || (!said && side == Side::Output) {
        logprobs(&mut o.array("logprobs"), &text.logprobs, !said);
    }
    match (side, &part.cache) {
        // The model's own text takes no breakpoint.
        (Side::Output, Some(_)) if !said => {
            place.dropped("cache", losses);
            write_plain(&part.extra, &[ITEM], &mut o);
        }
        _ => finish(o, part, place, losses),
    }
}

/// Where a text comes from, as this dialect says it; `None` when it cannot.
pub(crate) fn annotation(citation: &Citation) -> Option<Raw> {
    if let Some(wire) = citation.wire.as_ref().filter(|w| w.origin == ME) {
        return Some(wire.value.clone());
    }
    let url = citation.url.as_ref()?;
    let start = citation.start.unwrap_or(0);
    let text = write::object(|o| {
        o.str("type", "url_citation").str("url", url);
        // All four are required.
        o.str("title", citation.title.as_deref().unwrap_or_default());
        o.u64("start_index", start.into());
        o.u64("end_index", citation.end.unwrap_or(start).into());
    });
    Some(Raw::from_parsed(Str::try_from(text.freeze()).ok()?))
}

/// Writes log probabilities. `complete` adds what clients require and another dialect left out.
pub(crate) fn logprobs(list: &mut ArrayWriter<'_>, tokens: &[TokenLogprob], complete: bool) {
    for token in tokens {
        let mut o = list.object();
        token_fields(&mut o, token, complete);
        let mut top = o.array("top_logprobs");
        for other in &token.top {
            token_fields(&mut top.object(), other, complete);
        }
    }
}

fn token_fields(o: &mut ObjectWriter<'_>, token: &TokenLogprob, complete: bool) {
    o.str("token", &token.token).number("logprob", &token.logprob);
    let own_bytes = complete.then_some(token.token.as_bytes().as_ref());
    if let Some(bytes) = token.bytes.as_deref().or(own_bytes) {
        let mut list = o.array("bytes");
        bytes.iter().for_each(|b| list.u64((*b).into()));
    }
}

fn image(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    media: &Media,
    place: Place,
    losses: &mut Losses,
) {
    if let MediaSource::Text(_) = &media.source {
        return place.dropped("", losses);
    }
    let mut o = list.object();
    o.str("type", "input_image");
    match &media.source {
        MediaSource::Base64(data) => {
            o.str("image_url", &data_url(media.mime.as_ref(), "image/png", data))
        }
        MediaSource::Url(url) => o.str("image_url", url),
        MediaSource::Id(id) => o.str("file_id", id),
        MediaSource::Text(_) => &mut o,
    };
    o.opt_str("detail", media.detail.as_ref());
    if media.name.is_some() && !own(&part.extra) {
        place.dropped("name", losses);
    }
    finish(o, part, place, losses);
}

fn file(list: &mut ArrayWriter<'_>, part: &Part, media: &Media, place: Place, losses: &mut Losses) {
    if let MediaSource::Text(text) = &media.source {
        // Documents of plain text are not taken as files, but as what they are.
        place.approximated("", losses);
        let mut o = list.object();
        o.str("type", "input_text").str("text", text);
        return finish(o, part, place, losses);
    }
    let mut o = list.object();
    o.str("type", "input_file").opt_str("filename", media.name.as_ref());
    match &media.source {
        MediaSource::Base64(data) if media.mime.is_none() && own(&part.extra) => {
            o.str("file_data", data)
        }
        MediaSource::Base64(data) => {
            if media.name.is_none() && !own(&part.extra) {
                // Required beside bytes.
                o.str("filename", FILE_NAME);
            }
            o.str("file_data", &data_url(media.mime.as_ref(), "application/pdf", data))
        }
        MediaSource::Url(url) => o.str("file_url", url),
        MediaSource::Id(id) => o.str("file_id", id),
        MediaSource::Text(_) => &mut o,
    };
    o.opt_str("detail", media.detail.as_ref());
    finish(o, part, place, losses);
}

/// The API wants a name beside bytes; nobody reads it.
const FILE_NAME: &str = "file.pdf";

fn data_url(mime: Option<&Str>, usual: &str, data: &str) -> String {
    let mime = mime.map_or(usual, |m| m);
    [DATA_URL, mime, DATA_BASE64, data].concat()
}

fn sound_format(mime: &str) -> &str {
    match mime.strip_prefix("audio/").unwrap_or(mime) {
        "mpeg" => "mp3",
        "x-wav" | "wave" => "wav",
        other => other,
    }
}
