//! A conversation whose reply goes on while nobody listens: `cargo run -p clients --bin chat`.

use std::process::ExitCode;

use clients::{Gateway, Problem, run, text};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(talk).await
}

async fn talk(gateway: Gateway) -> Result<(), Problem> {
    let talk = gateway.post("/chat/conversations", json!({"title": "여행 계획"})).await?;
    let messages = format!("/chat/conversations/{}/messages", text(&talk["id"]));
    let question = json!({"content": "제주도에서 사흘 동안 무엇을 하면 좋을까요?", "stream": true});

    // The connection is lost after a few words, as connections are.
    let (mut reply, mut last, mut whole) = (String::new(), String::new(), String::new());
    let mut events = gateway.events(Method::POST, &messages, question, None).await?;
    while let Some(event) = events.next().await? {
        last = event.id;
        match &*event.name {
            "start" => reply = text(&event.data["reply_id"]),
            "delta" => whole += &text(&event.data["text"]),
            _ => {}
        }
        if whole.chars().count() > 10 {
            break;
        }
    }
    drop(events);
    println!("lost after {} letters", whole.chars().count());

    // The id of the last event says where we were. Nothing comes twice, and nothing is missing.
    let path = format!("{messages}/{reply}/events");
    let mut events = gateway.events(Method::GET, &path, Value::Null, Some(&last)).await?;
    while let Some(event) = events.next().await? {
        match &*event.name {
            "delta" => whole += &text(&event.data["text"]),
            "error" => println!("broke off: {}", text(&event.data["message"])),
            "end" => {
                let same = text(&event.data["message"]["content"]) == whole;
                println!("whole: {same}, {} tokens", event.data["usage"]["total_tokens"]);
            }
            _ => {}
        }
    }
    println!("{whole}");
    Ok(())
}
