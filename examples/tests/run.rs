//! Every example runs, and prints what it says it shows.

use std::collections::BTreeSet;
use std::process::Command;

/// Each example, and words of what it prints.
const EXAMPLES: [(&str, &str, &[&str]); 12] = [
    ("hello", env!("CARGO_BIN_EXE_hello"), &["answered by openai/gpt-4o-mini", "it cost $0.0"]),
    (
        "streaming",
        env!("CARGO_BIN_EXE_streaming"),
        &["시뮬레이션", "(that was all)", "it cost $0.0"],
    ),
    (
        "fallback",
        env!("CARGO_BIN_EXE_fallback"),
        &["claude-haiku-4-5 after 2 attempts", "claude-haiku-4-5 after 1 attempts"],
    ),
    ("tools", env!("CARGO_BIN_EXE_tools"), &["weather({\"city\":", "21 degrees"]),
    ("structured", env!("CARGO_BIN_EXE_structured"), &["stars: ", "lost in translation: "]),
    (
        "cache",
        env!("CARGO_BIN_EXE_cache"),
        &["miss: $0.0", "hit: $0\n", "forgotten: 1", "\nmiss\n"],
    ),
    (
        "limits",
        env!("CARGO_BIN_EXE_limits"),
        &["answered, 1 left", "answered, 0 left", "RateLimited"],
    ),
    ("provider", env!("CARGO_BIN_EXE_provider"), &["house/claude-of-the-house: "]),
    ("layer", env!("CARGO_BIN_EXE_layer"), &["answered by openai", "refused: we are closed"]),
    (
        "metrics",
        env!("CARGO_BIN_EXE_metrics"),
        &["gw_calls_total{gen_ai_request_model=\"smart\",outcome=\"done\"} 1"],
    ),
    (
        "durable_ledger",
        env!("CARGO_BIN_EXE_durable_ledger"),
        &[
            "again: false, spent so far: $0.0",
            "again: true, the same answer: true",
            "used for another request",
            "after a restart, again: true, the same answer: true",
            "paid once: true",
        ],
    ),
    ("openai_types", env!("CARGO_BIN_EXE_openai_types"), &["whole: Some(", "streamed: \""]),
];

#[test]
fn every_example_shows_what_it_says() {
    for (name, path, shows) in EXAMPLES {
        let run = Command::new(path).output().unwrap();
        let (out, err) =
            (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{name}: {err}");
        for words in shows {
            assert!(out.contains(words), "{name} does not print {words:?}:\n{out}");
        }
    }
}

#[test]
fn no_example_is_left_out() {
    let here = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let files = here.filter_map(|f| f.unwrap().file_name().into_string().ok());
    let there: BTreeSet<_> =
        files.filter_map(|f| f.strip_suffix(".rs").map(str::to_owned)).collect();
    let run: BTreeSet<_> = EXAMPLES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(there, run);
}
