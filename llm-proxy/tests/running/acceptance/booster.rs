//! A quota that runs out does not take the product along.

use http::Method;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};

use super::{Day, MODEL, Person};

const ANN: Person =
    Person { name: "ann", key: "sk-booster-ann-0123456789abcdef", rules: "unlimited = true" };
const BOB: Person =
    Person { name: "bob", key: "sk-booster-bob-0123456789abcdef", rules: "unlimited = true" };
const BOOST: &str = "/api/v1/prompts/boost";
const CHAT: &str = "/v1/chat/completions";

fn configuration() -> String {
    format!(
        "[models.booster]\n{MODEL}cache = {{ ttl = \"30m\", scope = \"user\" }}\n\
         [features.boost]\nmodel = \"booster\"\n"
    )
}

fn boost(about: &str) -> Value {
    json!({"prompt": format!("{about}에 대한 블로그 글을 써 줘")})
}

fn chat(about: &str) -> Value {
    let says = format!("{about}에 대해 알려 줘");
    json!({"model": "booster", "messages": [{"role": "user", "content": says}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_one_provider_after_the_other_is_out_the_next_one_answers() {
    let day = Day::begin(&[ANN, BOB], &configuration()).await;
    let asked = async |about: &str| day.told(ANN, Method::POST, BOOST, &boost(about)).await;
    let boosted = async |about: &str, by: &str| {
        let told = asked(about).await;
        assert_eq!(told.status, 200, "{}", told.answer);
        let data = &told.answer["data"];
        assert!(data["model"].as_str().unwrap().starts_with(by), "{data}");
        assert!(!data["prompt"].as_str().unwrap().is_empty(), "{data}");
    };
    boosted("서울", "gpt/").await;
    let before = day.seen(Vendor::OpenAi);

    // The account is empty: asked once, and not a second time, though this provider has retries.
    day.every(Vendor::OpenAi, &json!({"error": "insufficient_quota"}));
    boosted("부산", "google/").await;
    assert_eq!(day.seen(Vendor::OpenAi) - before, 1, "an empty account is not asked again");
    assert_eq!(day.seen(Vendor::Gemini), 1);

    day.every(Vendor::Gemini, &json!({"error": "server_error"}));
    boosted("인천", "claude/").await;
    assert!(day.seen(Vendor::OpenAi) - before <= 2, "nor again and again for others");

    // Nobody is left: one clear sentence, at each of the two ways in, and soon.
    day.every(Vendor::Anthropic, &json!({"error": "overloaded"}));
    let told = asked("대구").await;
    assert!(told.status.is_server_error(), "{} {}", told.status, told.answer);
    assert_eq!(told.answer["success"], false);
    let said = told.korean().to_owned();
    let direct = day.told(ANN, Method::POST, CHAT, &chat("대전")).await;
    assert!(direct.status.is_server_error(), "{}", direct.answer);
    assert!(!said.is_empty() && !direct.korean().is_empty());
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_question_is_paid_once_by_each_who_asks() {
    let day = Day::begin(&[ANN, BOB], &configuration()).await;
    let asked = async |by: Person, about: &str, wanted: &str| {
        let told = day.told(by, Method::POST, CHAT, &chat(about)).await;
        assert_eq!((told.status.as_u16(), told.header("x-cache")), (200, Some(wanted)));
        told.answer["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
    };
    let first = asked(ANN, "제주", "miss").await;
    assert_eq!(asked(ANN, "제주", "hit").await, first);
    assert_eq!(day.seen(Vendor::OpenAi), 1, "the second one was answered here");
    asked(BOB, "제주", "miss").await;
    assert_eq!(day.seen(Vendor::OpenAi), 2, "another user's answers are another's");
    asked(BOB, "제주", "hit").await;
    asked(ANN, "강릉", "miss").await;
    // So it is with what the booster writes.
    let boosted = async |by: Person| day.data(by, Method::POST, BOOST, &boost("제주")).await;
    let (first, seen) = (boosted(ANN).await, day.seen(Vendor::OpenAi));
    let again = boosted(ANN).await;
    assert_eq!((&again["prompt"], day.seen(Vendor::OpenAi)), (&first["prompt"], seen));
    assert_eq!(again["cost"], "0", "what was kept costs nothing: {again}");
    boosted(BOB).await;
    assert!(day.seen(Vendor::OpenAi) > seen, "and not for others");
    day.end().await;
}
