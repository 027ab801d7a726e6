//! The parts of a message's `content`, both ways.

use llm_core::Str;
use llm_core::dialect::DialectId;
use llm_core::extra::{Extra, LossReason, Losses};
use llm_core::prompt::{
    Audio, CacheMark, Citation, Media, MediaSource, Opaque, Part, PartKind, Text,
};

use super::notation::{ME, keep, kept, of_message, of_part, others, own};
use crate::json::{ArrayWriter, Bad, Field, JsonKind, Object, ObjectWriter};

/// Reads `content` into parts; the bits tell how it was spelled. An empty string becomes an empty
/// text only where nothing else can stand for the message.
pub(super) fn read(field: Field<'_>, keep_empty: bool, parts: &mut Vec<Part>) -> Result<u32, Bad> {
    match field.kind() {
        JsonKind::String => {
            let text = field.str()?;
            if text.is_empty() && !keep_empty {
                return Ok(of_message::CONTENT_EMPTY);
            }
            let extra = Extra::new(ME);
            parts.push(Part { extra, ..Part::text(text) });
            Ok(0)
        }
        JsonKind::Array => {
            for item in field.array()? {
                parts.push(read_part(item)?);
            }
            Ok(of_message::CONTENT_LIST)
        }
        JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::Object => {
            Err(field.bad("must be a string or a list of parts"))
        }
    }
}

fn read_part(item: Field<'_>) -> Result<Part, Bad> {
    let mut o = item.object()?;
    let Some(kind) = o.see("type") else { return Err(o.missing("type")) };
    let mut inner = Extra::new(ME);
    let mut bits = 0;
    let (name, kind) = match &*kind.cow()? {
        "text" => ("text", PartKind::Text(Text::new(o.need_str("text")?))),
        "refusal" => {
            bits |= of_part::IN_CONTENT;
            ("refusal", PartKind::Refusal(Text::new(o.need_str("refusal")?)))
        }
        "thinking" => {
            bits |= of_part::IN_CONTENT;
            match thinking(&mut o)? {
                Some((text, string)) => {
                    bits |= if string { of_part::THINKING_STRING } else { 0 };
                    ("thinking", PartKind::Reasoning(text))
                }
                None => return Ok(opaque(item, o)),
            }
        }
        "image_url" => {
            let (media, string) = read_url(o.need("image_url")?, &mut inner)?;
            bits |= if string { of_part::URL_STRING } else { 0 };
            ("image_url", PartKind::Image(media))
        }
        "video_url" => {
            let (media, string) = read_url(o.need("video_url")?, &mut inner)?;
            bits |= if string { of_part::URL_STRING } else { 0 };
            ("video_url", PartKind::Video(media))
        }
        "input_audio" => {
            ("input_audio", PartKind::Audio(read_audio(o.need("input_audio")?, &mut inner)?))
        }
        "file" => ("file", PartKind::File(read_file(o.need("file")?, &mut inner)?)),
        _ => return Ok(opaque(item, o)),
    };
    o.take("type")?;
    let cache = take_cache(&mut o)?;
    let mut extra = o.rest(ME).noted(bits);
    keep(&mut extra, name, &inner);
    Ok(Part { kind, cache, state: None, extra })
}

fn opaque(item: Field<'_>, mut o: Object<'_>) -> Part {
    let kind = o.take_if("type", JsonKind::String).and_then(|f| f.str().ok()).unwrap_or_default();
    let extra = Extra::new(ME).noted(of_part::IN_CONTENT);
    let kind = PartKind::Opaque(Opaque { origin: ME, kind, value: item.raw() });
    Part { extra, ..Part::new(kind) }
}

/// Mistral's thinking: a list of texts, or a string. Anything else in the list is left alone.
fn thinking(o: &mut Object<'_>) -> Result<Option<(Str, bool)>, Bad> {
    let field = o.need("thinking")?;
    if field.kind() == JsonKind::String {
        return Ok(Some((field.str()?, true)));
    }
    let mut texts = Vec::new();
    for item in field.array()? {
        let mut text = item.object()?;
        let is_text = text.str("type")?.is_some_and(|t| t == "text");
        let words = text.str("text")?;
        match words {
            Some(words) if is_text && text.names().next().is_none() => texts.push(words),
            _ => return Ok(None),
        }
    }
    // One text returns as it was; several would return as one.
    match (texts.pop(), texts.is_empty()) {
        (Some(only), true) => Ok(Some((only, false))),
        _ => Ok(None),
    }
}

/// Prompt caching as OpenRouter and LiteLLM spell it: `{"type":"ephemeral"}`, with a life or not.
pub(super) fn take_cache(o: &mut Object<'_>) -> Result<Option<CacheMark>, Bad> {
    let Some(field) = o.see("cache_control").filter(|f| f.kind() == JsonKind::Object) else {
        return Ok(None);
    };
    let mut mark = field.object()?;
    let ephemeral =
        mark.take_if("type", JsonKind::String).is_some_and(|f| f.text() == "\"ephemeral\"");
    let ttl = mark.take_if("ttl", JsonKind::String).map(|f| f.str()).transpose()?;
    if !ephemeral || mark.names().next().is_some() {
        return Ok(None);
    }
    o.take("cache_control")?;
    Ok(Some(CacheMark { ttl }))
}

/// Restores a mark.
pub(super) fn write_cache(o: &mut ObjectWriter<'_>, mark: Option<&CacheMark>) {
    if let Some(mark) = mark {
        o.object("cache_control").str("type", "ephemeral").opt_str("ttl", mark.ttl.as_ref());
    }
}

fn read_url(field: Field<'_>, inner: &mut Extra) -> Result<(Media, bool), Bad> {
    if field.kind() == JsonKind::String {
        return Ok((from_url(&field.str()?), true));
    }
    let mut o = field.object()?;
    let mut media = from_url(&o.need_str("url")?);
    media.detail = o.str("detail")?;
    *inner = o.rest(ME);
    Ok((media, false))
}

/// A data URL's bytes, or an address.
pub(super) fn from_url(url: &Str) -> Media {
    match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((mime, data)) => Media {
            mime: Some(url.slice_ref(mime)),
            ..Media::new(MediaSource::Base64(url.slice_ref(data)))
        },
        None => Media::new(MediaSource::Url(url.clone())),
    }
}

fn read_audio(field: Field<'_>, inner: &mut Extra) -> Result<Audio, Bad> {
    let mut o = field.object()?;
    let mut media = Media::new(MediaSource::Base64(o.need_str("data")?));
    media.mime = o.str("format")?.map(|f| format!("audio/{f}").into());
    *inner = o.rest(ME);
    Ok(Audio { media, transcript: None })
}

fn read_file(field: Field<'_>, inner: &mut Extra) -> Result<Media, Bad> {
    let mut o = field.object()?;
    let mut media = match o.str("file_data")? {
        Some(data) if data.starts_with("data:") => from_url(&data),
        Some(data) if data.starts_with("http:") || data.starts_with("https:") => {
            Media::new(MediaSource::Url(data))
        }
        Some(data) => Media::new(MediaSource::Base64(data)),
        None => match o.str("file_id")? {
            Some(id) => Media::new(MediaSource::Id(id)),
            None => return Err(o.missing("file_data")),
        },
    };
    media.name = o.str("filename")?;
    *inner = o.rest(ME);
    Ok(media)
}

/// Where a part stands, for reports.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// `messages.2`
    pub(super) message: &'a str,
    /// The part's number.
    pub(super) part: usize,
}

impl Place<'_> {
    /// Reports a loss below this part.
    pub(super) fn lose(self, losses: &mut Losses, what: &str, reason: LossReason) {
        losses.push(format!("{}.parts.{}{what}", self.message, self.part), reason);
    }
}

/// Whether [`write_part`] has a way to say it.
pub(super) fn can_say(part: &Part) -> bool {
    match &part.kind {
        PartKind::Text(_) => true,
        PartKind::File(m) => !matches!(m.source, MediaSource::Id(_)) || knows_id(&part.extra),
        PartKind::Image(m) | PartKind::Video(m) => match &m.source {
            MediaSource::Base64(_) | MediaSource::Url(_) => true,
            MediaSource::Text(_) | MediaSource::Id(_) => false,
        },
        PartKind::Audio(a) => matches!(&a.media.source, MediaSource::Base64(_)),
        PartKind::Refusal(_) | PartKind::Reasoning(_) => {
            part.extra.notation(ME).has(of_part::IN_CONTENT)
        }
        PartKind::Opaque(opaque) => opaque.origin == ME,
        PartKind::ToolCall(_) | PartKind::ToolResult(_) => false,
    }
}

/// Writes a part that [`can_say`] said yes to.
pub(super) fn write_part(
    array: &mut ArrayWriter<'_>,
    part: &Part,
    place: Place<'_>,
    losses: &mut Losses,
) {
    part.extra.lose(ME, format_args!("{}.parts.{}", place.message, place.part), losses);
    if part.cache.is_some() && !own(&part.extra) {
        // OpenAI caches by itself and refuses unknown fields.
        place.lose(losses, ".cache", LossReason::Dropped);
    }
    if part.state.is_some() {
        place.lose(losses, ".state", LossReason::Dropped);
    }
    if let PartKind::Opaque(opaque) = &part.kind {
        array.raw(&opaque.value);
        return;
    }
    let notation = part.extra.notation(ME);
    let mut o = array.object();
    let name = match &part.kind {
        PartKind::Text(text) => {
            o.str("type", "text").str("text", &text.text);
            lose_citations(&text.citations, place, losses);
            "text"
        }
        PartKind::Refusal(text) => {
            o.str("type", "refusal").str("refusal", &text.text);
            "refusal"
        }
        PartKind::Reasoning(text) => {
            o.str("type", "thinking");
            if notation.has(of_part::THINKING_STRING) {
                o.str("thinking", text);
            } else {
                o.array("thinking").object().str("type", "text").str("text", text);
            }
            "thinking"
        }
        PartKind::Image(media) => {
            write_url(&mut o, "image_url", media, part, place, losses);
            "image_url"
        }
        PartKind::Video(media) => {
            write_url(&mut o, "video_url", media, part, place, losses);
            "video_url"
        }
        PartKind::Audio(audio) => {
            write_audio(&mut o, audio, &part.extra);
            "input_audio"
        }
        PartKind::File(media) => {
            let text = write_file(&mut o, media, &part.extra, place, losses);
            if text { "text" } else { "file" }
        }
        PartKind::ToolCall(_) | PartKind::ToolResult(_) | PartKind::Opaque(_) => "",
    };
    if own(&part.extra) {
        write_cache(&mut o, part.cache.as_ref());
    }
    others(&mut o, &part.extra, &[name]);
}

fn lose_citations(citations: &[Citation], place: Place<'_>, losses: &mut Losses) {
    // History: the model has read its sources already, and no request has a place for them.
    if !citations.is_empty() {
        place.lose(losses, ".citations", LossReason::Dropped);
    }
}

fn write_url(
    o: &mut ObjectWriter<'_>,
    name: &'static str,
    media: &Media,
    part: &Part,
    place: Place<'_>,
    losses: &mut Losses,
) {
    o.str("type", name);
    let url = to_url(media);
    if part.extra.notation(ME).has(of_part::URL_STRING) {
        o.str(name, &url);
        return;
    }
    let mut inner = o.object(name);
    inner.str("url", &url).opt_str("detail", media.detail.as_ref());
    others(&mut inner, &kept(&part.extra, name), &[]);
    drop(inner);
    if media.name.is_some() {
        place.lose(losses, ".name", LossReason::Dropped);
    }
}

/// A data URL, or the address.
pub(super) fn to_url(media: &Media) -> Str {
    match &media.source {
        MediaSource::Url(url) => url.clone(),
        MediaSource::Base64(data) => {
            format!("data:{};base64,{data}", media.mime.as_deref().unwrap_or_default()).into()
        }
        MediaSource::Text(text) | MediaSource::Id(text) => text.clone(),
    }
}

fn write_audio(o: &mut ObjectWriter<'_>, audio: &Audio, extra: &Extra) {
    o.str("type", "input_audio");
    let mut inner = o.object("input_audio");
    if let MediaSource::Base64(data) = &audio.media.source {
        inner.str("data", data);
    }
    let format = audio.media.mime.as_deref().map(|mime| match mime.strip_prefix("audio/") {
        // The API knows two words, and other dialects spell them as registered types.
        Some("mpeg") if !own(extra) => "mp3",
        Some("x-wav" | "wave" | "vnd.wave") if !own(extra) => "wav",
        Some(format) => format,
        None => mime,
    });
    if let Some(format) = format {
        inner.str("format", format);
    }
    others(&mut inner, &kept(extra, "input_audio"), &[]);
}

/// Writes a document; true when it became text.
fn write_file(
    o: &mut ObjectWriter<'_>,
    media: &Media,
    extra: &Extra,
    place: Place<'_>,
    losses: &mut Losses,
) -> bool {
    let data = match &media.source {
        // Documents given as text: only PDF is read from a file.
        MediaSource::Text(text) => {
            o.str("type", "text").str("text", text);
            place.lose(losses, "", LossReason::Approximated);
            return true;
        }
        MediaSource::Base64(data) if media.mime.is_none() && own(extra) => Some(data.clone()),
        MediaSource::Base64(_) => Some(to_url(media)),
        MediaSource::Url(url) => {
            // OpenRouter and others fetch addresses here; OpenAI itself refuses them in words.
            if !own(extra) {
                place.lose(losses, ".source", LossReason::Approximated);
            }
            Some(url.clone())
        }
        MediaSource::Id(_) => None,
    };
    o.str("type", "file");
    let mut inner = o.object("file");
    match (&data, &media.source) {
        (Some(data), _) => inner.str("file_data", data),
        (None, MediaSource::Id(id)) => inner.str("file_id", id),
        (None, _) => &mut inner,
    };
    let unnamed = data.is_some() && media.name.is_none() && !own(extra);
    if unnamed {
        // Required beside `file_data`.
        inner.str("filename", "document.pdf");
    }
    inner.opt_str("filename", media.name.as_ref());
    others(&mut inner, &kept(extra, "file"), &[]);
    false
}

/// Whether an id of a file at a provider means anything to this one.
pub(super) fn knows_id(extra: &Extra) -> bool {
    match extra.origin() {
        None | Some(DialectId::OpenaiChat | DialectId::OpenaiResponses) => true,
        Some(_) => false,
    }
}
