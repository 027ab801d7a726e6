//! A conversation that is neither endless nor silent.

use std::time::{Duration, Instant};

use http::Method;
use llm_sim::upstream::Vendor;
use serde_json::json;

use super::{Day, MODEL, Person};
use crate::client::{Asking, Events};

const ANN: Person =
    Person { name: "ann", key: "sk-mind-ann-0123456789abcdef", rules: "unlimited = true" };
const BOB: Person =
    Person { name: "bob", key: "sk-mind-bob-0123456789abcdef", rules: "unlimited = true" };
const CONVERSATIONS: &str = "/api/v1/chat/conversations";
/// Messages of an hour, where nobody says otherwise.
const HOURLY: usize = 30;
/// How long somebody waits for the first word.
const FIRST_WORD: Duration = Duration::from_secs(3);

fn configuration() -> String {
    // Names of conversations are made in the background, and would be asked for beside the replies.
    format!("[models.talk]\n{MODEL}[features.chat]\nmodel = \"talk\"\n")
}

async fn opened(day: &Day, by: Person) -> String {
    let body = json!({"title": "마음쉼표"});
    let made = day.data(by, Method::POST, CONVERSATIONS, &body).await;
    format!("{CONVERSATIONS}/{}/messages", made["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_thirty_first_message_of_an_hour_is_told_when_to_come_back() {
    let day = Day::begin(&[ANN, BOB], &configuration()).await;
    let messages = opened(&day, ANN).await;
    let said = json!({"content": "오늘은 조금 지쳤어요"});
    let send = async || day.told(ANN, Method::POST, &messages, &said).await;
    // An hour that ends in the middle of the test gives thirty more.
    let mut sent = 0;
    let refused = loop {
        let told = send().await;
        if told.status != 200 {
            break told;
        }
        assert!(told.answer["data"]["reply"]["content"].is_string(), "{}", told.answer);
        sent += 1;
        assert!(sent <= 2 * HOURLY, "somebody counts");
    };
    assert!(sent >= HOURLY, "only {sent} were answered: {}", refused.answer);
    assert_eq!(refused.status, 429, "{}", refused.answer);
    let error = &refused.answer["error"];
    assert_eq!(error["details"]["limit"], HOURLY, "{error}");
    // By the clock of whoever reads it, to the minute, and for programs in seconds.
    let resets = error["details"]["resets_at"].as_str().unwrap();
    assert!(resets.ends_with("+09:00"), "{resets}");
    let (hour, minute) = (&resets[11..13], &resets[14..16]);
    let hour: u8 = hour.parse().unwrap();
    let says = refused.korean();
    let clock = [format!("{hour:02}:{minute}"), format!("{hour}시"), format!("{}시", hour % 12)];
    assert!(clock.iter().any(|clock| says.contains(clock)), "{resets} is not in {says:?}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    // An hour is counted in slices of a minute, of which the first has to be over altogether.
    assert!((1..=3_661).contains(&wait), "{wait}");
    let asked = day.seen(Vendor::OpenAi);
    assert_eq!(send().await.status, 429);
    assert_eq!(day.seen(Vendor::OpenAi), asked, "who is refused costs nothing");
    // What one has used up is nobody else's.
    let theirs = opened(&day, BOB).await;
    assert_eq!(day.told(BOB, Method::POST, &theirs, &said).await.status, 200);
    day.end().await;
}

/// How long the first word takes, and all that is said.
#[expect(clippy::disallowed_methods, reason = "it measures the real time that passes")]
async fn first_word(day: &Day, messages: &str) -> (Duration, String) {
    let body = json!({"content": "잠이 오지 않아요", "stream": true}).to_string();
    let asked = Instant::now();
    let asking = Asking::json(ANN.key, Method::POST, messages, body);
    let mut events = Events::of(day.proxy.address, asking).await;
    let mut first = None;
    loop {
        let event = events.next().await.unwrap_or_else(|| panic!("{}", day.proxy.said()));
        match &*event.name {
            "delta" => first = first.or_else(|| Some(asked.elapsed())),
            "end" => {
                let said = event.data["message"]["content"].as_str().unwrap();
                return (first.unwrap(), said.to_owned());
            }
            other => assert_eq!(other, "start", "{}", event.data),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_stalls_is_left_for_another_within_three_seconds() {
    for stall in ["before_head", "after_head"] {
        let day = Day::begin(&[ANN], &configuration()).await;
        let messages = opened(&day, ANN).await;
        first_word(&day, &messages).await;
        assert_eq!((day.seen(Vendor::OpenAi), day.seen(Vendor::Gemini)), (1, 0));
        day.every(Vendor::OpenAi, &json!({"hang": stall}));
        let (after, said) = first_word(&day, &messages).await;
        assert_eq!((day.seen(Vendor::OpenAi), day.seen(Vendor::Gemini)), (2, 1), "{stall}");
        assert!(after < FIRST_WORD, "{stall}: the first word came after {after:?}");
        assert!(said.contains("잠이 오지 않아요"), "{said}");
        day.end().await;
    }
}
