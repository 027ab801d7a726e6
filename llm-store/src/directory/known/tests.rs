//! The ring, against a map without any room to spare.

use std::collections::HashMap;

use llm_core::store::{KeyHash, Shown};
use proptest::prelude::*;

use super::ring::{Entry, Ring};
use super::*;

fn print(number: u8) -> KeyHash {
    KeyHash([number; 32])
}

#[derive(Clone, Debug)]
enum Deed {
    Put(u8, u8),
    Get(u8),
    Remove(u8),
    Forget(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let number = 0u8..24;
    prop_oneof![
        4 => (number.clone(), 0u8..4).prop_map(|(print, line)| Deed::Put(print, line)),
        4 => number.clone().prop_map(Deed::Get),
        1 => number.prop_map(Deed::Remove),
        1 => (0u8..4).prop_map(Deed::Forget),
    ]
}

fn line(number: u8) -> KeyId {
    KeyId(Str::from(number.to_string()))
}

proptest! {
    /// Never more than there is room for; what was put last is there; nothing is there that was not
    /// put, or was taken away.
    #[test]
    fn a_ring_is_a_map_with_an_end(
        most in 1usize..9,
        deeds in prop::collection::vec(deed(), 0..80),
    ) {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        let (mut ring, mut map) = (Ring::new(most), HashMap::new());
        for deed in deeds {
            match deed {
                Deed::Put(number, of) => {
                    let entry = Entry::new(print(number), Shown::Unknown, Some(line(of)), now);
                    ring.put(entry);
                    map.insert(number, of);
                    prop_assert!(ring.get(&print(number)).is_some());
                }
                Deed::Get(number) => drop(ring.get(&print(number)).is_some()),
                Deed::Remove(number) => {
                    ring.remove(&print(number));
                    map.remove(&number);
                }
                Deed::Forget(of) => {
                    ring.retain(|entry| entry.line != Some(line(of)));
                    map.retain(|_, line| *line != of);
                }
            }
            let there = |number: &u8| ring.get(&print(*number)).is_some();
            let all: Vec<u8> = (0..24).filter(there).collect();
            prop_assert_eq!(all.len(), ring.len());
            prop_assert!(ring.len() <= most.min(map.len()));
            for number in all {
                let of = ring.get(&print(number)).and_then(|entry| entry.line.clone());
                prop_assert_eq!(of, map.get(&number).map(|of| line(*of)));
            }
        }
    }
}
