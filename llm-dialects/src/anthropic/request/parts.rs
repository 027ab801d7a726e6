//! Parts of a request as blocks: what may stand where, and what becomes of the rest.
//!
//! A part of the question that cannot be said at all (sound, video, a file at another provider)
//! refuses the request, for the answer to a question with a hole in it is worse than none. What
//! the model itself said once, and marks beside the words, are left out with a loss.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm_core::Str;
use llm_core::dialect::BadRequest;
use llm_core::extra::Losses;
use llm_core::prompt::{
    Audio, CacheMark, Media, MediaSource, Part, PartKind, Text, ToolCall, ToolResult,
};

use crate::anthropic::block::{self, At, Sealed};
use crate::anthropic::{ID, note};
use crate::json::{ArrayWriter, ObjectWriter};

/// A part of a user's or an assistant's turn. `cut` where trailing white space must go.
pub(super) fn turn(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    at: At,
    role: &str,
    cut: bool,
    losses: &mut Losses,
) -> Result<(), BadRequest> {
    let own = is_own(part);
    match &part.kind {
        PartKind::Text(t) => text(list, part, t, at, cut, losses),
        PartKind::Refusal(t) => {
            losses.approximated(at.to_string());
            text(list, part, t, at, cut, losses);
        }
        PartKind::Reasoning(t) => {
            reasoning(list, part, t, at, losses);
            return Ok(());
        }
        PartKind::ToolCall(call) => tool_call(list, part, call, at, losses),
        PartKind::ToolResult(result) => tool_result(list, part, result, at, losses)?,
        PartKind::Opaque(opaque) if opaque.origin == ID => list.raw(&opaque.value),
        PartKind::Opaque(_) => losses.dropped(at.to_string()),
        PartKind::Audio(Audio { transcript: Some(said), .. }) if role == "assistant" => {
            losses.approximated(at.to_string());
            text(list, part, &Text::new(said.clone()), at, cut, losses);
        }
        PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_)
            if role == "assistant" && !own =>
        {
            losses.dropped(at.to_string());
        }
        PartKind::Image(media) => image(list, part, media, at, losses)?,
        PartKind::File(media) => file(list, part, media, at, losses)?,
        PartKind::Audio(_) => return Err(refused(at, "audio")),
        PartKind::Video(_) => return Err(refused(at, "video")),
    }
    lose_state(part, at, losses);
    Ok(())
}

/// A part of the system text, which takes nothing but text.
pub(super) fn instruction(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    at: At,
    losses: &mut Losses,
) -> Result<(), BadRequest> {
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => {
            if is_own(part) || !t.text.trim().is_empty() {
                text(list, part, t, at, false, losses);
            }
        }
        PartKind::Opaque(opaque) if opaque.origin == ID => list.raw(&opaque.value),
        PartKind::Opaque(_) | PartKind::Reasoning(_) => losses.dropped(at.to_string()),
        PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::File(_)
        | PartKind::ToolCall(_)
        | PartKind::ToolResult(_) => return Err(refused(at, "anything but text in instructions")),
    }
    Ok(())
}

fn is_own(part: &Part) -> bool {
    part.extra.origin() == Some(ID)
}

fn refused(at: At, what: &str) -> BadRequest {
    BadRequest::unsupported(Some(at.to_string().into()), format!("{at}: this API takes no {what}"))
}

/// The mark and the rest that every block may have.
fn close(mut o: ObjectWriter<'_>, part: &Part, at: At, losses: &mut Losses) {
    let mark = part.cache.as_ref().map(|mark| own_mark(mark, is_own(part), at, losses));
    block::cache(&mut o, mark.as_ref(), &part.extra);
    part.extra.lose(ID, at, losses);
}

fn own_mark(mark: &CacheMark, own: bool, at: At, losses: &mut Losses) -> CacheMark {
    match mark.ttl.as_deref() {
        Some("5m" | "1h") | None => mark.clone(),
        Some(_) if own => mark.clone(),
        Some(_) => {
            losses.approximated(at.of("cache.ttl"));
            CacheMark { ttl: None }
        }
    }
}

fn lose_state(part: &Part, at: At, losses: &mut Losses) {
    if part.state.is_some() {
        losses.dropped(at.of("state"));
    }
}

fn text(list: &mut ArrayWriter<'_>, part: &Part, t: &Text, at: At, cut: bool, losses: &mut Losses) {
    let mut o = list.object();
    block::text(&mut o, if cut { t.text.trim_end() } else { &t.text });
    if !block::citations(&mut o, &t.citations, block::own_citation) {
        losses.dropped(at.of("citations"));
    }
    if !t.logprobs.is_empty() {
        losses.dropped(at.of("logprobs"));
    }
    close(o, part, at, losses);
}

/// Thoughts go back with Anthropic's own signature or not at all.
fn reasoning(list: &mut ArrayWriter<'_>, part: &Part, t: &Str, at: At, losses: &mut Losses) {
    let state = part.state.as_ref().filter(|s| s.origin == ID);
    match state.map(|s| block::sealed(s, t.is_empty())) {
        Some(Sealed::Redacted(data)) => {
            let mut o = list.object();
            o.str("type", "redacted_thinking").raw("data", data);
            close(o, part, at, losses);
        }
        Some(Sealed::Signature(signature)) => {
            let mut o = list.object();
            block::thinking(&mut o, t, Some(signature));
            close(o, part, at, losses);
        }
        None if is_own(part) && part.state.is_none() => {
            let mut o = list.object();
            block::thinking(&mut o, t, None);
            if part.extra.notation(ID).has(note::EMPTY_SIGNATURE) {
                o.str("signature", "");
            }
            close(o, part, at, losses);
        }
        Some(Sealed::Token(_)) | None => losses.dropped(at.to_string()),
    }
}

fn tool_call(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    call: &ToolCall,
    at: At,
    losses: &mut Losses,
) {
    let mut o = list.object();
    if is_own(part)
        && !call.custom
        && serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok()
    {
        o.str("type", "tool_use").str("id", &call.id).str("name", &call.name);
        o.json("input", &call.arguments);
    } else {
        o.str("type", "tool_use").str("id", &tool_id(&call.id)).str("name", &call.name);
        if !block::arguments(&mut o, call) {
            losses.approximated(at.of("arguments"));
        }
    }
    close(o, part, at, losses);
}

fn tool_result(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    result: &ToolResult,
    at: At,
    losses: &mut Losses,
) -> Result<(), BadRequest> {
    let own = is_own(part);
    let mut o = list.object();
    let id = if own { result.call_id.clone() } else { tool_id(&result.call_id) };
    o.str("type", "tool_result").str("tool_use_id", &id);
    let notation = part.extra.notation(ID);
    let plain = match &result.content[..] {
        [Part { kind: PartKind::Text(t), cache: None, extra, .. }] => {
            extra.is_empty() && t.citations.is_empty()
        }
        _ => false,
    };
    if plain && (!own || notation.has(note::STRING)) {
        if let Some(Part { kind: PartKind::Text(t), .. }) = result.content.first() {
            o.str("content", &t.text);
        }
    } else if !(notation.has(note::NO_CONTENT) && result.content.is_empty()) {
        let mut inner = o.array("content");
        for (n, part) in result.content.iter().enumerate() {
            let at = At { inner: Some(n), ..at };
            let blank = matches!(&part.kind, PartKind::Text(t) if t.text.trim().is_empty());
            if is_own(part) || !blank {
                turn(&mut inner, part, at, "user", false, losses)?;
            }
        }
    }
    o.opt_bool("is_error", result.is_error);
    close(o, part, at, losses);
    Ok(())
}

/// Ids have letters, digits, `_` and `-` here; others are spelled anew, each always the same way.
fn tool_id(id: &Str) -> Str {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(plain) {
        return id.clone();
    }
    // The hash keeps apart what the spelling throws together (FNV-1a).
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let kept: String = id.chars().take(32).map(|c| if plain(c) { c } else { '_' }).collect();
    format!("{kept}_{hash:016x}").into()
}

/// Ids are only understood where they were given out.
fn check_place(media: &Media, part: &Part, at: At) -> Result<(), BadRequest> {
    let foreign = part.extra.origin().is_some_and(|origin| origin != ID);
    if foreign && matches!(media.source, MediaSource::Id(_)) {
        return Err(refused(at, "files kept at another provider"));
    }
    Ok(())
}

fn image(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    media: &Media,
    at: At,
    losses: &mut Losses,
) -> Result<(), BadRequest> {
    check_place(media, part, at)?;
    let mut mime = media.mime.clone().filter(|m| !m.is_empty());
    match &media.source {
        MediaSource::Base64(data) if mime.is_none() && !is_own(part) => {
            mime = Some(block::sniffed(data).unwrap_or(Str::from_static("image/jpeg")));
        }
        // Only bytes have a type here.
        MediaSource::Url(_) | MediaSource::Id(_) if !is_own(part) => mime = None,
        MediaSource::Text(_) => return Err(refused(at, "images made of text")),
        MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::Id(_) => {}
    }
    if media.detail.as_ref().is_some_and(|d| d != "auto") {
        losses.dropped(at.of("detail"));
    }
    if media.name.is_some() {
        losses.dropped(at.of("name"));
    }
    let mut o = list.object();
    block::image(&mut o, media, mime.as_deref(), &part.extra);
    close(o, part, at, losses);
    Ok(())
}

fn file(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    media: &Media,
    at: At,
    losses: &mut Losses,
) -> Result<(), BadRequest> {
    check_place(media, part, at)?;
    if is_own(part) {
        let mut o = list.object();
        block::document(&mut o, media, media.mime.as_deref(), &part.extra);
        close(o, part, at, losses);
        return Ok(());
    }
    if media.detail.is_some() {
        losses.dropped(at.of("detail"));
    }
    let sniffed = match &media.source {
        MediaSource::Base64(data) => block::sniffed(data),
        MediaSource::Text(_) | MediaSource::Url(_) | MediaSource::Id(_) => None,
    };
    let said = media.mime.clone().filter(|m| !m.is_empty() && m != "application/octet-stream");
    let mime = said.or(sniffed);
    match (&media.source, mime.as_deref()) {
        (_, Some(kind)) if kind.starts_with("image/") => {
            return image(list, part, media, at, losses);
        }
        (MediaSource::Base64(_), Some("application/pdf")) => {
            document(list, part, media, mime.as_deref(), at, losses);
        }
        (MediaSource::Base64(data), Some(kind)) if is_text(kind) => {
            // Documents of text are not encoded here.
            let decoded = STANDARD.decode(data.as_bytes()).ok();
            let Some(text) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) else {
                return Err(refused(at, "text that is not UTF-8"));
            };
            let media = Media { source: MediaSource::Text(text.into()), ..media.clone() };
            document(list, part, &media, Some("text/plain"), at, losses);
        }
        (MediaSource::Text(_), _) => document(list, part, media, Some("text/plain"), at, losses),
        (MediaSource::Url(_) | MediaSource::Id(_), _) => {
            document(list, part, media, None, at, losses);
        }
        (MediaSource::Base64(_), _) => return Err(refused(at, "files of this type")),
    }
    Ok(())
}

fn is_text(mime: &str) -> bool {
    let mime = mime.split(';').next().unwrap_or_default().trim();
    mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml")
}

fn document(
    list: &mut ArrayWriter<'_>,
    part: &Part,
    media: &Media,
    mime: Option<&str>,
    at: At,
    losses: &mut Losses,
) {
    let mut o = list.object();
    block::document(&mut o, media, mime, &part.extra);
    close(o, part, at, losses);
}
