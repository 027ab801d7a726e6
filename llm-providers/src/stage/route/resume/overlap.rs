//! What the second target says again of what the first one said.

use llm_core::dialect::DialectId;

/// How a dialect takes an answer that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continues {
    /// It goes on behind the last word.
    Behind,
    /// It may begin again.
    Anew,
}

/// How the models behind a dialect usually take it.
pub(super) fn continues(dialect: DialectId) -> Continues {
    match dialect {
        DialectId::Anthropic
        | DialectId::Gemini
        | DialectId::Cohere
        | DialectId::CohereV1
        | DialectId::Ollama
        | DialectId::OllamaGenerate => Continues::Behind,
        DialectId::OpenaiChat | DialectId::OpenaiResponses | DialectId::OpenaiCompletions => {
            Continues::Anew
        }
    }
}

/// Takes the beginning of a continuation until it is clear what of it is new.
#[derive(Debug)]
pub(super) struct Overlap {
    /// What was said before, and must not be said again.
    said: String,
    held: String,
}

/// Two answers that begin alike so far begin alike: the second one is the first one again.
const ALIKE_MIN: usize = 12;

impl Overlap {
    pub(super) fn new(said: &str, how: Continues) -> Self {
        let said = match how {
            // Blanks at the end are cut off before the text is shown to a model, and come back.
            Continues::Behind => said[said.trim_end().len()..].to_owned(),
            Continues::Anew => said.to_owned(),
        };
        Self { said, held: String::new() }
    }

    /// More of the continuation came; what is new of it, once that is known. `None` while it may
    /// still turn out to have been said.
    pub(super) fn add(&mut self, more: &str) -> Option<String> {
        self.held.push_str(more);
        if self.said.starts_with(self.held.as_str()) && self.held.len() < self.said.len() {
            return None;
        }
        Some(self.rest())
    }

    /// It has ended: what is new of it.
    pub(super) fn rest(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        if let Some(new) = held.strip_prefix(self.said.as_str()) {
            return new.to_owned();
        }
        // It began again and is not done with it: nothing of it is new. A few letters that happen
        // to be the same are no repetition.
        if self.said.starts_with(held.as_str()) && held.len() >= ALIKE_MIN {
            return String::new();
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn woven(said: &str, how: Continues, pieces: &[&str]) -> String {
        let mut overlap = Some(Overlap::new(said, how));
        let mut out = said.to_owned();
        for piece in pieces {
            match &mut overlap {
                None => out.push_str(piece),
                Some(waiting) => {
                    if let Some(new) = waiting.add(piece) {
                        out.push_str(&new);
                        overlap = None;
                    }
                }
            }
        }
        if let Some(mut waiting) = overlap {
            out.push_str(&waiting.rest());
        }
        out
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        use Continues::{Anew, Behind};
        assert_eq!(woven("The sea", Behind, &[" is", " calm"]), "The sea is calm");
        assert_eq!(woven("The sea ", Behind, &[" is"]), "The sea is");
        assert_eq!(woven("The sea ", Behind, &["is"]), "The sea is");
        assert_eq!(woven("The sea", Anew, &["The", " sea is", " calm"]), "The sea is calm");
        assert_eq!(woven("tide ", Behind, &["tide tide"]), "tide tide tide");
        assert_eq!(woven("", Anew, &["a", "b"]), "ab");
    }

    proptest! {
        /// Whoever goes on, and whoever begins again: the whole text comes once, wherever it was
        /// cut and however it comes.
        #[test]
        fn the_union_is_the_text(text in "[a-c 가나]{0,40}", cut in 0usize..40, size in 1usize..6) {
            let chars: Vec<char> = text.chars().collect();
            let cut = cut.min(chars.len());
            let said: String = chars[..cut].iter().collect();
            let pieces = |text: &str| {
                let all: Vec<char> = text.chars().collect();
                all.chunks(size).map(|c| c.iter().collect::<String>()).collect::<Vec<_>>()
            };
            let anew = pieces(&text);
            let anew: Vec<&str> = anew.iter().map(String::as_str).collect();
            prop_assert_eq!(woven(&said, Continues::Anew, &anew), text.clone());
            let shown = said.trim_end();
            let behind = pieces(&text[shown.len()..]);
            let behind: Vec<&str> = behind.iter().map(String::as_str).collect();
            prop_assert_eq!(woven(&said, Continues::Behind, &behind), text);
        }
    }
}
