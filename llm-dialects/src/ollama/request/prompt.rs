//! Writes a conversation as a prompt, for `/api/generate`.

use llm_core::extra::Losses;
use llm_core::prompt::{Message, PartKind, Request, Role};

use super::super::message::Words;
use super::super::wire::{ID, note};
use super::messages::{gather, lose_around, one_text};
use crate::json::ObjectWriter;
use crate::turns::all;

/// Writes the prompt. What is more than one message of the user becomes a transcript: the format
/// knows no turns.
pub(super) fn write(o: &mut ObjectWriter<'_>, request: &Request, losses: &mut Losses) {
    let notation = request.extra.notation(ID);
    if !request.tools.is_empty() {
        losses.dropped("tools");
    }
    if request.tool_choice.is_some() {
        losses.dropped("tool_choice");
    }
    let mut system = Vec::new();
    let mut turns = Vec::new();
    let mut images = Vec::new();
    for (place, message) in all(request) {
        lose_around(message, place, losses);
        let words = gather(message.parts.iter().enumerate(), place, losses);
        if !words.calls.is_empty() || !words.thinking.is_empty() {
            losses.dropped(place.to_string());
        }
        let text = one_text(&words, message.role, place, losses);
        images.extend(words.images.iter().copied());
        if matches!(message.role, Role::System | Role::Developer) && turns.is_empty() {
            system.push(text);
        } else {
            turns.push((message, text));
        }
    }
    if !system.is_empty() || notation.has(note::NO_SYSTEM) {
        o.str("system", &system.join("\n\n"));
    }
    let prompt = match &turns[..] {
        [] => String::new(),
        [(message, text)] if message.role == Role::User => text.to_string(),
        many => {
            losses.approximated("messages");
            many.iter().map(|(m, text)| transcribed(m, text)).collect::<Vec<_>>().join("\n\n")
        }
    };
    if !prompt.is_empty() || !notation.has(note::CONVERSATION_UNSAID) {
        o.str("prompt", &prompt);
    }
    // The pictures of the prompt are noted on the request: there is no message to note them on.
    let beside = Words { images, ..Words::default() };
    beside.write_beside(o, &request.extra);
}

fn transcribed(message: &Message, text: &str) -> String {
    let who = match message.role {
        Role::System | Role::Developer => "System",
        Role::User => "User",
        Role::Assistant => "Assistant",
        Role::Tool => "Tool",
    };
    let results = message.parts.iter().filter_map(|p| match &p.kind {
        PartKind::ToolResult(result) => Some(result),
        _ => None,
    });
    let mut out = format!("{who}: {text}");
    for result in results {
        for part in &result.content {
            if let PartKind::Text(text) = &part.kind {
                out.push_str(&text.text);
            }
        }
    }
    out
}
