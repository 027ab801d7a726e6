use super::super::testing::{MODELS, World, grant};
use super::*;

async fn heard(world: &World, of: Match) -> Vec<Heard> {
    world.prompts.comparing(&grant("min", None), of).unwrap().collect().await
}

fn models(of: &[&'static str]) -> Match {
    let models = of.iter().map(|model| Str::from_static(model)).collect();
    Match { prompts: vec!["What is a river?".to_owned()], models, judged: true, ..Match::default() }
}

fn standings(heard: &[Heard]) -> &[Standing] {
    match heard.last() {
        Some(Heard::Done(standings)) => standings,
        other => panic!("{other:?}"),
    }
}

const A: &str = r#"{"winner":"A","reason":"x"}"#;
const B: &str = r#"{"winner":"B","reason":"x"}"#;

#[tokio::test]
async fn every_provider_answers_side_by_side_and_the_better_one_wins_both_rounds() {
    let world = World::new().await;
    // The judge speaks through the first provider, which also answers first.
    world.says("openai", &["A river is water.", A, B]);
    let of = models(&["openai", "anthropic"]);
    let heard = heard(&world, of).await;
    let all = standings(&heard);
    assert_eq!(all[0].answer.text, "A river is water.");
    assert!(all.iter().all(|one| one.answer.failed.is_none() && one.answer.cost.0 > 0));
    assert!(all.iter().all(|one| one.answer.first.is_some() && one.answer.usage.output > 0));
    assert_eq!((all[0].quality, all[1].quality), (Some(100), Some(0)));
    let verdicts = heard.iter().filter_map(|h| match h {
        Heard::Judged(judged) => Some(judged.verdict.as_ref().unwrap().disagreed),
        _ => None,
    });
    assert_eq!(verdicts.collect::<Vec<_>>(), [false]);
    // Pieces carry their side, and are the answer.
    for (side, one) in all.iter().enumerate() {
        let text: String = heard
            .iter()
            .filter_map(|h| match h {
                Heard::Piece { side: of, text } if *of == side => Some(&**text),
                _ => None,
            })
            .collect();
        assert_eq!(text, one.answer.text);
    }
}

#[tokio::test]
async fn a_judge_that_likes_what_it_reads_first_says_draw() {
    let world = World::new().await;
    world.says("openai", &["one", A, A]);
    let heard = heard(&world, models(&["openai", "gemini"])).await;
    let all = standings(&heard);
    assert_eq!((all[0].quality, all[1].quality), (Some(50), Some(50)));
    let swapped = heard.iter().any(|h| {
        matches!(h, Heard::Judged(j) if j.verdict.as_ref().is_ok_and(|verdict| verdict.disagreed))
    });
    assert!(swapped);
    // The second round had the answers the other way round.
    let sent = world.sent("openai");
    let place = |body: &serde_json::Value| {
        let text = body["messages"][1]["content"].as_str().unwrap().to_owned();
        text.find("answer A>>>\none\n").is_some()
    };
    assert_ne!(place(&sent[1]), place(&sent[2]));
}

#[tokio::test]
async fn what_a_judge_does_not_say_right_is_said_and_no_quality() {
    let world = World::new().await;
    for judge in MODELS {
        let mut features = (*world.prompts.features).clone();
        features.judge.model = Str::from_static(judge);
        let prompts = Prompts::new(world.prompts.ground.clone(), features);
        let sides = if judge == "openai" { ["gemini", "cohere"] } else { ["openai", "openai"] };
        for vendor in MODELS {
            world.says(vendor, &[]);
        }
        world.says(judge, &["I like A"; 6]);
        let of = Match { models: sides.map(Str::from_static).to_vec(), ..models(&[]) };
        let heard: Vec<_> = prompts.comparing(&grant("min", None), of).unwrap().collect().await;
        let all = standings(&heard);
        assert!(all.iter().all(|one| one.quality.is_none() && one.answer.failed.is_none()));
        let failed = heard.iter().any(|h| matches!(h, Heard::Judged(j) if j.verdict.is_err()));
        assert!(failed, "{judge}");
    }
}

#[tokio::test]
async fn who_fails_is_named_and_the_others_go_on() {
    let world = World::new().await;
    let of = Match { judged: false, ..models(&["openai", "no-such-model", "ollama"]) };
    let heard = heard(&world, of).await;
    let all = standings(&heard);
    let failed: Vec<bool> = all.iter().map(|one| one.answer.failed.is_some()).collect();
    assert_eq!(failed, [false, true, false]);
    assert!(all.iter().all(|one| one.quality.is_none()));
}

#[test]
fn pairs_are_few_and_each_side_has_as_many() {
    for sides in 2..=SIDES_MAX {
        let pairs = pairs(sides);
        let met = |side: usize| pairs.iter().filter(|(a, b)| *a == side || *b == side).count();
        assert!((1..sides).all(|side| met(side) == met(0)) && pairs.len() <= 8, "{sides}");
        assert!(pairs.iter().all(|(a, b)| a != b));
    }
}

#[test]
fn what_is_no_match_is_refused() {
    let usual = Str::from_static("m");
    let texts = |count: usize| vec!["x".to_owned(); count];
    let names = |count: usize| vec![Str::from_static("m"); count];
    for (prompts, models, fine) in [
        (1, 2, true),
        (2, 1, true),
        (2, 0, true),
        (8, 0, true),
        (1, 1, false),
        (1, 0, false),
        (0, 3, false),
        (2, 2, false),
        (9, 0, false),
        (1, 9, false),
    ] {
        let of = Match { prompts: texts(prompts), models: names(models), ..Match::default() };
        assert_eq!(sides(&of, &usual).is_ok(), fine, "{prompts} {models}");
    }
}
