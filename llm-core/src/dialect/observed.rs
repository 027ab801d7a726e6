//! What a gateway must know of an answer that it passes on.

use crate::answer::Answer;
use crate::completion::FinishReason;
use crate::error::Error;
use crate::usage::Usage;

/// What was seen of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The last usage that passed.
    pub usage: Option<Usage>,
    /// The last finish reason that passed.
    pub finish: Option<FinishReason>,
    /// An error inside the answer.
    pub failure: Option<Error>,
    /// Frames that carried something to read.
    pub deltas: u32,
    /// Tokens that they carried, by our own count.
    pub written: u64,
    /// Whether any of them carried more than one, so that the count is a guess.
    pub guessed: bool,
    /// Uses of a provider's own tools that it bills by the piece and does not count in its usage.
    pub searches: u32,
    /// Whether the answer is complete. Some dialects say more after it (usage, `[DONE]`).
    pub ended: bool,
    /// Whether the dialect's last event passed: nothing that matters follows.
    pub closed: bool,
}

impl Observed {
    /// A frame carried something to read, of so many tokens.
    pub fn delta(&mut self, tokens: u64) {
        self.deltas = self.deltas.saturating_add(1);
        self.written = self.written.saturating_add(tokens);
        self.guessed |= tokens > 1;
    }

    /// A candidate has finished. Of several the worst word stands: an answer is as good as the part
    /// of it that is missing.
    pub fn finished(&mut self, reason: FinishReason) {
        let rank = |reason: &FinishReason| match reason {
            FinishReason::Stop | FinishReason::ToolCalls => 0,
            FinishReason::Length => 1,
            _ => 2,
        };
        if self.finish.as_ref().is_none_or(|known| rank(known) <= rank(&reason)) {
            self.finish = Some(reason);
        }
    }

    /// The dialect's last event.
    pub fn close(&mut self) {
        self.ended = true;
        self.closed = true;
    }

    /// What a whole answer says of itself.
    pub fn of(answer: &Answer) -> Self {
        let mut seen = Self { usage: answer.usage().copied(), ..Self::default() };
        if let Answer::Chat(completion) = answer {
            let finishes = completion.candidates.iter().filter_map(|c| c.finish.as_ref());
            finishes.for_each(|f| seen.finished(f.reason.clone()));
            seen.failure = completion.failure.clone();
        }
        if seen.failure.is_none() {
            seen.close();
        }
        seen
    }
}
