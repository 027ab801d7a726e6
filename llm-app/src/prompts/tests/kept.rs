//! What is kept of prompts, in a file and in a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use llm_core::principal::TenantId;
use serde_json::json;

use super::super::experiments::{Setup, Variant, Word, arm};
use super::super::feedback::{About, Said};
use super::super::holders::{Access, By};
use super::super::predict::ENOUGH;
use super::super::render::Variable;
use super::super::templates::{Change, Draft, Head, Text, Which};
use super::super::testing::{World, grant};
use super::super::*;

use crate::testing::server;

/// Both kinds of database; a machine without a server says so.
async fn worlds() -> Vec<(World, Option<Arc<server::Server>>)> {
    use llm_store::sql::postgres::{PostgresVault, Settings};
    let mut all = vec![(World::new().await, None)];
    if let Some(server) = server::Server::shared() {
        let settings = Settings::new(server.database().await);
        let clock = Arc::new(llm_providers::seam::SystemClock);
        let vault: PostgresVault = PostgresVault::open(&settings, clock).await.unwrap();
        all.push((World::over(vault.into()), Some(server)));
    }
    all
}

fn app(user: &'static str, team: Option<&'static str>) -> By {
    By::App(grant(user, team))
}

fn operator() -> By {
    By::Operator(TenantId::from("default"))
}

fn text(text: &str) -> Text {
    let (name, kind) = ("topic".to_owned(), "text".to_owned());
    let topic = Variable { name, kind, required: true, default: None, about: None };
    Text { text: text.to_owned(), variables: vec![topic], note: None }
}

fn draft(name: &str, access: Access, written: &str) -> Draft {
    let head = Head { name: name.to_owned(), ..Head::default() };
    Draft { access, head, text: text(written) }
}

async fn rendered(world: &World, by: &By, name: &str, which: Which) -> Result<String, NotDone> {
    let values = BTreeMap::from([("topic".to_owned(), json!("봄"))]);
    world.prompts.render(by, name, &which, &values).await.map(|(_, _, text)| text)
}

#[tokio::test]
async fn versions_stay_and_labels_move() {
    for (world, _server) in worlds().await {
        let (prompts, min) = (&world.prompts, app("min", None));
        let made = prompts.make_template(&min, draft("소개", Access::User, "1 {{ topic }}"));
        let made = made.await.unwrap();
        let again = prompts.make_template(&min, draft("소개", Access::User, "x")).await;
        assert!(matches!(again, Err(NotDone::Contradicts(_))));
        let labels = BTreeMap::from([("production".to_owned(), Some(1))]);
        let change = Change { text: Some(text("2 {{ topic }}")), labels, ..Change::default() };
        let changed = prompts.change_template(&min, "소개", &change).await.unwrap();
        assert_eq!((changed.latest, changed.head.labels["production"]), (2, 1));
        assert_eq!(rendered(&world, &min, "소개", Which::Usual).await.unwrap(), "1 봄");
        let second = Which::Number(2);
        assert_eq!(rendered(&world, &min, "소개", second.clone()).await.unwrap(), "2 봄");
        let labels = BTreeMap::from([("production".to_owned(), Some(2))]);
        let name = Some("인사".to_owned());
        let change = Change { labels, name, ..Change::default() };
        prompts.change_template(&min, &super::super::store::named(made.id), &change).await.unwrap();
        assert!(rendered(&world, &min, "소개", Which::Usual).await.is_err(), "renamed");
        assert_eq!(rendered(&world, &min, "인사", Which::Usual).await.unwrap(), "2 봄");
        let found = prompts.template(&min, "인사").await.unwrap();
        let versions = prompts.versions(&found, None, 10).await.unwrap();
        assert_eq!(versions.iter().map(|v| v.number).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(versions[1].text, text("1 {{ topic }}"));
        for number in [0, 3] {
            assert!(prompts.version(&found, &Which::Number(number)).await.is_err());
        }
        let key = grant("min", None);
        let about = format!("{}:2", super::super::store::named(made.id));
        let said = |score| Said { score: Some(score), ..Said::default() };
        for score in [10, 60] {
            prompts.say(&key, About::Template, &about, None, said(score)).await.unwrap();
        }
        let second = prompts.version(&found, &second).await.unwrap();
        assert_eq!((second.voices.good, second.voices.bad), (1, 0), "the last word counts");
        let third = about.replace(":2", ":3");
        assert!(prompts.say(&key, About::Template, &third, None, said(60)).await.is_err());
        prompts.drop_template(&min, "인사").await.unwrap();
        assert!(matches!(prompts.template(&min, "인사").await, Err(NotDone::Unknown(_))));
    }
}

#[tokio::test]
async fn who_may_see_and_change_what() {
    for (world, _server) in worlds().await {
        let prompts = &world.prompts;
        let (min, yuna) = (app("min", Some("a")), app("yuna", Some("a")));
        let stranger = app("jun", Some("b"));
        let own = prompts.make_template(&min, draft("t", Access::User, "user")).await.unwrap();
        let team = prompts.make_template(&min, draft("t", Access::Team, "team")).await.unwrap();
        let draft_of_all = draft("t", Access::Global, "all");
        let all = prompts.make_template(&operator(), draft_of_all).await.unwrap();
        // The nearest one is meant by a name.
        for (by, written) in [(&min, "user"), (&yuna, "team"), (&stranger, "all")] {
            assert_eq!(rendered(&world, by, "t", Which::Usual).await.unwrap(), written);
        }
        let id =
            |template: &super::super::templates::Template| super::super::store::named(template.id);
        assert!(prompts.template(&yuna, &id(&own)).await.is_err());
        assert!(prompts.template(&stranger, &id(&team)).await.is_err());
        assert!(prompts.template(&operator(), &id(&team)).await.is_err());
        let listed = prompts.templates(&yuna, None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|t| t.id).collect::<Vec<_>>(), [all.id, team.id]);
        let rest = prompts.templates(&min, Some(all.id), 1).await.unwrap();
        assert_eq!(rest.iter().map(|t| t.id).collect::<Vec<_>>(), [team.id]);
        // A team's is everybody's of the team to change; what is global is operators'.
        let change = Change { text: Some(text("team 2")), ..Change::default() };
        prompts.change_template(&yuna, "t", &change).await.unwrap();
        assert_eq!(rendered(&world, &yuna, "t", Which::Usual).await.unwrap(), "team 2");
        assert!(prompts.change_template(&stranger, "t", &change).await.is_err());
        assert!(prompts.drop_template(&stranger, &id(&all)).await.is_err());
        assert!(prompts.make_template(&min, draft("x", Access::Global, "x")).await.is_err());
        assert!(
            prompts.make_template(&app("x", None), draft("x", Access::Team, "x")).await.is_err()
        );
    }
}

#[tokio::test]
async fn changes_at_once_are_made_one_after_the_other() {
    for (world, _server) in worlds().await {
        let (prompts, min) = (&world.prompts, app("min", None));
        prompts.make_template(&min, draft("t", Access::User, "x")).await.unwrap();
        let change = |n: u32| Change { text: Some(text(&format!("{n}"))), ..Change::default() };
        let changes = [change(1), change(2), change(3)];
        let all = changes.iter().map(|change| prompts.change_template(&min, "t", change));
        for done in futures_util::future::join_all(all).await {
            done.unwrap();
        }
        let found = prompts.template(&min, "t").await.unwrap();
        assert_eq!(found.latest, 4);
        assert_eq!(prompts.versions(&found, None, 10).await.unwrap().len(), 4);
    }
}

const GOOD: &str = r#"{"prompt":"더 나은 글","changes":[{"what":"x","why":"y"}],"questions":[]}"#;

#[tokio::test]
async fn voices_of_many_predict_and_who_changes_their_mind_counts_once() {
    for (world, _server) in worlds().await {
        let prompts = &world.prompts;
        let wish = super::super::boost::Wish {
            prompt: "블로그 글 써줘".into(),
            ..Default::default()
        };
        let question = super::super::analyze::Question {
            prompt: wish.prompt.clone(),
            rules_only: true,
            ..Default::default()
        };
        let min = grant("min", None);
        let english = llm_core::error::Language::English;
        for n in 0..ENOUGH {
            let before = prompts.analyze(&min, &question, english).await.unwrap().predicted;
            assert_eq!((before.voices, before.chance.is_none()), (n, true));
            world.says("openai", &[GOOD]);
            let done = prompts.boost(&min, &wish).await.unwrap();
            let id = super::super::store::named(done.id.unwrap());
            let said = |thumb| Said { thumb: Some(thumb), ..Said::default() };
            prompts.say(&min, About::Boost, &id, None, said(false)).await.unwrap();
            prompts.say(&min, About::Boost, &id, None, said(n % 4 != 0)).await.unwrap();
            // What is another's is not there.
            let yuna = grant("yuna", None);
            let other = prompts.say(&yuna, About::Boost, &id, None, said(true)).await;
            assert!(matches!(other, Err(NotDone::Unknown("boost"))));
        }
        let found = prompts.analyze(&min, &question, english).await.unwrap().predicted;
        let chance = found.chance.unwrap();
        assert!(found.voices == ENOUGH && (0.6..0.85).contains(&chance.mean), "{found:?}");
        let words = Said { comment: Some("좋아요".into()), ..Said::default() };
        prompts.say(&min, About::Message, "msg_1", None, words.clone()).await.unwrap();
        let listed = prompts.voices(&min, None, 3).await.unwrap();
        assert_eq!((listed.len(), &listed[0].said, listed[0].about), (3, &words, About::Message));
        let next = prompts.voices(&min, Some(listed[2].id), 100).await.unwrap();
        assert_eq!(next.len(), usize::try_from(ENOUGH).unwrap() - 2);
        assert!(prompts.voices(&grant("yuna", None), None, 3).await.unwrap().is_empty());
    }
}

fn setup(looks: u32) -> Setup {
    let variant = |name: &str, weight| Variant {
        name: name.to_owned(),
        template: "t".to_owned(),
        version: 0,
        weight,
    };
    Setup {
        name: "첫 실험".into(),
        variants: vec![variant("old", 1), variant("new", 1)],
        goal: "feedback".into(),
        pass: 60,
        alpha: 0.05,
        power: 0.8,
        base: 0.3,
        effect: 0.5,
        looks,
        bounds: Vec::new(),
    }
}

#[tokio::test]
async fn an_experiment_is_looked_at_when_it_was_planned_and_says_what_it_saw() {
    for (world, _server) in worlds().await {
        let (prompts, key) = (&world.prompts, grant("app", None));
        let by = By::App(Arc::clone(&key));
        prompts.make_template(&by, draft("t", Access::User, "1 {{ topic }}")).await.unwrap();
        let change = Change { text: Some(text("2 {{ topic }}")), ..Change::default() };
        prompts.change_template(&by, "t", &change).await.unwrap();
        let versions = [Which::Number(1), Which::Number(2)];
        let made = prompts.make_experiment(&by, Access::User, setup(3), &versions).await.unwrap();
        let (id, said) = (super::super::store::named(made.id), |thumb| Said {
            thumb: Some(thumb),
            ..Said::default()
        });
        // Nobody has an outcome who was shown nothing.
        let early = prompts.say(&key, About::Experiment, &id, Some("u"), said(true)).await;
        assert!(matches!(early, Err(NotDone::Contradicts(_))));
        let mut outcomes = 0;
        for n in 0.. {
            let standing = prompts.standing(&made).await.unwrap();
            let Some(next) = standing.next else { break };
            assert!(outcomes < next, "{standing:?}");
            if standing.looked == 0 {
                assert_eq!(standing.verdicts[0].word, Word::NotEnoughData);
            }
            let subject = format!("user-{n}");
            let shown = prompts.assign(&key, &made, Some(&subject)).await.unwrap();
            let again = prompts.assign(&key, &made, Some(&subject)).await.unwrap();
            assert_eq!(shown.arm, again.arm);
            assert!(shown.version.text.text.starts_with(["1", "2"][shown.arm]));
            let good = shown.arm == 1 || n % 4 == 0;
            for thumb in [good, !good] {
                // The first outcome counts.
                let said = said(thumb);
                prompts.say(&key, About::Experiment, &id, Some(&subject), said).await.unwrap();
            }
            outcomes += 1;
        }
        let standing = prompts.standing(&made).await.unwrap();
        assert_eq!((outcomes, standing.looked), (made.outcomes, 3));
        assert_eq!(standing.counts.iter().map(|c| c.arm.tried).sum::<u64>(), outcomes);
        assert!(standing.counts.iter().all(|count| count.shown == count.arm.tried));
        let verdict = standing.verdicts[0];
        assert_eq!(verdict.word, Word::Better, "{standing:?}");
        let seen = verdict.seen.unwrap();
        assert!(seen.low > 0.0 && seen.high <= 1.0);
        let stranger = app("jun", None);
        assert!(prompts.experiment(&stranger, &id).await.is_err());
        assert_eq!(prompts.experiments(&by, None, 5).await.unwrap().len(), 1);
        prompts.drop_template(&by, "t").await.unwrap();
        let gone = prompts.assign(&key, &made, Some("user-1")).await;
        assert!(matches!(gone, Err(NotDone::Contradicts(_))));
    }
}

#[tokio::test]
async fn a_judge_says_how_an_answer_went() {
    let world = World::new().await;
    let (prompts, key) = (&world.prompts, grant("app", None));
    let by = By::App(Arc::clone(&key));
    prompts.make_template(&by, draft("t", Access::User, "x")).await.unwrap();
    let judged = Setup { goal: "judge".into(), ..setup(2) };
    let versions = [Which::Usual, Which::Usual];
    let made = prompts.make_experiment(&by, Access::User, judged, &versions).await.unwrap();
    let rate = |subject| prompts.judge_outcome(&key, &made, Some(subject), ("q", "a"));
    assert!(matches!(rate("u").await, Err(NotDone::Contradicts(_))));
    prompts.assign(&key, &made, Some("u")).await.unwrap();
    for model in super::super::testing::MODELS {
        let mut features = (*prompts.features).clone();
        features.judge.model = llm_core::Str::from_static(model);
        let prompts = Prompts::new(prompts.ground.clone(), features);
        world.says(model, &["hm", r#"{"level":4,"reason":"good"}"#, r#"{"level":9}"#, "{}"]);
        let ask = || prompts.judge_outcome(&key, &made, Some("u"), ("q", "a"));
        let (ruled, first) = ask().await.unwrap();
        assert_eq!((ruled.said.0, ruled.tries, first), (75, 2, model == "openai"));
        assert!(matches!(ask().await, Err(NotDone::Call(_))), "{model}");
    }
    let standing = prompts.standing(&made).await.unwrap();
    assert_eq!(standing.counts.iter().map(|c| c.arm.won).sum::<u64>(), 1);
}

#[test]
fn parts_are_kept_and_nobody_changes_sides() {
    let weights = [1, 2, 5];
    let mut counts = [0_u32; 3];
    for n in 0..16_000_u32 {
        let subject = *blake3::hash(&n.to_be_bytes()).as_bytes();
        let side = arm(7, &subject, &weights);
        assert_eq!(side, arm(7, &subject, &weights));
        counts[side] += 1;
    }
    for (count, weight) in counts.iter().zip(weights) {
        assert!(count.abs_diff(2_000 * weight) < 200, "{counts:?}");
    }
    // Another experiment parts them otherwise.
    let both = |experiment| {
        (0..1_000_u32)
            .map(move |n| arm(experiment, blake3::hash(&n.to_be_bytes()).as_bytes(), &[1, 1]))
    };
    let same = both(1).zip(both(2)).filter(|(a, b)| a == b).count();
    assert!((400..600).contains(&same), "{same}");
}

#[test]
fn what_cannot_be_decided_is_refused() {
    type Wrong = fn(&mut Setup);
    let wrong: [Wrong; 10] = [
        |s| s.variants.truncate(1),
        |s| s.variants[1].name = "old".into(),
        |s| s.variants[0].weight = 0,
        |s| s.alpha = 0.0,
        |s| s.power = f64::NAN,
        |s| s.base = 0.95,
        |s| s.effect = 0.0,
        |s| s.looks = 21,
        |s| s.goal = "x".into(),
        |s| s.name = String::new(),
    ];
    assert!(setup(3).checked().is_ok());
    for change in wrong {
        let mut one = setup(3);
        change(&mut one);
        assert!(one.checked().is_err(), "{one:?}");
    }
}
