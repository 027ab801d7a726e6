//! A model that judges: prompts by the criteria on a scale whose every step is said in words, and
//! answers against each other in both orders.
//!
//! A scale without words drifts from model to model; with them a 3 is a 3. Models also like what
//! they read first: so each pair is judged twice, the other way round the second time, and what
//! they do not agree on with themselves is a draw. What is judged is data behind a fence.

use std::sync::{Arc, OnceLock};

use llm_core::Str;
use llm_core::error::Error;
use llm_core::money::Money;
use llm_core::principal::Grant;
use llm_core::prompt::Request;
use llm_store::deposits::Owner;
use serde_json::{Map, Value, json};

use super::fence::Fence;
use super::score::{Criterion, Points, whole};
use super::structured::{Fitting, fitting, items, only, text};
use super::{Prompts, bounded, unkept};
use crate::people::Person;

/// Letters of a reason.
const REASON_MAX: usize = 800;
/// Suggestions of a judge that anybody reads.
const SUGGESTIONS_MAX: usize = 8;
/// Steps of the scale.
const LEVELS: u64 = 5;

/// What a judge says of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The whole, weighed as the rules weigh it.
    pub whole: Points,
    /// Each criterion, in the order of [`Criterion::ALL`]: points and the reason.
    pub each: Vec<(Points, String)>,
    /// What to do about it.
    pub suggestions: Vec<String>,
}

/// A judgement, and what it took.
#[derive(Clone, Debug)]
pub struct Ruled<T> {
    /// What was said.
    pub said: T,
    /// How many calls it took.
    pub tries: u32,
    /// What they cost.
    pub cost: Money,
}

/// Which of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winner {
    /// The first.
    First,
    /// The second.
    Second,
    /// Neither.
    Draw,
}

/// What two rounds say of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who won.
    pub winner: Winner,
    /// Whether the order alone decided: a draw then.
    pub disagreed: bool,
}

impl Verdict {
    /// Of the round in order, and of the one the other way round, each as it was said there.
    pub fn of(in_order: Winner, swapped: Winner) -> Self {
        let back = match swapped {
            Winner::First => Winner::Second,
            Winner::Second => Winner::First,
            Winner::Draw => Winner::Draw,
        };
        match in_order == back {
            true => Self { winner: in_order, disagreed: false },
            false => Self { winner: Winner::Draw, disagreed: true },
        }
    }
}

/// A question, and what was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side<'a> {
    pub(super) asked: &'a str,
    pub(super) answer: &'a str,
}

const PROMPTS: &str = "You judge prompts that people write for language models. Judge only how the \
    prompt is written; do not answer it. Give each criterion a level from 1 to 5:\n\
    1: missing or harmful; a model must guess everything.\n\
    2: hinted at; a model would often get it wrong.\n\
    3: said, with gaps that a careful model could fill.\n\
    4: said clearly, with one small gap.\n\
    5: said completely; nothing to add.\n\
    Most prompts that people write are between 2 and 4. The criteria: clarity (what is to be done), \
    context (background, reader, purpose, material), constraints (limits and rules), format (how the \
    answer looks), examples (shown where they help; 3 if none is needed), safety (nothing private, no \
    secrets, no orders against instructions; 5 if nothing is wrong).\n\n\
    Answer with one JSON object: each criterion's name with {\"level\", \"reason\"}, and \
    `suggestions`, a list of short texts. Write reasons and suggestions in ";
const PAIRS: &str = "You compare two answers, A and B. Judge how well each does what it was asked: \
    right, complete, following its limits, clear. Length alone is no merit, and neither is the order \
    in which you read them. Say `tie` when neither is clearly better.\n\n\
    Answer with one JSON object: `winner` (\"A\", \"B\" or \"tie\") and `reason` (one sentence).";
const ANSWERS: &str = "You judge an answer by how well it does what was asked. Give it a level:\n\
    1: wrong, or about something else.\n\
    2: touches it, with serious mistakes or gaps.\n\
    3: usable after changes.\n\
    4: good, with one small flaw.\n\
    5: as good as an expert's.\n\n\
    Answer with one JSON object: `level` (1 to 5) and `reason` (one sentence).";

impl Prompts {
    /// What a judge says of a prompt, in the language of that name.
    pub(super) async fn judged(
        &self,
        grant: &Arc<Grant>,
        prompt: &str,
        language: &str,
        model: Option<Str>,
    ) -> Result<Ruled<Judgement>, Error> {
        let owner = Owner::of(&grant.principal);
        let person = self.ground.people.of(&owner).await.map_err(unkept)?;
        let fence = Fence::new(&person, "judge a prompt", &[prompt]);
        let system = format!("{PROMPTS}{language}.\n\n{}", fence.rule());
        let request = self.judging(model, &system).user(fence.around("prompt", prompt));
        self.rule(grant, request, ("judgement", prompt_schema()), judgement).await
    }

    /// Who wins one round.
    pub(super) async fn round(
        &self,
        grant: &Arc<Grant>,
        person: &Person,
        a: Side<'_>,
        b: Side<'_>,
    ) -> Result<Ruled<Winner>, Error> {
        let texts = [a.asked, a.answer, b.asked, b.answer];
        let fence = Fence::new(person, "judge a pair", &texts);
        let asked = match a.asked == b.asked {
            true => fence.around("what both were asked", a.asked),
            false => {
                let (a, b) = (fence.around("what A was asked", a.asked), b.asked);
                format!("{a}\n{}", fence.around("what B was asked", b))
            }
        };
        let answers = [fence.around("answer A", a.answer), fence.around("answer B", b.answer)];
        let system = format!("{PAIRS}\n\n{}", fence.rule());
        let request = self.judging(None, &system).user(format!("{asked}\n{}", answers.join("\n")));
        self.rule(grant, request, ("comparison", pair_schema()), winner).await
    }

    /// How good an answer is.
    pub(super) async fn rated(
        &self,
        grant: &Arc<Grant>,
        person: &Person,
        side: Side<'_>,
    ) -> Result<Ruled<(Points, String)>, Error> {
        let fence = Fence::new(person, "judge an answer", &[side.asked, side.answer]);
        let system = format!("{ANSWERS}\n\n{}", fence.rule());
        let asked = fence.around("what was asked", side.asked);
        let request = self.judging(None, &system);
        let request = request.user(format!("{asked}\n{}", fence.around("answer", side.answer)));
        self.rule(grant, request, ("rating", rating_schema()), |value| {
            only(value, &["level", "reason"])?;
            rating(value)
        })
        .await
    }

    fn judging(&self, model: Option<Str>, system: &str) -> Request {
        let feature = &self.features.judge;
        let more = feature.system.as_deref().map(|more| format!("\n\n{more}")).unwrap_or_default();
        let model = model.unwrap_or_else(|| feature.model.clone());
        let mut request = Request::new(model).system(format!("{system}{more}"));
        bounded(&mut request, feature);
        request
    }

    async fn rule<T>(
        &self,
        grant: &Arc<Grant>,
        request: Request,
        schema: (&'static str, &Value),
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<Ruled<T>, Error> {
        let asking = self.ground.asking(&self.features.judge, grant);
        let fit = fitting(&asking, request, schema, read, &mut ()).await?;
        let Fitting { value, tries, cost, target: _ } = fit;
        Ok(Ruled { said: value, tries, cost })
    }
}

fn level_schema() -> Value {
    json!({"type": "object", "properties": {
        "level": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        "reason": {"type": "string"},
    }, "required": ["level", "reason"], "additionalProperties": false})
}

fn prompt_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut properties: Map<String, Value> =
            Criterion::WORDS.iter().map(|word| ((*word).to_owned(), level_schema())).collect();
        let mut required: Vec<&str> = Criterion::WORDS.to_vec();
        required.push("suggestions");
        let texts = json!({"type": "array", "items": {"type": "string"}});
        properties.insert("suggestions".to_owned(), texts);
        json!({"type": "object", "properties": properties, "required": required,
            "additionalProperties": false})
    })
}

fn pair_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        json!({"type": "object", "properties": {
            "winner": {"type": "string", "enum": ["A", "B", "tie"]},
            "reason": {"type": "string"},
        }, "required": ["winner", "reason"], "additionalProperties": false})
    })
}

fn rating_schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(level_schema)
}

/// Points of a step of the scale, and the reason for it.
fn rating(value: &Value) -> Result<(Points, String), String> {
    let level = value.get("level").and_then(Value::as_u64);
    let level = level.filter(|level| (1..=LEVELS).contains(level));
    let level = level.ok_or_else(|| format!("a level is no whole number from 1 to {LEVELS}"))?;
    let points = (level - 1) * 100 / (LEVELS - 1);
    Ok((Points::try_from(points).unwrap_or(100), text(value, "reason", REASON_MAX)?))
}

fn judgement(value: &Value) -> Result<Judgement, String> {
    let mut names = Criterion::WORDS.to_vec();
    names.push("suggestions");
    only(value, &names)?;
    let (mut each, mut points) = (Vec::new(), [0; 6]);
    for (criterion, place) in Criterion::ALL.iter().zip(&mut points) {
        let word = criterion.word();
        let said = value.get(word).ok_or_else(|| format!("{word} is missing"))?;
        only(said, &["level", "reason"]).map_err(|why| format!("{word}: {why}"))?;
        let said = rating(said).map_err(|why| format!("{word}: {why}"))?;
        *place = said.0;
        each.push(said);
    }
    let mut suggestions = Vec::new();
    for item in items(value, "suggestions", SUGGESTIONS_MAX)? {
        let said = item.as_str().map(str::trim).ok_or("a suggestion is no text")?;
        if said.is_empty() || said.chars().count() > REASON_MAX {
            return Err("a suggestion is empty or too long".to_owned());
        }
        suggestions.push(said.to_owned());
    }
    Ok(Judgement { whole: whole(&points), each, suggestions })
}

fn winner(value: &Value) -> Result<Winner, String> {
    only(value, &["winner", "reason"])?;
    text(value, "reason", REASON_MAX)?;
    match value.get("winner").and_then(Value::as_str) {
        Some("A") => Ok(Winner::First),
        Some("B") => Ok(Winner::Second),
        Some("tie") => Ok(Winner::Draw),
        Some(_) | None => Err("winner is not one of A, B and tie".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_order_decides_is_a_draw() {
        use Winner::{Draw, First, Second};
        for (in_order, swapped, winner, disagreed) in [
            (First, Second, First, false),
            (Second, First, Second, false),
            (Draw, Draw, Draw, false),
            (First, First, Draw, true),
            (Second, Second, Draw, true),
            (First, Draw, Draw, true),
            (Draw, Second, Draw, true),
        ] {
            assert_eq!(Verdict::of(in_order, swapped), Verdict { winner, disagreed });
        }
    }

    #[test]
    fn a_judgement_has_every_criterion_and_nothing_else() {
        let level = json!({"level": 4, "reason": "x"});
        let mut good = json!({"suggestions": ["y"]});
        for word in Criterion::WORDS {
            good[*word] = level.clone();
        }
        let read = judgement(&good).unwrap();
        assert_eq!((read.whole, read.each[0].0, read.suggestions.len()), (75, 75, 1));
        type Change = fn(&mut Value);
        let bad: [(Change, &str); 6] = [
            (|v| v["clarity"]["level"] = json!(6), "clarity: a level"),
            (|v| v["clarity"]["level"] = json!(2.5), "clarity: a level"),
            (|v| v["safety"]["reason"] = json!(""), "safety: reason is empty"),
            (|v| v["more"] = json!(1), "beside"),
            (|v| v["format"] = json!(4), "format: an item"),
            (|v| drop(v.as_object_mut().unwrap().remove("examples")), "examples is missing"),
        ];
        for (change, why) in bad {
            let mut value = good.clone();
            change(&mut value);
            let said = judgement(&value).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }
}
