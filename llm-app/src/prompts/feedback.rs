//! What people say of what they were given: a thumb, a score, a comment. The latest word of each
//! person about each thing counts, and an earlier one is taken back from what was counted by it;
//! but for experiments, whose first outcome stays.

use std::sync::Arc;

use jiff::Timestamp;
use llm_core::principal::Grant;

use super::Prompts;
use super::experiments::Goal;
use super::holders::By;
use super::intent::named;
use super::store::feedback::Target;
use crate::ground::NotDone;

/// Letters of a comment.
const COMMENT_MAX: usize = 4_000;
/// Letters of an id of something that is kept elsewhere.
const OBJECT_MAX: usize = 128;
/// From so many points on somebody liked it.
const GOOD_FROM: u8 = 60;

named! {
    /// What it is about.
    About {
        /// A message of a conversation.
        Message = "message",
        /// A prompt that was rewritten.
        Boost = "boost",
        /// What an experiment has shown.
        Experiment = "experiment",
        /// A version of a template: `id:number`.
        Template = "template",
    }
}

/// What somebody says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Up, or down.
    pub thumb: Option<bool>,
    /// 0 to 100.
    pub score: Option<u8>,
    /// In words.
    pub comment: Option<String>,
}

impl Said {
    /// Whether they liked it; `None` where only words say so.
    pub fn good(&self) -> Option<bool> {
        self.thumb.or(self.score.map(|score| score >= GOOD_FROM))
    }
}

/// What somebody has said.
#[derive(Clone, Debug)]
pub struct Voice {
    /// Its id.
    pub id: u128,
    /// What it is about.
    pub about: About,
    /// Which one.
    pub object: String,
    /// What was said.
    pub said: Said,
    /// When.
    pub made: Timestamp,
}

impl Prompts {
    /// Writes down what somebody says. Of an experiment, `subject` is whom it was shown to.
    pub async fn say(
        &self,
        grant: &Arc<Grant>,
        about: About,
        object: &str,
        subject: Option<&str>,
        said: Said,
    ) -> Result<Voice, NotDone> {
        check(&said)?;
        let person = self.ground.person(grant).await?;
        if !person.may_be_kept() {
            return Err(NotDone::NoConsent);
        }
        let by = By::App(Arc::clone(grant));
        let target = match about {
            // Messages are kept elsewhere: what somebody says of a name is said of it alone.
            About::Message => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
                if !(1..=OBJECT_MAX).contains(&object.len()) || !object.bytes().all(plain) {
                    return Err(NotDone::Unknown("message"));
                }
                Target::Nothing
            }
            About::Boost => {
                let id = super::id(object).ok_or(NotDone::Unknown("boost"))?;
                Target::Boost(id)
            }
            About::Experiment => {
                let of = self.experiment(&by, object).await?;
                if let Some(good) = said.good().filter(|_| of.setup.goal == Goal::Feedback.word()) {
                    self.went(grant, &of, subject, good).await?;
                }
                Target::Nothing
            }
            About::Template => {
                let unknown = NotDone::Unknown("version of a template: id:number");
                let parts = object.split_once(':');
                let Some((template, number)) = parts.filter(|(id, _)| super::id(id).is_some())
                else {
                    return Err(unknown);
                };
                let number = number.parse().map_err(|_| unknown)?;
                let template = self.template(&by, template).await?;
                let version = self.version_numbered(&template, number).await?;
                version.ok_or(NotDone::Unknown("version"))?;
                Target::Version(template.id, number)
            }
        };
        self.keep_voice(&person, (about, object), target, said).await
    }

    /// What somebody has said, the newest first.
    pub async fn voices(
        &self,
        grant: &Arc<Grant>,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Voice>, NotDone> {
        let person = self.ground.person(grant).await?;
        self.list_voices(&person, before.unwrap_or(u128::MAX), limit).await
    }
}

fn check(said: &Said) -> Result<(), NotDone> {
    if *said == Said::default() {
        return Err(NotDone::wrong("thumb", "say a thumb, a score or a comment"));
    }
    if said.score.is_some_and(|score| score > 100) {
        return Err(NotDone::wrong("score", "0 to 100"));
    }
    let comment = said.comment.as_ref().map(|comment| comment.chars().count());
    if comment.is_some_and(|count| count == 0 || count > COMMENT_MAX) {
        return Err(NotDone::wrong("comment", format!("1 to {COMMENT_MAX} characters")));
    }
    Ok(())
}
