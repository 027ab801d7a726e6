//! Parts: the one shape that requests, answers and frames of a stream share.
//!
//! A part is an object with one member that says what it is, and metadata beside it. A member
//! that nobody here knows makes the part [`PartKind::Opaque`], with the member as it came. Code
//! that the model runs at Google, and its output, are such parts: they are words of this dialect
//! alone.

use llm_core::Str;
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Media, MediaSource, Opaque, Part, PartKind, Text};

use super::notation::{ME, Name, quoted, rest};
use crate::json::{Bad, Field, JsonKind, Object};
use crate::state;

pub(super) mod function;
pub(super) mod media;
pub(super) mod write;

/// The text member is missing: a signature may stand alone.
pub(super) const NO_TEXT: u32 = 1;
/// `thought: false` was said.
pub(super) const NO_THOUGHT: u32 = 1 << 1;
const SNAKE_SIGNATURE: u32 = 1 << 2;
/// `inline_data`, `file_data`, `function_call`, `function_response`.
const SNAKE_KIND: u32 = 1 << 3;

pub(super) const SIGNATURE: Name =
    Name::new("thoughtSignature", "thought_signature", SNAKE_SIGNATURE);
pub(super) const INLINE_DATA: Name = Name::new("inlineData", "inline_data", SNAKE_KIND);
pub(super) const FILE_DATA: Name = Name::new("fileData", "file_data", SNAKE_KIND);
pub(super) const CALL: Name = Name::new("functionCall", "function_call", SNAKE_KIND);
pub(super) const RESPONSE: Name = Name::new("functionResponse", "function_response", SNAKE_KIND);

/// Members that describe a part and never say what it is.
const METADATA: [&str; 14] = [
    "thought",
    "thoughtSignature",
    "thought_signature",
    "videoMetadata",
    "video_metadata",
    "partMetadata",
    "part_metadata",
    "mediaResolution",
    "media_resolution",
    "mediaProcessing",
    "speechMetadata",
    "documentMetadata",
    "spreadsheetMetadata",
    "audioMetadata",
];

/// Reads a part. `calls` gives ids to function calls that have none, and finds the call that a
/// function response answers.
pub(super) fn read(field: Field<'_>, calls: &mut function::Calls) -> Result<Part, Bad> {
    let mut o = field.object()?;
    let mut bits = 0;
    let state = SIGNATURE.take(&mut o, &mut bits)?.map(signature).transpose()?;
    // The member that says most stands first: a call with a stray empty text is a call.
    let (kind, extra) = if let Some(call) = CALL.take(&mut o, &mut bits)? {
        let read = function::read_call(call, calls, &mut bits)?;
        with_remainder(o, bits, CALL.camel, PartKind::ToolCall(read.0), read.1)
    } else if let Some(response) = RESPONSE.take(&mut o, &mut bits)? {
        let read = function::read_response(response, calls, &mut bits)?;
        with_remainder(o, bits, RESPONSE.camel, PartKind::ToolResult(read.0), read.1)
    } else if let Some(blob) = INLINE_DATA.take(&mut o, &mut bits)? {
        let read = media::read_blob(blob, &mut bits)?;
        with_remainder(o, bits, INLINE_DATA.camel, read.0, read.1)
    } else if let Some(file) = FILE_DATA.take(&mut o, &mut bits)? {
        let read = media::read_file(file, &mut bits)?;
        with_remainder(o, bits, FILE_DATA.camel, read.0, read.1)
    } else {
        read_text_or_unknown(o, bits)?
    };
    Ok(Part { kind, cache: None, state, extra })
}

fn with_remainder<'a>(
    o: Object<'a>,
    bits: u32,
    name: &'static str,
    kind: PartKind,
    inner: Object<'a>,
) -> (PartKind, Extra) {
    let mut extra = rest(o, bits);
    super::notation::keep_remainder(&mut extra, name, inner);
    (kind, extra)
}

fn read_text_or_unknown(mut o: Object<'_>, mut bits: u32) -> Result<(PartKind, Extra), Bad> {
    let text = o.str("text")?;
    if text.is_none() {
        let unknown = o
            .members()
            .find(|(name, value)| !METADATA.contains(&&***name) && value.kind() != JsonKind::Null);
        if let Some((name, _)) = unknown {
            let name = name.to_string();
            let value = o.raw(&name)?.unwrap_or_else(|| quoted(""));
            let opaque = Opaque { origin: ME, kind: name.into(), value };
            return Ok((PartKind::Opaque(opaque), rest(o, bits)));
        }
        bits |= NO_TEXT;
    }
    let text = text.unwrap_or_default();
    let kind = match o.take_if("thought", JsonKind::Bool).map(|f| f.text() == "true") {
        Some(true) => PartKind::Reasoning(text),
        Some(false) => {
            bits |= NO_THOUGHT;
            PartKind::Text(Text::new(text))
        }
        None => PartKind::Text(Text::new(text)),
    };
    Ok((kind, rest(o, bits)))
}

/// What stands in `thoughtSignature`: our token around another provider's state, or Google's own.
pub(super) fn signature(field: Field<'_>) -> Result<Opaque, Bad> {
    let text = field.cow()?;
    Ok(state::read(&text).unwrap_or_else(|| Opaque {
        origin: ME,
        kind: Str::from_static(SIGNATURE.camel),
        value: field.raw(),
    }))
}

/// Where a part stands, in canonical words; spelled out only when something is lost there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// `messages`, `system`, `candidates`.
    pub(super) list: &'static str,
    /// Which of them.
    pub(super) outer: usize,
    /// Which of its parts.
    pub(super) part: usize,
    /// Which part of a tool result in it.
    pub(super) child: Option<usize>,
}

impl Place {
    /// A part of a message.
    pub(super) fn new(list: &'static str, outer: usize, part: usize) -> Self {
        Self { list, outer, part, child: None }
    }

    /// The path of something in it, or of the part itself.
    pub(super) fn path(&self, what: &str) -> String {
        let Self { list, outer, part, child } = self;
        let mut path = format!("{list}.{outer}.parts.{part}");
        if let Some(child) = child {
            path.push_str(&format!(".content.{child}"));
        }
        if !what.is_empty() {
            path.push('.');
            path.push_str(what);
        }
        path
    }

    fn lose(&self, what: &str, losses: &mut Losses) {
        losses.dropped(self.path(what));
    }
}

/// A picture, sound, film or document, by its type.
pub(super) fn of_mime(media: Media) -> PartKind {
    use llm_core::prompt::Audio;
    let family = media.mime.as_deref().and_then(|m| m.split('/').next()).unwrap_or_default();
    match family.to_ascii_lowercase().as_str() {
        "image" => PartKind::Image(media),
        "audio" => PartKind::Audio(Audio { media, transcript: None }),
        "video" => PartKind::Video(media),
        _ if is_youtube(&media.source) => PartKind::Video(media),
        _ => PartKind::File(media),
    }
}

/// Films at YouTube are given by address, without a type.
fn is_youtube(source: &MediaSource) -> bool {
    match source {
        MediaSource::Url(url) => url.contains("youtube.com/") || url.contains("youtu.be/"),
        MediaSource::Base64(_) | MediaSource::Text(_) | MediaSource::Id(_) => false,
    }
}
