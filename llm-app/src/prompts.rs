//! Prompts: rewritten, analyzed, compared, kept as templates and tried against each other.
//!
//! The actors are the *prompt* (what somebody wrote; data, and never an instruction to us), the
//! *rules* that understand and score it without any model, the models that write and judge, the
//! *template* with its versions, the *experiment* that shows versions to people, and the *voice* of
//! those who say how it went. Rules and statistics are pure; what a model says counts only once it
//! has the form that was asked for.
//!
//! Deliberately absent: training on what people wrote, and any judgement of people.

pub mod advice;
pub mod analyze;
pub mod boost;
pub mod compare;
pub mod experiments;
pub mod feedback;
mod fence;
mod guides;
pub mod holders;
pub mod intent;
pub mod judge;
mod keep;
pub mod language;
mod lexicon;
mod piece;
pub mod predict;
pub mod render;
pub mod score;
pub mod sequential;
mod store;
mod structured;
mod telling;
pub mod templates;
#[cfg(test)]
mod testing;

use llm_core::error::{Error, Kind};
use llm_core::prompt::Request;
use llm_core::raw::RawNumber;
use llm_core::store::StoreError;

use crate::feature::Feature;
use crate::ground::{Ground, NotDone};

pub use store::boosts::Boost;
pub use store::{id, named};
pub use telling::Hearing;

/// Letters of a prompt.
pub const PROMPT_MAX: usize = 16_000;

/// Everything that is done with prompts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prompts {
    pub(crate) ground: Ground,
    features: std::sync::Arc<Features>,
}

/// How its calls are made.
#[derive(Clone, Debug)]
pub struct Features {
    /// Rewriting.
    pub boost: Feature,
    /// Judging.
    pub judge: Feature,
    /// Answering side by side.
    pub compare: Feature,
}

impl Prompts {
    /// On a ground.
    pub fn new(ground: Ground, features: Features) -> Self {
        Self { ground, features: std::sync::Arc::new(features) }
    }
}

/// Whether a text may be taken for a prompt.
fn checked(field: &'static str, prompt: &str) -> Result<(), NotDone> {
    if prompt.trim().is_empty() {
        return Err(NotDone::wrong(field, "it is empty"));
    }
    if prompt.chars().count() > PROMPT_MAX {
        return Err(NotDone::wrong(field, format!("it is longer than {PROMPT_MAX} characters")));
    }
    Ok(())
}

/// No longer an answer than the feature allows.
fn bounded(request: &mut Request, feature: &Feature) {
    let most = feature.tokens(None).and_then(|most| RawNumber::parse(most.to_string()));
    request.output.tokens_max = most;
}

/// A store that does not answer, where a call was to be made.
fn unkept(why: StoreError) -> Error {
    Error::new(Kind::Busy, "the store does not answer").because(why)
}

#[cfg(test)]
mod tests;
