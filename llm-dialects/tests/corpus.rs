//! Replays the seeds of the fuzz targets, and some cuts and changes of each, with the stable
//! compiler: what a fuzzer once found must stay found.

use std::path::Path;

#[path = "../../fuzz/bodies/mod.rs"]
mod bodies;

#[test]
fn every_seed_keeps_the_laws() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut seen = 0;
    for (target, body) in bodies::TARGETS {
        bodies::run(target, &[]);
        // A target without seeds is one whose dialect has none yet.
        let Ok(folder) = std::fs::read_dir(seeds.join(target)) else { continue };
        for file in folder {
            let path = file.unwrap().path();
            println!("{}", path.display());
            let seed = std::fs::read(&path).unwrap();
            body(&seed);
            for variant in variants(&seed) {
                body(&variant);
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "no seeds at {}", seeds.display());
}

/// How many places of a seed are changed. A whole request has thousands, and a fuzzer will find
/// what stands between these.
const PLACES_MAX: usize = 48;

/// The seed cut short, and with one byte gone or another in its place: what a fuzzer does first.
fn variants(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..seed.len()).step_by(1 + seed.len() / PLACES_MAX).flat_map(|at| {
        let (before, after) = seed.split_at(at);
        let changed = |byte: &[u8]| [before, byte, &after[1..]].concat();
        [
            before.to_vec(),
            changed(b""),
            changed(b"\""),
            changed(b"\r"),
            changed(b"{"),
            changed(b"1"),
        ]
    })
}
