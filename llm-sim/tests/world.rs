//! Worlds from fresh seeds, worlds that repeat themselves, and mistakes that must be seen.
//!
//! `WORLD_SEEDS` and `WORLD_CALLS` make it long; `WORLD_SEED` begins at a seed, to see one again.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use llm_sim::testkit::world::{Planted, Report, Setup, run};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

fn world(setup: Setup) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(run(setup))
}

fn fresh_seed() -> u64 {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap()
}

#[test]
fn nothing_is_lost_whatever_happens() {
    let seeds = number("WORLD_SEEDS", 8);
    let calls = u32::try_from(number("WORLD_CALLS", 200)).unwrap();
    let first = number("WORLD_SEED", fresh_seed());
    let mut all = Report::default();
    for seed in first..first.wrapping_add(seeds) {
        let report = world(Setup { seed, calls, planted: None });
        assert!(
            report.violations.is_empty(),
            "WORLD_SEED={seed}:\n{}",
            report.violations.join("\n")
        );
        all.answered += report.answered;
        all.refused += report.refused;
        all.broken += report.broken;
        all.left += report.left;
        all.sends += report.sends;
    }
    println!(
        "{seeds} seeds from {first} × {calls} calls: {} answered, {} refused, {} broken, {} left, {} sends",
        all.answered, all.refused, all.broken, all.left, all.sends
    );
    // A world in which nothing goes well, or nothing wrong, would prove nothing.
    assert!(all.answered > 0 && all.refused > 0 && all.broken > 0 && all.left > 0);
}

#[test]
fn a_seed_repeats_itself_to_the_bit() {
    let setup = Setup { seed: 7, calls: 300, planted: None };
    let (one, two) = (world(setup), world(setup));
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_ne!(one.fingerprint, world(Setup { seed: 8, ..setup }).fingerprint);
}

#[test]
fn every_planted_mistake_is_seen() {
    for planted in Planted::ALL {
        let report = world(Setup { seed: 11, calls: 400, planted: Some(planted) });
        println!("{planted:?}: {:?}", report.violations.first());
        assert!(!report.violations.is_empty(), "{planted:?} was not seen");
    }
}
