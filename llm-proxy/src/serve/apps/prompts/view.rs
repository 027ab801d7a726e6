//! How it is written: as the tables beside the routes say.

use llm_app::prompts::Boost;
use llm_app::prompts::analyze::Analysis;
use llm_app::prompts::boost::{Done, Read};
use llm_app::prompts::intent::Intent;
use llm_app::prompts::predict::Predicted;
use llm_app::prompts::score::{Criterion, Scored};
use serde_json::{Map, Value, json};

pub(super) fn intent(intent: &Intent) -> Value {
    let missing: Vec<_> = intent.missing.iter().map(|fact| fact.word()).collect();
    json!({
        "class": intent.class.word(),
        "domain": intent.domain.word(),
        "language": intent.language.code(),
        "missing": missing,
    })
}

pub(super) fn scored(scored: &Scored) -> Value {
    let each = Criterion::ALL.iter().map(|one| (one.word().to_owned(), scored.of(*one).into()));
    let risks: Vec<_> = scored.risks.iter().map(|risk| risk.word()).collect();
    json!({"score": scored.whole, "criteria": each.collect::<Map<_, _>>(), "risks": risks})
}

pub(super) fn read(read: &Read) -> Value {
    json!({"intent": intent(&read.intent), "before": scored(&read.scored)})
}

pub(super) fn boosted(done: &Done) -> Value {
    json!({
        "id": done.id.map(llm_app::prompts::named),
        "prompt": done.boosted.prompt,
        "changes": done.boosted.changes,
        "questions": done.boosted.questions,
        "intent": intent(&done.before.intent),
        "before": scored(&done.before.scored),
        "after": scored(&done.after),
        "model": done.target,
        "cost": done.cost.to_string(),
        "calls": done.tries,
    })
}

pub(super) fn kept(boost: &Boost) -> Value {
    json!({
        "id": llm_app::prompts::named(boost.id),
        "original": boost.prompt,
        "prompt": boost.boosted.prompt,
        "changes": boost.boosted.changes,
        "questions": boost.boosted.questions,
        "created_at": boost.made.to_string(),
    })
}

pub(super) fn analysis(found: &Analysis) -> Value {
    let judge = found.judged.as_ref().map(|judged| {
        let with = Criterion::ALL.iter().zip(&judged.said.each);
        let each = with.map(|(criterion, (points, reason))| {
            json!({"criterion": criterion.word(), "score": points, "reason": reason})
        });
        json!({
            "score": judged.said.whole,
            "criteria": each.collect::<Vec<_>>(),
            "suggestions": judged.said.suggestions,
            "cost": judged.cost.to_string(),
            "calls": judged.tries,
        })
    });
    let suggestions = found.suggestions.iter().map(
        |suggestion| json!({"criterion": suggestion.criterion.word(), "text": suggestion.text}),
    );
    json!({
        "score": found.score,
        "intent": intent(&found.read.intent),
        "rules": scored(&found.read.scored),
        "judge": judge,
        "suggestions": suggestions.collect::<Vec<_>>(),
        "predicted": predicted(found.predicted),
    })
}

fn predicted(found: Predicted) -> Value {
    let verdict = if found.chance.is_some() { "predicted" } else { "not_enough_data" };
    json!({
        "verdict": verdict,
        "voices": found.voices,
        "success": found.chance.map(|chance| thousandths(chance.mean)),
        "low": found.chance.map(|chance| thousandths(chance.low)),
        "high": found.chance.map(|chance| thousandths(chance.high)),
    })
}

/// More digits would say more than is known.
pub(super) fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
