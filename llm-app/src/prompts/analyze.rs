//! A prompt analyzed: what rules count, what a judge says, what to do about it, and how likely it is
//! to do well, by what people have said of prompts like it.

use std::sync::Arc;

use llm_core::Str;
use llm_core::error::Language as Told;
use llm_core::principal::Grant;

use super::Prompts;
use super::advice::{Suggestion, suggestions};
use super::boost::Read;
use super::judge::{Judgement, Ruled};
use super::language::Language;
use super::predict::{Band, Predicted};
use super::score::Points;
use crate::ground::NotDone;

/// What is wanted of an analysis.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The prompt.
    pub prompt: String,
    /// What it is about, where somebody knows.
    pub domain: Option<super::intent::Domain>,
    /// What it is written in, where somebody knows.
    pub language: Option<Language>,
    /// The model that judges, instead of the feature's.
    pub model: Option<Str>,
    /// Without a judge: rules alone, and no model's call.
    pub rules_only: bool,
}

/// What there is to say of a prompt.
#[derive(Clone, Debug)]
pub struct Analysis {
    /// The rules' and the judge's together.
    pub score: Points,
    /// What rules say.
    pub read: Read,
    /// What a judge says, where one was asked.
    pub judged: Option<Ruled<Judgement>>,
    /// What to do about it.
    pub suggestions: Vec<Suggestion>,
    /// How likely it is to do well.
    pub predicted: Predicted,
}

impl Prompts {
    /// Analyzes a prompt; what people read is in the language they are told things in.
    pub async fn analyze(
        &self,
        grant: &Arc<Grant>,
        question: &Question,
        told: Told,
    ) -> Result<Analysis, NotDone> {
        let read = Self::read(&question.prompt, question.domain, question.language)?;
        let judged = if question.rules_only {
            None
        } else {
            let language = match told {
                Told::Korean => "Korean",
                Told::English => "English",
            };
            let model = question.model.clone();
            Some(self.judged(grant, &question.prompt, language, model).await?)
        };
        let rules = read.scored.whole;
        let score = judged.as_ref().map_or(rules, |judged| both(rules, judged.said.whole));
        let suggestions = suggestions(&read.intent, &read.scored, told);
        let predicted = self.predict(read.intent.class, Band::of(rules)).await?;
        Ok(Analysis { score, read, judged, suggestions, predicted })
    }
}

/// The middle of both, rounded up.
fn both(rules: Points, judge: Points) -> Points {
    Points::try_from((u16::from(rules) + u16::from(judge)).div_ceil(2)).unwrap_or(100)
}

#[cfg(test)]
mod tests;
