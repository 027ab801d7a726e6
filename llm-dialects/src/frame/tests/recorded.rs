//! The two laws over recorded streams, where the recordings are at hand. They do not belong to
//! this repository, so that their absence is no failure; it is printed.

use std::path::{Path, PathBuf};

use llm_core::dialect::Framing;
use serde_json::Value;

use super::{split, whole};

/// Streams up to this size are cut at every byte.
const SMALL_BYTES: usize = 2000;
const CUTS: usize = 256;

fn recordings() -> PathBuf {
    match std::env::var_os("LLM_WIRE") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wire"),
    }
}

#[test]
fn recorded_streams_keep_both_laws() {
    let dir = recordings();
    if !dir.is_dir() {
        println!("skipped: no recordings at {}", dir.display());
        return;
    }
    let mut seen = 0;
    each_file(&dir, 0, &mut |path| {
        let text = std::fs::read(path).unwrap();
        let Ok(case) = serde_json::from_slice::<Value>(&text) else { return };
        let response = &case["response"];
        for (field, framing) in [("sse", Framing::Sse), ("ndjson", Framing::Ndjson)] {
            if let Some(stream) = response[field].as_str() {
                check(path, framing, stream.as_bytes());
                seen += 1;
            }
        }
        if let Some(elements) = response["body"].as_array() {
            let stream = serde_json::to_vec_pretty(elements).unwrap();
            let frames = check(path, Framing::JsonArray, &stream);
            assert_eq!(frames, elements.len() + 1, "{}", path.display());
            seen += 1;
        }
    });
    assert!(seen > 0, "no stream among the recordings");
    println!("{seen} recorded streams");
}

fn each_file(dir: &Path, depth: usize, see: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && depth < 2 {
            each_file(&path, depth + 1, see);
        } else if path.extension().is_some_and(|e| e == "json") {
            see(&path);
        }
    }
}

fn check(path: &Path, framing: Framing, stream: &[u8]) -> usize {
    let expected = whole(framing, stream);
    let mut seed = stream.len() as u64;
    let places: Vec<usize> = match stream.len() {
        0..=SMALL_BYTES => (0..=stream.len()).collect(),
        len => (0..CUTS).map(|_| random(&mut seed) as usize % len).collect(),
    };
    for place in places {
        let (a, b) = stream.split_at(place);
        // A message with both streams in it would hide where it happened.
        let same = split(framing, [a, b]) == expected;
        assert!(same, "{} cut at {place}", path.display());
    }
    for size in [1, 2, 3, 7, 1000] {
        let same = split(framing, stream.chunks(size)) == expected;
        assert!(same, "{} in chunks of {size}", path.display());
    }
    expected.len()
}

/// Splitmix: the cuts are random, and the same in every run.
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}
