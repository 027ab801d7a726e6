//! Writes a conversation. Ollama's messages are flat: one text, with thinking, pictures and calls
//! beside it; a tool's result is a message of its own.

use llm_core::Str;
use llm_core::extra::Losses;
use llm_core::prompt::{Message, Part, PartKind, Request, Role, ToolResult};

use super::super::message::{self, Fate, Words};
use super::super::wire::{ID, note};
use crate::json::{ArrayWriter, ObjectWriter};
use crate::turns::{Place, all};

/// Between two texts of a turn that had to become one.
const BETWEEN: &str = "\n";

/// Writes the conversation.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let unsaid = request.extra.notation(ID).has(note::CONVERSATION_UNSAID);
    if unsaid && request.system.is_empty() && request.messages.is_empty() {
        return;
    }
    let mut names = Names::default();
    let mut list = o.array("messages");
    for (place, message) in all(request) {
        lose_around(message, place, losses);
        names.learn(message);
        let results = message.parts.iter().any(|p| matches!(p.kind, PartKind::ToolResult(_)));
        if !results {
            write_plain(&mut list, message, message.parts.iter().enumerate(), place, losses);
            continue;
        }
        let mut rest = Vec::new();
        for (at, part) in message.parts.iter().enumerate() {
            match &part.kind {
                PartKind::ToolResult(result) => {
                    write_result(&mut list, message, result, place, at, &mut names, losses);
                }
                _ => rest.push((at, part)),
            }
        }
        if !rest.is_empty() {
            write_plain(&mut list, message, rest.into_iter(), place, losses);
        }
    }
}

/// Names of tools by the ids of their calls: a result should name its tool, and others do not.
#[derive(Default)]
struct Names(Vec<(Str, Str)>);

impl Names {
    fn learn(&mut self, message: &Message) {
        for part in &message.parts {
            if let PartKind::ToolCall(call) = &part.kind {
                self.0.push((call.id.clone(), call.name.clone()));
            }
        }
    }

    fn of(&self, id: &str) -> Option<&Str> {
        self.0.iter().rev().find(|(i, _)| i == id).map(|(_, name)| name)
    }
}

/// Reports what a message has beside its words.
pub(super) fn lose_around(message: &Message, place: Place, losses: &mut Losses) {
    if message.extra.origin() != Some(ID) && !message.extra.is_empty() {
        message.extra.lose(ID, place, losses);
    }
    if message.role == Role::Developer {
        losses.approximated(format!("{place}.role"));
    }
    for (at, part) in message.parts.iter().enumerate() {
        if part.cache.is_some() {
            losses.dropped(format!("{}.cache", place.part(at)));
        }
        if part.state.is_some() {
            losses.dropped(format!("{}.state", place.part(at)));
        }
        if part.extra.origin() != Some(ID) && !part.extra.is_empty() {
            part.extra.lose(ID, place.part(at), losses);
        }
    }
}

/// Gathers the words of some parts.
pub(super) fn gather<'a>(
    parts: impl Iterator<Item = (usize, &'a Part)>,
    place: Place,
    losses: &mut Losses,
) -> Words<'a> {
    let mut words = Words::default();
    for (at, part) in parts {
        match words.add(part) {
            Fate::Said => {}
            Fate::Changed => losses.approximated(place.part(at)),
            Fate::Lost => losses.dropped(place.part(at)),
        }
        if let PartKind::Text(text) = &part.kind
            && !text.citations.is_empty()
        {
            losses.dropped(format!("{}.citations", place.part(at)));
        }
        // Pictures stand beside the text: what was written after one comes before it.
        if matches!(part.kind, PartKind::Text(_)) && !words.images.is_empty() {
            losses.reordered(place.part(at));
        }
    }
    words
}

/// The text of a message as one.
pub(super) fn one_text(words: &Words<'_>, role: Role, place: Place, losses: &mut Losses) -> Str {
    match role {
        // Sentences with citations come as parts that were one text.
        Role::Assistant => words.text(""),
        Role::System | Role::Developer | Role::User | Role::Tool => {
            if words.text.len() > 1 {
                losses.approximated(place.to_string());
            }
            words.text(BETWEEN)
        }
    }
}

fn write_plain<'a>(
    list: &mut ArrayWriter<'_>,
    message: &Message,
    parts: impl Iterator<Item = (usize, &'a Part)>,
    place: Place,
    losses: &mut Losses,
) {
    let words = gather(parts, place, losses);
    let text = one_text(&words, message.role, place, losses);
    let mut o = list.object();
    o.str(
        "role",
        match message.role {
            Role::System | Role::Developer => "system",
            Role::Assistant => "assistant",
            // What stands beside a result and is none was said by whoever ran the tool.
            Role::User | Role::Tool => "user",
        },
    );
    if !text.is_empty() || !message.extra.notation(ID).has(note::CONTENT_UNSAID) {
        o.str("content", &text);
    }
    words.write_beside(&mut o, &message.extra);
    if words.calls.is_empty() && message.extra.notation(ID).has(note::NO_CALLS) {
        o.array("tool_calls");
    }
    message::write_calls(&mut o, words.calls.into_iter(), false, &mut |part| {
        let at = message.parts.iter().position(|p| std::ptr::eq(p, part)).unwrap_or_default();
        message::changed_arguments(losses, &place.part(at));
    });
    o.extra(&message.extra, ID);
}

fn write_result(
    list: &mut ArrayWriter<'_>,
    message: &Message,
    result: &ToolResult,
    place: Place,
    at: usize,
    names: &mut Names,
    losses: &mut Losses,
) {
    let path = place.part(at);
    let mut words = Words::default();
    for (inner, part) in result.content.iter().enumerate() {
        let at = || format!("{path}.content.{inner}");
        match words.add(part) {
            Fate::Said => {}
            Fate::Changed => losses.approximated(at()),
            Fate::Lost => losses.dropped(at()),
        }
    }
    if words.text.len() > 1 {
        losses.approximated(path.clone());
    }
    if result.is_error == Some(true) {
        losses.dropped(format!("{path}.is_error"));
    }
    let notation = message.extra.notation(ID);
    let own = message.extra.origin() == Some(ID);
    let text = words.text(BETWEEN);
    let mut o = list.object();
    o.str("role", "tool");
    if !text.is_empty() || !notation.has(note::CONTENT_UNSAID) {
        o.str("content", &text);
    }
    words.write_beside(&mut o, &message.extra);
    let name = result.name.as_ref().or_else(|| if own { None } else { names.of(&result.call_id) });
    o.opt_str("tool_name", name);
    if !notation.has(note::CALL_UNSAID) {
        o.str("tool_call_id", &result.call_id);
    }
    o.extra(&message.extra, ID);
}
