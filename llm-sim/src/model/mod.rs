//! The model behind the simulated providers: deterministic, and without any knowledge of bytes.
//!
//! Words in ([`Prompt`]), words out ([`Answer`]). The same request always gets the same answer,
//! whatever seed or temperature it names; only what a prompt cache remembers may differ.

use llm_core::answer::{Answer, TokenCount, UsageReport};
use llm_core::dialect::DialectId;
use llm_core::extra::Extra;
use llm_core::prompt::Prompt;
use llm_core::usage::Usage;

mod chat;
pub mod embed;
pub(crate) mod hash;
pub mod hint;
pub mod input;
pub mod list;
mod pattern;
mod picture;
mod rank;
pub mod schema;
mod speech;
pub(crate) mod stream;
mod text;
pub mod tokens;
mod tools;

/// The simulator's calendar stands still, so that the same request gets the same bytes: seconds
/// since 1970 of 1 November 2026.
pub const CREATED: u64 = 1_793_491_200;

/// What a script wants of the answer, and what the provider remembers.
#[derive(Debug, Default)]
pub struct Wish<'a> {
    /// This text, and no tools.
    pub text: Option<String>,
    /// An answer of so many tokens.
    pub output_tokens: Option<usize>,
    /// Whether the caller's cap is overrun.
    pub ignore_max_tokens: bool,
    /// The prompt cache; without one nothing is ever cached.
    pub cache: Option<&'a input::PromptCache>,
}

/// Answers a prompt as the vendor of `dialect` would. `models` are those the vendor lists.
pub fn answer(prompt: &Prompt, dialect: DialectId, models: &[&str], wish: &Wish<'_>) -> Answer {
    match prompt {
        Prompt::Chat(request) => Answer::Chat(chat::complete(request, dialect, wish)),
        Prompt::Embed(request) => Answer::Embed(embed::embed(request, dialect)),
        Prompt::Rerank(request) => Answer::Rerank(rank::rerank(request)),
        Prompt::Moderate(request) => Answer::Moderate(rank::moderate(request)),
        Prompt::Transcribe(request) => Answer::Transcribe(speech::transcribe(request)),
        Prompt::Image(request) => Answer::Image(picture::draw(request)),
        Prompt::CountTokens(request) => {
            let tokens = input::input_tokens(request);
            Answer::CountTokens(TokenCount { tokens, extra: Extra::default() })
        }
        Prompt::ListModels(request) => Answer::ListModels(list::models(request, dialect, models)),
    }
}

/// A report of reading and nothing else.
pub(crate) fn read_only(input: u64) -> UsageReport {
    UsageReport { usage: Usage { input, ..Usage::default() }, extra: Extra::default() }
}

#[cfg(test)]
mod tests;
