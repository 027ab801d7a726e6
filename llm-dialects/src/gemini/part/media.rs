//! `inlineData` and `fileData`.

use std::borrow::Cow;

use llm_core::Str;
use llm_core::extra::{Losses, Notation};
use llm_core::prompt::{Media, MediaSource, Part, PartKind};
use memchr::{memchr, memchr2};

use super::{FILE_DATA, INLINE_DATA, Place, of_mime};
use crate::gemini::notation::{ME, Name, restore_remainder};
use crate::json::{Bad, Field, Object, ObjectWriter};

const SNAKE_MIME: u32 = 1 << 4;
const SNAKE_URI: u32 = 1 << 5;
const SNAKE_DISPLAY: u32 = 1 << 6;
/// The bytes stood in the URL-safe alphabet: Google's own clients write it.
const URL_SAFE: u32 = 1 << 7;
/// The padding was left out.
const NO_PADDING: u32 = 1 << 8;

const MIME: Name = Name::new("mimeType", "mime_type", SNAKE_MIME);
const URI: Name = Name::new("fileUri", "file_uri", SNAKE_URI);
const DISPLAY: Name = Name::new("displayName", "display_name", SNAKE_DISPLAY);

/// Reads `inlineData`; what is left of it is the remainder.
pub(super) fn read_blob<'a>(
    field: Field<'a>,
    bits: &mut u32,
) -> Result<(PartKind, Object<'a>), Bad> {
    let mut o = field.object()?;
    let data = o.need_str("data")?;
    let media = Media {
        source: MediaSource::Base64(standard(data, bits)),
        mime: MIME.take(&mut o, bits)?.map(|f| f.str()).transpose()?,
        detail: None,
        name: DISPLAY.take(&mut o, bits)?.map(|f| f.str()).transpose()?,
    };
    Ok((of_mime(media), o))
}

/// Reads `fileData`.
pub(super) fn read_file<'a>(
    field: Field<'a>,
    bits: &mut u32,
) -> Result<(PartKind, Object<'a>), Bad> {
    let mut o = field.object()?;
    let uri = URI.take(&mut o, bits)?.ok_or_else(|| o.missing(URI.camel))?.str()?;
    let source = if is_own(&uri) { MediaSource::Id(uri) } else { MediaSource::Url(uri) };
    let media = Media {
        source,
        mime: MIME.take(&mut o, bits)?.map(|f| f.str()).transpose()?,
        detail: None,
        name: DISPLAY.take(&mut o, bits)?.map(|f| f.str()).transpose()?,
    };
    Ok((of_mime(media), o))
}

/// Files of Google's own stores: an address for their API alone.
fn is_own(uri: &str) -> bool {
    uri.starts_with("gs://")
        || uri.starts_with("files/")
        || (uri.starts_with("https://generativelanguage.googleapis.com/")
            && uri.contains("/files/"))
}

/// Standard base64 with padding. Text that mixes both alphabets is left alone: it is neither.
fn standard(data: Str, bits: &mut u32) -> Str {
    let url_safe = memchr2(b'-', b'_', data.as_bytes()).is_some()
        && memchr2(b'+', b'/', data.as_bytes()).is_none();
    let unpadded = data.len() % 4 > 1 && memchr(b'=', data.as_bytes()).is_none();
    if !url_safe && !unpadded {
        return data;
    }
    let mut text = String::with_capacity(data.len() + 2);
    if url_safe {
        *bits |= URL_SAFE;
        text.extend(data.chars().map(|c| match c {
            '-' => '+',
            '_' => '/',
            c => c,
        }));
    } else {
        text.push_str(&data);
    }
    if unpadded {
        *bits |= NO_PADDING;
        while !text.len().is_multiple_of(4) {
            text.push('=');
        }
    }
    text.into()
}

/// The bytes as the caller spelled them.
fn respelled(data: &str, notation: Notation) -> Cow<'_, str> {
    let data = if notation.has(NO_PADDING) { data.trim_end_matches('=') } else { data };
    if !notation.has(URL_SAFE) {
        return Cow::Borrowed(data);
    }
    data.chars()
        .map(|c| match c {
            '+' => '-',
            '/' => '_',
            c => c,
        })
        .collect()
}

/// Writes media as the data member of a part. `usual` is the type of media that do not say
/// theirs, which the API requires.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    part: &Part,
    media: &Media,
    usual: &str,
    place: Place,
    losses: &mut Losses,
) {
    let notation = part.extra.notation(ME);
    if media.detail.as_deref().is_some_and(|d| d != "auto") {
        place.lose("detail", losses);
    }
    let mime = || match media.mime.as_deref().filter(|m| !m.is_empty()) {
        Some(mime) => Some(mime),
        // A blob of unknown type would be refused; an address may speak for itself.
        None => match &media.source {
            MediaSource::Base64(_) => Some(usual),
            MediaSource::Text(_) => Some("text/plain"),
            MediaSource::Url(url) => of_extension(url),
            MediaSource::Id(_) => None,
        },
    };
    let own = part.extra.origin() == Some(ME);
    match &media.source {
        MediaSource::Base64(data) => {
            let mut blob = o.object(INLINE_DATA.spelled(notation));
            if own {
                blob.opt_str(MIME.spelled(notation), media.mime.as_ref())
            } else {
                blob.str(MIME.camel, mime().unwrap_or(usual))
            };
            blob.str("data", &respelled(data, notation));
            named(&mut blob, media, own, notation, place, losses);
            restore_remainder(&mut blob, &part.extra, INLINE_DATA.camel);
        }
        MediaSource::Url(uri) | MediaSource::Id(uri) => {
            let mut file = o.object(FILE_DATA.spelled(notation));
            let mime = if own { media.mime.as_deref() } else { mime() };
            if let Some(mime) = mime {
                file.str(MIME.spelled(notation), mime);
            }
            file.str(URI.spelled(notation), uri);
            named(&mut file, media, own, notation, place, losses);
            restore_remainder(&mut file, &part.extra, FILE_DATA.camel);
        }
        MediaSource::Text(text) => {
            // A document given as text is text here, without a title.
            losses.approximated(place.path(""));
            o.str("text", text);
        }
    }
}

/// `displayName` is taken by Vertex only, so that another dialect's file name must not become it.
fn named(
    o: &mut ObjectWriter<'_>,
    media: &Media,
    own: bool,
    notation: Notation,
    place: Place,
    losses: &mut Losses,
) {
    match &media.name {
        Some(name) if own => {
            o.str(DISPLAY.spelled(notation), name);
        }
        Some(_) => place.lose("name", losses),
        None => {}
    }
}

/// Whether this dialect has a way to give it: an id of another provider's store says nothing here.
pub(super) fn can_say(media: &Media) -> bool {
    match &media.source {
        MediaSource::Id(id) => is_own(id),
        MediaSource::Base64(_) | MediaSource::Text(_) | MediaSource::Url(_) => true,
    }
}

/// The type that an address ends in.
fn of_extension(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        _ => return None,
    })
}
