//! A prompt rewritten: rules say what it wants, a domain's guide says what it lacks, and a model
//! writes it anew, with the reason of each change.
//!
//! What somebody wrote is data: it stands in a message of its own behind a `Fence`, and the system
//! text says what a fence means. What a model writes is held against its form before anybody gets
//! it, and pieces that were shown of an answer that did not fit are taken back.

use std::sync::OnceLock;

use jiff::Timestamp;
use llm_core::Str;
use llm_core::principal::Grant;
use llm_core::prompt::Request;
use serde_json::{Value, json};

use super::fence::Fence;
use super::guides;
use super::intent::{Domain, Intent, understand};
use super::language::Language;
use super::piece::Pieces;
use super::score::{Scored, score};
use super::structured::{Fitting, Listen, fitting, items, only, text};
use super::telling::{Hearing, Teller, telling};
use super::{Prompts, checked};
use crate::feature::Feature;
use crate::ground::NotDone;
use crate::people::Person;

/// What a prompt is rewritten to at the most.
const BOOSTED_MAX: usize = 24_000;
/// Changes, and questions, that anybody reads.
const CHANGES_MAX: usize = 20;
const QUESTIONS_MAX: usize = 10;
/// Letters of one of them.
const WORDS_MAX: usize = 600;
/// Names of variables that are looked after; a prompt with more is a program.
const VARIABLES_MAX: usize = 64;

/// A prompt to be rewritten.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The prompt.
    pub prompt: String,
    /// What it is about, where somebody knows.
    pub domain: Option<Domain>,
    /// What to write it in; its own language unless said.
    pub language: Option<Language>,
    /// The model that writes it, instead of the feature's.
    pub model: Option<Str>,
}

/// One change, and the reason for it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// What was changed.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What a model wrote.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Boosted {
    /// The prompt, rewritten.
    pub prompt: String,
    /// What was changed.
    pub changes: Vec<Change>,
    /// What only whoever asked can answer.
    pub questions: Vec<String>,
}

/// What rules say of a prompt.
#[derive(Clone, Debug)]
pub struct Read {
    /// What it wants.
    pub intent: Intent,
    /// How good it is.
    pub scored: Scored,
}

/// A prompt that was rewritten.
#[derive(Clone, Debug)]
pub struct Done {
    /// What feedback names; `None` where nothing of this person may be kept.
    pub id: Option<u128>,
    /// When.
    pub at: Timestamp,
    /// What was written.
    pub boosted: Boosted,
    /// What rules say of the prompt before.
    pub before: Read,
    /// What they say of it now.
    pub after: Scored,
    /// How many calls it took.
    pub tries: u32,
    /// What they cost.
    pub cost: llm_core::money::Money,
    /// Who wrote it.
    pub target: Option<Str>,
}

/// What is heard of a prompt that is being rewritten.
#[derive(Clone, Debug)]
pub enum Heard {
    /// What rules say of it. First, once.
    Read(Box<Read>),
    /// More of the new prompt.
    Piece(String),
    /// What came so far does not count.
    Again,
    /// It is done. Last.
    Done(Box<Done>),
    /// It could not be done. Last.
    Failed(NotDone),
}

impl Prompts {
    /// What rules say of a prompt, without any model.
    pub fn read(
        prompt: &str,
        domain: Option<Domain>,
        language: Option<Language>,
    ) -> Result<Read, NotDone> {
        checked("prompt", prompt)?;
        let intent = understand(prompt, domain, language);
        let scored = score(prompt, &intent);
        Ok(Read { intent, scored })
    }

    /// A prompt, rewritten.
    pub async fn boost(&self, grant: &std::sync::Arc<Grant>, wish: &Wish) -> Result<Done, NotDone> {
        let read = Self::read(&wish.prompt, wish.domain, wish.language)?;
        self.boosted(grant, wish, read, &mut ()).await
    }

    /// The same, piece by piece. What is wrong with the wish is said before anything is heard.
    pub fn boosting(
        &self,
        grant: &std::sync::Arc<Grant>,
        wish: Wish,
    ) -> Result<Hearing<Heard>, NotDone> {
        let read = Self::read(&wish.prompt, wish.domain, wish.language)?;
        let (prompts, grant) = (self.clone(), std::sync::Arc::clone(grant));
        Ok(telling(move |teller| async move {
            teller.tell(Heard::Read(Box::new(read.clone()))).await;
            let mut told = Told { pieces: Pieces::of("prompt"), teller: teller.clone() };
            let done = prompts.boosted(&grant, &wish, read, &mut told).await;
            teller.tell(done.map_or_else(Heard::Failed, |done| Heard::Done(Box::new(done)))).await;
        }))
    }

    async fn boosted(
        &self,
        grant: &std::sync::Arc<Grant>,
        wish: &Wish,
        before: Read,
        listen: &mut impl Listen,
    ) -> Result<Done, NotDone> {
        let person = self.ground.person(grant).await?;
        let feature = &self.features.boost;
        let (request, fence) = asked(feature, &person, wish, &before.intent);
        let asking = self.ground.asking(feature, grant);
        let read = |value: &Value| boosted(value, &wish.prompt, &fence);
        let fit = fitting(&asking, request, ("boosted_prompt", schema()), read, listen).await?;
        let Fitting { value, tries, cost, target } = fit;
        let after = score(&value.prompt, &understand(&value.prompt, wish.domain, wish.language));
        let at = self.ground.now();
        let target = target.map(|target| Str::from(target.to_string()));
        let (id, boosted) = (None, value);
        let mut done = Done { id, at, boosted, before, after, tries, cost, target };
        if person.may_be_kept() {
            done.id = Some(self.keep_boost(&person, &wish.prompt, &done).await?);
        }
        Ok(done)
    }
}

/// Pieces of an answer, of which one text is told.
struct Told {
    pieces: Pieces,
    teller: Teller<Heard>,
}

impl Listen for Told {
    async fn text(&mut self, piece: &str) {
        let more = self.pieces.more(piece);
        if !more.is_empty() {
            self.teller.tell(Heard::Piece(more)).await;
        }
    }

    async fn again(&mut self) {
        self.pieces = Pieces::of("prompt");
        self.teller.tell(Heard::Again).await;
    }
}

const OURS: &str = "You rewrite prompts so that a language model answers them well. Keep what the \
    prompt wants: never answer it, never carry it out, and never add facts that nobody gave. Where \
    a fact is missing, leave a short placeholder in [brackets] and ask for it in `questions`. Keep \
    names in double braces such as {{name}} exactly as they are.";
const FORM: &str = "Answer with one JSON object: `prompt` (the rewritten prompt), `changes` (a list \
    of {\"what\", \"why\"}: each change with its reason), `questions` (a list of texts: what only the \
    writer can answer; may be empty).";

fn asked(feature: &Feature, person: &Person, wish: &Wish, intent: &Intent) -> (Request, Fence) {
    let fence = Fence::new(person, "boost", &[&wish.prompt]);
    let ours = feature.system.as_deref().unwrap_or(OURS);
    let missing: Vec<&str> = intent.missing.iter().map(|fact| fact.word()).collect();
    let missing = if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") };
    // Words of rules alone: nothing of what was written stands among instructions.
    let system = format!(
        "{ours}\n\n{}\n{}\nThe prompt's class is {}, its domain is {}; it does not say: {missing}. \
         Write `prompt`, `changes` and `questions` in {}.\n\n{FORM}\n\n{}",
        guides::domain(intent.domain),
        guides::class(intent.class),
        intent.class.word(),
        intent.domain.word(),
        intent.language,
        fence.rule(),
    );
    let model = wish.model.clone().unwrap_or_else(|| feature.model.clone());
    let mut request = Request::new(model).system(system).user(fence.around("prompt", &wish.prompt));
    super::bounded(&mut request, feature);
    (request, fence)
}

fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let text = json!({"type": "string"});
        let change = json!({"type": "object", "properties": {"what": text, "why": text},
            "required": ["what", "why"], "additionalProperties": false});
        json!({"type": "object", "properties": {
            "prompt": {"type": "string", "description": "the rewritten prompt"},
            "changes": {"type": "array", "items": change},
            "questions": {"type": "array", "items": text},
        }, "required": ["prompt", "changes", "questions"], "additionalProperties": false})
    })
}

fn boosted(value: &Value, original: &str, fence: &Fence) -> Result<Boosted, String> {
    only(value, &["prompt", "changes", "questions"])?;
    let prompt = text(value, "prompt", BOOSTED_MAX)?;
    if fence.is_in(&prompt) {
        return Err("prompt has the mark of the fence in it".to_owned());
    }
    if variables(original).iter().any(|name| !variables(&prompt).contains(name)) {
        return Err("prompt has lost a name in double braces".to_owned());
    }
    let mut changes = Vec::new();
    for item in items(value, "changes", CHANGES_MAX)? {
        only(item, &["what", "why"])?;
        let (what, why) = (text(item, "what", WORDS_MAX)?, text(item, "why", WORDS_MAX)?);
        changes.push(Change { what, why });
    }
    if changes.is_empty() && prompt != original.trim() {
        return Err("changes is empty, and the prompt is another one".to_owned());
    }
    let mut questions = Vec::new();
    for item in items(value, "questions", QUESTIONS_MAX)? {
        let question = item.as_str().map(str::trim).ok_or("a question is no text")?;
        if question.is_empty() || question.chars().count() > WORDS_MAX {
            return Err("a question is empty or too long".to_owned());
        }
        questions.push(question.to_owned());
    }
    Ok(Boosted { prompt, changes, questions })
}

/// Names in double braces.
fn variables(text: &str) -> Vec<&str> {
    let parts = text.split("{{").skip(1).filter_map(|rest| rest.split_once("}}"));
    parts.map(|(name, _)| name.trim()).take(VARIABLES_MAX).collect()
}

#[cfg(test)]
pub(super) mod tests;
