//! The wire formats, as pure functions between bytes and words.
//!
//! The unit of reuse is the dialect, not the vendor: each folder holds one wire format with its
//! two halves, the one that faces our callers and the one that faces upstreams. Any caller can be
//! served by any upstream through the canonical words of `llm-core`, so that N callers and M
//! upstreams need N + M pieces. No module here knows a clock, a socket or another dialect.
//!
//! Every dialect folder has the same rooms: `wire` (what stream frames look like), `request`,
//! `reply`, `stream`, `error`, `tap`. Operations beside chat have a file of their own name.

use llm_core::dialect::{CallerDialect, DialectId, UpstreamDialect};

pub mod anthropic;
pub mod classify;
pub mod cohere;
pub mod drive;
pub mod frame;
mod function_tool;
pub mod gemini;
pub mod json;
pub mod multipart;
pub mod ollama;
pub mod openai_chat;
pub mod openai_completions;
pub mod openai_error;
pub mod openai_responses;
mod said;
pub mod schema;
pub mod sequential;
pub mod state;
mod turns;

/// The half of a dialect that faces our callers; `None` when nobody can call us in it.
pub fn caller(id: DialectId) -> Option<&'static dyn CallerDialect> {
    match id {
        DialectId::OpenaiChat => openai_chat::CALLER,
        DialectId::OpenaiResponses => openai_responses::CALLER,
        DialectId::OpenaiCompletions => openai_completions::CALLER,
        DialectId::Anthropic => anthropic::CALLER,
        DialectId::Gemini => gemini::CALLER,
        DialectId::Cohere => cohere::CALLER,
        DialectId::CohereV1 => None,
        DialectId::Ollama => ollama::CALLER,
        DialectId::OllamaGenerate => ollama::generate::CALLER,
    }
}

/// The half of a dialect that faces upstreams; `None` when we call nobody in it.
pub fn upstream(id: DialectId) -> Option<&'static dyn UpstreamDialect> {
    match id {
        DialectId::OpenaiChat => openai_chat::UPSTREAM,
        DialectId::OpenaiResponses => openai_responses::UPSTREAM,
        DialectId::OpenaiCompletions => None,
        DialectId::Anthropic => anthropic::UPSTREAM,
        DialectId::Gemini => gemini::UPSTREAM,
        DialectId::Cohere => cohere::UPSTREAM,
        DialectId::CohereV1 => cohere::v1::UPSTREAM,
        DialectId::Ollama => ollama::UPSTREAM,
        DialectId::OllamaGenerate => ollama::generate::UPSTREAM,
    }
}
