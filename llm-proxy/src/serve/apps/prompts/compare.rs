//! Answers side by side. They come as events, each with the number of its side, unless `stream` is
//! false.

use futures_util::StreamExt;
use http::StatusCode;
use llm_app::NotDone;
use llm_app::prompts::compare::{Answer, Heard, Judged, Match, SIDES_MAX, Standing};
use llm_app::prompts::judge::Winner;
use llm_core::Str;
use llm_core::error::Language as Spoken;
use serde_json::{Value, json};

use super::{failed, language, prompts};
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::told;
use crate::serve::events::{Told, streamed};
use crate::serve::routes::ask::{AppCaller, Ask};
use crate::serve::routes::shape::{Field, Of, Shape, flag, list, table, text, whole, words};
use crate::serve::routes::{Route, asked_by};

const COMPARE: &[Field] = &[
    text("prompt", "what is asked of several models"),
    list("prompts", &Of::Text, "several, asked of one model: 2 to 8"),
    text("model", "who is asked all of `prompts`"),
    list("models", &Of::Text, "who is asked `prompt`: 2 to 8"),
    text("system", "what stands before each"),
    whole("max_tokens", "the longest answer").least(1).most(u32::MAX as i64),
    flag("judge", "whether a judge says which is better, in both orders; yes unless said"),
    flag(
        "stream",
        "yes unless said: events `start`, `delta`, `answer`, `verdict`, `end`, `error`, each of one \
         side with its `index`",
    ),
];
const COMPARED: &[Field] = &[
    list("results", &Of::Table(&[RESULT]), "in the order of what was asked").need(),
    list("verdicts", &Of::Table(&[VERDICT]), "").need(),
    whole("best", "the index with the best quality; null where that is shared or not known"),
    text("cost", "of answers and judges together, in USD").need(),
];
const RESULT: &[Field] = &[
    whole("index", "").need(),
    text("model", "who answered"),
    text("text", "").need(),
    text("cost", "in USD").need(),
    whole("latency_ms", "until the end").need(),
    whole("first_token_ms", "until the first piece"),
    whole("input_tokens", "").need(),
    whole("output_tokens", "").need(),
    whole("quality", "0 to 100: its part of the points of its pairs; null where not judged"),
    table("error", &[ERROR], "why it is none, or has no end"),
];
const ERROR: &[Field] =
    &[text("code", "").need(), text("message", "").need(), text("reason", "in English").need()];
const VERDICT: &[Field] = &[
    whole("a", "an index").need(),
    whole("b", "another").need(),
    words("winner", &["a", "b", "tie"], "null where it could not be judged"),
    flag("disagreed", "whether the order decided: a tie then").need(),
    text("cost", "in USD").need(),
    table("error", &[ERROR], "why it could not be judged"),
];

pub(crate) const ROUTES: &[Route] = &[Route::post(
    "/api/v1/prompts/compare",
    "Asks several models one prompt, or one model several, and says which answer is best.",
    asked_by!(App, compare),
)
.takes(&[COMPARE])
.gives(Shape::Table(&[COMPARED]))
.streams()];

async fn compare(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, headers, .. } = &mut *ask;
    let one = |single: Option<String>, several: Option<Vec<String>>, name| match (single, several) {
        (Some(_), Some(_)) => Err(Refusal::wrong(name, "say one or several, and not both")),
        (Some(single), None) => Ok(vec![single]),
        (None, Some(several)) if several.is_empty() || several.len() > SIDES_MAX => {
            Err(Refusal::wrong(name, format!("1 to {SIDES_MAX}")))
        }
        (None, several) => Ok(several.unwrap_or_default()),
    };
    let prompts_asked =
        one(fields.take("prompt")?.set(), fields.take("prompts")?.set(), "prompts")?;
    let models = one(fields.take("model")?.set(), fields.take("models")?.set(), "models")?;
    let of = Match {
        prompts: prompts_asked,
        models: models.into_iter().map(Str::from).collect(),
        system: fields.take("system")?.set(),
        tokens_max: fields.take("max_tokens")?.set(),
        judged: fields.take("judge")?.set().unwrap_or(true),
    };
    let stream = fields.take("stream")?.set().unwrap_or(true);
    let spoken = language(headers);
    let heard = prompts(house)?.comparing(&by.grant, of)?;
    let mut judged = Vec::new();
    if stream {
        let events = heard.map(move |heard| event(heard, &mut judged, spoken));
        return Ok(streamed(events, &house.clock));
    }
    let mut heard = heard;
    while let Some(one) = heard.next().await {
        match one {
            Heard::Judged(one) => judged.push(*one),
            Heard::Done(all) => return Ok(told(StatusCode::OK, &compared(&all, &judged, spoken))),
            Heard::Failed(why) => return Err(why.into()),
            Heard::Began { .. } | Heard::Piece { .. } | Heard::Answered { .. } => {}
        }
    }
    Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "cut_off", "nothing was compared"))
}

fn event(heard: Heard, judged: &mut Vec<Judged>, spoken: Spoken) -> Told {
    match heard {
        Heard::Began { side, model } => {
            Told::new(None, "start", &json!({"index": side, "model": model}))
        }
        Heard::Piece { side, text } => {
            Told::new(None, "delta", &json!({"index": side, "text": text}))
        }
        Heard::Answered { side, answer } => {
            Told::new(None, "answer", &result(side, &answer, None, spoken))
        }
        Heard::Judged(one) => {
            let told = Told::new(None, "verdict", &verdict(&one, spoken));
            judged.push(*one);
            told
        }
        Heard::Done(all) => Told::new(None, "end", &compared(&all, judged, spoken)),
        Heard::Failed(why) => Told::new(None, "error", &failed(why, spoken)),
    }
}

fn result(side: usize, answer: &Answer, quality: Option<u8>, spoken: Spoken) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "index": side,
        "model": answer.target,
        "text": answer.text,
        "cost": answer.cost.to_string(),
        "latency_ms": millis(answer.took),
        "first_token_ms": answer.first.map(millis),
        "input_tokens": answer.usage.input,
        "output_tokens": answer.usage.output,
        "quality": quality,
        "error": answer.failed.clone().map(|why| failed(NotDone::Call(why), spoken)),
    })
}

fn verdict(judged: &Judged, spoken: Spoken) -> Value {
    let (winner, disagreed, error) = match &judged.verdict {
        Ok(verdict) => {
            let winner = match verdict.winner {
                Winner::First => "a",
                Winner::Second => "b",
                Winner::Draw => "tie",
            };
            (Some(winner), verdict.disagreed, None)
        }
        Err(why) => (None, false, Some(failed(NotDone::Call(why.clone()), spoken))),
    };
    json!({
        "a": judged.pair.0,
        "b": judged.pair.1,
        "winner": winner,
        "disagreed": disagreed,
        "cost": judged.cost.to_string(),
        "error": error,
    })
}

fn compared(all: &[Standing], judged: &[Judged], spoken: Spoken) -> Value {
    let results = all.iter().enumerate();
    let results = results.map(|(side, one)| result(side, &one.answer, one.quality, spoken));
    let most = all.iter().filter_map(|one| one.quality).max();
    let mut best = all.iter().enumerate().filter(|(_, one)| one.quality == most && most.is_some());
    let alone = best.next().filter(|_| best.next().is_none()).map(|(side, _)| side);
    let costs = all.iter().map(|one| one.answer.cost.0).chain(judged.iter().map(|one| one.cost.0));
    let cost = costs.fold(0_i64, i64::saturating_add);
    json!({
        "results": results.collect::<Vec<_>>(),
        "verdicts": judged.iter().map(|one| verdict(one, spoken)).collect::<Vec<_>>(),
        "best": alone,
        "cost": llm_core::money::Money(cost).to_string(),
    })
}
