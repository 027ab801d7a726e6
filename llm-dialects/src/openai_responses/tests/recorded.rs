//! All laws on recorded traffic, where it lies beside the repository.

use std::path::{Path, PathBuf};

use llm_core::prompt::PartKind;

use super::*;

/// The corpus; `None` when it is not here.
fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire");
    let dir = std::env::var_os("LLM_WIRE").map_or(beside, PathBuf::from);
    let found = dir.is_dir();
    if !found {
        println!("skipped: no recorded traffic at {}", dir.display());
    }
    found.then_some(dir)
}

fn cases(operation: &str) -> Vec<(String, Value)> {
    let Some(dir) = folder() else { return Vec::new() };
    let mut out = Vec::new();
    for provider in ["openai", "openai_compat"] {
        let Ok(entries) = std::fs::read_dir(dir.join(provider).join(operation)) else { continue };
        for entry in entries.flatten() {
            let case = value(&std::fs::read(entry.path()).unwrap());
            out.push((entry.file_name().to_string_lossy().into_owned(), case));
        }
    }
    out
}

/// The words of an answer that a person reads.
fn words(completion: &Completion) -> (String, Vec<String>, Vec<String>, Option<String>) {
    let parts = completion.candidates.first().map_or(&[][..], |c| &c.parts);
    let mut thoughts = Vec::new();
    let mut calls = Vec::new();
    for part in parts {
        match &part.kind {
            PartKind::Reasoning(t) if !t.is_empty() => thoughts.push(t.to_string()),
            PartKind::ToolCall(c) => calls.push(format!("{} {} {}", c.id, c.name, c.arguments)),
            PartKind::Refusal(t) => calls.push(t.text.to_string()),
            _ => {}
        }
    }
    let finish = completion.candidates.first().and_then(|c| c.finish.as_ref());
    (completion.text(0), thoughts, calls, finish.map(|f| format!("{:?}", f.reason)))
}

#[test]
fn requests_return() {
    for operation in ["responses", "responses_stream", "tokens"] {
        for (name, case) in cases(operation) {
            let body = &case["request"]["body"];
            if body.is_object() {
                let text = body.to_string();
                let sent = sent(&request(&text));
                assert!(sent.losses.is_empty(), "{name}: {:?}", sent.losses);
                assert_eq!(value(&sent.body), *body, "{name}");
            }
        }
    }
}

#[test]
fn replies_return_and_stream_the_same_words() {
    for (name, case) in cases("responses") {
        let body = &case["response"]["body"];
        let completion = reply(&body.to_string());
        assert_eq!(value(&rendered(&completion).body), *body, "{name}");
        if completion.ended {
            assert_eq!(words(&back(&completion)), words(&completion), "{name}");
        }
    }
}

#[test]
fn streams_are_what_their_last_event_says() {
    for (name, case) in cases("responses_stream") {
        let text = case["response"]["sse"].as_str().unwrap_or_default();
        let completion = collect(&events(text.as_bytes(), usize::MAX));
        assert_eq!(collect(&events(text.as_bytes(), 1)), completion, "{name}");
        let last =
            text.split("\n\n").filter_map(|f| f.split_once("data: ")).filter_map(|(_, d)| {
                let frame: Value = serde_json::from_str(d.trim()).ok()?;
                let kind = frame["type"].as_str()?;
                matches!(kind, "response.completed" | "response.incomplete")
                    .then(|| frame["response"].clone())
            });
        // One recording's deltas were shortened by its source.
        if let Some(last) = last.last().filter(|_| !name.contains("shell-container")) {
            let whole = reply(&last.to_string());
            assert_eq!(words(&completion), words(&whole), "{name}");
            let usage = |c: &Completion| c.usage.as_ref().map(|u| u.usage);
            assert_eq!(usage(&completion), usage(&whole), "{name}");
            assert_eq!(words(&back(&completion)), words(&completion), "{name}");
        }
    }
}
