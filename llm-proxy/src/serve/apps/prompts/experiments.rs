//! Experiments: versions of templates tried on people.

use std::collections::BTreeMap;

use http::StatusCode;
use llm_app::prompts::experiments::{Experiment, Goal, Setup, Standing, Variant, Verdict, Word};
use llm_app::prompts::holders::Access;
use llm_app::prompts::templates::Which;
use serde_json::{Value, json};

use super::templates::{by, page, part};
use super::view::thousandths;
use super::{prompts, templates, word};
use crate::serve::admin::fields::Fields;
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::told;
use crate::serve::routes::ask::{AppCaller, Ask, Asker};
use crate::serve::routes::shape::{
    Field, Of, PART, Shape, flag, list, number, table, text, whole, words,
};
use crate::serve::routes::{Route, asked_by};
use llm_app::prompts::named;

/// What is planned unless it is said.
const ALPHA: f64 = 0.05;
const POWER: f64 = 0.8;
const BASE: f64 = 0.5;
const EFFECT: f64 = 0.1;
const LOOKS: u32 = 5;
const PASS: u8 = 60;
/// How it is tested, in words.
const METHOD: &str = "group-sequential z test of two proportions, two-sided; Lan-DeMets spending \
    with O'Brien-Fleming's function over equal parts of the outcomes; Bonferroni over challengers";

const MAKE: &[Field] = &[
    text("name", "1 to 100 characters").need(),
    words("access", Access::WORDS, "who may see it; applications make `user` unless said"),
    list("variants", &Of::Table(&[WANTED]), "2 to 4: the first is challenged by the others").need(),
    words("goal", Goal::WORDS, "what outcomes come from; `feedback` unless said"),
    whole("pass", "from so many points on a judge's outcome is good; 60 unless said")
        .least(0)
        .most(100),
    number("alpha", "the chance of a false yes; 0.05 unless said"),
    number("power", "the chance of finding the effect; 0.8 unless said"),
    number("base", "the rate expected of the first; 0.5 unless said"),
    number("effect", "the difference worth finding; 0.1 unless said"),
    whole("looks", "how often it is looked at, 5 unless said").least(1).most(20),
];
const WANTED: &[Field] = &[
    text("name", "").need(),
    text("template", "its name or id").need(),
    whole("version", "which version; else that of `label`, of `production`, the newest").least(0),
    text("label", "which label's version"),
    whole("weight", "its part of the people, 1 unless said").least(1).most(1_000),
];
const EXPERIMENT: &[Field] = &[
    text("id", "").need(),
    text("name", "").need(),
    words("access", Access::WORDS, "").need(),
    list("variants", &Of::Table(&[VARIANT]), "").need(),
    words("goal", Goal::WORDS, "").need(),
    table("plan", &[PLAN], "fixed when it was made").need(),
    text("created_at", "").need(),
];
const VARIANT: &[Field] = &[
    text("name", "").need(),
    text("template", "its id").need(),
    whole("version", "").need(),
    whole("weight", "").need(),
];
const PLAN: &[Field] = &[
    text("method", "").need(),
    number("alpha", "").need(),
    number("power", "").need(),
    number("base", "").need(),
    number("effect", "").need(),
    whole("looks", "").need(),
    whole("outcomes", "the sample size: after so many it is over").need(),
];
const STANDING: &[Field] = &[table("standing", &[STANDS], "").need()];
const STANDS: &[Field] = &[
    list("variants", &Of::Table(&[COUNT]), "what was counted so far; nothing is decided by it")
        .need(),
    list("verdicts", &Of::Table(&[VERDICT]), "of each challenger").need(),
    whole("looked", "how often it was looked at").need(),
    whole("next_look", "at how many outcomes it is looked at next; null when it is over"),
];
const COUNT: &[Field] = &[
    text("name", "").need(),
    whole("shown", "").need(),
    whole("outcomes", "").need(),
    whole("good", "").need(),
];
const VERDICT: &[Field] = &[
    text("variant", "").need(),
    words("verdict", Word::WORDS, "").need(),
    text("says", "the same in words").need(),
    whole("look", "the look that says so; 0 is none").need(),
    number("difference", "of the rates, at that look"),
    number("low", "hardly less: at all looks together"),
    number("high", "hardly more"),
    number("z", ""),
    number("bound", "what z has to pass"),
];
const ASSIGN: &[Field] =
    &[text("subject", "whom it is shown to, where the key is an application's: any id of yours")];
const ASSIGNED: &[Field] = &[
    text("experiment", "").need(),
    whole("index", "").need(),
    table("variant", &[VARIANT], "").need(),
    text("text", "the template of that version").need(),
];
const JUDGE: &[Field] = &[
    text("subject", "as `assign` was told"),
    text("question", "what was asked: the template, filled in").need(),
    text("answer", "what was answered").need(),
];
const RULED: &[Field] = &[
    whole("score", "0, 25, 50, 75 or 100").need(),
    text("reason", "").need(),
    flag("good", "whether it passes").need(),
    flag("counted", "no: there was an outcome before, which stays").need(),
    text("cost", "in USD").need(),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/experiments",
        "Makes an experiment of versions of templates. It never changes.",
        asked_by!(Either, Config, make),
    )
    .takes(&[MAKE])
    .gives(Shape::Table(&[EXPERIMENT])),
    Route::get(
        "/api/v1/experiments",
        "Experiments that one can see, the newest first.",
        asked_by!(Either, Read, all),
    )
    .query(&[PART])
    .gives(Shape::Page(&[EXPERIMENT])),
    Route::get(
        "/api/v1/experiments/{experiment}",
        "An experiment, and what can be said of it.",
        asked_by!(Either, Read, one),
    )
    .gives(Shape::Table(&[EXPERIMENT, STANDING])),
    Route::post(
        "/api/v1/experiments/{experiment}/assign",
        "Says which variant somebody is shown: always the same.",
        asked_by!(App, assign),
    )
    .takes(&[ASSIGN])
    .gives(Shape::Table(&[ASSIGNED])),
    Route::post(
        "/api/v1/experiments/{experiment}/judge",
        "Has the answer judged that somebody's variant led to, and counts the outcome.",
        asked_by!(App, judge),
    )
    .takes(&[JUDGE])
    .gives(Shape::Table(&[RULED])),
];

fn variant(one: &Variant) -> Value {
    json!({"name": one.name, "template": one.template, "version": one.version,
        "weight": one.weight})
}

fn view(one: &Experiment) -> Value {
    let setup = &one.setup;
    json!({
        "id": named(one.id),
        "name": setup.name,
        "access": one.access.word(),
        "variants": setup.variants.iter().map(variant).collect::<Vec<_>>(),
        "goal": setup.goal,
        "plan": {
            "method": METHOD,
            "alpha": setup.alpha,
            "power": setup.power,
            "base": setup.base,
            "effect": setup.effect,
            "looks": setup.looks,
            "outcomes": one.outcomes,
        },
        "created_at": one.made.to_string(),
    })
}

fn says(word: Word) -> &'static str {
    match word {
        Word::NotEnoughData => "not enough data: the first look is still to come",
        Word::Undecided => "no difference is proven so far; it goes on",
        Word::Better => "better than the first variant",
        Word::Worse => "worse than the first variant",
        Word::NoDifference => "over: a difference as large as planned would most likely be known",
    }
}

fn verdict(of: &Experiment, arm: usize, said: &Verdict, bounds: &[f64]) -> Value {
    let seen = said.seen.as_ref();
    let look = usize::try_from(said.look).unwrap_or_default();
    let bound = look.checked_sub(1).and_then(|at| bounds.get(at)).copied();
    json!({
        "variant": of.setup.variants.get(arm).map(|one| one.name.as_str()).unwrap_or_default(),
        "verdict": said.word.word(),
        "says": says(said.word),
        "look": said.look,
        "difference": seen.map(|seen| thousandths(seen.difference)),
        "low": seen.map(|seen| thousandths(seen.low)),
        "high": seen.map(|seen| thousandths(seen.high)),
        "z": seen.map(|seen| thousandths(seen.z)),
        "bound": bound.map(thousandths),
    })
}

fn standing(of: &Experiment, standing: &Standing) -> Value {
    let bounds = &of.setup.bounds;
    let counts = of.setup.variants.iter().zip(&standing.counts).map(|(variant, count)| {
        json!({"name": variant.name, "shown": count.shown, "outcomes": count.arm.tried,
            "good": count.arm.won})
    });
    let verdicts = (1..).zip(&standing.verdicts);
    json!({
        "variants": counts.collect::<Vec<_>>(),
        "verdicts": verdicts.map(|(arm, said)| verdict(of, arm, said, bounds)).collect::<Vec<_>>(),
        "looked": standing.looked,
        "next_look": standing.next,
    })
}

/// Variants as somebody wrote them, and which version of each is meant.
fn variants(fields: &mut Fields) -> Result<(Vec<Variant>, Vec<Which>), Refusal> {
    let said: Vec<BTreeMap<String, Value>> = fields.need("variants")?;
    let wrong = |why: &'static str| Refusal::wrong("variants", why);
    let (mut all, mut versions) = (Vec::new(), Vec::new());
    for mut one in said {
        one.retain(|_, value| !value.is_null());
        let mut text = |name: &str| match one.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong("a name, template or label is no text")),
        };
        let (name, template, label) = (text("name")?, text("template")?, text("label")?);
        let mut whole = |name: &str| match one.remove(name).map(|value| value.as_u64()) {
            None => Ok(None),
            Some(Some(number)) => Ok(Some(number)),
            Some(None) => Err(wrong("a version or weight is no whole number")),
        };
        let (version, weight) = (whole("version")?, whole("weight")?.unwrap_or(1));
        if !one.is_empty() {
            return Err(wrong("name, template, version, label and weight"));
        }
        let (Some(name), Some(template)) = (name, template) else {
            return Err(wrong("each has a name and a template"));
        };
        let weight = u32::try_from(weight).map_err(|_| wrong("a weight is 1 to 1000"))?;
        versions.push(templates::which(version, label)?);
        all.push(Variant { name, template, version: 0, weight });
    }
    Ok((all, versions))
}

async fn make(ask: &mut Ask, asker: &Asker) -> Answered {
    let Ask { house, fields, .. } = &mut *ask;
    let by = by(asker);
    let access = word(fields, "access", Access::WORDS, Access::named)?;
    let goal = word(fields, "goal", Goal::WORDS, Goal::named)?.unwrap_or(Goal::Feedback);
    let (variants, versions) = variants(fields)?;
    let setup = Setup {
        name: fields.need("name")?,
        variants,
        goal: goal.word().to_owned(),
        pass: fields.take("pass")?.set().unwrap_or(PASS),
        alpha: fields.take("alpha")?.set().unwrap_or(ALPHA),
        power: fields.take("power")?.set().unwrap_or(POWER),
        base: fields.take("base")?.set().unwrap_or(BASE),
        effect: fields.take("effect")?.set().unwrap_or(EFFECT),
        looks: fields.take("looks")?.set().unwrap_or(LOOKS),
        bounds: Vec::new(),
    };
    let access = access.unwrap_or_else(|| by.usual());
    let made = prompts(house)?.make_experiment(&by, access, setup, &versions).await?;
    Ok(told(StatusCode::OK, &view(&made)))
}

async fn all(ask: &mut Ask, asker: &Asker) -> Answered {
    let (before, limit) = part(ask)?;
    let found = prompts(&ask.house)?.experiments(&by(asker), before, limit).await?;
    Ok(told(StatusCode::OK, &page(&found, limit, |one| named(one.id), view)))
}

async fn one(ask: &mut Ask, asker: &Asker) -> Answered {
    let prompts = prompts(&ask.house)?;
    let found = prompts.experiment(&by(asker), ask.name(0)?).await?;
    let mut whole = view(&found);
    whole["standing"] = standing(&found, &prompts.standing(&found).await?);
    Ok(told(StatusCode::OK, &whole))
}

async fn assign(ask: &mut Ask, by: &AppCaller) -> Answered {
    let wanted = ask.name(0)?.to_owned();
    let Ask { house, fields, .. } = &mut *ask;
    let subject: Option<String> = fields.take("subject")?.set();
    let prompts = prompts(house)?;
    let of = prompts.experiment(&templates::by_app(by), &wanted).await?;
    let assigned = prompts.assign(&by.grant, &of, subject.as_deref()).await?;
    let body = json!({
        "experiment": named(of.id),
        "index": assigned.arm,
        "variant": variant(&assigned.variant),
        "text": assigned.version.text.text,
    });
    Ok(told(StatusCode::OK, &body))
}

async fn judge(ask: &mut Ask, by: &AppCaller) -> Answered {
    let wanted = ask.name(0)?.to_owned();
    let Ask { house, fields, .. } = &mut *ask;
    let subject: Option<String> = fields.take("subject")?.set();
    let (question, answer): (String, String) = (fields.need("question")?, fields.need("answer")?);
    let prompts = prompts(house)?;
    let of = prompts.experiment(&templates::by_app(by), &wanted).await?;
    let sides = (question.as_str(), answer.as_str());
    let done = prompts.judge_outcome(&by.grant, &of, subject.as_deref(), sides).await?;
    let (ruled, counted) = done;
    let (score, reason) = ruled.said;
    let body = json!({"score": score, "reason": reason, "good": score >= of.setup.pass,
        "counted": counted, "cost": ruled.cost.to_string()});
    Ok(told(StatusCode::OK, &body))
}
