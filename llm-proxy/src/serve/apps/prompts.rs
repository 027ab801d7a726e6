//! Prompts as applications ask for them: rewritten, analyzed and compared here; templates,
//! experiments and what people say of it all in the modules below.
//!
//! Whole answers are in the envelope; `stream` asks for events instead, as things come. What is wrong
//! with a request is said before the first event, and in the envelope.

pub(crate) mod compare;
pub(crate) mod experiments;
pub(crate) mod feedback;
pub(crate) mod templates;
mod view;

use futures_util::StreamExt;
use http::{HeaderMap, StatusCode};
use llm_app::feature::Feature;
use llm_app::prompts::analyze::Question;
use llm_app::prompts::boost::{Heard, Wish};
use llm_app::prompts::intent::{Class, Domain, Fact};
use llm_app::prompts::language::Language;
use llm_app::prompts::score::{Criterion, Risk};
use llm_app::prompts::{Features, Prompts, named};
use llm_app::{Ground, NotDone};
use llm_core::Str;
use llm_core::error::Language as Told;
use serde_json::json;

use self::templates::{page, part};
use super::apps;
use crate::config::Config;
use crate::serve::admin::fields::Fields;
use crate::serve::admin::refusal::{Answered, Refusal};
use crate::serve::admin::told;
use crate::serve::app;
use crate::serve::events::{self, streamed};
use crate::serve::house::House;
use crate::serve::routes::ask::{AppCaller, Ask};
use crate::serve::routes::shape::{
    Field, Of, PART, Shape, flag, list, number, table, text, whole, words,
};
use crate::serve::routes::{Route, asked_by};

/// The longest answers of these features, in tokens, unless the configuration says otherwise.
const BOOST_TOKENS: u32 = 4_000;
const JUDGE_TOKENS: u32 = 1_500;
const COMPARE_TOKENS: u32 = 2_000;

const LANGUAGES: &[&str] = &["ko", "en", "ja", "zh"];
const FOUND_LANGUAGES: &[&str] = &["ko", "en", "ja", "zh", "other"];

const BOOST: &[Field] = &[
    text("prompt", "what is to be rewritten: 1 to 16,000 characters").need(),
    words("domain", Domain::WORDS, "what it is about, where that is known"),
    words("language", LANGUAGES, "what to write it in; its own language unless said"),
    text("model", "the model that writes it"),
    flag(
        "stream",
        "events `analysis`, `delta`, `again` (what came does not count), `end`, `error`",
    ),
];
const ANALYZE: &[Field] = &[
    text("prompt", "what is to be analyzed: 1 to 16,000 characters").need(),
    words("domain", Domain::WORDS, "what it is about, where that is known"),
    words("language", LANGUAGES, "what it is written in, where that is known"),
    text("model", "the model that judges"),
    flag("judge", "whether a model judges, too; yes unless said"),
];
const INTENT: &[Field] = &[
    words("class", Class::WORDS, "what is to be done").need(),
    words("domain", Domain::WORDS, "what it is about").need(),
    words("language", FOUND_LANGUAGES, "").need(),
    list("missing", &Of::Words(Fact::WORDS), "what a good answer would need to know").need(),
];
const SCORED: &[Field] = &[
    whole("score", "0 to 100").need(),
    table("criteria", &[CRITERIA], "0 to 100 each").need(),
    list("risks", &Of::Words(Risk::WORDS), "what had better not be in it").need(),
];
const CRITERIA: &[Field] = &[
    whole("clarity", "what is to be done; 30 parts of 100").need(),
    whole("context", "what surrounds it; 25 parts").need(),
    whole("constraints", "what must hold; 15 parts").need(),
    whole("format", "how the answer looks; 15 parts").need(),
    whole("examples", "what is meant, shown; 5 parts").need(),
    whole("safety", "what should not be in it; 10 parts").need(),
];
const BOOSTED: &[Field] = &[
    text("id", "what feedback names; null where nothing is kept"),
    text("prompt", "rewritten").need(),
    list("changes", &Of::Table(&[CHANGE]), "").need(),
    list("questions", &Of::Text, "what only the writer can answer").need(),
    table("intent", &[INTENT], "").need(),
    table("before", &[SCORED], "what rules say of the prompt").need(),
    table("after", &[SCORED], "what they say of the new one").need(),
    text("model", "who wrote it"),
    text("cost", "in USD").need(),
    whole("calls", "how many it took").need(),
];
const KEPT: &[Field] = &[
    text("id", "what feedback names").need(),
    text("original", "what was rewritten").need(),
    text("prompt", "rewritten").need(),
    list("changes", &Of::Table(&[CHANGE]), "").need(),
    list("questions", &Of::Text, "what only the writer can answer").need(),
    text("created_at", "").need(),
];
const CHANGE: &[Field] = &[text("what", "").need(), text("why", "").need()];
const ANALYSIS: &[Field] = &[
    whole("score", "of the rules and the judge together: 0 to 100").need(),
    table("intent", &[INTENT], "").need(),
    table("rules", &[SCORED], "exact: the same for the same text").need(),
    table("judge", &[JUDGED], "what a model says, on a scale of five steps"),
    list("suggestions", &Of::Table(&[SUGGESTION]), "").need(),
    table("predicted", &[PREDICTED], "by what people have said of prompts like it").need(),
];
const JUDGED: &[Field] = &[
    whole("score", "0 to 100").need(),
    list("criteria", &Of::Table(&[RATED]), "").need(),
    list("suggestions", &Of::Text, "").need(),
    text("cost", "in USD").need(),
    whole("calls", "how many it took").need(),
];
const RATED: &[Field] = &[
    words("criterion", Criterion::WORDS, "").need(),
    whole("score", "0, 25, 50, 75 or 100").need(),
    text("reason", "").need(),
];
const SUGGESTION: &[Field] =
    &[words("criterion", Criterion::WORDS, "").need(), text("text", "").need()];
const PREDICTED: &[Field] = &[
    words("verdict", &["predicted", "not_enough_data"], "").need(),
    whole("voices", "how many have said anything of such prompts").need(),
    number("success", "the chance that people like the answer: 0 to 1"),
    number("low", "hardly less"),
    number("high", "hardly more"),
];

pub(crate) const ROUTES: &[Route] = &[
    Route::post(
        "/api/v1/prompts/boost",
        "Rewrites a prompt, with the reason for each change.",
        asked_by!(App, boost),
    )
    .takes(&[BOOST])
    .gives(Shape::Table(&[BOOSTED]))
    .streams(),
    Route::get(
        "/api/v1/prompts/boosts",
        "Prompts that one had rewritten, the newest first.",
        asked_by!(App, boosts),
    )
    .query(&[PART])
    .gives(Shape::Page(&[KEPT])),
    Route::post(
        "/api/v1/prompts/analyze",
        "Says how good a prompt is, and what to do about it.",
        asked_by!(App, analyze),
    )
    .takes(&[ANALYZE])
    .gives(Shape::Table(&[ANALYSIS])),
];

/// As the configuration has it.
pub(crate) fn open(config: &Config, ground: &Ground) -> Prompts {
    let usual = |name: &'static str, tokens| Feature {
        tokens_max: Some(tokens),
        ..Feature::new(name, config.usual_model())
    };
    let features = Features {
        boost: config.feature(usual("boost", BOOST_TOKENS)),
        judge: config.feature(usual("judge", JUDGE_TOKENS)),
        compare: config.feature(usual("compare", COMPARE_TOKENS)),
    };
    Prompts::new(ground.clone(), features)
}

fn prompts(house: &House) -> Result<Prompts, Refusal> {
    Ok(apps(house)?.prompts.clone())
}

/// What people are told things in.
fn language(headers: &HeaderMap) -> Told {
    match app::Language::of(headers) {
        app::Language::English => Told::English,
        app::Language::Korean => Told::Korean,
    }
}

/// A word of a field that has words of its own.
fn word<T>(
    fields: &mut Fields,
    name: &'static str,
    known: &[&str],
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refusal> {
    let Some(said) = fields.take::<String>(name)?.set() else { return Ok(None) };
    let found = known.contains(&&*said).then(|| read(&said)).flatten();
    let why = || Refusal::wrong(name, format!("one of {}", known.join(", ")));
    found.map(Some).ok_or_else(why)
}

/// What an error is in the middle of events, when no status can say it any more.
fn failed(why: NotDone, told: Told) -> serde_json::Value {
    let kind = match &why {
        NotDone::Call(error) => Some(error.kind()),
        _ => None,
    };
    let refusal = Refusal::from(why);
    let message = kind.map(|kind| kind.user_message(told)).unwrap_or(match told {
        Told::Korean => "잠시 후 다시 시도해 주세요.",
        Told::English => "Please try again in a while.",
    });
    let code = refusal.code().to_ascii_uppercase();
    json!({"code": code, "message": message, "reason": refusal.message()})
}

async fn boost(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, headers, .. } = &mut *ask;
    let wish = Wish {
        prompt: fields.need("prompt")?,
        domain: word(fields, "domain", Domain::WORDS, Domain::named)?,
        language: word(fields, "language", LANGUAGES, Language::named)?,
        model: fields.take::<String>("model")?.set().map(Str::from),
    };
    let stream = fields.take("stream")?.set().unwrap_or(false);
    let (prompts, told_in) = (prompts(house)?, language(headers));
    if !stream {
        let done = prompts.boost(&by.grant, &wish).await?;
        return Ok(told(StatusCode::OK, &view::boosted(&done)));
    }
    let heard = prompts.boosting(&by.grant, wish)?.map(move |heard| match heard {
        Heard::Read(read) => events::Told::new(None, "analysis", &view::read(&read)),
        Heard::Piece(text) => events::Told::new(None, "delta", &json!({"text": text})),
        Heard::Again => events::Told::new(None, "again", &json!({})),
        Heard::Done(done) => events::Told::new(None, "end", &view::boosted(&done)),
        Heard::Failed(why) => events::Told::new(None, "error", &failed(why, told_in)),
    });
    Ok(streamed(heard, &house.clock))
}

async fn boosts(ask: &mut Ask, by: &AppCaller) -> Answered {
    let (before, limit) = part(ask)?;
    let found = prompts(&ask.house)?.boosts(&by.grant, before, limit).await?;
    Ok(told(StatusCode::OK, &page(&found, limit, |one| named(one.id), view::kept)))
}

async fn analyze(ask: &mut Ask, by: &AppCaller) -> Answered {
    let Ask { house, fields, headers, .. } = &mut *ask;
    let question = Question {
        prompt: fields.need("prompt")?,
        domain: word(fields, "domain", Domain::WORDS, Domain::named)?,
        language: word(fields, "language", LANGUAGES, Language::named)?,
        model: fields.take::<String>("model")?.set().map(Str::from),
        rules_only: !fields.take("judge")?.set().unwrap_or(true),
    };
    let found = prompts(house)?.analyze(&by.grant, &question, language(headers)).await?;
    Ok(told(StatusCode::OK, &view::analysis(&found)))
}
