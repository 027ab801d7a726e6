//! Recorded answers, shown to a client of Gemini as a stream and read again. The recordings do not
//! belong to this repository, so that their absence is no failure; it is printed.

use std::path::{Path, PathBuf};

use llm_core::completion::collect;
use llm_core::dialect::Framing;
use serde_json::Value;

use super::streams::{reads_back, words};
use super::{answer, events, sse};

#[test]
fn recorded_answers_read_back() {
    let dir = match std::env::var_os("LLM_WIRE") {
        Some(dir) => PathBuf::from(dir),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire"),
    }
    .join("gemini");
    if !dir.is_dir() {
        println!("skipped: no recordings at {}", dir.display());
        return;
    }
    let mut seen = 0;
    for folder in ["chat", "chat_stream"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let response = &case["response"];
            let done = match (&response["sse"], &response["body"]) {
                (Value::String(stream), _) => collect(&events(Framing::Sse, stream)),
                (_, Value::Array(_)) => {
                    collect(&events(Framing::JsonArray, &response["body"].to_string()))
                }
                (_, body) => {
                    let whole = answer(&body.to_string());
                    // A whole answer is a stream of one frame.
                    let frame = collect(&events(Framing::Sse, &sse(&[&body.to_string()])));
                    assert_eq!(words(&whole), words(&frame), "{}", path.display());
                    whole
                }
            };
            if done.failure.is_some() {
                continue;
            }
            println!("{}", path.display());
            reads_back(&done, Framing::Sse);
            reads_back(&done, Framing::JsonArray);
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} recordings");
}
