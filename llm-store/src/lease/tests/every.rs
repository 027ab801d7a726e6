//! Every order of a small world: two processes, one account that can pay for two holds, and
//! whatever may happen between them, to a depth.
//!
//! What is driven is what runs: the table, its rows and its recovery, and the vault in memory with
//! the rules of grants. The worker and the journal's file are played: a request is sent, carried
//! out, answered or lost in steps of their own, a line is written in one. States that were seen are
//! not entered again. `LEDGER_DEPTH` asks for more.

mod site;
mod world;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use world::World;

/// How many steps deep every order is looked at, from either beginning.
const DEPTH: usize = 6;

#[test]
fn every_order_of_steps_keeps_the_laws() {
    let asked = std::env::var("LEDGER_DEPTH").ok().and_then(|n| n.parse().ok());
    let depth = asked.unwrap_or(DEPTH);
    let (seen, steps, refused) = explore(depth);
    println!("{seen} states, {steps} steps, {refused} refusals, {depth} deep");
    assert!(seen > 1_000 && refused > 0);
}

/// Breadth first: how many states and steps there are, and in how many states somebody is refused.
fn explore(depth: usize) -> (usize, u64, u64) {
    let mut layer = vec![World::new(), World::begun()];
    let mut seen: HashSet<u64> = layer.iter().map(mark).collect();
    let (mut steps, mut refused) = (0, 0);
    for _ in 0..depth {
        let mut next = Vec::new();
        for world in &layer {
            for step in world.steps() {
                let mut after = world.fork();
                after.step(step);
                after.check();
                steps += 1;
                if seen.insert(mark(&after)) {
                    refused += u64::from(after.refused > 0);
                    after.fork().quiet();
                    next.push(after);
                }
            }
        }
        layer = next;
    }
    (seen.len(), steps, refused)
}

fn mark(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.told().hash(&mut hasher);
    hasher.finish()
}

/// The same with mistakes: an explorer that finds nothing anywhere has looked nowhere.
#[test]
fn it_sees_mistakes() {
    use crate::plant::{Mistake, plant};
    let all = [
        Mistake::EndForgotten,
        Mistake::LimitIgnored,
        Mistake::CountedTwice,
        Mistake::LossBelieved,
        Mistake::FenceIgnored,
    ];
    for mistake in all {
        plant(Some(mistake));
        let deep = (3..=DEPTH).find(|deep| std::panic::catch_unwind(|| explore(*deep)).is_err());
        plant(None);
        println!("{mistake:?}: seen {} deep", deep.unwrap_or_else(|| panic!("{mistake:?}")));
    }
}
