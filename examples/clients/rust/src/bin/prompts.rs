//! A prompt is looked at, rewritten, and tried beside the first one: `cargo run -p clients --bin prompts`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clients::{Gateway, Problem, items, run, text};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(improve).await
}

async fn improve(gateway: Gateway) -> Result<(), Problem> {
    let prompt = "회의록을 요약해 줘";
    let found = gateway.post("/prompts/analyze", json!({"prompt": prompt})).await?;
    println!("score: {}, a {}", found["score"], text(&found["intent"]["class"]));
    for suggestion in items(&found["suggestions"]) {
        println!("- {}: {}", text(&suggestion["criterion"]), text(&suggestion["text"]));
    }

    let boosted = gateway.post("/prompts/boost", json!({"prompt": prompt})).await?;
    let [model, cost] = ["model", "cost"].map(|name| text(&boosted[name]));
    let [before, after] = ["before", "after"].map(|when| &boosted[when]["score"]);
    println!("rewritten by {model} for ${cost}: {before} to {after}");
    for change in items(&boosted["changes"]) {
        println!("- {}: {}", text(&change["what"]), text(&change["why"]));
    }
    compare(&gateway, [prompt, &text(&boosted["prompt"])]).await
}

/// Both at once; a judge reads each pair in both orders.
async fn compare(gateway: &Gateway, prompts: [&str; 2]) -> Result<(), Problem> {
    let mut sides: BTreeMap<u64, String> = BTreeMap::new();
    let index = |of: &Value| of["index"].as_u64().unwrap_or_default();
    let body = json!({"prompts": prompts});
    let mut events = gateway.events(Method::POST, "/prompts/compare", body, None).await?;
    while let Some(event) = events.next().await? {
        let data = event.data;
        match &*event.name {
            "delta" => *sides.entry(index(&data)).or_default() += &text(&data["text"]),
            "error" => println!("no comparison: {}", text(&data["message"])),
            "end" => {
                for result in items(&data["results"]) {
                    let at = index(result);
                    let same = sides.get(&at) == Some(&text(&result["text"]));
                    println!("{at}: quality {}, as streamed: {same}", result["quality"]);
                }
                println!("best: {}, all for ${}", data["best"], text(&data["cost"]));
            }
            _ => {}
        }
    }
    Ok(())
}
