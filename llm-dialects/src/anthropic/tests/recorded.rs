//! Recorded traffic of this provider, read where it lies. `LLM_WIRE` points elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

struct Case {
    name: String,
    case: Value,
}

fn cases() -> Vec<Case> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire");
    let root = std::env::var_os("LLM_WIRE").map_or(beside, PathBuf::from).join("anthropic");
    let Ok(operations) = fs::read_dir(&root) else {
        println!("skipped: no recorded traffic at {}", root.display());
        return Vec::new();
    };
    let files = operations.flatten().flat_map(|o| fs::read_dir(o.path()).unwrap().flatten());
    let read = |f: fs::DirEntry| {
        let case = serde_json::from_slice(&fs::read(f.path()).unwrap()).unwrap();
        Case { name: f.path().display().to_string(), case }
    };
    files.map(read).collect()
}

#[test]
fn recorded_requests_return_as_they_came() {
    for Case { name, case } in cases() {
        let (request, response) = (&case["request"], &case["response"]);
        let is_chat = request["path"].as_str().is_some_and(|p| p.starts_with("/v1/messages"));
        if !is_chat || !request["body"].is_object() || response["status"] != 200 {
            continue;
        }
        let route =
            Anthropic.route(&http::Method::POST, request["path"].as_str().unwrap()).unwrap();
        let prompt = Anthropic.decode(&route, Body::json(&bytes(&request["body"]))).unwrap();
        let (Prompt::Chat(words) | Prompt::CountTokens(words)) = &prompt else { panic!() };
        let capability = Capability::ALL;
        let (model, stream) = (&words.model, words.stream);
        let cx = SendCx { model, stream, usage_frame: true, capability: &capability };
        let encoded = Anthropic.encode(&prompt, &cx).unwrap();
        assert_eq!(parsed(&encoded.body), request["body"], "{name}");
        assert!(encoded.losses.is_empty(), "{name}: {:?}", encoded.losses);
    }
}

#[test]
fn recorded_answers_return_as_they_came() {
    for Case { name, case } in cases() {
        let response = &case["response"];
        if response["status"] != 200 {
            continue;
        }
        if let Some(text) = response["sse"].as_str() {
            let events = heard(text);
            let completion = collect(&events);
            if completion.failure.is_none() {
                let again = collect(&heard(&told(&events).0));
                assert_eq!(words(&again), words(&completion), "{name}");
            }
        } else if response["body"].get("content").is_some() {
            let completion = read(&response["body"]);
            assert_eq!(collect(&completion.explode()), completion, "{name}");
            let again = Anthropic.encode_answer(&Answer::Chat(completion), &cx());
            assert_eq!(parsed(&again.body), response["body"], "{name}");
        }
    }
}
