//! Captions: what is said in a sound, in as many languages as are wanted, as files.
//!
//! The actors are the *sound* (a file that somebody has left, [cut](sound) into pieces that
//! providers take), the *segments* (what was [heard](segment) in them, with times of the whole), their
//! [translations](translate), and the [notations](notation) in which they are written. A job carries it
//! out ([`Captions`]): what each of its steps has come to is kept, sealed for whoever asked, so that
//! whoever goes on with it after a death goes on behind the last step.
//!
//! Deliberately absent: money, which is the job's payment and settled with its end, and editing.

mod listen;
pub mod notation;
pub mod segment;
pub mod sound;
pub mod translate;
mod work;

use llm_core::Str;
use serde::{Deserialize, Serialize};

use crate::NotDone;

pub use work::Captions;

/// The kind of its jobs.
pub const KIND: &str = "captions";
/// Languages of one job: each becomes four artefacts, of which a job has 64.
pub const LANGUAGES_MAX: usize = 15;
/// The longest sound in milliseconds: what is said in it fits into an artefact.
pub const LASTS_MAX: u64 = 4 * 3_600_000;
/// Bytes of a sound: it is in memory while it is cut.
pub const BYTES_MAX: u64 = 256 << 20;
/// Pieces of a sound: each is a step that is kept, and a job has 64.
pub const PIECES_MAX: usize = 40;
/// The longest name of a model.
const MODEL_BYTES_MAX: usize = 128;

const _: () = assert!(PIECES_MAX + LANGUAGES_MAX < llm_store::jobs::STEPS_MAX);
const _: () = assert!(4 * (LANGUAGES_MAX + 1) <= llm_store::jobs::ARTEFACTS_MAX);

/// What is wanted of a sound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The languages to translate into: BCP 47 tags, each once.
    pub languages: Vec<Str>,
    /// The language that is spoken, where somebody knows it.
    pub language: Option<Str>,
    /// The model that listens; `None` is the usual one.
    pub model: Option<Str>,
}

/// What a job is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whose sound it is, as deposits name owners.
    pub owner: String,
    /// Under which key its calls are made, whatever that gives by then.
    pub print: [u8; 32],
    /// The file.
    pub file: String,
    /// How long it lasts in milliseconds, as its container says, or whoever asked.
    pub lasts: u64,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// What it costs when it is done, in micro-credits.
    pub charge: i64,
}

impl Wanted {
    /// Whether it can be done.
    pub fn check(&self) -> Result<(), NotDone> {
        if self.languages.len() > LANGUAGES_MAX {
            let why = format!("{LANGUAGES_MAX} languages at the most");
            return Err(NotDone::wrong("languages", why));
        }
        for (at, tag) in self.languages.iter().enumerate() {
            if !translate::is_language(tag) {
                return Err(NotDone::wrong(
                    "languages",
                    "a tag such as en, ja or zh-Hant is wanted",
                ));
            }
            let twice = |other: &Str| other.eq_ignore_ascii_case(tag);
            if self.languages.iter().take(at).any(twice) {
                return Err(NotDone::wrong("languages", "a language stands there twice"));
            }
        }
        if self.language.as_ref().is_some_and(|tag| !translate::is_language(tag)) {
            return Err(NotDone::wrong("language", "a tag such as en, ja or zh-Hant is wanted"));
        }
        let name = |model: &Str| !model.is_empty() && model.len() <= MODEL_BYTES_MAX;
        if !self.model.as_ref().is_none_or(name) {
            return Err(NotDone::wrong("model", "a name of up to 128 bytes is wanted"));
        }
        Ok(())
    }
}

/// What an artefact is called: of a language, or of what was heard.
fn artefact(language: Option<&str>, ending: &str) -> String {
    format!("{}.{ending}", language.unwrap_or("original"))
}

#[cfg(test)]
mod tests;
