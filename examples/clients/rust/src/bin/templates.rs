//! Two versions of a template, tried on people: `cargo run -p clients --bin templates`.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clients::{Gateway, Problem, Refused, items, run, text};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(try_out).await
}

/// A name that nobody has taken.
#[expect(clippy::disallowed_methods, reason = "a client has no clock of the gateway's")]
fn fresh() -> Result<String, Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(format!("인사말-{:x}", now.as_nanos()))
}

async fn try_out(gateway: Gateway) -> Result<(), Problem> {
    let name = fresh()?;
    let draft = json!({"name": name, "text": "{{ name }}님, 안녕하세요.",
        "variables": [{"name": "name"}], "labels": ["production"]});
    let made = gateway.post("/templates", draft).await?;
    let path = format!("/templates/{}", text(&made["id"]));
    let newer = json!({"text": "{{ name }}님, 오늘도 반갑습니다!"});
    gateway.call(Method::PATCH, &path, newer).await?;
    let render = format!("{path}/render");
    let shown = gateway.post(&render, json!({"values": {"name": "지민"}})).await?;
    println!("production is version {}: {}", shown["version"], text(&shown["text"]));
    if let Err(why) = gateway.post(&render, json!({"values": {}})).await {
        let why = why.downcast::<Refused>()?;
        println!("refused: {} {}", why.code, text(&why.details["reason"]));
    }

    // Versions of templates against each other: who has seen one sees it again.
    let variant = |n: u8| json!({"name": format!("v{n}"), "template": name, "version": n});
    let trial = json!({"name": name, "variants": [variant(1), variant(2)]});
    let id = text(&gateway.post("/experiments", trial).await?["id"]);
    let path = format!("/experiments/{id}");
    for person in 0..20 {
        let subject = format!("person-{person}");
        let whom = json!({ "subject": subject });
        let shown = gateway.post(&format!("{path}/assign"), whom).await?;
        let liked = shown["variant"]["name"] == "v2" || person % 3 == 0;
        let thumb = if liked { "up" } else { "down" };
        let said = json!({"about": "experiment", "id": id, "subject": subject, "thumb": thumb});
        gateway.post("/feedback", said).await?;
    }
    tell(&gateway.get(&path).await?["standing"]);
    Ok(())
}

fn tell(standing: &Value) {
    for variant in items(&standing["variants"]) {
        let (good, all) = (&variant["good"], &variant["outcomes"]);
        println!("{}: {good} of {all} liked it", text(&variant["name"]));
    }
    for verdict in items(&standing["verdicts"]) {
        let [variant, word, says] = ["variant", "verdict", "says"].map(|n| text(&verdict[n]));
        println!("{variant}: {word}, {says}");
    }
}
