//! Captions of a film: paid for once, whatever happens to whoever makes them.

use std::collections::BTreeSet;

use http::Method;
use llm_sim::script::Script;
use llm_sim::upstream::Vendor;
use serde_json::{Value, json};
use sqlx::Connection as _;

use super::{Day, Person};
use crate::captions::form;
use crate::client::{Asking, Event, Events, asked, operate};
use crate::proxy::Place;

const ANN: Person =
    Person { name: "ann", key: "sk-film-ann-0123456789abcdef", rules: "unlimited = true" };
const JOBS: &str = "/api/v1/jobs";
const CONFIGURATION: &str = "[batches]\nlease = \"1s\"\n\
    [models.listener]\ntiers = [[\"openai/whisper-1\"]]\n\
    [models.deaf]\ntiers = [[\"openai/whisper-1-deaf\"]]\n\
    [prices.\"openai/whisper-1-deaf\"]\ninput = \"0\"\noutput = \"0\"\n\
    [features.captions]\nmodel = \"listener\"\n[features.translation]\nmodel = \"plain\"\n";
/// 12 minutes at 10 credits, and at 5 in each of two languages.
const PRICE: &str = "240";
const LANGUAGES: [&str; 3] = ["original", "en", "ja"];
/// One in ten seconds is what the simulated provider hears.
const SEGMENTS: usize = 72;
const TWO_HOURS: i64 = 2 * 3_600;

async fn give(day: &Day) {
    let gift = json!({"event_id": "gift", "credits": 1_000}).to_string();
    let path = "/admin/wallets/ann/grant";
    let (status, given) = operate(day.proxy.address, Method::POST, path, &gift).await;
    assert_eq!(status, 200, "{given}");
}

/// A job for a film of twelve minutes in two more languages.
async fn make(day: &Day) -> String {
    let asking = Asking {
        media: "multipart/form-data; boundary=x",
        ..Asking::json(ANN.key, Method::POST, JOBS, form(720))
    };
    let (status, _, made) = asked(day.proxy.address, asking).await;
    assert_eq!(status, 200, "{made:?}");
    let made: Value = serde_json::from_slice(&made).unwrap();
    assert_eq!(made["data"]["credits"]["reserved"], PRICE);
    format!("{JOBS}/{}", made["data"]["id"].as_str().unwrap())
}

/// What may be spent, and what is set aside.
async fn wallet(day: &Day) -> (Value, Value) {
    let balance = day.get(ANN, "/api/v1/credits/balance").await;
    (balance["available"].clone(), balance["held"].clone())
}

/// Events of a job behind the last one that was seen, until one fits or they end.
async fn follow(day: &Day, job: &str, seen: &mut Vec<Event>, until: impl Fn(&Event) -> bool) {
    let path = format!("{job}/events");
    let last = seen.last().map(|event| event.id.clone());
    let asking = Asking { last, ..Asking::json(ANN.key, Method::GET, &path, "") };
    let mut events = Events::of(day.proxy.address, asking).await;
    while let Some(event) = events.next().await {
        seen.push(event);
        if seen.last().is_some_and(&until) {
            return;
        }
    }
}

fn percent(event: &Event) -> u64 {
    event.data["percent"].as_u64().unwrap()
}

/// Each language and notation has as many segments, at the same times.
async fn agree(day: &Day, job: &str) {
    let mut times: BTreeSet<String> = BTreeSet::new();
    for language in LANGUAGES {
        let path = format!("{job}/artefacts/{language}");
        let file = async |ending: &str| {
            let path = format!("{path}.{ending}");
            let (status, _, bytes) = day.send(ANN, Method::GET, &path, &Value::Null).await;
            assert_eq!(status, 200, "{path}");
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let whole: Value = serde_json::from_str(&file("json").await).unwrap();
        let segments = whole["segments"].as_array().unwrap();
        let at: Vec<_> = segments.iter().map(|one| (&one["start_ms"], &one["end_ms"])).collect();
        times.insert(format!("{at:?}"));
        for (ending, mark) in [("srt", " --> "), ("vtt", " --> "), ("ass", "Dialogue:")] {
            assert_eq!(file(ending).await.matches(mark).count(), SEGMENTS, "{language}.{ending}");
        }
    }
    assert_eq!(times.len(), 1, "{times:?}");
}

/// What was made becomes older by a little more than two hours, which nobody waits for.
async fn two_hours_later(place: &Place) {
    let mut link = sqlx::SqliteConnection::connect(&place.store).await.unwrap();
    let micros = (TWO_HOURS + 1) * 1_000_000;
    let text = format!(
        "UPDATE job SET created = created - {micros}, began = began - {micros}, \
        ended = ended - {micros}, expires = expires - {micros} WHERE expires IS NOT NULL"
    );
    let aged = sqlx::query(sqlx::AssertSqlSafe(text)).execute(&mut link).await.unwrap();
    assert_eq!(aged.rows_affected(), 1);
    link.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_killed_at_sixty_percent_is_made_paid_once_and_gone_after_two_hours() {
    let day = Day::begin(&[ANN], CONFIGURATION).await;
    // Slow enough for somebody to come in between.
    let slow = json!({ "match": {"operation": "chat"}, "times": "always",
        "do": { "first_byte_ms": 700 } });
    day.upstream(Vendor::OpenAi).script(Script::parse(slow.to_string().as_bytes()).unwrap());
    give(&day).await;
    let job = make(&day).await;
    assert_eq!(wallet(&day).await, (json!("760"), json!(PRICE)), "set aside before the work");
    let mut events = Vec::new();
    follow(&day, &job, &mut events, |event| percent(event) >= 60).await;
    let reached = events.last().map(percent).unwrap();
    assert!((60..95).contains(&reached), "in the middle of it: {events:?}");
    let heard = |day: &Day| {
        let all = day.upstream(Vendor::OpenAi).requests();
        all.iter().filter(|one| one.path.contains("transcriptions")).count()
    };
    assert_eq!(heard(&day), 1);

    let day = day.killed();
    follow(&day, &job, &mut events, |_| false).await;
    let done = day.until(ANN, &job, |job| job["credits"]["settled"] == true).await;
    assert_eq!((&done["state"], &done["progress"]), (&json!("completed"), &json!(100)), "{done}");
    assert_eq!((&done["attempts"], &done["credits"]["charged"]), (&json!(2), &json!(PRICE)));
    assert_eq!(heard(&day), 1, "what was heard before the death was kept");
    // Whoever followed has seen each event once and in order, over both lives.
    let numbers: Vec<u64> = events.iter().map(|event| event.id.parse().unwrap()).collect();
    assert!(numbers.iter().copied().eq(1..=done["last_event"].as_u64().unwrap()), "{numbers:?}");
    let far: Vec<u64> = events.iter().map(percent).collect();
    assert!(far.is_sorted() && far[0] == 0 && far.last() == Some(&100), "{far:?}");
    assert_eq!(events.last().unwrap().name, "completed");
    agree(&day, &job).await;
    assert_eq!(wallet(&day).await, (json!("760"), json!("0")));
    let history = day.get(ANN, "/api/v1/credits/history").await.to_string();
    assert_eq!(history.matches("\"kind\":\"spent\"").count(), 1, "{history}");

    let until: jiff::Timestamp = done["expires_at"].as_str().unwrap().parse().unwrap();
    let ended: jiff::Timestamp = done["ended_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(until.duration_since(ended).as_secs(), TWO_HOURS, "{done}");
    let day = day.restarted(two_hours_later).await;
    let expired = day.until(ANN, &job, |job| job["expires_at"].is_null()).await;
    assert!(expired["artefacts"].is_null() && expired["state"] == "completed", "{expired}");
    for language in LANGUAGES {
        let path = format!("{job}/artefacts/{language}.srt");
        let gone = day.told(ANN, Method::GET, &path, &Value::Null).await;
        assert_eq!((gone.status.as_u16(), &gone.answer["success"]), (410, &json!(false)));
    }
    assert_eq!(wallet(&day).await, (json!("760"), json!("0")));
    day.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_film_that_cannot_be_made_costs_nothing() {
    let day = Day::begin(&[ANN], CONFIGURATION).await;
    give(&day).await;
    // The sound is refused: nobody can hear it, however often they try.
    let deaf = json!({ "match": {"operation": "transcribe"}, "times": "always",
        "do": { "error": "bad_request" } });
    day.upstream(Vendor::OpenAi).script(Script::parse(deaf.to_string().as_bytes()).unwrap());
    let job = make(&day).await;
    assert_eq!(wallet(&day).await, (json!("760"), json!(PRICE)));
    let mut events = Vec::new();
    follow(&day, &job, &mut events, |_| false).await;
    let last = events.last().unwrap();
    assert_eq!(last.name, "failed", "told at once: {events:?}");
    let failed = day.until(ANN, &job, |job| job["credits"]["settled"] == true).await;
    assert_eq!(failed["credits"]["charged"], "0", "{failed}");
    assert!(failed["error"].is_string() && failed["artefacts"].is_null(), "{failed}");
    assert_eq!(wallet(&day).await, (json!("1000"), json!("0")), "all of it is back");
    day.end().await;
}
