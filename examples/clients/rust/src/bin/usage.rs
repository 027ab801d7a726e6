//! What a call has cost, and what is left: `cargo run -p clients --bin usage [MODEL]`.

use std::env;
use std::process::ExitCode;

use clients::{Gateway, Problem, items, run, text};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(look).await
}

async fn look(gateway: Gateway) -> Result<(), Problem> {
    // Models are asked as ever; what is new are the headers.
    let model = env::args().nth(1).unwrap_or_else(|| "gpt-4o-mini".to_owned());
    let body = json!({"model": model,
        "messages": [{"role": "user", "content": "한 문장으로 인사해 줘"}]});
    let request = gateway.request(Method::POST, "/v1/chat/completions").body(body.to_string());
    let reply = request.header("content-type", "application/json").send().await?;
    let reply = reply.error_for_status()?;
    let header = |name: &str| {
        let value = reply.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or("?").to_owned()
    };
    let [from, cost] = ["x-gw-provider", "x-gw-cost"].map(header);
    let answer: Value = serde_json::from_slice(&reply.bytes().await?)?;
    println!("{} tokens from {from} for ${cost}", answer["usage"]["total_tokens"]);

    let me = gateway.get("/usage/me").await?;
    for limit in items(&me["limits"]).filter(|limit| !limit["limit"].is_null()) {
        let [scope, rule] = ["scope", "rule"].map(|name| text(&limit[name]));
        println!("{scope} {rule}: {} of {} left", limit["remaining"], limit["limit"]);
    }
    for alert in items(&me["alerts"]) {
        let [scope, rule] = ["scope", "rule"].map(|name| text(&alert[name]));
        println!("{scope} {rule}: {} % is used", alert["threshold"]);
    }

    let wallet = gateway.get("/credits/balance").await?;
    println!("{} credits, {} set aside", text(&wallet["available"]), text(&wallet["held"]));
    for line in items(&gateway.get("/credits/history").await?["lines"]) {
        let [at, kind, left] = ["at", "kind", "left"].map(|name| text(&line[name]));
        println!("{at} {kind}: {left}");
    }
    Ok(())
}
