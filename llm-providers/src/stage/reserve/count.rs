//! Our own count of tokens, for answers whose provider did not say what they used.
//!
//! No vocabulary: a run of up to six letters or digits is a token, and so is any other character.
//! That is near to what vocabularies do with prose, and charges a syllable of Korean as one. Where
//! a provider says what was used, none of this is asked.

use llm_core::answer::Answer;
use llm_core::dialect::Observed;
use llm_core::prompt::{EmbedInput, Part, PartKind, Prompt, Request};

/// What a chat template puts around a message.
const MESSAGE_TOKENS: u64 = 3;
/// A picture, a sound, a film or a document of unknown size.
const MEDIA_TOKENS: u64 = 256;
/// At most so many letters make one token.
const RUN_MAX: usize = 6;
/// Frames that say more text than this carry several tokens each.
const TOKEN_BYTES_MAX: u64 = 12;
/// Bytes of a token of prose.
const TOKEN_BYTES: u64 = 4;

/// Tokens of a text.
pub(super) fn text(text: &str) -> u64 {
    let (mut tokens, mut run) = (0, 0);
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            if run == 0 {
                tokens += 1;
            }
            run = (run + 1) % RUN_MAX;
            continue;
        }
        run = 0;
        if !c.is_whitespace() {
            tokens += 1;
        }
    }
    tokens
}

/// Tokens that a prompt has.
pub(super) fn prompt(prompt: &Prompt) -> u64 {
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

/// Tokens that passed in a stream. Most providers write one to a frame; where a frame says more
/// than a token can hold, its bytes are counted, less what the smallest frame weighs anyway.
pub(super) fn written(seen: &Observed) -> u64 {
    let deltas = u64::from(seen.deltas);
    let empty = seen.delta_bytes_min.saturating_sub(1);
    let said = seen.delta_bytes.saturating_sub(deltas.saturating_mul(empty));
    if said <= deltas.saturating_mul(TOKEN_BYTES_MAX) {
        deltas
    } else {
        deltas.max(said / TOKEN_BYTES)
    }
}
