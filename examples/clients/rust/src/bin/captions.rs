//! Captions of a sound in two more languages, followed until they are there:
//! `cargo run -p clients --bin captions FILE`.

use std::env;
use std::process::ExitCode;

use clients::{Gateway, Problem, items, run, text};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> ExitCode {
    run(caption).await
}

async fn caption(gateway: Gateway) -> Result<(), Problem> {
    let sound = std::fs::read(env::args().nth(1).ok_or("which file?")?)?;
    // A file of the OpenAI routes: any client of theirs leaves one like this.
    let fields = [("purpose", "user_data")];
    let left = gateway.upload("/v1/files", ("film.wav", &sound), &fields).await?;
    let left: Value = serde_json::from_slice(&left.error_for_status()?.bytes().await?)?;
    let wanted =
        json!({"kind": "captions", "input_file_id": left["id"], "languages": ["en", "ja"]});
    let mut job = gateway.post("/jobs", wanted).await?;
    let path = format!("/jobs/{}", text(&job["id"]));
    println!("set aside: {} credits", text(&job["credits"]["reserved"]));

    let (events, mut last) = (format!("{path}/events"), None);
    while ["pending", "processing"].contains(&&*text(&job["state"])) {
        // Whoever is cut off goes on behind the last event, with the same process or another.
        let seen = last.as_deref();
        let mut happened = gateway.events(Method::GET, &events, Value::Null, seen).await?;
        loop {
            match happened.next().await {
                Ok(Some(event)) => {
                    println!("{}: {} %", event.name, event.data["percent"]);
                    last = Some(event.id);
                }
                Ok(None) => break,
                Err(why) => {
                    println!("cut off: {why}");
                    break;
                }
            }
        }
        job = gateway.get(&path).await?;
    }
    if job["state"] != "completed" {
        println!("{}: {}, and nothing is charged", text(&job["state"]), text(&job["error"]));
        return Ok(());
    }

    for artefact in items(&job["artefacts"]) {
        let [name, path] = ["name", "path"].map(|field| text(&artefact[field]));
        if name.ends_with(".srt") {
            let reply = gateway.request(Method::GET, &path).send().await?;
            let file = reply.error_for_status()?.text().await?;
            std::fs::write(&name, &file)?;
            println!("{name}: {} segments", file.matches(" --> ").count());
        }
    }
    let [charged, until] = [&job["credits"]["charged"], &job["expires_at"]].map(text);
    println!("charged: {charged} credits, kept until {until}");
    Ok(())
}
