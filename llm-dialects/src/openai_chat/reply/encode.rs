//! Words into a whole answer for a caller.
//!
//! What official clients insist on is always written in the official way, whatever the host wrote:
//! a string as `content`, one of the five finish reasons, a total that is the sum.

use llm_core::Str;
use llm_core::completion::{Candidate, Completion, Finish, FinishReason};
use llm_core::dialect::{RenderCx, Rendered};
use llm_core::extra::{Extra, Losses};
use llm_core::prompt::{Audio, MediaSource, Opaque, Part, PartKind, ToolCall};

use super::super::content::to_url;
use super::super::notation::{ME, kept, of_message, of_part, others, own};
use super::super::{citations, logprobs, reasoning, usage};
use crate::json::{ArrayWriter, ObjectWriter, write};
use crate::openai_error;
use crate::state::{self, call_id};

/// Writes an answer.
pub(crate) fn chat(done: &Completion, cx: &RenderCx) -> Rendered {
    if let Some(failure) = &done.failure {
        return Rendered::json(openai_error::body(failure).freeze(), Losses::default());
    }
    let mut losses = Losses::default();
    let body = write::object(|o| {
        head(o, done, cx);
        let mut choices = o.array("choices");
        for (number, candidate) in (0u64..).zip(&done.candidates) {
            choice(&mut choices.object(), number, candidate, cx, &mut losses);
        }
        if done.candidates.is_empty() {
            // Clients look at the first choice without asking whether there is one.
            choice(&mut choices.object(), 0, &Candidate::default(), cx, &mut losses);
        }
        drop(choices);
        if let Some(report) = &done.usage {
            usage::write(&mut o.object("usage"), report);
        }
        others(o, &done.extra, &["choices"]);
        done.extra.lose(ME, "", &mut losses);
    });
    Rendered::json(body.freeze(), losses)
}

fn head(o: &mut ObjectWriter<'_>, done: &Completion, cx: &RenderCx) {
    let said = |name| done.extra.get_from(ME, name).is_some();
    let id = done.id.as_ref().unwrap_or(&cx.id);
    if !id.is_empty() && !said("id") {
        o.str("id", id);
    }
    if !said("object") {
        o.str("object", "chat.completion");
    }
    if !said("created") {
        o.u64("created", done.created.unwrap_or(cx.created));
    }
    if let Some(model) = cx.model.as_ref().or(done.model.as_ref()) {
        o.str("model", model);
    } else if !said("model") {
        // Required, and nobody knows it.
        o.str("model", "unknown");
    }
}

fn choice(
    o: &mut ObjectWriter<'_>,
    number: u64,
    candidate: &Candidate,
    cx: &RenderCx,
    losses: &mut Losses,
) {
    o.u64("index", number);
    let none = Extra::default();
    let extra = candidate.finish.as_ref().map_or(&none, |f| &f.extra);
    extra.lose(ME, format_args!("candidates.{number}.finish"), losses);
    let mut m = o.object("message");
    message(&mut m, number, &candidate.parts, extra, cx, losses);
    drop(m);
    let mut written = vec!["message"];
    let probabilities = kept(extra, "logprobs");
    let known = |refusal: bool| {
        candidate.parts.iter().find_map(move |p| match &p.kind {
            PartKind::Text(t) if !refusal && !t.logprobs.is_empty() => Some(&t.logprobs),
            PartKind::Refusal(t) if refusal && !t.logprobs.is_empty() => Some(&t.logprobs),
            _ => None,
        })
    };
    let (content, refusal) = (known(false), known(true));
    if content.is_some() || refusal.is_some() || !probabilities.is_empty() {
        let mut inner = o.object("logprobs");
        let mut names = Vec::new();
        for (name, tokens) in [("content", content), ("refusal", refusal)] {
            if let Some(tokens) = tokens {
                logprobs::write(&mut inner, name, tokens);
                names.push(name);
            } else if !own(extra) {
                inner.null(name);
                names.push(name);
            }
        }
        others(&mut inner, &probabilities, &names);
        drop(inner);
        written.push("logprobs");
    } else if !own(extra) {
        o.null("logprobs");
    }
    let calls = candidate.parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
    o.str("finish_reason", finish_word(candidate.finish.as_ref(), calls));
    written.push("finish_reason");
    others(o, extra, &written);
}

/// One of the five words that official clients know.
pub(crate) fn finish_word(finish: Option<&Finish>, calls: bool) -> &'static str {
    let Some(finish) = finish else { return if calls { "tool_calls" } else { "stop" } };
    let word = finish.word.as_deref().filter(|_| own(&finish.extra));
    match (&finish.reason, word) {
        // As the host wrote it, where that is official.
        (FinishReason::ToolCalls, Some("stop")) if !calls => "stop",
        (FinishReason::ToolCalls, Some("function_call")) if calls => "function_call",
        (FinishReason::ToolCalls | FinishReason::Stop | FinishReason::Other(_), _) if calls => {
            "tool_calls"
        }
        (FinishReason::ToolCalls | FinishReason::Stop, _) => "stop",
        (FinishReason::Length, _) => "length",
        (FinishReason::ContentFilter | FinishReason::Refusal, _) => "content_filter",
        (FinishReason::Paused | FinishReason::Failed | FinishReason::Other(_), _) => "stop",
    }
}

fn message(
    o: &mut ObjectWriter<'_>,
    number: u64,
    parts: &[Part],
    extra: &Extra,
    cx: &RenderCx,
    losses: &mut Losses,
) {
    let inner = kept(extra, "message");
    let mut written = vec!["role", "content", "refusal"];
    o.str("role", "assistant");
    let (mut text, mut refusal, mut cited) = (String::new(), None::<String>, Vec::new());
    let mut chars = 0;
    for part in parts {
        match &part.kind {
            PartKind::Text(t) => {
                text.push_str(&t.text);
                let place = chars..chars + citations::chars(&t.text);
                chars = place.end;
                let said = t.citations.iter().filter(|c| citations::can_say(c));
                cited.extend(said.map(|c| (c, place.clone())));
            }
            PartKind::Refusal(t) => refusal.get_or_insert_default().push_str(&t.text),
            _ => {}
        }
    }
    let empty = extra.notation(ME).has(of_message::CONTENT_EMPTY);
    o.str_or_null("content", Some(&*text).filter(|t| !t.is_empty() || empty));
    match refusal {
        Some(refusal) => _ = o.str("refusal", &refusal),
        None if !own(extra) || inner.get("refusal").is_some() => _ = o.null("refusal"),
        None => {}
    }
    reasoning::show(o, parts);
    if !cited.is_empty() {
        let mut array = o.array("annotations");
        cited.iter().for_each(|(c, place)| citations::write(&mut array, c, place));
        drop(array);
        written.push("annotations");
    }
    whole_parts(o, parts, number, cx, &mut written, losses);
    calls(o, parts, &mut written, losses, number);
    others(o, &inner, &written);
}

fn whole_parts(
    o: &mut ObjectWriter<'_>,
    parts: &[Part],
    number: u64,
    cx: &RenderCx,
    written: &mut Vec<&'static str>,
    losses: &mut Losses,
) {
    let images = || parts.iter().filter(|p| matches!(p.kind, PartKind::Image(_)));
    if images().next().is_some() {
        let mut array = o.array("images");
        for part in images() {
            write_image(&mut array, part);
        }
        drop(array);
        written.push("images");
    }
    for (at, part) in parts.iter().enumerate() {
        let place = format_args!("candidates.{number}.parts.{at}");
        match &part.kind {
            PartKind::Audio(audio) if !written.contains(&"audio") => {
                write_audio(&mut o.object("audio"), audio, &part.extra, cx);
                written.push("audio");
            }
            PartKind::Audio(_)
            | PartKind::Video(_)
            | PartKind::File(_)
            | PartKind::ToolResult(_)
            | PartKind::Opaque(_) => losses.dropped(place.to_string()),
            PartKind::Text(_) | PartKind::Refusal(_) => {
                part.extra.lose(ME, place, losses);
                if part.state.is_some() {
                    losses.dropped(format!("{place}.state"));
                }
                if matches!(&part.kind, PartKind::Text(t) if !t.citations.iter().all(citations::can_say))
                {
                    losses.dropped(format!("{place}.citations"));
                }
            }
            PartKind::Reasoning(_) | PartKind::Image(_) | PartKind::ToolCall(_) => {
                part.extra.lose(ME, place, losses);
            }
        }
    }
}

/// Writes a picture that the model made.
pub(crate) fn write_image(array: &mut ArrayWriter<'_>, part: &Part) {
    if let PartKind::Image(media) = &part.kind {
        let mut o = array.object();
        o.str("type", "image_url").object("image_url").str("url", &to_url(media));
        others(&mut o, &part.extra, &[]);
    }
}

/// Writes sound that the model made.
fn write_audio(o: &mut ObjectWriter<'_>, audio: &Audio, extra: &Extra, cx: &RenderCx) {
    if let MediaSource::Base64(data) = &audio.media.source {
        o.str("data", data);
    }
    o.opt_str("transcript", audio.transcript.as_ref());
    if extra.get_from(ME, "id").is_none() {
        o.str("id", &audio_id(cx));
        // Nobody can ask for it again by this id.
        o.u64("expires_at", cx.created);
    }
    others(o, extra, &[]);
}

/// An id for sound, which this dialect requires.
pub(crate) fn audio_id(cx: &RenderCx) -> Str {
    format!("audio_{}", cx.id).into()
}

fn calls(
    o: &mut ObjectWriter<'_>,
    parts: &[Part],
    written: &mut Vec<&'static str>,
    losses: &mut Losses,
    number: u64,
) {
    let old = |p: &Part| p.extra.notation(ME).has(of_part::LEGACY_CALL);
    let all = || {
        parts.iter().enumerate().filter_map(|(at, p)| match &p.kind {
            PartKind::ToolCall(call) => Some((at, p, call)),
            _ => None,
        })
    };
    if all().any(|(_, p, _)| !old(p)) {
        let mut array = o.array("tool_calls");
        for (at, part, call) in all().filter(|(_, p, _)| !old(p)) {
            let mut o = array.object();
            call_members(&mut o, part, call);
            let carried = part
                .state
                .as_ref()
                .is_none_or(|s| state::is_signature(s) || call_id::is_made(&call.id));
            if !carried {
                losses.dropped(format!("candidates.{number}.parts.{at}.state"));
            }
        }
        drop(array);
        written.push("tool_calls");
    }
    if let Some((_, part, call)) = all().find(|(_, p, _)| old(p)) {
        let mut inner = o.object("function_call");
        inner.str("name", &call.name).str("arguments", &call.arguments);
        others(&mut inner, &part.extra, &[]);
        written.push("function_call");
    }
}

fn call_members(o: &mut ObjectWriter<'_>, part: &Part, call: &ToolCall) {
    o.str("id", &shown_id(&call.id, part.state.as_ref()));
    // Every client knows calls of functions. Custom ones are for who was answered in this
    // dialect; when they come back, the tool of that name says what they are.
    let custom = call.custom && own(&part.extra);
    let member = if custom { "custom" } else { "function" };
    o.str("type", member);
    let mut inner = o.object(member);
    inner.str("name", &call.name);
    let arguments = if call.arguments.is_empty() && !own(&part.extra) && !call.custom {
        "{}"
    } else {
        &*call.arguments
    };
    inner.str(if custom { "input" } else { "arguments" }, arguments);
    others(&mut inner, &kept(&part.extra, member), &[]);
    drop(inner);
    if let Some(signature) = part.state.as_ref().filter(|s| state::is_signature(s)) {
        let mut content = o.object("extra_content");
        content.object("google").raw("thought_signature", &signature.value);
    }
    others(o, &part.extra, &[member]);
}

/// The id of a call for a caller. One that we made carries the call's state, since most clients
/// return no field they do not know; a provider's own is shown as it is.
pub(crate) fn shown_id(id: &Str, state: Option<&Opaque>) -> Str {
    call_id::join(id, state.filter(|_| call_id::is_made(id)))
}
