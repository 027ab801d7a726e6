//! What callers do: bursts of calls in every dialect, by people with and without money, some of
//! whom leave.

use std::time::Duration;

use llm_core::dialect::DialectId;

use super::seams::Chance;
use crate::testkit::client::Client;

/// One call to be made.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Its number, which is its id as well.
    pub(super) number: u32,
    /// Whose key.
    pub(super) key: usize,
    /// Which model.
    pub(super) model: &'static str,
    /// What the caller speaks; `None` for a program that embeds the gateway.
    pub(super) dialect: Option<DialectId>,
    /// Whether a stream is wanted.
    pub(super) stream: bool,
    /// What the answer must be, to the letter.
    pub(super) text: String,
    /// The question's number, where callers ask the same one.
    pub(super) shared: Option<u32>,
    /// When the caller goes.
    pub(super) leaves: Leaves,
    /// How long the caller waits.
    pub(super) within: Duration,
}

/// When a caller goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// When all is said.
    Never,
    /// After so long, whatever has come.
    After(Duration),
    /// After so many pieces of the answer.
    Pieces(usize),
}

/// Makes plans.
#[derive(Debug)]
pub(super) struct Load {
    chance: Chance,
    next: u32,
}

/// The names that callers ask for.
pub(super) const MODELS: [&str; 6] =
    ["smart", "wide", "single", "openai/gpt-4o-mini", "lasting", "kept"];
/// Questions to the model whose answers are kept: few, so that callers meet.
const SHARED: u64 = 5;
/// How many keys there are.
pub(super) const KEYS: usize = 4;
/// Words of answers: with escapes, with Korean, with what looks like frames.
const WORDS: [&str; 12] = [
    "tide",
    "moon",
    "바다",
    "물결",
    "data:",
    "[DONE]",
    "event:",
    "\"quoted\"",
    "back\\slash",
    "🦀",
    "calm",
    "shore",
];

impl Load {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: Chance::new(seed ^ 0x10ad), next: 0 }
    }

    /// Once in so many times.
    pub(super) fn chance(&mut self, one_in: u64) -> bool {
        self.chance.below(one_in) == 0
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.chance.below(n)
    }

    /// Between two bursts.
    pub(super) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.chance.below(1_500))
    }

    /// Calls that come at once.
    pub(super) fn burst(&mut self, most: u32) -> Vec<Plan> {
        let size = 1 + self.chance.below(24);
        (0..size.min(u64::from(most))).map(|_| self.plan()).collect()
    }

    fn plan(&mut self) -> Plan {
        self.next += 1;
        let words = 1 + self.chance.below(30);
        let word = |chance: &Chance| {
            let at = usize::try_from(chance.below(WORDS.len() as u64)).unwrap_or(0);
            WORDS[at]
        };
        let text: Vec<&str> = (0..words).map(|_| word(&self.chance)).collect();
        let dialects = Client::DIALECTS.len() as u64;
        let dialect = usize::try_from(self.chance.below(dialects + 2)).unwrap_or(0);
        let leaves = match self.chance.below(6) {
            0 => Leaves::After(Duration::from_millis(self.chance.below(400))),
            1 => Leaves::Pieces(usize::try_from(self.chance.below(20)).unwrap_or(0)),
            _ => Leaves::Never,
        };
        let within = match self.chance.below(8) {
            0 => Duration::from_millis(self.chance.below(2_000)),
            _ => Duration::from_mins(2),
        };
        let model = usize::try_from(self.chance.below(MODELS.len() as u64)).unwrap_or(0);
        let shared = (MODELS[model] == "kept").then(|| self.chance.below(SHARED));
        let text = match shared {
            Some(question) => {
                format!("the answer to question {question} is 바다, and so is the sea")
            }
            None => text.join(" "),
        };
        Plan {
            number: self.next,
            key: usize::try_from(self.chance.below(KEYS as u64)).unwrap_or(0),
            model: MODELS[model],
            dialect: Client::DIALECTS.get(dialect).copied(),
            stream: self.chance.below(3) > 0,
            text,
            shared: shared.map(|q| u32::try_from(q).unwrap_or(0)),
            leaves,
            within,
        }
    }
}
