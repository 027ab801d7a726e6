//! House rules that a compiler does not check, as a test, so that nobody argues in review.

#![expect(clippy::panic, reason = "a test says what is wrong by failing")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of production code a file may have. A reader holds one idea at a time.
const FILE_LINES_MAX: usize = 500;
/// Files with more, each with the reason why it is still one idea.
const LONG_FILES: &[(&str, &str)] = &[];
/// Half of all files are shorter than this.
const MEDIAN_LINES_MAX: usize = 180;

/// Which crates of ours a crate may use outside its tests.
const MAY_USE: &[(&str, &[&str])] = &[
    ("llm-core", &[]),
    ("llm-dialects", &["llm-core"]),
    ("llm-providers", &["llm-core", "llm-dialects"]),
    ("llm-store", &["llm-core"]),
    ("llm-sim", &["llm-core", "llm-dialects", "llm-providers"]),
    ("llm-proxy", &["llm-core", "llm-dialects", "llm-providers", "llm-store", "llm-sim"]),
];

/// What the two pure crates must not touch: no clock, no socket, no file, no lock, no runtime.
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "tokio::",
    "Instant::now",
    "SystemTime::now",
];

/// Dialects are strangers to each other. Only these may know one another.
const RELATED: &[(&str, &str, &str)] = &[(
    "openai_completions",
    "openai_chat",
    "legacy completions are a thin caller of chat, and share its errors and usage",
)];

const DIALECTS: &[&str] =
    &["openai_chat", "openai_responses", "anthropic", "gemini", "cohere", "ollama"];
/// The rooms of every dialect: who knows one knows all.
const ROOMS: &[&str] = &["mod", "wire", "request", "reply", "stream", "error", "tap"];

/// Words that say nothing about the thing they name.
const EMPTY_NAMES: &[&str] =
    &["manager", "handler", "helper", "helpers", "util", "utils", "common", "misc"];

#[test]
fn files_are_short() {
    let mut sizes = Vec::new();
    for file in sources() {
        let lines = production_lines(&file.text);
        sizes.push(lines);
        let excused = LONG_FILES.iter().any(|(name, _)| *name == file.name);
        assert!(
            lines <= FILE_LINES_MAX || excused,
            "{} has {lines} lines of production code; split it, or say why not in LONG_FILES",
            file.name
        );
        assert!(lines > FILE_LINES_MAX || !excused, "{} needs no excuse any more", file.name);
    }
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median <= MEDIAN_LINES_MAX, "the median file has {median} lines");
}

#[test]
fn crates_use_only_what_lies_below_them() {
    for (name, allowed) in MAY_USE {
        let manifest = read(&root().join(name).join("Cargo.toml"));
        let production = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for (other, _) in MAY_USE {
            let used = production.lines().any(|l| {
                l.strip_prefix(other).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!used || allowed.contains(other), "{name} must not use {other}");
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    for file in sources() {
        // The seams name the types of time without ever asking a clock.
        if !file.name.starts_with("llm-core/") && !file.name.starts_with("llm-dialects/") {
            continue;
        }
        for word in IMPURE {
            let found = code_lines(&file.text).any(|l| l.contains(word));
            assert!(!found, "{} uses {word}", file.name);
        }
    }
}

#[test]
fn dialects_do_not_know_each_other() {
    let all = DIALECTS.iter().chain(&["openai_completions"]);
    for file in sources() {
        let Some(inside) = file.name.strip_prefix("llm-dialects/src/") else { continue };
        for other in all.clone() {
            let Some((home, _)) = inside.split_once('/') else { continue };
            let related = RELATED.iter().any(|(a, b, _)| *a == home && b == other);
            if home == *other || related {
                continue;
            }
            let path = format!("crate::{other}");
            assert!(!file.text.contains(&path), "{} knows {other}", file.name);
        }
    }
}

#[test]
fn every_dialect_has_the_same_rooms() {
    for dialect in DIALECTS {
        for room in ROOMS {
            let folder = root().join("llm-dialects/src").join(dialect);
            let there = folder.join(format!("{room}.rs")).is_file()
                || folder.join(room).join("mod.rs").is_file();
            assert!(there, "{dialect} has no {room}");
        }
    }
}

#[test]
fn names_say_something() {
    for file in sources() {
        let stem = Path::new(&file.name).file_stem().unwrap_or_default().to_string_lossy();
        assert!(!EMPTY_NAMES.contains(&&*stem), "{}: the name says nothing", file.name);
        for line in code_lines(&file.text) {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            while let Some(word) = words.next() {
                if !matches!(word, "struct" | "enum" | "trait" | "mod") {
                    continue;
                }
                let name = words.next().unwrap_or_default().to_lowercase();
                let empty =
                    EMPTY_NAMES.iter().any(|e| name == *e || name.ends_with(&format!("_{e}")));
                assert!(!empty, "{}: {} says nothing", file.name, line.trim());
            }
        }
    }
}

#[test]
fn policy_is_matched_exhaustively() {
    // A wildcard arm over kinds, advice or fault classes is a decision nobody made.
    for file in ["llm-core/src/error.rs", "llm-core/src/fault.rs"] {
        let text = read(&root().join(file));
        assert!(code_lines(&text).all(|l| !l.trim_start().starts_with("_ =>")), "{file}");
    }
}

#[test]
fn nothing_is_parked_and_no_place_is_named() {
    // Written in two pieces so that this file does not find itself.
    let parked = [["TO", "DO"], ["FIX", "ME"], ["unimpl", "emented!"], ["to", "do!("]];
    let places =
        [["/wo", "rk/"], ["/ro", "ot/"], ["crates", ".io"], ["pypi", ".org"], ["npmjs", ".org"]];
    for file in sources() {
        for words in parked.iter().chain(&places) {
            let word = words.concat();
            assert!(!file.text.contains(&word), "{} says {word}", file.name);
        }
    }
}

struct Source {
    name: String,
    text: String,
}

/// All Rust files of the workspace that are not tests.
fn sources() -> Vec<Source> {
    let mut out = Vec::new();
    let members = MAY_USE.iter().map(|(name, _)| *name).chain(["examples", "benches"]);
    for member in members {
        walk(&root().join(member), &mut |path| {
            let name = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
            let test = name.contains("/tests/") || name.ends_with("/tests.rs");
            if name.ends_with(".rs") && !test {
                out.push(Source { text: read(path), name });
            }
        });
    }
    assert!(out.len() > 50, "the walk lost its way: {} files", out.len());
    out
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, visit);
        } else {
            visit(&path);
        }
    }
}

/// Lines before the first inline test module.
fn production_lines(text: &str) -> usize {
    text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).count()
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|l| !l.trim_start().starts_with("//"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn exceptions_are_few() {
    let reasons: BTreeMap<_, _> = LONG_FILES.iter().copied().collect();
    assert!(reasons.len() <= 3, "three long files are an exception, more are a habit");
    assert!(reasons.values().all(|r| r.len() > 20), "an exception needs a reason");
}
