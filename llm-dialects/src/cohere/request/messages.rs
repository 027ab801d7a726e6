//! Writes a conversation. Cohere answers 422 to fields it does not know inside messages, so that
//! nothing is written here for good measure: no name on a result, no index on a call.

use llm_core::dialect::SendCx;
use llm_core::extra::Losses;
use llm_core::prompt::{MediaSource, Message, Part, PartKind, Request, Role, ToolResult};

use super::super::wire::{ID, note};
use super::super::{citations, content, message};
use crate::json::{ArrayWriter, ObjectWriter};
use crate::turns::{Place, all};

/// Every text of a conversation, for counting.
pub(in crate::cohere) fn all_text(request: &Request) -> String {
    let parts = all(request).flat_map(|(_, m)| &m.parts);
    let texts = parts.filter_map(|p| match &p.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => Some(&*t.text),
        PartKind::Reasoning(t) => Some(&**t),
        PartKind::ToolCall(call) => Some(&*call.arguments),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Writes the conversation.
pub(super) fn write(
    o: &mut ObjectWriter<'_>,
    request: &Request,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let mut list = o.array("messages");
    for (place, message) in all(request) {
        if message.extra.origin() != Some(ID) && !message.extra.is_empty() {
            message.extra.lose(ID, place, losses);
        }
        if message.role == Role::Developer {
            losses.approximated(format!("{place}.role"));
        }
        for (at, part) in message.parts.iter().enumerate() {
            lose_around(part, &|| place.part(at), losses);
        }
        let is_result = |p: &Part| matches!(p.kind, PartKind::ToolResult(_));
        for (at, part) in message.parts.iter().enumerate() {
            if let PartKind::ToolResult(result) = &part.kind {
                write_result(&mut list, message, result, &place.part(at), losses);
            }
        }
        let only_results = !message.parts.is_empty() && message.parts.iter().all(is_result);
        if !only_results {
            write_message(&mut list, message, place, cx, losses);
        }
    }
}

/// Reports what stands around a part and has no place here.
fn lose_around(part: &Part, path: &dyn Fn() -> String, losses: &mut Losses) {
    if part.cache.is_some() {
        losses.dropped(format!("{}.cache", path()));
    }
    if part.state.is_some() {
        losses.dropped(format!("{}.state", path()));
    }
    if part.extra.origin() != Some(ID) && !part.extra.is_empty() {
        part.extra.lose(ID, path(), losses);
    }
    if let PartKind::Text(text) = &part.kind
        && text.citations.iter().any(|c| c.wire.as_ref().is_none_or(|w| w.origin != ID))
    {
        losses.dropped(format!("{}.citations", path()));
    }
}

fn write_message(
    list: &mut ArrayWriter<'_>,
    message: &Message,
    place: Place,
    cx: &SendCx<'_>,
    losses: &mut Losses,
) {
    let notation = message.extra.notation(ID);
    let role = match message.role {
        Role::System | Role::Developer => "system",
        Role::Assistant => "assistant",
        // What stands beside a result and is none was said by whoever ran the tool.
        Role::User | Role::Tool => "user",
    };
    let mut o = list.object();
    o.str("role", role);
    let model = message.role == Role::Assistant;
    if model {
        message::write_plan(&mut o, &message.parts, notation.has(note::NO_PLAN));
    }
    let mut said: Vec<(usize, &Part)> = Vec::new();
    for (at, part) in message.parts.iter().enumerate() {
        match fate(part, message, cx) {
            Fate::Said => said.push((at, part)),
            Fate::Beside => {}
            Fate::Changed => {
                losses.approximated(place.part(at));
                said.push((at, part));
            }
            Fate::Lost => losses.dropped(place.part(at)),
        }
    }
    write_content(&mut o, message, &said);
    if !model {
        o.extra(&message.extra, ID);
        return;
    }
    let own_citation = |p: &&Part| match &p.kind {
        PartKind::Text(t) => {
            t.citations.iter().all(|c| c.wire.as_ref().is_some_and(|w| w.origin == ID))
        }
        _ => true,
    };
    if message.parts.iter().all(|p| own_citation(&p)) {
        citations::write(&mut o, &message.parts, notation.has(note::NO_CITATIONS));
    }
    write_calls(&mut o, message, place, losses);
    o.extra(&message.extra, ID);
}

fn write_calls(o: &mut ObjectWriter<'_>, message: &Message, place: Place, losses: &mut Losses) {
    let mut calls = message.parts.iter().enumerate().filter_map(|(at, p)| match &p.kind {
        PartKind::ToolCall(call) => Some((at, p, call)),
        _ => None,
    });
    let first = calls.next();
    if first.is_none() && !message.extra.notation(ID).has(note::NO_CALLS) {
        return;
    }
    let mut list = o.array("tool_calls");
    for (at, part, call) in first.into_iter().chain(calls) {
        if message::write_call(&mut list, part, call, false) {
            losses.approximated(format!("{}.arguments", place.part(at)));
        }
    }
}

/// What happens to a part on its way into a message's content.
enum Fate {
    Said,
    Changed,
    /// It has a place of its own in the message.
    Beside,
    Lost,
}

fn fate(part: &Part, message: &Message, cx: &SendCx<'_>) -> Fate {
    let model = message.role == Role::Assistant;
    match &part.kind {
        PartKind::Text(_) => Fate::Said,
        PartKind::Refusal(_) => Fate::Changed,
        PartKind::ToolCall(_) if model => Fate::Beside,
        PartKind::Reasoning(_) if part.extra.notation(ID).has(note::PLAN) => Fate::Beside,
        // Thoughts without words were somebody else's secret; thoughts at all are refused by a
        // model that has none.
        PartKind::Reasoning(text) if model => {
            let own = part.extra.origin() == Some(ID) || message.extra.origin() == Some(ID);
            if own || (cx.capability.reasoning && !text.is_empty()) {
                Fate::Said
            } else {
                Fate::Lost
            }
        }
        PartKind::Image(media) if !model => match content::url_of(media) {
            Some(_) => Fate::Said,
            None => Fate::Lost,
        },
        PartKind::File(media) => match &media.source {
            MediaSource::Text(_) => Fate::Changed,
            MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::Id(_) => Fate::Lost,
        },
        PartKind::Opaque(opaque) if opaque.origin == ID => Fate::Said,
        PartKind::Audio(audio) if audio.transcript.is_some() => Fate::Changed,
        PartKind::ToolResult(_) => Fate::Beside,
        PartKind::Reasoning(_)
        | PartKind::Image(_)
        | PartKind::Audio(_)
        | PartKind::Video(_)
        | PartKind::ToolCall(_)
        | PartKind::Opaque(_) => Fate::Lost,
    }
}

/// The text of a part that is said as text.
fn text_of(part: &Part) -> Option<&str> {
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => Some(&t.text),
        PartKind::Audio(audio) => audio.transcript.as_deref(),
        PartKind::File(media) => match &media.source {
            MediaSource::Text(text) => Some(text),
            MediaSource::Base64(_) | MediaSource::Url(_) | MediaSource::Id(_) => None,
        },
        _ => None,
    }
}

/// Writes content: a string where that is enough, unless it was a list.
fn write_content(o: &mut ObjectWriter<'_>, message: &Message, said: &[(usize, &Part)]) {
    let notation = message.extra.notation(ID);
    let plain = |part: &Part| part.extra.is_empty() && !part.extra.notation(ID).has(note::DOCUMENT);
    if !notation.has(note::CONTENT_LIST) {
        match said {
            [] => {
                let calls = message.role == Role::Assistant && message.extra.origin() != Some(ID);
                let calls =
                    calls && message.parts.iter().any(|p| matches!(p.kind, PartKind::ToolCall(_)));
                if !notation.has(note::CONTENT_UNSAID) && !calls {
                    o.str("content", "");
                }
                return;
            }
            [(_, part)] if plain(part) => {
                if let Some(text) = text_of(part) {
                    o.str("content", text);
                    return;
                }
            }
            _ => {}
        }
    }
    let mut list = o.array("content");
    for (_, part) in said {
        match &part.kind {
            PartKind::Reasoning(text) => content::write_thinking(&mut list, text, part, false),
            PartKind::Image(media) => {
                if let Some(url) = content::url_of(media) {
                    content::write_image(&mut list, &url, media, &part.extra);
                }
            }
            PartKind::Opaque(opaque) => list.raw(&opaque.value),
            _ => {
                if let Some(text) = text_of(part) {
                    content::write_text(&mut list, text, part, false);
                }
            }
        }
    }
}

fn write_result(
    list: &mut ArrayWriter<'_>,
    message: &Message,
    result: &ToolResult,
    path: &str,
    losses: &mut Losses,
) {
    if result.is_error == Some(true) {
        losses.dropped(format!("{path}.is_error"));
    }
    let mut said: Vec<(usize, &Part)> = Vec::new();
    for (at, part) in result.content.iter().enumerate() {
        let at_path = || format!("{path}.content.{at}");
        lose_around(part, &at_path, losses);
        match &part.kind {
            PartKind::Text(_) => said.push((at, part)),
            PartKind::Opaque(opaque) if opaque.origin == ID => said.push((at, part)),
            _ if text_of(part).is_some() => {
                losses.approximated(at_path());
                said.push((at, part));
            }
            _ => losses.dropped(at_path()),
        }
    }
    let mut o = list.object();
    o.str("role", "tool").str("tool_call_id", &result.call_id);
    write_content(&mut o, message, &said);
    o.extra(&message.extra, ID);
}
