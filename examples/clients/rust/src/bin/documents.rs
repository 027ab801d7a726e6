//! Papers are searched and asked, and every answer says where it stands: `cargo run -p clients --bin documents`.

use std::process::ExitCode;

use clients::{Gateway, Problem, data, items, run, text};
use reqwest::Method;
use serde_json::{Value, json};

const REPORT: &str =
    "3분기 보고\u{c}서울 지점의 매출은 12억 원으로 늘었다.\u{c}부산 지점은 그대로다.";

#[tokio::main]
async fn main() -> ExitCode {
    run(ask).await
}

async fn ask(gateway: Gateway) -> Result<(), Problem> {
    // A file as a browser sends it; a PDF goes the same way.
    let file = ("실적.txt", REPORT.as_bytes());
    let paper = data(gateway.upload("/api/v1/documents", file, &[]).await?).await?;
    let name = text(&paper["name"]);
    println!("{name}: {} pages", paper["pages"]);

    let query = json!({"query": "서울의 매출은?", "limit": 1});
    for hit in items(&gateway.post("/documents/search", query).await?["data"]) {
        let [document, excerpt] = ["document", "excerpt"].map(|name| text(&hit[name]));
        println!("found in {document}, page {}: {excerpt}", hit["page"]);
    }

    let cell = json!({"id": "B2", "row": "서울", "column": "매출", "value": "12", "unit": "억 원"});
    let question = json!({"question": "매출은 왜 늘었나?", "documents": [paper["id"]],
        "selection": {"cells": [cell], "headers": ["매출"]}});
    let answer = gateway.post("/analysis", question).await?;
    for claim in items(&answer["claims"]) {
        let cells = items(&claim["cells"]).map(text);
        let place = |a: &Value| format!("{} p. {}", text(&a["document"]), a["page"]);
        let places: Vec<_> = cells.chain(items(&claim["annotations"]).map(place)).collect();
        println!("{} [{}]", text(&claim["text"]), places.join(", "));
    }

    // A link needs no key, and ends by itself.
    let path = format!("/analysis/{}/link?format=markdown&seconds=60", text(&answer["id"]));
    let link = text(&gateway.get(&path).await?["url"]);
    let file = gateway.download(&link).await?;
    let (letters, inside) = (file.chars().count(), file.contains(&name));
    println!("downloaded {letters} letters with {name} in them: {inside}");
    let path = format!("/documents/{}", text(&paper["id"]));
    gateway.call(Method::DELETE, &path, Value::Null).await?;
    Ok(())
}
