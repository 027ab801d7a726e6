//! Experiments: versions of templates shown to different people, and an honest word about which is
//! better.
//!
//! Who is shown what follows from who they are and which experiment it is, by a hash: always the
//! same, and without asking anybody. An experiment is fixed when it is made: its variants, their
//! parts, how many outcomes it runs for and when it is looked at. Its counts are copied at those
//! looks, in the transaction of the outcome that reaches them, and what is decided is decided by
//! the copies alone: whoever asks in between learns nothing that could mislead. The first passed
//! bound decides; the first outcome of each person counts.

use std::sync::Arc;

use jiff::Timestamp;
use llm_core::principal::Grant;
use serde::{Deserialize, Serialize};

use super::holders::{Access, By};
use super::intent::named;
use super::judge::{Ruled, Side};
use super::score::Points;
use super::sequential::{Arm, Design, LOOKS_MAX, Plan, Seen, seen};
use super::templates::{Version, Which};
use super::{Prompts, checked};
use crate::ground::NotDone;

/// Variants: the first is what there is, the others challenge it.
pub const VARIANTS_MAX: usize = 4;
/// Parts of a variant.
const WEIGHT_MAX: u32 = 1_000;
/// Letters of a name.
const NAME_MAX: usize = 100;
/// Letters of whoever an application says it is about.
const SUBJECT_MAX: usize = 256;
/// Outcomes after which an experiment is over at the latest.
const OUTCOMES_MAX: f64 = 10_000_000.0;
/// Letters of an answer that is judged.
const ANSWER_MAX: usize = 32_000;

named! {
    /// What an outcome comes from.
    Goal {
        /// What people say.
        Feedback = "feedback",
        /// What a judge says of an answer.
        Judge = "judge",
    }
}

named! {
    /// What can be said of a challenger.
    Word {
        /// The first look is still to come.
        NotEnoughData = "not_enough_data",
        /// No bound was passed so far.
        Undecided = "undecided",
        /// It is better than the first.
        Better = "better",
        /// It is worse.
        Worse = "worse",
        /// It is over, and a difference as large as planned would most likely have been found.
        NoDifference = "no_difference_found",
    }
}

/// A version of a template that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// The template's id.
    pub template: String,
    /// The version's number.
    pub version: u64,
    /// Its part of the people.
    pub weight: u32,
}

/// What is fixed when an experiment is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Its name.
    pub name: String,
    /// What is tried.
    pub variants: Vec<Variant>,
    /// The word for what outcomes come from: one of [`Goal::WORDS`].
    pub goal: String,
    /// From so many points on a judge's outcome is a good one.
    pub pass: Points,
    /// The chance of a false yes.
    pub alpha: f64,
    /// The chance of finding the effect.
    pub power: f64,
    /// The rate that is expected without a change.
    pub base: f64,
    /// The difference that is worth finding.
    pub effect: f64,
    /// How often it is looked at.
    pub looks: u32,
    /// What z has to pass at each look: computed when it is made, and the same ever after.
    #[serde(default)]
    pub bounds: Vec<f64>,
}

/// An experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Its id.
    pub id: u128,
    /// Who may see it.
    pub access: Access,
    /// What was fixed.
    pub setup: Setup,
    /// After so many outcomes it is over.
    pub outcomes: u64,
    /// When it was made.
    pub made: Timestamp,
    pub(super) owner: llm_store::deposits::Owner,
}

/// What became of a variant so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How many were shown it.
    pub shown: u64,
    /// How it went.
    pub arm: Arm,
}

/// What there is to say of a challenger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The look that it is said of.
    pub look: u32,
    /// What that look saw.
    pub seen: Option<Seen>,
}

/// Where an experiment stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Variants, in their order.
    pub counts: Vec<Count>,
    /// Challengers, from the second variant on.
    pub verdicts: Vec<Verdict>,
    /// How often it was looked at.
    pub looked: u32,
    /// At how many outcomes it is looked at next; `None` is never again.
    pub next: Option<u64>,
}

/// Who was shown what.
#[derive(Clone, Debug)]
pub struct Assigned {
    /// The variant's number.
    pub arm: usize,
    /// The variant.
    pub variant: Variant,
    /// What it says.
    pub version: Version,
}

/// At how many outcomes the look of that number is.
pub(super) fn due(outcomes: u64, looks: u64, look: u64) -> u64 {
    (outcomes * look).div_ceil(looks.max(1))
}

/// Who is shown which variant: the same for the same person and experiment, in parts by weight.
pub fn arm(experiment: u128, subject: &[u8; 32], weights: &[u32]) -> usize {
    let mut hash = blake3::Hasher::new_derive_key("llm-app 2026-11 who is shown which variant");
    hash.update(&experiment.to_be_bytes()).update(subject);
    let mut head = [0; 16];
    hash.finalize_xof().fill(&mut head);
    let all: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let mut left = u128::from_be_bytes(head) % all.max(1);
    for (arm, weight) in weights.iter().enumerate() {
        let weight = u128::from(*weight);
        if left < weight {
            return arm;
        }
        left -= weight;
    }
    0
}

impl Setup {
    fn design(&self) -> Design {
        let Self { alpha, power, base, effect, looks, .. } = *self;
        Design { alpha, power, base, effect, looks }
    }

    fn challengers(&self) -> u32 {
        u32::try_from(self.variants.len().saturating_sub(1)).unwrap_or(1)
    }

    /// How many outcomes it runs for.
    fn outcomes(&self, plan: &Plan) -> Result<u64, NotDone> {
        let design = self.design();
        let all: f64 = self.variants.iter().map(|variant| f64::from(variant.weight)).sum();
        let part = |variant: &Variant| f64::from(variant.weight) / all;
        let first = self.variants.first().map_or(0.5, part);
        let each = self.variants.iter().skip(1);
        let most = each.map(|variant| plan.outcomes(&design, first, part(variant)));
        let most = most.fold(0.0, f64::max).ceil();
        // Nor is it a number where somebody's parts are none.
        if most.is_nan() || most > OUTCOMES_MAX {
            let why = "the effect is too small for the parts of the variants";
            return Err(NotDone::wrong("effect", why));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and ten millions"
        )]
        Ok(most as u64)
    }

    pub(super) fn checked(&self) -> Result<(), NotDone> {
        let wrong = |field: &'static str, why: &str| Err(NotDone::wrong(field, why.to_owned()));
        let named = |name: &str| (1..=NAME_MAX).contains(&name.chars().count());
        if !named(&self.name) {
            return wrong("name", "1 to 100 characters");
        }
        if !(2..=VARIANTS_MAX).contains(&self.variants.len()) {
            return wrong("variants", "2 to 4");
        }
        for (at, variant) in self.variants.iter().enumerate() {
            let taken = self.variants[..at].iter().any(|other| other.name == variant.name);
            if !named(&variant.name) || taken {
                return wrong("variants", "each has a name of its own, of 1 to 100 characters");
            }
            if !(1..=WEIGHT_MAX).contains(&variant.weight) {
                return wrong("variants", "a weight is 1 to 1000");
            }
        }
        let within = |number: f64, low: f64, high: f64| number >= low && number <= high;
        match () {
            () if Goal::named(&self.goal).is_none() => wrong("goal", "feedback or judge"),
            () if self.pass > 100 => wrong("pass", "0 to 100"),
            () if !within(self.alpha, 0.001, 0.2) => wrong("alpha", "0.001 to 0.2"),
            () if !within(self.power, 0.5, 0.99) => wrong("power", "0.5 to 0.99"),
            () if !within(self.base, 0.01, 0.99) => wrong("base", "0.01 to 0.99"),
            () if !within(self.effect, 0.005, 0.5) => wrong("effect", "0.005 to 0.5"),
            () if self.base + self.effect > 0.995 => wrong("effect", "with base, at most 0.995"),
            () if !(1..=LOOKS_MAX).contains(&self.looks) => wrong("looks", "1 to 20"),
            () => Ok(()),
        }
    }
}

impl Prompts {
    /// Makes one. Templates may be named; what is kept is their ids and version numbers.
    pub async fn make_experiment(
        &self,
        by: &By,
        access: Access,
        mut setup: Setup,
        versions: &[Which],
    ) -> Result<Experiment, NotDone> {
        setup.checked()?;
        let owner = by.holder(access)?;
        for (variant, which) in setup.variants.iter_mut().zip(versions) {
            let template = self.template(by, &variant.template).await?;
            // What others may see cannot show what they may not.
            if template.access < access {
                let why = "a template that not all may see who see the experiment";
                return Err(NotDone::wrong("variants", why));
            }
            variant.version = self.version(&template, which).await?.number;
            variant.template = super::store::named(template.id);
        }
        let plan = Plan::new(&setup.design(), setup.challengers());
        let outcomes = setup.outcomes(&plan)?.max(u64::from(setup.looks));
        setup.bounds = plan.bounds;
        let person = self.sealer(by, &owner).await?;
        self.add_experiment(&person, access, setup, outcomes).await
    }

    /// What whoever asks can see, the newest first.
    pub async fn experiments(
        &self,
        by: &By,
        before: Option<u128>,
        limit: usize,
    ) -> Result<Vec<Experiment>, NotDone> {
        let mut all = Vec::new();
        for (access, owner) in by.sees() {
            all.extend(self.list_experiments(access, &owner, before, limit).await?);
        }
        all.sort_by_key(|experiment| std::cmp::Reverse(experiment.id));
        all.truncate(limit);
        Ok(all)
    }

    /// The one of that id.
    pub async fn experiment(&self, by: &By, id: &str) -> Result<Experiment, NotDone> {
        let id = super::id(id).ok_or(NotDone::Unknown("experiment"))?;
        for (access, owner) in by.sees() {
            if let Some(found) = self.experiment_of_id(access, &owner, id).await? {
                return Ok(found);
            }
        }
        Err(NotDone::Unknown("experiment"))
    }

    /// Where it stands.
    pub async fn standing(&self, of: &Experiment) -> Result<Standing, NotDone> {
        let (counts, looks) = self.counts(of).await?;
        Ok(standing(of, counts, &looks))
    }

    /// What somebody is shown: always the same.
    pub async fn assign(
        &self,
        grant: &Arc<Grant>,
        of: &Experiment,
        subject: Option<&str>,
    ) -> Result<Assigned, NotDone> {
        let subject = self.subject(grant, of, subject).await?;
        let weights: Vec<u32> = of.setup.variants.iter().map(|variant| variant.weight).collect();
        let arm = arm(of.id, &subject, &weights);
        let gone = || NotDone::Contradicts("a template of this experiment is gone".into());
        let variant = of.setup.variants.get(arm).cloned().ok_or_else(gone)?;
        let by = By::App(Arc::clone(grant));
        let template = self.template(&by, &variant.template).await.map_err(|why| match why {
            NotDone::Unknown(_) => gone(),
            other => other,
        })?;
        let version = self.version(&template, &Which::Number(variant.version)).await?;
        // Whoever may not be kept is shown theirs, and counts for nothing.
        if self.ground.person(grant).await?.may_be_kept() {
            self.show(grant, of, subject, arm).await?;
        }
        Ok(Assigned { arm, variant, version })
    }

    /// Writes down how it went for somebody who was shown a variant: the first time counts. Whether
    /// it was the first.
    pub(super) async fn went(
        &self,
        grant: &Arc<Grant>,
        of: &Experiment,
        subject: Option<&str>,
        good: bool,
    ) -> Result<bool, NotDone> {
        let subject = self.subject(grant, of, subject).await?;
        let shown = self.record(of, subject, good).await?;
        shown.ok_or_else(|| NotDone::Contradicts("they were shown no variant before".into()))
    }

    /// Has an answer judged that a variant has led to, and writes down how it went.
    pub async fn judge_outcome(
        &self,
        grant: &Arc<Grant>,
        of: &Experiment,
        subject: Option<&str>,
        (asked, answer): (&str, &str),
    ) -> Result<(Ruled<(Points, String)>, bool), NotDone> {
        if of.setup.goal != Goal::Judge.word() {
            return Err(NotDone::Contradicts("outcomes of this one are what people say".into()));
        }
        checked("question", asked)?;
        if answer.trim().is_empty() || answer.chars().count() > ANSWER_MAX {
            return Err(NotDone::wrong("answer", format!("1 to {ANSWER_MAX} characters")));
        }
        let person = self.ground.person(grant).await?;
        // Before anything is paid for: whether there is anything to be written down.
        let hashed = self.subject(grant, of, subject).await?;
        if !self.is_shown(of, hashed).await? {
            return Err(NotDone::Contradicts("they were shown no variant before".into()));
        }
        let ruled = self.rated(grant, &person, Side { asked, answer }).await?;
        let first = self.went(grant, of, subject, ruled.said.0 >= of.setup.pass).await?;
        Ok((ruled, first))
    }

    /// Who it is about: whoever asks, or a user of the application that asks. What is kept is a
    /// hash that nobody else makes.
    async fn subject(
        &self,
        grant: &Arc<Grant>,
        of: &Experiment,
        subject: Option<&str>,
    ) -> Result<[u8; 32], NotDone> {
        if subject.is_some_and(|s| s.is_empty() || s.chars().count() > SUBJECT_MAX) {
            return Err(NotDone::wrong("subject", format!("1 to {SUBJECT_MAX} characters")));
        }
        let owner = llm_store::deposits::Owner::of(&grant.principal);
        let person = self.ground.people.of(&of.owner).await?;
        let name = format!("{}\n{}", owner.as_str(), subject.unwrap_or_default());
        let mut out = [0; 32];
        for (n, part) in out.chunks_mut(8).enumerate() {
            let number = person.blind(&format!("subject {n} {:032x} {name}", of.id));
            part.copy_from_slice(&number.to_be_bytes());
        }
        Ok(out)
    }
}

/// What the copies say that were made at the looks.
fn standing(of: &Experiment, counts: Vec<Count>, looks: &[Vec<Arm>]) -> Standing {
    let looked = u32::try_from(looks.len()).unwrap_or(LOOKS_MAX);
    let over = looked >= of.setup.looks;
    let verdicts = (1..of.setup.variants.len()).map(|arm| {
        let mut said = Verdict { word: Word::NotEnoughData, look: 0, seen: None };
        for ((look, arms), bound) in (1..).zip(looks).zip(&of.setup.bounds) {
            let (Some(first), Some(challenger)) = (arms.first(), arms.get(arm)) else { continue };
            let seen = seen(*bound, *first, *challenger);
            let word = match seen {
                Some(seen) if seen.passed && seen.difference > 0.0 => Word::Better,
                Some(seen) if seen.passed => Word::Worse,
                Some(_) if over && look == looked => Word::NoDifference,
                Some(_) => Word::Undecided,
                None => Word::NotEnoughData,
            };
            said = Verdict { word, look, seen };
            // The first bound that is passed decides, whatever comes later.
            if matches!(word, Word::Better | Word::Worse) {
                break;
            }
        }
        said
    });
    let verdicts = verdicts.collect();
    let next = due(of.outcomes, of.setup.looks.into(), u64::from(looked) + 1);
    Standing { counts, verdicts, looked, next: (!over).then_some(next) }
}
