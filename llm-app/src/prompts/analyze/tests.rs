use serde_json::{Value, json};

use super::super::boost::tests::{HOSTILE, parted};
use super::super::compare::Match;
use super::super::judge::Side;
use super::super::score::Criterion;
use super::super::testing::{MODELS, World, grant};
use super::*;

fn good() -> String {
    let mut said = json!({"suggestions": ["독자를 밝히세요."]});
    for criterion in Criterion::WORDS {
        said[*criterion] = json!({"level": 4, "reason": "작은 빈틈이 있다."});
    }
    said.to_string()
}

fn question(prompt: &str, model: &'static str) -> Question {
    let model = Some(Str::from_static(model));
    Question { prompt: prompt.to_owned(), model, ..Question::default() }
}

#[tokio::test]
async fn every_provider_judges_in_the_form_or_not_at_all() {
    let world = World::new().await;
    let min = grant("min", None);
    let garbage = [
        ("It is a fine prompt.".to_owned(), "no JSON"),
        ("{}".to_owned(), "clarity is missing"),
        (good().replacen("\"level\":4", "\"level\":7", 1), "a level is no whole number"),
        (good().replacen("\"level\":4", "\"level\":\"4\"", 1), "a level is no whole number"),
        (good().replacen("suggestions", "advice", 1), "beside"),
    ];
    for model in MODELS {
        let question = question("블로그 글 써줘", model);
        world.says(model, &[&good()]);
        let found = world.prompts.analyze(&min, &question, Told::Korean).await.unwrap();
        let judged = found.judged.unwrap();
        assert_eq!((judged.said.whole, judged.tries), (75, 1), "{model}");
        assert_eq!(found.score, both(found.read.scored.whole, 75));
        for (text, why) in &garbage {
            world.says(model, &[text, &good()]);
            let found = world.prompts.analyze(&min, &question, Told::English).await.unwrap();
            assert_eq!(found.judged.unwrap().tries, 2, "{model}: {text}");
            assert!(world.sent(model)[1].to_string().contains(why), "{model}: {text}");
            world.says(model, &[text, text, &good()]);
            let failed = world.prompts.analyze(&min, &question, Told::English).await;
            let NotDone::Call(error) = failed.unwrap_err() else { panic!("{model}: {text}") };
            assert!(error.message().contains(why), "{model}: {error}");
        }
    }
}

#[tokio::test]
async fn rules_alone_ask_nobody() {
    let world = World::new().await;
    world.says("openai", &[]);
    let question = Question { rules_only: true, ..question("블로그 글 써줘", "openai") };
    let found = world.prompts.analyze(&grant("min", None), &question, Told::Korean).await.unwrap();
    assert_eq!((found.score, found.judged.is_none()), (found.read.scored.whole, true));
    assert!(world.sent("openai").is_empty());
    assert_eq!(found.suggestions[0].text, "누가 읽을 글인지 적어 주세요.");
}

/// What a judge was told, and what it was given.
fn heard(body: &Value, hostile: &str) -> String {
    let (system, user) = parted(body);
    assert!(!system.contains(hostile), "{system}");
    let mark = system.split("<<<").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(mark.len(), 32);
    // All that was written stands between fences whose mark it does not know.
    let outside: String = user
        .split(&format!("<<<end {mark}>>>"))
        .map(|part| part.split(&format!("<<<{mark} ")).next().unwrap().trim())
        .collect();
    assert_eq!(outside, "", "{user}");
    assert!(user.contains(hostile) && !hostile.contains(&mark));
    system.replace(&mark, "MARK")
}

#[tokio::test]
async fn what_is_judged_never_becomes_an_instruction_to_the_judge() {
    let world = World::new().await;
    let min = grant("min", None);
    let person = world.prompts.ground.person(&min).await.unwrap();
    for model in MODELS {
        let mut features = (*world.prompts.features).clone();
        features.judge.model = Str::from_static(model);
        let prompts = Prompts::new(world.prompts.ground.clone(), features);
        let mut told = Vec::new();
        for hostile in HOSTILE {
            world.says(model, &[]);
            let _ = prompts.analyze(&min, &question(hostile, model), Told::English).await;
            let analysis = heard(&world.sent(model)[0], hostile);
            world.says(model, &[]);
            let side = Side { asked: "q", answer: hostile };
            let _ = prompts.rated(&min, &person, side).await;
            let rating = heard(&world.sent(model)[0], hostile);
            world.says(model, &[]);
            let other = Side { asked: hostile, answer: "a" };
            let _ = prompts.round(&min, &person, side, other).await;
            told.push([analysis, rating, heard(&world.sent(model)[0], hostile)]);
        }
        assert!(told.iter().all(|all| *all == told[0]), "{model}: the same words for all");
    }
}

#[tokio::test]
async fn what_stands_before_answers_is_the_operators_where_they_said_so() {
    let world = World::new().await;
    let mut features = (*world.prompts.features).clone();
    features.compare.system = Some(Str::from_static("ours"));
    let prompts = Prompts::new(world.prompts.ground.clone(), features);
    let models = vec![Str::from_static("openai"), Str::from_static("gemini")];
    let of = Match { prompts: vec!["x".into()], models, ..Match::default() };
    let theirs = Match { system: Some("theirs".into()), ..of.clone() };
    assert!(prompts.comparing(&grant("min", None), theirs.clone()).is_err());
    assert!(prompts.comparing(&grant("min", None), of).is_ok());
    assert!(world.prompts.comparing(&grant("min", None), theirs).is_ok());
}
