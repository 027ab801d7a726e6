//! Our own count of a prompt and of a whole answer, for providers that do not say what they used.

use llm_core::answer::Answer;
use llm_core::call::{Call, Operation, Payload};
use llm_core::prompt::{EmbedInput, Part, PartKind, Prompt, Request};
use llm_core::usage::count::text;
use llm_dialects::json::{Object, object};

/// What a chat template puts around a message.
const MESSAGE_TOKENS: u64 = 3;
/// A picture, a sound, a film or a document of unknown size.
const MEDIA_TOKENS: u64 = 256;

/// What a call asks to be spoken: its characters, which are what providers bill. `None` where it
/// asks for nothing of the kind.
pub(super) fn spoken(call: &Call) -> Option<u64> {
    let Payload::Raw { bytes, .. } = &call.payload else { return None };
    if call.operation != Operation::Speech {
        return None;
    }
    let body = object::text(bytes).ok()?;
    let text = Object::root(&body).ok()?.str("input").ok()??;
    Some(text.chars().count() as u64)
}

/// Tokens that a prompt has.
pub fn prompt(prompt: &Prompt) -> u64 {
    match prompt {
        Prompt::Chat(request) | Prompt::CountTokens(request) => chat(request),
        Prompt::Embed(request) => request.input.iter().map(input).sum(),
        Prompt::Moderate(request) => request.input.iter().map(input).sum(),
        Prompt::Rerank(request) => {
            let documents = request.documents.iter().map(|d| text(d.get()));
            text(&request.query) + documents.sum::<u64>()
        }
        Prompt::Image(request) => text(&request.prompt),
        Prompt::Transcribe(_) | Prompt::ListModels(_) => 0,
    }
}

fn chat(request: &Request) -> u64 {
    let messages = request.system.iter().chain(&request.messages);
    let said: u64 = messages.map(|m| MESSAGE_TOKENS + m.parts.iter().map(part).sum::<u64>()).sum();
    let tools = request.tools.iter().map(|tool| text(&format!("{tool:?}")) / 2);
    said + tools.sum::<u64>()
}

fn input(input: &EmbedInput) -> u64 {
    match input {
        EmbedInput::Text(t) => text(t),
        EmbedInput::Tokens(tokens) => tokens.len() as u64,
        EmbedInput::Parts(parts) => parts.iter().map(part).sum(),
    }
}

fn part(part: &Part) -> u64 {
    match &part.kind {
        PartKind::Text(t) | PartKind::Refusal(t) => text(&t.text),
        PartKind::Reasoning(t) => text(t),
        PartKind::ToolCall(call) => text(&call.name) + text(&call.arguments),
        PartKind::ToolResult(result) => result.content.iter().map(self::part).sum(),
        PartKind::Image(_) | PartKind::Audio(_) | PartKind::Video(_) | PartKind::File(_) => {
            MEDIA_TOKENS
        }
        PartKind::Opaque(_) => MEDIA_TOKENS,
    }
}

/// Tokens of a whole answer.
pub(crate) fn written_in(answer: &Answer) -> u64 {
    match answer {
        Answer::Chat(completion) => {
            completion.candidates.iter().flat_map(|c| &c.parts).map(part).sum()
        }
        Answer::Transcribe(transcript) => text(&transcript.text),
        _ => 0,
    }
}
