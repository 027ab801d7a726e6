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
    how: Continues,
}

/// What a continuation turns out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// It cannot be told yet.
    Maybe,
    /// This of it is new.
    New(String),
    /// It is the answer again in other words: nothing can be put behind what was said.
    Never,
}

/// Answers that begin alike so far begin alike: the second one is the first one again. A few
/// letters that happen to be the same are no repetition.
const ALIKE_MIN: usize = 12;

impl Overlap {
    pub(super) fn new(said: &str, how: Continues) -> Self {
        Self { said: said.to_owned(), held: String::new(), how }
    }

    /// More of the continuation came.
    pub(super) fn add(&mut self, more: &str) -> Fits {
        self.held.push_str(more);
        let (said, held) = (self.said.as_str(), self.held.as_str());
        let again = said.starts_with(held) && held.len() < said.len();
        let blanks = self.blanks();
        if again || (blanks.starts_with(held) && held.len() < blanks.len()) {
            return Fits::Maybe;
        }
        self.rest()
    }

    /// It has ended, or it is clear.
    pub(super) fn rest(&mut self) -> Fits {
        let held = std::mem::take(&mut self.held);
        let said = self.said.as_str();
        let begins_again = self.how == Continues::Anew || said.len() >= ALIKE_MIN;
        if begins_again && let Some(new) = held.strip_prefix(said) {
            return Fits::New(new.to_owned());
        }
        let alike = said.bytes().zip(held.bytes()).take_while(|(a, b)| a == b).count();
        // It began again and is not done with it: nothing of it is new.
        if alike == held.len() && alike >= ALIKE_MIN {
            return Fits::New(String::new());
        }
        let least = match self.how {
            Continues::Behind => ALIKE_MIN,
            Continues::Anew => ALIKE_MIN.min((said.len() / 2).max(ALIKE_LEAST)),
        };
        if alike >= least {
            return Fits::Never;
        }
        // Blanks at the end are cut off before the text is shown to a model, and come back.
        match held.strip_prefix(self.blanks()) {
            Some(new) if self.how == Continues::Behind => Fits::New(new.to_owned()),
            _ => Fits::New(held),
        }
    }

    fn blanks(&self) -> &str {
        match self.how {
            Continues::Behind => &self.said[self.said.trim_end().len()..],
            Continues::Anew => "",
        }
    }
}

/// Of a short answer, so many letters are enough for whom it is usual to begin again.
const ALIKE_LEAST: usize = 4;

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
                Some(waiting) => match waiting.add(piece) {
                    Fits::Maybe => {}
                    Fits::New(new) => {
                        out.push_str(&new);
                        overlap = None;
                    }
                    Fits::Never => return format!("{out}<"),
                },
            }
        }
        match overlap.map(|mut waiting| waiting.rest()) {
            Some(Fits::New(new)) => out + &new,
            Some(Fits::Never | Fits::Maybe) => format!("{out}<"),
            None => out,
        }
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
        // Whoever usually goes on may begin again, too.
        let (said, again) = ("The sea is calm to", "The sea is calm today.");
        assert_eq!(woven(said, Behind, &[&again[..9], &again[9..]]), again);
    }

    /// The same answer in other words does not fit behind what was said.
    #[test]
    fn what_begins_again_otherwise_is_not_put_behind() {
        use Continues::{Anew, Behind};
        assert_eq!(woven("The sea is ca", Anew, &["The sea", " was calm"]), "The sea is ca<");
        assert_eq!(woven("The sea is ca", Behind, &["The sea is c", "old"]), "The sea is ca<");
        assert_eq!(woven("The sea is ca", Behind, &["The", " lm"]), "The sea is caThe lm");
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
