//! What is kept of somebody, and then nothing: `cargo run -p clients --bin privacy`.

use std::process::ExitCode;

use clients::{Gateway, Problem, Refused, items, run, text};
use reqwest::Method;
use serde_json::{Map, Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(leave).await
}

/// What there is something of.
fn some(of: &Value) -> Map<String, Value> {
    let all = of.as_object().cloned().unwrap_or_default();
    let none = [json!(0), json!([]), json!({}), Value::Null];
    all.into_iter().filter(|(_, things)| !none.contains(things)).collect()
}

async fn leave(gateway: Gateway) -> Result<(), Problem> {
    let (consent, conversations) = ("/users/me/consent", "/chat/conversations");
    gateway.call(Method::PUT, consent, json!({"consent": "withdrawn"})).await?;
    if let Err(why) = gateway.post(conversations, json!({"title": "비밀"})).await {
        let why = why.downcast::<Refused>()?;
        println!("refused: {} {}", why.code, why.message);
    }

    gateway.call(Method::PUT, consent, json!({"consent": "given"})).await?;
    let talk = gateway.post(conversations, json!({"title": "일기"})).await?;
    let messages = format!("{conversations}/{}/messages", text(&talk["id"]));
    gateway.post(&messages, json!({"content": "오늘은 쉬었다"})).await?;

    let all = gateway.get("/users/me/export").await?;
    let kept: Vec<_> = some(&all["kept"]).into_iter().map(|(name, _)| name).collect();
    let inside = all.to_string().contains("오늘은 쉬었다");
    println!("{}: {}; in it: {inside}", text(&all["user"]), kept.join(", "));

    // No way back: their key is gone, and with it whatever was sealed under it.
    let receipt = gateway.call(Method::DELETE, "/users/me/data", Value::Null).await?;
    let removed = Value::from(some(&receipt["removed"]));
    println!("removed: {removed}, receipt {}", text(&receipt["hash"]));
    gateway.call(Method::PUT, consent, json!({"consent": "given"})).await?;
    let left = items(&gateway.get(conversations).await?["data"]).count();
    println!("conversations left: {left}");
    Ok(())
}
